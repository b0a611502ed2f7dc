"""Scores a trained run on any list of pairs into a JSON file, beside three baselines.

    python scripts/eval.py runs/demo --out metrics.json

As `python -m reenact_jax.evaluate`, by the run's folder alone and without pictures. The pairs are
those packed with the dataset, or those of a list (--pairs, a CSV file of scripts/draw_pairs.py).
What has been scored when the command is stopped is not scored again. docs/evaluation.md says what
the numbers are, scripts/eval_*.py are the paper's protocols.

    python scripts/eval.py configs/study.py:full --predictions DIR --data-dir data/exact

scores pictures DIR/PAIR_ID.png that other code has made; docs/benchmark.md.
"""

import argparse
from pathlib import Path

from reenact_jax.errors import run_command
from reenact_jax.evaluation.commands import evaluation_parser, main
from reenact_jax.evaluation.protocols import OWN
from reenact_jax.study.reader import ReaderScorer, load_reader


def score(options: argparse.Namespace) -> None:
    scorers = [ReaderScorer(load_reader(options.reader))] if options.reader else []
    main(options, OWN, scorers)


if __name__ == "__main__":
    parser = evaluation_parser(__doc__)
    parser.add_argument(
        "--reader", type=Path, help="reader.npz of scripts/study.py: motion and identity too"
    )
    run_command(score, parser.parse_args())
