"""Pose alone, or expression alone, taken from the driver (the paper's Fig. 8).

    python scripts/eval_disentangled.py runs/demo
    python scripts/eval_disentangled.py runs/vox --measures open_motion,csim_dlib

Scores the pairs of a dataset twice and writes RUN/metrics-pose_only.json and
RUN/metrics-expression_only.json. On a preset of the synthetic world the true answers are drawn for
it. Real pairs have none; there, aed_open and apd_open against the driver say whether what was to be
transferred was, and against the same numbers of whole reenactment, whether the other was kept.
"""

import argparse
from pathlib import Path

from reenact_jax.errors import run_command
from reenact_jax.evaluation.commands import (
    evaluation_parser,
    open_run,
    parts_folder,
    results_folder,
    run_protocol,
)
from reenact_jax.evaluation.disentangled import PartialAnswers, find_world
from reenact_jax.evaluation.protocols import DISENTANGLED

# Name -> what the driver gives.
TRANSFERS = {
    "pose_only": {"transfer_pose": True, "transfer_expression": False},
    "expression_only": {"transfer_pose": False, "transfer_expression": True},
}


def main(options: argparse.Namespace) -> None:
    run, pairs = open_run(options)
    world = find_world(pairs.info.specification)
    for name, transfer in TRANSFERS.items():
        run_protocol(
            run,
            pairs if world is None else PartialAnswers(pairs, world, **transfer),
            protocol=DISENTANGLED,
            out=_out(options, name),
            parts_dir=None if options.fresh else parts_folder(options.run),
            measures=options.measures,
            **transfer,
        )


def _out(options: argparse.Namespace, name: str) -> Path:
    """One file for each transfer: --out with the name in it, or RUN/metrics-NAME.json."""
    if options.out is None:
        return results_folder(options.run) / f"metrics-{name}.json"
    path = Path(options.out)
    return path.with_name(f"{path.stem}-{name}{path.suffix}")


if __name__ == "__main__":
    run_command(main, evaluation_parser(__doc__).parse_args())
