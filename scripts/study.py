"""Trains, scores and reports the study of docs/study.md. Goes on where it was stopped.

    python scripts/make_talking_heads.py prepared/talking_heads --preset v1 --workers 2
    python scripts/pack.py prepared/talking_heads --name talking_heads --data-dir data/exact
    python scripts/pack.py prepared/talking_heads/fitted --name talking_heads --data-dir data/fitted
    python scripts/study.py --data-dir data --out runs/study
    python scripts/study.py --data-dir data --out runs/study --only report

DATA_DIR has a folder of packed data for each condition, `exact` and `fitted`. OUT gets `runs/`,
`reader.npz`, `tables/`, `tolerance/`, `leakage/`, `occlusion/`, and `report/` with tables.md,
numbers.csv and plots. `--only report` takes the runs that are scored. A run that was trained
elsewhere is scored like one of these if its last checkpoint lies in OUT/runs/NAME/checkpoints.
"""

import argparse
import dataclasses
import itertools
import json
import os
import runpy
from collections.abc import Collection
from pathlib import Path

import numpy as np

from reenact_jax import __version__
from reenact_jax.config import Config, from_config_dict
from reenact_jax.data.frames import PairDataset, open_pairs
from reenact_jax.data.talking_heads.spec import PRESETS
from reenact_jax.errors import UserError, run_command
from reenact_jax.evaluation.report import machine, versions
from reenact_jax.evaluation.scorers import ImageScorer
from reenact_jax.files import write_text
from reenact_jax.media import write_image
from reenact_jax.study import report, results
from reenact_jax.study.facts import check_facts, read_facts
from reenact_jax.study.plan import CONDITIONS, VARIANTS, StudyRun, study_runs
from reenact_jax.study.questions import (
    Leakage,
    OcclusionUse,
    Question,
    ask,
    measure_tolerance,
    read_answer,
    read_tolerance,
    tolerance_tables,
)
from reenact_jax.study.reader import Reader, ReaderScorer
from reenact_jax.study.samples import sample_pictures
from reenact_jax.study.scoring import ScoringJob, prepared_reader, score_all
from reenact_jax.study.training import TrainingJob, is_trained, train_all

CONFIG = Path(__file__).parents[1] / "configs" / "study.py"
STEPS = ("reader", "train", "score", "tolerance", "leakage", "occlusion", "samples", "report")
DATASET = "talking_heads"
WORLD = PRESETS["v1"]
TOLERANCE_SEEDS = range(3)
LEAKAGE_VARIANTS = ("base", "full")
OCCLUSION_SEEDS = range(3)


def main(options: argparse.Namespace) -> None:
    # Runs of one variant share their programs; in the environment, for the workers to see.
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str((options.out / ".xla_cache").absolute()))
    steps = options.only or STEPS
    # Before anything is written: data that are not there, or are of another world.
    for condition in CONDITIONS if {"score", "report"} & {*steps} else ("exact",):
        world_pairs(options, condition)
    options.out.mkdir(parents=True, exist_ok=True)
    for step in steps:
        {
            "reader": make_reader,
            "train": train,
            "score": score,
            "tolerance": tolerance,
            "leakage": leakage,
            "occlusion": occlusion,
            "samples": samples,
            "report": write_report,
        }[step](options)


def train(options: argparse.Namespace) -> None:
    train_all(
        [TrainingJob(run_config(run, options), run.workdir(options.out)) for run in study_runs()],
        num_workers=options.workers,
    )


def make_reader(options: argparse.Namespace) -> None:
    the_reader(options)


def the_reader(options: argparse.Namespace) -> tuple[Reader, dict[str, float]]:
    """The reader, trained where it is not there, and its errors on true frames."""
    config = run_config(study_runs()[0], options)
    path = options.out / "reader.npz"
    return prepared_reader(path, options.data_dir / "exact", DATASET, WORLD.head, config.image_size)


def score(options: argparse.Namespace) -> None:
    score_all(
        [
            scoring_job(run, options, condition)
            for run in trained_runs(options, VARIANTS)
            for condition in CONDITIONS
        ],
        num_workers=options.workers,
    )


def tolerance(options: argparse.Namespace) -> None:
    runs = trained_runs(options, ("full",), TOLERANCE_SEEDS)
    jobs = [scoring_job(run, options, "exact") for run in runs]
    folder = options.out / "tolerance"
    measure_tolerance(jobs, folder, WORLD.head, num_workers=options.workers)


def leakage(options: argparse.Namespace) -> None:
    ask_runs(options, "leakage", Leakage(WORLD), trained_runs(options, LEAKAGE_VARIANTS))


def occlusion(options: argparse.Namespace) -> None:
    runs = trained_runs(options, VARIANTS, OCCLUSION_SEEDS)
    ask_runs(options, "occlusion", OcclusionUse(), runs)


def samples(options: argparse.Namespace) -> None:
    runs = {
        VARIANTS[run.variant]: (run_config(run, options), run.workdir(options.out))
        for run in trained_runs(options, VARIANTS, seeds=(0,))
    }
    picture = sample_pictures(runs, options.data_dir / "exact")
    path = options.out / "report" / "samples.png"
    path.parent.mkdir(exist_ok=True)
    write_image(path, picture)
    print(f"written: {path}")


def ask_runs(
    options: argparse.Namespace,
    name: str,
    asked: Leakage | OcclusionUse,
    runs: Collection[StudyRun],
) -> None:
    questions = [
        Question(
            run_config(run, options),
            run.workdir(options.out),
            options.data_dir / "exact",
            asked,
            answer_path(options.out, name, run),
        )
        for run in runs
    ]
    ask(questions, num_workers=options.workers, label=name)


def write_report(options: argparse.Namespace) -> None:
    out, folder = options.out, options.out / "report"
    missing = results.missing_tables(out)
    scores = results.load_scores(out)
    if not scores.tables:
        raise UserError(f"{out}/tables: expected scored runs, found none: run it without --only")
    if missing:
        print(f"{len(missing)} of {2 * len(study_runs())} tables are not there yet")
    reader, reader_errors = the_reader(options)
    check_tables(options, scores, reader)
    folder.mkdir(exist_ok=True)
    rows = list(results.all_rows(scores))
    text = report.markdown(rows, reader_errors)
    if (out / "tolerance" / "levels.json").is_file():
        levels, values, people = read_tolerance(out / "tolerance", list(results.METRICS))
        of_levels = list(results.tolerance_rows(values, people))
        text += "\n### Tolerance: full, cross pairs\n\n"
        text += report.tolerance_markdown(levels, of_levels)
        report.plot_tolerance(folder / "tolerance.png", levels, of_levels)
        rows += of_levels
    if leaked := answers(out, "leakage"):
        found = list(results.leakage_rows(leaked))
        text += "\n### Leakage: two drivers, one motion\n\n" + report.leakage_markdown(found)
        rows += found
    if used := answers(out, "occlusion"):
        found = list(results.occlusion_rows(used))
        text += "\n### What is done with the occlusion map\n\n" + report.occlusion_markdown(found)
        rows += found
    write_text(folder / "tables.md", text)
    report.write_csv(folder / "numbers.csv", rows)
    report.plots(folder, rows)
    facts = study_facts(options, scores, reader)
    write_text(folder / "study.json", json.dumps(facts, indent=2) + "\n")
    print(f"written: {folder}/tables.md, numbers.csv, study.json and plots")


def answer_path(out: Path, name: str, run: StudyRun) -> Path:
    return out / name / f"{run.name}.npz"


def answers(out: Path, name: str) -> dict[str, list[dict[str, np.ndarray]]]:
    """Variant -> the answers of its runs to a question; without variants that were not asked."""
    found: dict[str, list[dict[str, np.ndarray]]] = {}
    for run in study_runs():
        path = answer_path(out, name, run)
        if path.is_file():
            found.setdefault(run.variant, []).append(read_answer(path))
    return found


def check_tables(options: argparse.Namespace, scores: results.StudyScores, reader: Reader) -> None:
    """Refuses tables of other data or of another reader than those at hand."""
    out = options.out
    scorers = [one.describe() for one in (ImageScorer(), ReaderScorer(reader))]
    for condition in CONDITIONS:
        pairs = world_pairs(options, condition)
        own = {"reenact-jax": __version__, "pairs": pairs.list_hash}
        runs = [StudyRun(variant, seed) for variant, seed, one in scores.tables if one == condition]
        check_facts(
            (run.table(out, condition) for run in runs),
            own | {"content": pairs.content, "scorers": scorers},
        )
        if condition == "exact":
            if (out / "tolerance" / "levels.json").is_file():
                of_levels = tolerance_tables(out / "tolerance").values()
                # Their content is that of the changed pairs.
                check_facts(itertools.chain(*of_levels), own | {"scorers": scorers})
            for run in runs:
                params = read_facts(run.table(out, condition))["params"]
                asked = [answer_path(out, one, run) for one in ("leakage", "occlusion")]
                check_facts(
                    (path for path in asked if path.is_file()),
                    own | {"content": pairs.content, "params": params},
                )


def study_facts(options: argparse.Namespace, scores: results.StudyScores, reader: Reader) -> dict:
    """What decided the numbers."""
    config = run_config(study_runs()[0], options)
    datasets = {name: world_pairs(options, name) for name in CONDITIONS}
    runs = {}
    for variant, seed, condition in sorted(scores.tables):
        run = StudyRun(variant, seed)
        scored = json.loads(run.table(options.out, condition).with_suffix(".json").read_text())
        runs[f"{run.name}-{condition}"] = {
            name: scored[name] for name in ("checkpoint", "versions", "machine")
        }
    return {
        "reenact-jax": __version__,
        "world": WORLD.hash(),
        "datasets": {
            name: pairs.info.to_dict() | {"content": pairs.content}
            for name, pairs in datasets.items()
        },
        "pair_list": datasets["exact"].list_hash,
        "reader": reader.sha256(),
        "steps": config.train.num_train_steps,
        "train": dataclasses.asdict(config.train),
        "runs": runs,
        "versions": versions(),
        "machine": machine(),
    }


def world_pairs(options: argparse.Namespace, condition: str) -> PairDataset:
    """The packed pairs of a condition.

    Raises:
      UserError: if they are not there, or are of another world.
    """
    pairs = open_pairs(options.data_dir / condition, DATASET)
    if pairs.info.specification != WORLD.condition_hash(condition):
        raise UserError(
            f"{pairs.root}: expected the world {WORLD.condition_hash(condition)}, found "
            f"{pairs.info.specification or 'none'}: pack the folder that belongs there"
        )
    return pairs


def trained_runs(
    options: argparse.Namespace, variants: Collection[str], seeds: Collection[int] | None = None
) -> list[StudyRun]:
    """The runs of these variants and seeds that have reached their end.

    Raises:
      UserError: if there is none.
    """
    found = [
        run
        for run in study_runs()
        if run.variant in variants
        and (seeds is None or run.seed in seeds)
        and is_trained(TrainingJob(run_config(run, options), run.workdir(options.out)))
    ]
    if not found:
        raise UserError(
            f"{options.out}/runs: expected trained runs of {', '.join(variants)}, found none: "
            "`--only train` trains them"
        )
    return found


def scoring_job(run: StudyRun, options: argparse.Namespace, condition: str) -> ScoringJob:
    return ScoringJob(
        run_config(run, options),
        run.workdir(options.out),
        options.data_dir / condition,
        options.out / "reader.npz",
        run.table(options.out, condition),
    )


def run_config(run: StudyRun, options: argparse.Namespace) -> Config:
    """Of configs/study.py, with the data at hand."""
    values = runpy.run_path(str(CONFIG))["get_config"](run.config_argument)
    config = from_config_dict(values)
    exact = str(options.data_dir / "exact")
    return dataclasses.replace(config, data=dataclasses.replace(config.data, data_dir=exact))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data-dir", type=Path, required=True, help="with exact/ and fitted/")
    parser.add_argument("--out", type=Path, default=Path("runs/study"))
    parser.add_argument("--workers", type=int, default=2, help="runs trained or scored at once")
    parser.add_argument("--only", nargs="+", choices=STEPS, help="these steps alone")
    run_command(main, parser.parse_args())
