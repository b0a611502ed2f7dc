"""Trains the runs of the study, several side by side."""

import contextlib
import dataclasses
from collections.abc import Sequence
from pathlib import Path

from reenact_jax.config import Config, check_same_run
from reenact_jax.data.workers import run_jobs
from reenact_jax.errors import UserError
from reenact_jax.training.loop import train


@dataclasses.dataclass(frozen=True)
class TrainingJob:
    """A configuration and the folder of its run."""

    config: Config
    workdir: Path


def is_trained(job: TrainingJob) -> bool:
    """Whether the run has its last checkpoint.

    Raises:
      UserError: if the folder holds a run of another configuration.
    """
    check_same_run(job.config, job.workdir / "config.json")
    # Orbax gives a checkpoint's folder its name when it is complete.
    return (job.workdir / "checkpoints" / str(job.config.train.num_train_steps)).is_dir()


def train_job(job: TrainingJob) -> None:
    """Trains a run to its end, from where it was stopped; its progress goes to train.log."""
    if is_trained(job):
        return
    job.workdir.mkdir(parents=True, exist_ok=True)
    with open(job.workdir / "train.log", "a") as log, contextlib.redirect_stderr(log):
        train(job.config, job.workdir)


def train_all(jobs: Sequence[TrainingJob], *, num_workers: int, progress: bool = True) -> None:
    """Trains what is not complete, `num_workers` runs at a time, each on its share of the cores.

    Raises:
      UserError: of the first run that cannot be trained.
    """
    left = [job for job in jobs if not is_trained(job)]
    for job, result in run_jobs(
        train_job, left, num_workers=num_workers, label="training", unit="run", progress=progress
    ):
        if isinstance(result, UserError):
            raise UserError(f"{job.config.name}: {result}") from result
