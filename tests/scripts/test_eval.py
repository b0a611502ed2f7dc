"""scripts/eval.py: a run's folder in, metrics.json out."""

import argparse
import json
import runpy
from pathlib import Path

import jsonschema
import pytest

from reenact_jax import metrics
from reenact_jax.errors import UserError

ROOT = Path(__file__).parents[2]
SCHEMA = Path(metrics.__file__).with_name("metrics.schema.json")


@pytest.fixture(scope="module")
def main():
    return runpy.run_path(str(ROOT / "scripts" / "eval.py"))["main"]


def test_a_run_is_scored_into_the_file_that_was_asked_for(main, tiny_run, tmp_path, capsys):
    out = tmp_path / "scores" / "metrics.json"
    main(argparse.Namespace(run=str(tiny_run), out=str(out)))
    report = json.loads(out.read_text())
    jsonschema.validate(report, json.loads(SCHEMA.read_text()))
    # The pairs of helpers/tiny.py, all with true answers.
    assert report["counts"] == {"self/pairs": 2, "cross/pairs": 2}
    printed = capsys.readouterr().out
    assert f"{report['metrics']['cross/psnr_face']:.3f}" in printed
    assert str(out) in printed
    assert not (tiny_run / "metrics.json").exists()


def test_a_folder_that_is_no_run_is_refused(main, tmp_path):
    with pytest.raises(UserError, match="expected the folder of a run"):
        main(argparse.Namespace(run=str(tmp_path), out=None))
