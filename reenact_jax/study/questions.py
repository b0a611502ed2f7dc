"""Leakage and tolerance: the two questions that only a world with true answers can answer."""

import contextlib
import dataclasses
import functools
import io
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from reenact_jax import __version__
from reenact_jax.config import Config
from reenact_jax.data.frames import open_pairs
from reenact_jax.data.talking_heads.spec import WorldSpec
from reenact_jax.data.truth_masks import read_truth
from reenact_jax.data.workers import run_jobs
from reenact_jax.errors import UserError
from reenact_jax.evaluation.parts import params_hash, read_part
from reenact_jax.files import write_bytes, write_text
from reenact_jax.inference.run import load_run
from reenact_jax.study.facts import is_of, write_facts
from reenact_jax.study.leakage import TwoDrivers, leakage, two_drivers
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
class LeakageJob:
    """A trained run, the exact data of its world, and the file of the result (.npz)."""

    config: Config
    workdir: Path
    data_dir: Path
    spec: WorldSpec
    out: Path
    num_cases: int = NUM_LEAKAGE_CASES


def leakage_job(job: LeakageJob) -> None:
    """Measures one run, see `leakage.leakage`. What has been measured of the same parameters and
    pairs is kept."""
    job.out.parent.mkdir(parents=True, exist_ok=True)
    with open(job.out.with_suffix(".log"), "w") as log, contextlib.redirect_stderr(log):
        run = load_run(job.config, job.workdir)
        check_is_final(run)
        pairs = open_pairs(job.data_dir, job.config.data.name)
        facts = {
            "reenact-jax": __version__,
            "params": params_hash(run.params),
            "step": run.step,
            "pairs": pairs.list_hash,
            "content": pairs.content,
            "dataset": pairs.info.to_dict(),
            "cases": job.num_cases,
        }
        if is_of(job.out, facts):
            return
        truth = read_truth(pairs.root)
        if truth is None:
            raise UserError(f"{pairs.root}: expected truth.npz, found none: pack the world again")
        cases = _cases(job.spec, job.data_dir, job.config.data.name, job.num_cases)
        columns = leakage(run, cases, truth)
        people = np.array([case.pair["source_clip_id"].split("-")[0] for case in cases])
        buffer = io.BytesIO()
        np.savez(buffer, source_identity=people, **columns)
        write_bytes(job.out, buffer.getvalue())
        write_facts(job.out, facts)


@functools.cache
def _cases(spec: WorldSpec, data_dir: Path, name: str, count: int) -> list[TwoDrivers]:
    return two_drivers(spec, open_pairs(data_dir, name), count)


def measure_leakage(jobs: Sequence[LeakageJob], *, num_workers: int) -> None:
    """Measures what has not been measured.

    Raises:
      UserError: of the first run that cannot be measured.
    """
    for job, result in run_jobs(
        leakage_job, jobs, num_workers=num_workers, label="leakage", unit="run"
    ):
        if isinstance(result, UserError):
            raise UserError(f"{job.config.name}: {result}") from result


def read_leakage(path: Path) -> dict[str, np.ndarray]:
    """The columns of a finished job."""
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
