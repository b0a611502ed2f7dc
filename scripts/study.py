"""Trains, scores and reports the study of docs/study.md. Goes on where it was stopped.

    python scripts/make_talking_heads.py prepared/talking_heads --preset v1 --processes 2
    python scripts/pack.py prepared/talking_heads --name talking_heads --data-dir data/exact
    python scripts/pack.py prepared/talking_heads/fitted --name talking_heads --data-dir data/fitted
    python scripts/study.py --data-dir data --out runs/study

DATA_DIR has a folder of packed data for each condition, `exact` and `fitted`.
"""

import argparse
import dataclasses
import os
from pathlib import Path

from reenact_jax.config import Config, from_config_dict
from reenact_jax.errors import run_command
from reenact_jax.study.plan import StudyRun, study_runs
from reenact_jax.study.training import TrainingJob, train_all

CONFIG = Path(__file__).parents[1] / "configs" / "study.py"


def main(options: argparse.Namespace) -> None:
    # Runs of one variant share their programs; in the environment, for the workers to see.
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str((options.out / ".xla_cache").absolute()))
    jobs = [
        TrainingJob(run_config(run, options.data_dir), run.workdir(options.out))
        for run in study_runs()
    ]
    train_all(jobs, num_workers=options.workers)


def run_config(run: StudyRun, data_dir: Path) -> Config:
    """Of configs/study.py, with the data at hand."""
    scope: dict = {}
    exec(compile(CONFIG.read_text(), CONFIG, "exec"), scope)  # a configuration is a program
    config = from_config_dict(scope["get_config"](run.config_argument))
    return dataclasses.replace(
        config, data=dataclasses.replace(config.data, data_dir=str(data_dir / "exact"))
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data-dir", type=Path, required=True, help="with exact/ and fitted/")
    parser.add_argument("--out", type=Path, default=Path("runs/study"))
    parser.add_argument("--workers", type=int, default=2, help="runs trained side by side")
    run_command(main, parser.parse_args())
