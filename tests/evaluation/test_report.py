"""The report: of the promised form, its numbers what they are called, nothing missing silently."""

import dataclasses
import json
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from reenact_jax import metrics
from reenact_jax.errors import UserError
from reenact_jax.evaluation.distances import SetMoments
from reenact_jax.evaluation.pair_table import MODEL, PairTable
from reenact_jax.evaluation.pictures import BASELINES
from reenact_jax.evaluation.protocols import PROTOCOLS
from reenact_jax.evaluation.report import evaluate, make_report
from reenact_jax.evaluation.scorers import ImageScorer, Scores
from reenact_jax.evaluation.show import table
from reenact_jax.evaluation.summary import (
    EQUAL_PICTURES,
    UNKNOWN_ANSWER,
    column_scores,
    summarise_bins,
    summarise_method,
)

SCHEMA = json.loads((Path(metrics.__file__).parent / "metrics.schema.json").read_text())
REGIONS = ("", "_face", "_visible", "_hidden")


class Invented:
    """A measure of faces: fails on some results; and features of few pictures."""

    weights = {"network": "none", "file": "invented.bin", "sha256": "0" * 64, "known": False}

    def describe(self):
        return {
            "metrics": {"likeness": "invented"},
            "distances": {"pixels": ("fd_pixels", "Frechet distance of a few pixels")},
            "weights": [self.weights],
        }

    def score(self, batch):
        first = batch.kind[0] == batch.kind[0]
        failed = np.array([kind == "cross" for kind in batch.kind]) & first
        scores = {f"{m}/frame/likeness": np.where(failed, np.nan, 0.5) for m in batch.methods}
        reasons = {name: np.where(failed, "no face found", "") for name in scores}
        sets = batch.methods | {name: batch.real[name] for name in ("source", "driving")}
        features = {
            f"{name}/pixels": pictures[:, 10, 10:14, 0].astype(np.float32)
            for name, pictures in sets.items()
        }
        return Scores(scores, reasons, features)


@pytest.fixture(scope="module")
def evaluation(run, pairs):
    scorers = (ImageScorer(), Invented())
    return evaluate(run, pairs, scorers=scorers, absent={"fid": "no file"}, progress=False)


@pytest.fixture(scope="module")
def report(evaluation):
    return evaluation.report


def test_the_report_is_valid_and_survives_json(report):
    again = json.loads(json.dumps(report, allow_nan=False))
    jsonschema.validate(again, SCHEMA)
    assert again == report


def test_the_schema_refuses_what_is_missing_or_wrong(report):
    for wrong in (
        {key: value for key, value in report.items() if key != "counts"},
        report | {"metrics": {"psnr": 20.0}},
        report | {"metrics": {"self/psnr": "high"}},
        report | {"baselines": {}},
        report | {"failures": {"model": {"self/psnr": {"no face": 0}}}},
        report | {"protocol": report["protocol"] | {"masks": "invented"}},
    ):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, SCHEMA)


def test_every_method_has_the_pixel_metrics_of_both_kinds(report):
    names = {f"{kind}/{m}" for kind in ("self", "cross") for m in ("psnr", "l1", "ssim")}
    names |= {f"{name}_face" for name in names}
    assert names <= set(report["metrics"])
    assert set(report["baselines"]) == set(BASELINES)
    for numbers in report["baselines"].values():
        assert names <= set(numbers)
    measured = {name.split("/")[1] for name in report["metrics"]}
    assert measured <= set(report["protocol"]["metrics"])
    assert report["counts"] == {
        f"{kind}/{what}": 2 for kind in ("self", "cross") for what in ("pairs", "identities")
    }
    assert report["protocol"]["step"] == 4 and report["protocol"]["masks"] == "truth"
    assert report["protocol"]["pairs"] == report["protocol"]["pairs"].lower()


def test_means_are_over_the_table(report, evaluation):
    values = evaluation.scored.table
    for kind in ("self", "cross"):
        own = values.of_kind(kind)
        for method, numbers in ((MODEL, report["metrics"]), *report["baselines"].items()):
            for region in ("face", "visible"):
                expected = np.nanmean(own.score("l1", method=method, region=region))
                np.testing.assert_allclose(numbers[f"{kind}/l1_{region}"], expected)


def test_failures_and_what_was_not_measured_are_named(report):
    reasons = report["failures"][MODEL]["cross/likeness"]
    assert reasons == {"no face found": 2}
    assert report["metrics"]["self/likeness"] == 0.5
    assert "cross/likeness" not in report["metrics"]
    assert report["absent"] == {"fid": "no file"}
    assert report["weights"] == [Invented.weights]
    said = "\n".join(report["warnings"])
    assert "model cross/likeness: no number for 2 of 2 pairs" in said
    assert "invented.bin: not the published weights" in said
    assert "2 identities" in said


def test_distances_of_few_pictures_come_with_a_warning(report):
    # Driving frames for self, sources for cross; copying the source is then no distance at all.
    assert report["baselines"]["copy_source"]["cross/fd_pixels"] == pytest.approx(0, abs=1e-6)
    assert report["baselines"]["copy_source"]["self/fd_pixels"] > 1e-3
    assert report["baselines"]["copy_source"]["self/fd_pixels_to_source"] < 1e-6
    assert any("covariances are singular" in warning for warning in report["warnings"])
    assert "to the driving frames (self)" in report["protocol"]["metrics"]["fd_pixels"]


def test_features_of_the_real_pictures_are_made_once_for_all_runs(copier, pairs, tmp_path):
    class Counting(Invented):
        wanted: list[bool] = []

        def score(self, batch):
            self.wanted.append(batch.real_features)
            found = super().score(batch)
            if not batch.real_features:
                for name in ("source", "driving"):
                    del found.features[f"{name}/pixels"]
            return found

    def fd(params, reference):
        run = dataclasses.replace(copier, params={"of": np.full(1, params)})
        report = evaluate(
            run,
            pairs,
            scorers=(Counting(),),
            parts_dir=tmp_path / "parts",
            reference_dir=reference,
            progress=False,
        ).report
        return {name: value for name, value in report["metrics"].items() if "fd_" in name}

    first = fd(0.0, tmp_path / "reference")
    again = fd(1.0, tmp_path / "reference")
    assert Counting.wanted == [True, False]
    assert len(first) == 4 and again == pytest.approx(first)
    # Its parts lack the real pictures: without the files they are scored again.
    assert fd(1.0, tmp_path / "other") == pytest.approx(first)
    assert Counting.wanted == [True, False, True]
    (tmp_path / "reference").joinpath(next((tmp_path / "reference").iterdir())).write_bytes(b"")
    with pytest.raises(UserError, match="delete it and score again"):
        fd(2.0, tmp_path / "reference")


def test_moments_of_parts_are_those_of_the_whole():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(5000, 3)).astype(np.float32)
    features[7] = np.nan
    kinds = np.where(np.arange(5000) < 3000, "cross", "self")
    gathered = SetMoments({"self/driving/net": "known"})
    for part in np.array_split(np.arange(5000), 60):
        columns = {"model/net": features[part], "driving/net": features[part]}
        gathered.add(PairTable({"pair_id": part, "kind": kinds[part]}, {}, {}, columns))
    found = gathered.all()
    assert found.pop("self/driving/net") == "known"
    assert set(found) == {"cross/model/net", "self/model/net", "cross/driving/net"}
    cross = features[:3000][np.isfinite(features[:3000]).all(axis=1)]
    assert found["cross/model/net"].count == 2999
    np.testing.assert_allclose(found["cross/model/net"].covariance, np.cov(cross.T), atol=1e-6)


def test_pairs_of_one_kind_are_scored_alone(copier, pairs):
    own = evaluate(copier, pairs, kind="cross", progress=False).report
    assert own["counts"]["self/pairs"] == 0 and own["counts"]["cross/pairs"] == 2
    assert own["protocol"]["kind"] == "cross"
    assert all(name.startswith("cross/") for name in own["metrics"])
    jsonschema.validate(own, SCHEMA)


def test_a_protocol_says_how_many_pairs_the_paper_has(run, pairs, evaluation):
    made = make_report(
        run, pairs, evaluation.scored, (ImageScorer(), Invented()), {}, PROTOCOLS["vox_self"]
    )
    assert any("the paper has 10280" in warning for warning in made["warnings"])
    assert made["protocol"]["name"] == "vox_self"


def test_disentangled_reenactment_has_no_answers(copier, pairs):
    pose = evaluate(copier, pairs, transfer_expression=False, progress=False)
    assert not pose.scored.table.pairs["has_target"].any()
    assert pose.report["protocol"]["transfer"] == {
        "transfer_pose": True,
        "transfer_expression": False,
    }
    assert pose.report["metrics"] == {}
    assert pose.report["counts"]["self/without_answer"] == 2
    jsonschema.validate(pose.report, SCHEMA)


def test_the_table_names_every_method_and_metric(report):
    lines = table(report).splitlines()
    assert [cell.strip() for cell in lines[0].split("|")[2:-1]] == [MODEL, *BASELINES]
    assert {line.split("|")[1].strip() for line in lines[2:]} == set(report["metrics"])


def made_up_table() -> PairTable:
    rng = np.random.default_rng(0)
    people = np.repeat(["a", "b", "c", "d"], 10)
    degrees = np.tile(np.arange(10) * 10.0, 4)
    values = rng.normal(20, 1, 40)
    values[3] = np.inf
    likeness = np.where(np.arange(40) % 2 == 0, 0.5, np.nan)
    reasons = np.where(np.arange(40) % 2 == 0, "", UNKNOWN_ANSWER).astype("U40")
    likeness[0], reasons[0] = np.nan, "no face found"
    return PairTable(
        {
            "pair_id": np.arange(40).astype(str),
            "kind": np.full(40, "self"),
            "source_identity": people,
            "has_target": np.ones(40, bool),
            "pose_difference": degrees,
        },
        {"model/frame/psnr": values, "model/frame/likeness": likeness},
        {"model/frame/likeness": reasons},
    )


def test_a_perfect_answer_is_left_out_of_the_mean_and_counted():
    found = summarise_method(made_up_table(), MODEL)
    values = made_up_table().scores["model/frame/psnr"]
    np.testing.assert_allclose(found.means["self/psnr"], values[np.isfinite(values)].mean())
    assert found.failures["self/psnr"] == {EQUAL_PICTURES: 1}
    low, high = found.intervals["self/psnr"]
    assert low < found.means["self/psnr"] < high


def test_pairs_that_need_no_number_are_no_failures():
    scores, people = column_scores(made_up_table(), "model/frame/likeness")
    assert len(scores) == len(people) == 20
    assert scores.failures == {"no face found": 1}


def test_bins_hold_their_lower_edge_and_cover_all_pairs():
    bins = summarise_bins(made_up_table(), [MODEL])
    assert [(b["degrees"], b["pairs"]) for b in bins] == [
        ("0-10", 4),
        ("10-20", 4),
        ("20-30", 4),
        ("30-45", 8),
        ("45-60", 4),
        ("60+", 16),
    ]
    values = made_up_table().scores["model/frame/psnr"].reshape(4, 10)
    np.testing.assert_allclose(bins[1]["means"][MODEL]["psnr"], values[:, 1].mean())
    assert bins[1]["identities"] == 4 and bins[1]["intervals"][MODEL]["psnr"][0] < values.mean() + 9


def test_truth_that_belongs_to_other_pairs_is_not_used(copier, pairs):
    class Other:
        """The same pairs under another name."""

        list_hash = "0123456789abcdef"

        def __getattr__(self, name):
            return getattr(pairs, name)

        def __len__(self):
            return len(pairs)

        def __getitem__(self, index):
            return pairs[index]

    report = evaluate(copier, Other(), progress=False).report
    assert report["protocol"]["masks"] == "guidance"
    assert any("this world has true masks" in warning for warning in report["warnings"])


def test_the_configuration_and_checkpoint_are_in_the_report(report, run):
    assert report["config"] == json.loads(json.dumps(dataclasses.asdict(run.config)))
    assert len(report["checkpoint"]["params"]) == 16
    assert report["speed"]["pairs"] == 4 and report["speed"]["pairs_per_second"] > 0
