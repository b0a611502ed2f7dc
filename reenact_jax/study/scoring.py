"""Scores the runs of the study on all pairs, under both conditions of guidance."""

import contextlib
import dataclasses
import functools
import json
from collections.abc import Callable, Sequence
from pathlib import Path

from reenact_jax.config import Config
from reenact_jax.data.frames import PairDataset, open_frames, open_pairs
from reenact_jax.data.workers import run_jobs
from reenact_jax.errors import UserError
from reenact_jax.evaluation.parts import content_key, write_part
from reenact_jax.evaluation.protocols import OWN, PROTOCOLS
from reenact_jax.evaluation.report import make_report
from reenact_jax.evaluation.scorers import ImageScorer
from reenact_jax.evaluation.scoring import score_pairs
from reenact_jax.files import write_text
from reenact_jax.inference.run import TrainedRun, load_run
from reenact_jax.study.facts import is_of, write_facts
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
      out: the table's file (`evaluation.parts`), .npz. Beside it: .facts.json, .log, and with the
        dataset's own parameters .json, the report of `evaluation.report`.
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
    """Scores one run. What has been scored of the same parameters, pairs and reader is kept.

    Raises:
      UserError: if the run is not trained to its end, or the true masks are not there.
    """
    job.out.parent.mkdir(parents=True, exist_ok=True)
    with open(job.out.with_suffix(".log"), "w") as log, contextlib.redirect_stderr(log):
        run = load_run(job.config, job.workdir)
        check_is_final(run)
        pairs = open_pairs(job.data_dir, job.config.data.name)
        if job.change is not None:
            pairs = ChangedPairs(pairs, job.change)
        scorers = (ImageScorer(), _scorer(job.reader))
        scored = score_pairs(
            run, pairs, scorers=scorers, kind=job.kind, parts_dir=job.out.parent / "parts"
        )
        if scored.masks != "truth":
            raise UserError(
                f"{job.data_dir}: expected the true masks (truth.npz), found none: render the "
                "world with scripts/make_talking_heads.py and pack it again"
            )
        if is_of(job.out, scored.facts):
            return
        write_part(job.out, scored.table)
        if job.change is None:
            report = make_report(run, pairs, scored, scorers, {}, PROTOCOLS[OWN])
            text = json.dumps(report, indent=2, allow_nan=False)
            write_text(job.out.with_suffix(".json"), text + "\n")
        write_facts(job.out, scored.facts)


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
    """The pairs of a dataset with other parameters; as a `PairDataset`."""

    def __init__(self, pairs: PairDataset, change: Callable[[dict], dict]):
        self._pairs, self._change = pairs, change
        self.content = content_key({"content": pairs.content, "change": repr(change)})

    def __getattr__(self, name: str):
        return getattr(self._pairs, name)  # what the dataset says of itself holds here too

    def __len__(self) -> int:
        return len(self._pairs)

    def __getitem__(self, index: int) -> dict:
        return self._change(self._pairs[index])


_scorer = functools.cache(lambda path: ReaderScorer(load_reader(path)))


def score_all(jobs: Sequence[ScoringJob], *, num_workers: int, progress: bool = True) -> None:
    """Scores what has not been scored.

    Raises:
      UserError: of the first run that cannot be scored.
    """
    for job, result in run_jobs(
        score_job, jobs, num_workers=num_workers, label="scoring", unit="table", progress=progress
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
    frames = open_frames(data_dir, dataset, "test")
    errors = path.with_suffix(".errors.json")
    key = content_key({"reader": reader.sha256(), "content": frames.content})
    known = json.loads(errors.read_text()) if errors.is_file() else {}
    if key not in known:
        pictures, faces, people = load_frames(frames, image_size)
        known = {key: reading_errors(reader, pictures, faces, people, head)}
        write_text(errors, json.dumps(known, indent=2) + "\n")
    return reader, known[key]
