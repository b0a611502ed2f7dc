"""scripts/study.py: steps in a wrong order, and data that are missing or of another world."""

import argparse
import dataclasses

import pytest

from reenact_jax.errors import UserError
from scripts import study
from tests.helpers.tiny import WORLD


@pytest.fixture
def options(tiny_world, tmp_path, monkeypatch):
    monkeypatch.setattr(study, "WORLD", WORLD)
    data = tmp_path / "data"
    data.mkdir()
    (data / "exact").symlink_to(tiny_world / "data")
    return argparse.Namespace(data_dir=data, out=tmp_path / "study", workers=1, only=None)


@pytest.mark.parametrize(
    "step, expected",
    [
        ("tolerance", "expected trained runs of full, found none"),
        ("leakage", "expected trained runs of base, full, found none"),
    ],
)
def test_a_step_without_trained_runs_says_what_it_lacks(options, step, expected):
    options.only = [step]
    with pytest.raises(UserError, match=expected):
        study.main(options)


@pytest.mark.parametrize("only", [None, ["score"], ["report"]])
def test_missing_data_are_named_before_anything_is_written(options, only):
    options.only = only
    with pytest.raises(UserError, match="fitted.*found nothing"):
        study.main(options)
    options.only, options.data_dir = ["train"], options.data_dir / "nowhere"
    with pytest.raises(UserError, match="exact.*found nothing"):
        study.main(options)
    assert not options.out.exists()


def test_another_world_is_refused(options, monkeypatch):
    monkeypatch.setattr(study, "WORLD", dataclasses.replace(WORLD, seed=1))
    options.only = ["train"]
    with pytest.raises(UserError, match="expected the world [0-9a-f]{16}-exact, found"):
        study.main(options)


def test_a_report_without_scores_says_so(options, monkeypatch):
    monkeypatch.setattr(study, "world_pairs", lambda *_: None)
    options.only = ["report"]
    with pytest.raises(UserError, match="expected scored runs, found none"):
        study.main(options)
