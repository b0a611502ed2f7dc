"""scripts/study.py: steps in a wrong order, data that are missing, and the whole of it, once."""

import argparse
import csv
import dataclasses
import functools
import json
from pathlib import Path

import jsonschema
import pytest

from reenact_jax import metrics
from reenact_jax.data import builders
from reenact_jax.data.talking_heads import write_world
from reenact_jax.errors import UserError
from reenact_jax.study import plan, scoring
from scripts import study
from tests.helpers.tiny import DATASET, WORLD


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
        ("occlusion", "expected trained runs of base, fg, fg_og, full, found none"),
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


# configs/study.py with networks of tests/helpers/tiny.py and two steps.
TWO_STEPS = """
from configs.study import get_config as whole
from tests.helpers.tiny import SMALL

def get_config(arguments):
    config = whole(arguments)
    config.update_from_flattened_dict(
        SMALL | {"face_model.name": "procedural-light", "train.num_epochs": 2}
    )
    config.train.decay_after_epochs = 1
    return config
"""


@pytest.fixture
def small_study(tmp_path, monkeypatch):
    """Base and full of one seed on a world with three test people."""
    world = dataclasses.replace(WORLD, num_test_people=3, num_cross_pairs=3)
    write_world(world, tmp_path / "prepared")
    for condition, folder in (("exact", "."), ("fitted", "fitted")):
        builders.pack(tmp_path / "prepared" / folder, tmp_path / "data" / condition, DATASET)
    (tmp_path / "two_steps.py").write_text(TWO_STEPS)
    monkeypatch.setattr(study, "WORLD", world)
    monkeypatch.setattr(study, "CONFIG", tmp_path / "two_steps.py")
    monkeypatch.setattr(plan, "SEEDS", {"base": 1, "fg": 0, "fg_og": 0, "full": 1})
    monkeypatch.setattr(study, "Leakage", functools.partial(study.Leakage, num_cases=3))
    train_reader = functools.partial(scoring.train_reader, num_steps=2)
    monkeypatch.setattr(scoring, "train_reader", train_reader)
    return argparse.Namespace(
        data_dir=tmp_path / "data", out=tmp_path / "study", workers=1, only=None
    )


def made(out: Path) -> dict[str, int]:
    """What a repeated call must not make again -> when it was made."""
    files = [out / "reader.npz", *out.glob("tables/*.*z")]
    files += [
        *out.glob("leakage/*.npz"),
        *out.glob("occlusion/*.npz"),
        *out.glob("tolerance/*/*.npz"),
        *out.glob("runs/*/checkpoints/2/_CHECKPOINT_METADATA"),
    ]
    return {str(file.relative_to(out)): file.stat().st_mtime_ns for file in files}


@pytest.mark.slow
def test_one_command_makes_the_study_and_goes_on_where_it_was_stopped(small_study):
    out = small_study.out
    study.main(small_study)
    first = made(out)
    # Reader, 2 runs, 2 x 2 tables, 2 of leakage, 2 of occlusion, 7 levels of tolerance.
    assert len(first) == 1 + 2 + 4 + 2 + 2 + 7
    schema = json.loads(Path(metrics.__file__).with_name("metrics.schema.json").read_text())
    for run in ("base-0", "full-0"):
        for condition in ("exact", "fitted"):
            report = json.loads((out / f"tables/{run}-{condition}.json").read_text())
            jsonschema.validate(report, schema)
            assert report["dataset"]["specification"].endswith(condition)
    facts = json.loads((out / "report/study.json").read_text())
    assert set(facts["runs"]) == {path.stem for path in out.glob("tables/*.npz")}
    assert (
        facts["runs"]["base-0-exact"]["checkpoint"] != facts["runs"]["full-0-exact"]["checkpoint"]
    )
    with open(out / "report/numbers.csv") as file:
        whats = {row["what"] for row in csv.DictReader(file)}
    assert whats >= {"mean", "gain", "tolerance", "tolerance-change", "leakage", "occlusion"}
    assert (out / "report/samples.png").is_file()
    text = (out / "report/tables.md").read_text()
    assert "| smaller model |" in text and "| +FG+OG+SG, tracked | face |" in text

    lost = out / "tables/full-0-fitted.npz"
    lost.unlink()
    study.main(small_study)
    second = made(out)
    changed = {name for name in first if first[name] != second[name]}
    assert changed == {str(lost.relative_to(out))}
