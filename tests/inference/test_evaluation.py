"""Evaluation: a report of the promised form whose numbers are what they are called."""

import dataclasses
import json
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from reenact_jax import metrics
from reenact_jax.data.frames import open_pairs
from reenact_jax.errors import UserError
from reenact_jax.face_model.load import load_face_model
from reenact_jax.inference.evaluation import BASELINES, evaluate, score, table
from reenact_jax.inference.run import load_run
from tests.helpers.tiny import tiny_config

SCHEMA = json.loads((Path(metrics.__file__).parent / "metrics.schema.json").read_text())


@pytest.fixture(scope="module")
def run(tiny_run, tiny_world):
    return load_run(tiny_config(tiny_world), tiny_run)


@pytest.fixture(scope="module")
def pairs(tiny_world):
    return open_pairs(tiny_world / "data", "talking_heads")


@pytest.fixture(scope="module")
def report(run, pairs):
    return evaluate(run, pairs)


def plain_psnr(image, target, mask=None):
    squared = (image.astype(np.float64) - target) ** 2
    error = squared.mean() if mask is None else squared[mask].mean()
    return 10 * np.log10(255**2 / error)


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
    ):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, SCHEMA)


def test_every_method_has_every_metric_of_both_kinds(report):
    names = {f"{kind}/{m}" for kind in ("self", "cross") for m in report["protocol"]["metrics"]}
    assert set(report["metrics"]) == names
    assert set(report["baselines"]) == set(BASELINES)
    for numbers in report["baselines"].values():
        assert set(numbers) == names
    assert report["counts"] == {"self/pairs": 2, "cross/pairs": 2}
    assert report["protocol"]["step"] == 4
    assert report["dataset"]["face_model"]["name"] == "procedural-light"


def test_copying_the_source_scores_what_the_pictures_say(report, pairs):
    for kind in ("self", "cross"):
        chosen = [pair for pair in pairs if pair["kind"] == kind]
        for metric, of in (
            ("psnr", lambda p: plain_psnr(p["source_image"], p["target_image"])),
            ("l1", lambda p: np.abs(p["source_image"] / 255 - p["target_image"] / 255).mean()),
        ):
            expected = np.mean([of(pair) for pair in chosen])
            found = report["baselines"]["copy_source"][f"{kind}/{metric}"]
            np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_the_model_is_scored_on_what_it_makes(report, run, pairs):
    chosen = [pair for pair in pairs if pair["kind"] == "cross"]
    values, inside = [], []
    for pair in chosen:
        image = pair["source_image"][None] / np.float32(127.5) - 1
        # batched as in the evaluation, so that the compiled program is shared
        four = [np.repeat(image, 4, axis=0)]
        four += [
            pair[role].replace(**{k: np.repeat(v[None], 4, 0) for k, v in vars(pair[role]).items()})
            for role in ("source", "driving")
        ]
        made, guidance = run.reenact(*four)
        saved = np.round((np.clip(np.asarray(made[0]), -1, 1) + 1) * 127.5)
        values.append(plain_psnr(saved, pair["target_image"]))
        mask = np.asarray(guidance.mask[0, ..., 0]) > 0
        inside.append(plain_psnr(saved, pair["target_image"], mask))
    np.testing.assert_allclose(report["metrics"]["cross/psnr"], np.mean(values), rtol=1e-3)
    np.testing.assert_allclose(report["metrics"]["cross/psnr_face"], np.mean(inside), rtol=1e-3)


def test_a_perfect_answer_is_left_out_of_the_mean_and_counted(run, pairs):
    """PSNR of the truth itself is infinite: no mean may hold that, and none may hide it."""

    @dataclasses.dataclass(frozen=True)
    class Perfect:
        """A model that knows the answer of the pairs, batch by batch."""

        config: object = run.config
        face_model: object = run.face_model
        step: int = 0

        def reenact(self, source_images, source, driving):
            _, guidance = run.reenact(source_images, source, driving)
            return next(answers), guidance

    targets = np.stack([pair["target_image"] for pair in pairs]) / np.float32(127.5) - 1
    assert len(targets) == run.config.evaluate.batch_size
    answers = iter([targets])
    report = evaluate(Perfect(), pairs)
    assert "self/psnr" not in report["metrics"] and "cross/psnr_face" not in report["metrics"]
    assert report["counts"]["self/model/without_psnr"] == 2
    assert report["counts"]["cross/model/without_psnr_face"] == 2
    assert report["metrics"]["self/l1"] == 0.0
    assert report["metrics"]["cross/ssim"] > 0.99999
    jsonschema.validate(report, SCHEMA)
    assert "self/l1" in table(report)


def test_pictures_are_scored_as_they_would_be_saved():
    level = np.full((1, 16, 16, 3), 100 / 127.5 - 1, np.float32)
    mask = np.ones((1, 16, 16, 1), np.float32)
    # 0.4 grey levels beside the truth, and brighter than white.
    for image, target in ((level + 0.4 / 127.5, level), (level + 3.0, np.ones_like(level))):
        np.testing.assert_array_equal(score(image, target, mask)["l1"], 0.0)
    beside = score(level + 0.6 / 127.5, level, mask)
    np.testing.assert_allclose(beside["l1"], 1 / 255, rtol=1e-5)
    np.testing.assert_allclose(beside["psnr"], 20 * np.log10(255), rtol=1e-5)


def test_pairs_of_another_face_model_are_refused(run, pairs):
    other = dataclasses.replace(run, face_model=load_face_model("procedural-full"))
    with pytest.raises(UserError, match="parameters of face model procedural-full"):
        evaluate(other, pairs)


def test_the_table_names_every_method(report):
    lines = table(report).splitlines()
    assert len(lines) == 2 + 1 + len(BASELINES)
    assert {line.split("|")[1].strip() for line in lines[2:]} == {"model", *BASELINES}


def test_a_folder_without_a_run_is_refused(tiny_world, tmp_path):
    with pytest.raises(UserError, match="expected a run trained by"):
        load_run(tiny_config(tiny_world), tmp_path)
    (tmp_path / "checkpoints").mkdir()
    with pytest.raises(UserError, match="no complete checkpoint yet"):
        load_run(tiny_config(tiny_world), tmp_path)


def test_a_run_is_not_read_under_another_configuration_of_the_same_shapes(tiny_run, tiny_world):
    config = tiny_config(tiny_world, network__occlusion_guidance=False)
    with pytest.raises(UserError, match=r"trained with config\.network"):
        load_run(config, tiny_run)
