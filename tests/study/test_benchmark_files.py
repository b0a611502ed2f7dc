"""The benchmark published with the study: one world, list and reader, and valid reports."""

import csv
import hashlib
import json
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from reenact_jax import metrics
from reenact_jax.data.talking_heads.spec import PRESETS
from reenact_jax.study.plan import CONDITIONS, VARIANTS, study_runs
from reenact_jax.study.reader import load_reader

FOLDER = Path(__file__).parents[2] / "benchmarks" / "talking_heads_v1"
PAIR_LIST = "1515005f4eb1ea2d"


@pytest.fixture(scope="module")
def reports():
    return {path.stem: json.loads(path.read_text()) for path in FOLDER.glob("results/*.json")}


def test_every_run_has_a_valid_report_in_both_conditions(reports):
    assert set(reports) == {f"{run.name}-{one}" for run in study_runs() for one in CONDITIONS}
    schema = json.loads(Path(metrics.__file__).with_name("metrics.schema.json").read_text())
    for report in reports.values():
        jsonschema.validate(report, schema)


def test_all_are_of_one_world_one_list_and_one_reader(reports):
    digest = hashlib.sha256((FOLDER / "reader.npz").read_bytes()).hexdigest()
    assert load_reader(FOLDER / "reader.npz").sha256() == digest
    for name, report in reports.items():
        condition = name.split("-")[-1]
        assert report["dataset"]["specification"] == PRESETS["v1"].condition_hash(condition)
        assert report["protocol"]["pairs"] == PAIR_LIST
        assert report["protocol"]["masks"] == "truth"
        assert [one["sha256"] for one in report["weights"]] == [digest]
        assert report["checkpoint"]["step"] == 3000
    assert json.loads((FOLDER / "pairs.json").read_text())["hash"] == PAIR_LIST


def test_the_numbers_are_the_means_of_the_reports(reports):
    with open(FOLDER / "numbers.csv") as file:
        rows = [row for row in csv.DictReader(file) if row["what"] == "mean"]
    checked = 0
    for row in rows:
        if row["who"] not in VARIANTS or row["pose_bin"] != "all" or row["column"] != "face/l1":
            continue
        found = [
            report["metrics"][f"{row['kind']}/l1_face"]
            for name, report in reports.items()
            if name.split("-")[0] == row["who"] and name.endswith(row["condition"])
        ]
        assert len(found) == int(row["seeds"])
        np.testing.assert_allclose(float(row["value"]), np.mean(found), rtol=1e-4)
        checked += 1
    assert checked == len(VARIANTS) * len(CONDITIONS) * 2


def test_the_study_quotes_the_primary_numbers(reports):
    text = (Path(__file__).parents[2] / "docs" / "study.md").read_text()
    with open(FOLDER / "numbers.csv") as file:
        rows = list(csv.DictReader(file))
    primary = {
        row["who"]: row
        for row in rows
        if (row["what"], row["condition"], row["kind"], row["column"], row["pose_bin"])
        == ("gain", "exact", "cross", "face/l1", "all")
    }
    for who in ("base->fg", "fg->fg_og", "fg_og->full"):
        value, low, high = (f"{float(primary[who][key]):+.4f}" for key in ("value", "low", "high"))
        assert f"{value} [{low}, {high}]" in text
    base = reports["base-0-exact"]["baselines"]
    for name in ("copy_source", "warp", "warp_and_paste"):
        assert f"{base[name]['cross/l1_face']:.4f}" in text
