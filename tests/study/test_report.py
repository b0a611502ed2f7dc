"""Tables and plots from scores that are made up, with a known effect."""

import csv

import numpy as np
import pytest

from reenact_jax.evaluation.pair_table import PairTable
from reenact_jax.evaluation.parts import write_part
from reenact_jax.evaluation.pictures import BASELINES
from reenact_jax.study import report, results
from reenact_jax.study.leakage import FITS
from reenact_jax.study.plan import CONDITIONS, VARIANTS, StudyRun

READER_ERRORS = {
    prefix + name: 1.0
    for prefix in ("", "mean_", "rank_")
    for name in ("landmarks", "pose", "expression", "identity")
} | {"same_person_auc": 0.9}


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    """Full is better than Base by 0.01 + 0.001 per 10 degrees in the face; nothing else differs."""
    out = tmp_path_factory.mktemp("study")
    rng = np.random.default_rng(0)
    degrees = np.tile(np.linspace(5, 75, 20), 4)
    pairs = {
        "pair_id": np.array([f"pair{i}" for i in range(80)]),
        "kind": np.repeat(["cross", "self"], 40),
        "source_identity": np.tile(["anna", "bert", "carl", "dora"], 20),
        "pose_difference": degrees,
        "face_share": np.full(80, 0.4),
        "hidden_share": np.where(degrees < 60, 0.04, 0.1),
    }
    common = {column: rng.uniform(0.1, 0.2, 80) for column in results.METRICS}
    for number, variant in enumerate(VARIANTS):
        for seed in range(2):
            own = dict(common)
            if variant == "full":
                own["face/l1"] = common["face/l1"] - 0.01 - 0.0001 * degrees
            scores = {f"model/{name}": values + 0.001 * seed for name, values in own.items()}
            for baseline in BASELINES:
                scores |= {f"{baseline}/{name}": values for name, values in common.items()}
            for condition in CONDITIONS:
                path = StudyRun(variant, seed).table(out, condition)
                path.parent.mkdir(exist_ok=True)
                write_part(path, PairTable(pairs, scores))
        assert len(results.load_scores(out).tables) == 4 * (number + 1)
    return list(results.all_rows(results.load_scores(out)))


def find(rows, *key):
    (row,) = (r for r in rows if (r.what, r.who, r.kind, r.condition, r.column, r.bin) == key)
    return row.estimate


def test_paired_differences_find_the_effect_and_nothing_else(rows):
    gain = find(rows, "gain", "base->full", "cross", "exact", "face/l1", "all")
    assert gain.value == pytest.approx(-0.014) and gain.high < -0.013
    assert find(rows, "gain", "base->full", "cross", "exact", "hidden/l1", "all").value == 0
    assert find(rows, "gain", "base->fg", "self", "fitted", "face/l1", "all").value == 0
    over = find(rows, "gain", "warp->full", "cross", "exact", "face/l1", "all")
    assert over.value == pytest.approx(-0.0135)  # the second seed is worse by 0.001 everywhere
    slope = find(rows, "slope", "base->full", "self", "exact", "face/l1", "all")
    assert slope.value == pytest.approx(-0.001)


def test_a_bin_has_the_pairs_of_its_degrees(rows):
    gain = find(rows, "gain", "base->full", "cross", "exact", "face/l1", "60+")
    degrees = np.linspace(5, 75, 20)
    assert gain.value == pytest.approx(-0.01 - 0.0001 * degrees[degrees >= 60].mean())
    shares = [find(rows, "share", "truth", "self", "", "hidden", b) for b in ("0-15", "60+")]
    assert [share.value for share in shares] == pytest.approx([0.1, 0.25])


def test_tables_name_every_variant_and_mark_what_is_not_told_apart(rows):
    text = report.markdown(rows, READER_ERRORS)
    for name in VARIANTS.values():
        assert f"| {name} | 2 |" in text
    assert "| full - Base | -0.0140 [-0.01" in text
    assert "| full - warp and paste | -0.0135 [-0.01" in text
    assert "+0.0000 [+0.0000, +0.0000] =" in text


def test_files(rows, tmp_path):
    report.write_csv(tmp_path / "numbers.csv", rows)
    with open(tmp_path / "numbers.csv") as file:
        found = list(csv.DictReader(file))
    assert len(found) == len(rows) and float(found[0]["low"]) <= float(found[0]["value"])
    report.plots(tmp_path, rows)
    assert (tmp_path / "pose_cross.png").read_bytes().startswith(b"\x89PNG")


def test_tolerance_is_told_by_changes_from_exact_guidance(tmp_path):
    rng = np.random.default_rng(0)
    exact = {column: rng.uniform(0.1, 0.2, (2, 8)) for column in results.METRICS}
    worse = exact | {"face/l1": exact["face/l1"] + 0.03}
    people = np.tile(["anna", "bert"], 4)
    found = list(results.tolerance_rows({"0 px": exact, "2 px": worse}, people))
    levels = {"0 px": 0.0, "2 px": 2.0}
    first, second = report.tolerance_markdown(levels, found).splitlines()[2:4]
    assert first.startswith(f"| 0 px | 0.00 | {exact['face/l1'].mean():.4f} [")
    assert second.startswith("| 2 px | 2.00 | +0.0300 [+0.0300, +0.0300] | +0.0000")
    report.plot_tolerance(tmp_path / "tolerance.png", levels, found)
    assert (tmp_path / "tolerance.png").read_bytes().startswith(b"\x89PNG")


def test_leakage_has_a_line_for_each_fit_and_region():
    columns = {
        f"{fit}/{region}/{what}": np.full(4, number)
        for fit, number in zip(FITS, (0.0, 0.01, 0.02), strict=True)
        for region in ("frame", "face")
        for what in ("apart", "error")
    } | {f"{region}/moved": np.full(4, 0.2) for region in ("frame", "face")}
    columns["source_identity"] = np.array(["a", "a", "b", "c"])
    rows = list(results.leakage_rows({"full": [columns] * 2}))
    assert len(rows) == 3 * 2 * 3
    lines = report.leakage_markdown(rows).splitlines()[2:]
    assert len(lines) == 6
    assert lines[5].startswith("| +FG+OG+SG, tracked | face | 0.02000 [0.02000, 0.02000] | 0.02")
    assert lines[5].endswith("| 0.20000 [0.20000, 0.20000] | 2 |")
