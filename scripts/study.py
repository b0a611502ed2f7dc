"""Trains, scores and reports the study of docs/study.md. Goes on where it was stopped.

    python scripts/make_talking_heads.py prepared/talking_heads --preset v1 --workers 2
    python scripts/pack.py prepared/talking_heads --name talking_heads --data-dir data/exact
    python scripts/pack.py prepared/talking_heads/fitted --name talking_heads --data-dir data/fitted
    python scripts/study.py --data-dir data --out runs/study
    python scripts/study.py --data-dir data --out runs/study --only report

DATA_DIR has a folder of packed data for each condition, `exact` and `fitted`. OUT gets `runs/`,
`reader.npz`, `tables/`, `tolerance/`, `leakage/`, and `report/` with tables.md, numbers.csv and
plots. `--only report` takes the runs that are scored.
"""

import argparse
import dataclasses
import json
import os
import runpy
from pathlib import Path

from reenact_jax import __version__
from reenact_jax.config import Config, from_config_dict
from reenact_jax.data.frames import open_pairs
from reenact_jax.data.talking_heads.spec import PRESETS
from reenact_jax.errors import UserError, run_command
from reenact_jax.files import write_text
from reenact_jax.study import report, results
from reenact_jax.study.plan import CONDITIONS, StudyRun, study_runs
from reenact_jax.study.questions import (
    LeakageJob,
    measure_leakage,
    measure_tolerance,
    read_leakage,
    read_tolerance,
)
from reenact_jax.study.scoring import ScoringJob, prepared_reader, score_all
from reenact_jax.study.training import TrainingJob, is_trained, train_all

CONFIG = Path(__file__).parents[1] / "configs" / "study.py"
STEPS = ("reader", "train", "score", "tolerance", "leakage", "report")
WORLD = PRESETS["v1"]
TOLERANCE_SEEDS = range(3)


def main(options: argparse.Namespace) -> None:
    # Runs of one variant share their programs; in the environment, for the workers to see.
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str((options.out / ".xla_cache").absolute()))
    options.out.mkdir(parents=True, exist_ok=True)
    for step in options.only or STEPS:
        {
            "reader": make_reader,
            "train": train,
            "score": score,
            "tolerance": tolerance,
            "leakage": leakage,
            "report": write_report,
        }[step](options)


def train(options: argparse.Namespace) -> None:
    train_all(
        [TrainingJob(run_config(run, options), run.workdir(options.out)) for run in study_runs()],
        num_workers=options.workers,
    )


def make_reader(options: argparse.Namespace) -> dict[str, float]:
    config = run_config(study_runs()[0], options)
    path = options.out / "reader.npz"
    exact = options.data_dir / "exact"
    return prepared_reader(path, exact, config.data.name, WORLD.head, config.image_size)[1]


def score(options: argparse.Namespace) -> None:
    score_all(
        [
            scoring_job(run, options, condition)
            for run in trained_runs(options)
            for condition in CONDITIONS
        ],
        num_workers=options.workers,
    )


def tolerance(options: argparse.Namespace) -> None:
    runs = [run for run in trained_runs(options) if run.variant == "full"]
    jobs = [scoring_job(run, options, "exact") for run in runs if run.seed in TOLERANCE_SEEDS]
    folder = options.out / "tolerance"
    measure_tolerance(jobs, folder, WORLD.head, num_workers=options.workers)


def leakage(options: argparse.Namespace) -> None:
    measure_leakage(
        [
            LeakageJob(
                run_config(run, options),
                run.workdir(options.out),
                options.data_dir / "exact",
                WORLD,
                options.out / "leakage" / f"{run.name}.npz",
            )
            for run in trained_runs(options)
            if run.variant in ("base", "full")
        ],
        num_workers=options.workers,
    )


def write_report(options: argparse.Namespace) -> None:
    out, folder = options.out, options.out / "report"
    missing = results.missing_tables(out)
    scores = results.load_scores(out)
    if not scores.tables:
        raise UserError(f"{out}/tables: expected scored runs, found none: run it without --only")
    if missing:
        print(f"{len(missing)} of {2 * len(study_runs())} tables are not there yet")
    folder.mkdir(exist_ok=True)
    rows = list(results.all_rows(scores))
    text = report.markdown(rows, make_reader(options))
    columns = list(results.METRICS)
    if (out / "tolerance" / "levels.json").is_file():
        found = read_tolerance(out / "tolerance", columns)
        text += "\n### Tolerance: full, cross pairs\n\n" + report.tolerance_markdown(*found)
        report.plot_tolerance(folder / "tolerance.png", *found)
    leaked = {
        variant: [read_leakage(path) for path in sorted((out / "leakage").glob(f"{variant}-*.npz"))]
        for variant in ("base", "full")
    }
    if all(leaked.values()):
        people = leaked["base"][0]["source_identity"]
        text += "\n### Leakage: two drivers, one motion\n\n"
        text += report.leakage_markdown(leaked, people)
    write_text(folder / "tables.md", text)
    report.write_csv(folder / "numbers.csv", rows)
    report.plots(folder, rows)
    write_text(folder / "study.json", json.dumps(facts(options, scores), indent=2) + "\n")
    print(f"written: {folder}/tables.md, numbers.csv, study.json and plots")


def facts(options: argparse.Namespace, scores: results.StudyScores) -> dict:
    """What decided the numbers."""
    config = run_config(study_runs()[0], options)
    datasets = {
        condition: open_pairs(options.data_dir / condition, config.data.name)
        for condition in CONDITIONS
    }
    return {
        "reenact-jax": __version__,
        "world": WORLD.hash(),
        "datasets": {name: pairs.info.to_dict() for name, pairs in datasets.items()},
        "pair_list": datasets["exact"].list_hash,
        "steps": config.train.num_train_steps,
        "train": dataclasses.asdict(config.train),
        "runs": sorted(f"{v}-{s} ({condition})" for v, s, condition in scores.tables),
    }


def trained_runs(options: argparse.Namespace) -> list[StudyRun]:
    """The runs that have reached their end."""
    return [
        run
        for run in study_runs()
        if is_trained(TrainingJob(run_config(run, options), run.workdir(options.out)))
    ]


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
