"""scripts/eval.py: a run's folder in, metrics.json out."""

import argparse
import json
import runpy
from pathlib import Path

import jsonschema
import pytest

from reenact_jax import metrics
from reenact_jax.config import from_json
from reenact_jax.data import pair_lists
from reenact_jax.data.evaluation_pairs import PairCounts, draw_pairs
from reenact_jax.data.frames import open_frames
from reenact_jax.errors import UserError

ROOT = Path(__file__).parents[2]
SCHEMA = Path(metrics.__file__).with_name("metrics.schema.json")


@pytest.fixture(scope="module")
def main():
    return runpy.run_path(str(ROOT / "scripts" / "eval.py"))["main"]


def options(run, **others):
    return argparse.Namespace(
        **{"run": str(run), "out": None, "pairs": None, "dataset": None} | others
    )


def test_a_run_is_scored_into_the_file_that_was_asked_for(main, tiny_run, tmp_path, capsys):
    out = tmp_path / "scores" / "metrics.json"
    main(options(tiny_run, out=str(out)))
    report = json.loads(out.read_text())
    jsonschema.validate(report, json.loads(SCHEMA.read_text()))
    # The pairs of helpers/tiny.py, all with true answers.
    assert report["counts"] == {"self/pairs": 2, "cross/pairs": 2}
    printed = capsys.readouterr().out
    assert f"{report['metrics']['cross/psnr_face']:.3f}" in printed
    assert str(out) in printed
    assert not (tiny_run / "metrics.json").exists()


def test_the_pairs_of_a_list_are_scored_in_place_of_the_packed_ones(main, tiny_run, tmp_path):
    config = from_json(tiny_run / "config.json")
    frames = open_frames(config.data.data_dir, config.data.name, "test")
    pairs = draw_pairs(frames.clips, PairCounts(self_per_clip=2, cross_per_clip=1), seed=5)
    listed = pair_lists.measure_pairs(pairs, frames)
    pair_lists.write_pair_list(tmp_path / "pairs.csv", listed)
    out = tmp_path / "metrics.json"
    main(options(tiny_run, out=str(out), pairs=str(tmp_path / "pairs.csv")))
    report = json.loads(out.read_text())
    assert report["protocol"]["pairs"] == listed.hash
    # Nobody knows the answers of drawn cross pairs.
    expected = {"self/pairs": 4, "cross/pairs": 2, "cross/without_answer": 2}
    assert report["counts"] == expected


def test_a_folder_that_is_no_run_is_refused(main, tmp_path):
    with pytest.raises(UserError, match="expected the folder of a run"):
        main(options(tmp_path))
