"""Scores the runs of the study on all pairs, under both conditions of guidance."""

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from reenact_jax.config import Config
from reenact_jax.data.frames import PairDataset, open_frames, open_pairs
from reenact_jax.data.workers import run_jobs
from reenact_jax.errors import UserError
from reenact_jax.evaluation.parts import write_part
from reenact_jax.evaluation.scorers import ImageScorer
from reenact_jax.evaluation.scoring import score_pairs
from reenact_jax.inference.run import TrainedRun, load_run
from reenact_jax.study.reader import (
    Reader,
    ReaderScorer,
    load_frames,
    load_reader,
    reading_errors,
    save_reader,
    train_reader,
)


@dataclasses.dataclass(frozen=True)
class ScoringJob:
    """A trained run, the pairs that it answers, and the file of their scores.

    Attributes:
      config, workdir: of the run.
      data_dir: folder of packed data, which says the condition of guidance.
      reader: file of the reader.
      out: the table's file (`evaluation.parts`).
      change: makes other parameters of a pair's, None to keep them; see `ChangedPairs`.
      kind: score pairs of this kind alone.
    """

    config: Config
    workdir: Path
    data_dir: Path
    reader: Path
    out: Path
    change: Callable[[dict], dict] | None = None
    kind: str | None = None


def score_job(job: ScoringJob) -> None:
    """Scores one run, unless that is done; its progress goes to score.log beside the table."""
    if job.out.is_file():
        return
    job.out.parent.mkdir(parents=True, exist_ok=True)
    with open(job.out.with_suffix(".log"), "w") as log, contextlib.redirect_stderr(log):
        run = load_run(job.config, job.workdir)
        pairs = open_pairs(job.data_dir, job.config.data.name)
        if job.change is not None or job.kind is not None:
            pairs = ChangedPairs(pairs, job.change, job.kind)
        scored = score_pairs(run, pairs, scorers=(ImageScorer(), _scorer(job.reader)))
        check_is_final(run)
        if scored.masks != "truth":
            raise UserError(
                f"{job.data_dir}: expected the true masks (truth.npz), found none: render the "
                "world with scripts/make_talking_heads.py and pack it again"
            )
        write_part(job.out, scored.table)


def check_is_final(run: TrainedRun) -> None:
    """Refuses a run that has not been trained to its end.

    Raises:
      UserError: says how far it is.
    """
    if run.step != run.config.train.num_train_steps:
        raise UserError(
            f"{run.config.name}: expected {run.config.train.num_train_steps} steps, found "
            f"{run.step}: train it to its end first"
        )


class ChangedPairs:
    """The pairs of a dataset with other parameters, or those of one kind; as a `PairDataset`."""

    def __init__(self, pairs: PairDataset, change: Callable[[dict], dict] | None, kind: str | None):
        self._pairs, self._change = pairs, change
        self._rows = [
            row for row in range(len(pairs)) if kind is None or pairs[row]["kind"] == kind
        ]

    def __getattr__(self, name: str):
        return getattr(self._pairs, name)  # what the dataset says of itself holds here too

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> dict:
        pair = self._pairs[self._rows[index]]
        return pair if self._change is None else self._change(pair)


_scorer = functools.cache(lambda path: ReaderScorer(load_reader(path)))


def score_all(jobs: Sequence[ScoringJob], *, num_workers: int, progress: bool = True) -> None:
    """Scores what has not been scored.

    Raises:
      UserError: of the first run that cannot be scored.
    """
    left = [job for job in jobs if not job.out.is_file()]
    for job, result in run_jobs(
        score_job, left, num_workers=num_workers, label="scoring", unit="table", progress=progress
    ):
        if isinstance(result, UserError):
            raise UserError(f"{job.config.name}: {result}") from result


def prepared_reader(
    path: Path, data_dir: Path, dataset: str, head: str, image_size: int
) -> tuple[Reader, dict[str, float]]:
    """The reader of the study, trained where it is not there, and its errors on unseen people.

    Args:
      path: its file; errors lie beside it.
      data_dir: packed data with exact parameters.
      dataset: its name.
      head: size of its procedural head.
      image_size: of the pictures that are to be read.
    """
    if not path.is_file():
        pictures, faces, _ = load_frames(open_frames(data_dir, dataset, "train"), image_size)
        save_reader(path, train_reader(pictures, faces, head))
    reader = load_reader(path)
    errors = path.with_suffix(".errors.npz")
    if not errors.is_file():
        pictures, faces, people = load_frames(open_frames(data_dir, dataset, "test"), image_size)
        np.savez(errors, **reading_errors(reader, pictures, faces, people, head))
    with np.load(errors) as file:
        return reader, {name: float(file[name]) for name in file.files}
