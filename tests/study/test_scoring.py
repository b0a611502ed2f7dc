"""Scoring a run of the study: its files, and that nothing stale is kept."""

import dataclasses
import hashlib
import json
import shutil
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from reenact_jax import metrics
from reenact_jax.data.frames import open_pairs
from reenact_jax.errors import UserError
from reenact_jax.evaluation.parts import read_part
from reenact_jax.study.facts import check_facts, read_facts
from reenact_jax.study.scoring import ScoringJob, score_job
from reenact_jax.study.tolerance import WrongPerson
from reenact_jax.study.training import TrainingJob, is_trained
from tests.helpers.blank_reader import write_reader
from tests.helpers.tiny import DATASET, tiny_config

SCHEMA = json.loads(Path(metrics.__file__).with_name("metrics.schema.json").read_text())


@pytest.fixture(scope="module")
def job(tiny_world, tiny_run, tmp_path_factory):
    """A run that was trained elsewhere: the parameters of its last checkpoint, nothing else."""
    out = tmp_path_factory.mktemp("study")
    last = out / "runs" / "full-0" / "checkpoints" / "4"
    last.mkdir(parents=True)
    shutil.copytree(tiny_run / "checkpoints" / "4" / "params", last / "params")
    write_reader(out / "reader.npz", open_pairs(tiny_world / "data", DATASET), seed=0)
    job = ScoringJob(
        tiny_config(tiny_world),
        out / "runs" / "full-0",
        tiny_world / "data",
        out / "reader.npz",
        out / "tables" / "full-0-exact.npz",
    )
    assert is_trained(TrainingJob(job.config, job.workdir))
    score_job(job)
    return job


def test_a_report_stands_beside_the_table(job):
    report = json.loads(job.out.with_suffix(".json").read_text())
    jsonschema.validate(report, SCHEMA)
    table = read_part(job.out)
    for kind in ("self", "cross"):
        values = table.of_kind(kind).scores["model/frame/landmarks"]
        np.testing.assert_allclose(report["metrics"][f"{kind}/landmarks"], values.mean())
    measured = {"landmarks", "pose", "expression", "identity", "ssim_hidden", "psnr_visible"}
    assert measured <= set(report["protocol"]["metrics"])
    (weights,) = report["weights"]
    assert weights["sha256"] == hashlib.sha256(job.reader.read_bytes()).hexdigest()
    assert {"params": report["checkpoint"]["params"]}.items() <= read_facts(job.out).items()


def test_what_is_scored_is_kept_until_something_changes(job, tiny_world, tmp_path):
    before = job.out.stat().st_mtime_ns
    score_job(job)
    assert job.out.stat().st_mtime_ns == before
    other = tmp_path / "reader.npz"
    write_reader(other, open_pairs(tiny_world / "data", DATASET), seed=1)
    old = read_part(job.out).scores
    again = dataclasses.replace(job, reader=other, out=tmp_path / "tables" / job.out.name)
    shutil.copytree(job.out.parent, again.out.parent)
    score_job(again)
    new = read_part(again.out).scores
    assert not np.array_equal(new["model/frame/pose"], old["model/frame/pose"])
    np.testing.assert_array_equal(new["model/face/l1"], old["model/face/l1"])
    with pytest.raises(UserError, match="expected numbers of scorers"):
        check_facts([again.out], {"scorers": read_facts(job.out)["scorers"]})
    check_facts([job.out, again.out], {"pairs": read_facts(job.out)["pairs"]})


def test_wrong_guidance_is_scored_on_one_kind_and_has_no_report(job, tmp_path):
    wrong = dataclasses.replace(
        job, change=WrongPerson(True), kind="cross", out=tmp_path / "full-0.npz"
    )
    score_job(wrong)
    assert read_part(wrong.out).pairs["kind"].tolist() == ["cross"] * 2
    assert not wrong.out.with_suffix(".json").exists()
    assert read_facts(wrong.out)["content"] != read_facts(job.out)["content"]


def test_a_run_of_another_configuration_is_refused(job, tiny_run):
    other = dataclasses.replace(job.config, seed=7)
    with pytest.raises(UserError, match="holds a run with config.seed = 0, found 7"):
        is_trained(TrainingJob(other, tiny_run))


def test_a_run_that_is_not_at_its_end_is_refused(job, tiny_world, tmp_path):
    longer = tiny_config(tiny_world, train__num_epochs=5)
    with pytest.raises(UserError, match="expected 5 steps, found 4"):
        score_job(dataclasses.replace(job, config=longer, out=tmp_path / "full-0.npz"))
