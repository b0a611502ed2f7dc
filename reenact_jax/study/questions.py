"""What is asked of trained runs beside their scores: leakage, tolerance, the use of occlusion."""

import contextlib
import dataclasses
import functools
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from reenact_jax import __version__
from reenact_jax.config import Config
from reenact_jax.data.frames import PairDataset, open_pairs
from reenact_jax.data.talking_heads.spec import WorldSpec
from reenact_jax.data.truth_masks import TruthMasks, needed_truth
from reenact_jax.data.workers import run_jobs
from reenact_jax.errors import UserError
from reenact_jax.evaluation.parts import params_hash, read_part
from reenact_jax.files import write_bytes, write_text
from reenact_jax.inference.run import TrainedRun, load_run
from reenact_jax.study.facts import is_of, write_facts
from reenact_jax.study.leakage import TwoDrivers, leakage, two_drivers
from reenact_jax.study.occlusion_use import MAPS, TOLD, occlusion_use
from reenact_jax.study.scoring import ScoringJob, check_is_final, score_all
from reenact_jax.study.tolerance import (
    LEVELS_PX,
    SmallerModel,
    WrongPerson,
    landmark_error,
    noise_for,
)

# Cross pairs whose motion a second person performs too.
NUM_LEAKAGE_CASES = 200


@dataclasses.dataclass(frozen=True)
class Leakage:
    """Asks for `leakage.leakage` on `num_cases` cross pairs of a world's exact data."""

    spec: WorldSpec
    num_cases: int = NUM_LEAKAGE_CASES

    def facts(self) -> dict[str, Any]:
        return {"cases": self.num_cases}

    def answer(
        self, run: TrainedRun, pairs: PairDataset, truth: TruthMasks
    ) -> dict[str, np.ndarray]:
        cases = _cases(self.spec, pairs.root.parent, pairs.root.name, self.num_cases)
        people = np.array([case.pair["source_clip_id"].split("-")[0] for case in cases])
        return {"source_identity": people} | leakage(run, cases, truth)


@functools.cache
def _cases(spec: WorldSpec, data_dir: Path, name: str, count: int) -> list[TwoDrivers]:
    return two_drivers(spec, open_pairs(data_dir, name), count)


@dataclasses.dataclass(frozen=True)
class OcclusionUse:
    """Asks for `occlusion_use.occlusion_use` on all cross pairs."""

    def facts(self) -> dict[str, Any]:
        return {"told": TOLD, "maps": MAPS}

    def answer(
        self, run: TrainedRun, pairs: PairDataset, truth: TruthMasks
    ) -> dict[str, np.ndarray]:
        return occlusion_use(run, pairs, truth)


@dataclasses.dataclass(frozen=True)
class Question:
    """A trained run, exact data of its world, what is asked, and the file of the answer (.npz)."""

    config: Config
    workdir: Path
    data_dir: Path
    asked: Leakage | OcclusionUse
    out: Path


def answer(question: Question) -> None:
    """Asks one run. What has been answered of the same parameters and pairs is kept."""
    out = question.out
    out.parent.mkdir(parents=True, exist_ok=True)
    with open(out.with_suffix(".log"), "w") as log, contextlib.redirect_stderr(log):
        run = load_run(question.config, question.workdir)
        check_is_final(run)
        pairs = open_pairs(question.data_dir, question.config.data.name)
        facts = {
            "reenact-jax": __version__,
            "params": params_hash(run.params),
            "step": run.step,
            "pairs": pairs.list_hash,
            "content": pairs.content,
            "dataset": pairs.info.to_dict(),
            **question.asked.facts(),
        }
        if is_of(out, facts):
            return
        truth = needed_truth(pairs.root)
        buffer = io.BytesIO()
        np.savez(buffer, **question.asked.answer(run, pairs, truth))
        write_bytes(out, buffer.getvalue())
        write_facts(out, facts)


def ask(questions: Sequence[Question], *, num_workers: int, label: str) -> None:
    """Answers what has not been answered.

    Raises:
      UserError: of the first run that cannot be asked.
    """
    for question, result in run_jobs(
        answer, questions, num_workers=num_workers, label=label, unit="run"
    ):
        if isinstance(result, UserError):
            raise UserError(f"{question.config.name}: {result}") from result


def read_answer(path: Path) -> dict[str, np.ndarray]:
    """The columns of an answered question, and `source_identity` of their pairs."""
    with np.load(path, allow_pickle=False) as file:
        return dict(file)


def measure_tolerance(
    jobs: Sequence[ScoringJob], folder: Path, head: str, *, num_workers: int
) -> None:
    """Scores runs under guidance of known errors.

    Args:
      jobs: the runs, with their exact data; each becomes one job for every level, whose table is
        `folder`/LEVEL/NAME of `out`.
      folder: gets the tables, and levels.json: level -> error of its landmarks in pixels.
      head: size of the procedural head.
      num_workers: processes.
    """
    every = open_pairs(jobs[0].data_dir, jobs[0].config.data.name)
    pairs = [pair for pair in every if pair["kind"] == "cross"]
    changes = {"0 px": None} | {f"{px:g} px": noise_for(pairs, px, head) for px in LEVELS_PX}
    changes |= {"mean head": WrongPerson(False), "another person": WrongPerson(True)}
    changes |= {"smaller model": SmallerModel(head)}
    levels = {
        name: 0.0 if change is None else landmark_error(pairs, change, head)
        for name, change in changes.items()
    }
    score_all(
        [
            dataclasses.replace(
                job,
                change=change,
                kind="cross",
                out=folder / name.replace(" ", "_") / job.out.name,
            )
            for job in jobs
            for name, change in changes.items()
        ],
        num_workers=num_workers,
    )
    write_text(folder / "levels.json", json.dumps(levels, indent=2) + "\n")


def tolerance_tables(folder: Path) -> dict[str, list[Path]]:
    """Level -> the tables that `measure_tolerance` left."""
    levels = json.loads((folder / "levels.json").read_text())
    return {name: sorted((folder / name.replace(" ", "_")).glob("*.npz")) for name in levels}


def read_tolerance(
    folder: Path, columns: Sequence[str]
) -> tuple[dict[str, float], dict[str, dict[str, np.ndarray]], np.ndarray]:
    """What `measure_tolerance` left: level -> landmark error; level -> column -> (runs, pairs); and
    the source identities of the pairs."""
    levels = json.loads((folder / "levels.json").read_text())
    values, people = {}, np.array([])
    for name, paths in tolerance_tables(folder).items():
        tables = [table for table in map(read_part, paths) if table is not None]
        values[name] = {c: np.stack([t.scores[f"model/{c}"] for t in tables]) for c in columns}
        people = tables[0].pairs["source_identity"]
    return levels, values, people
