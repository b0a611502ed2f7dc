"""Scores a trained run on any list of pairs into a JSON file, beside three baselines.

    python scripts/eval.py runs/demo --out metrics.json

As `python -m reenact_jax.evaluate`, by the run's folder alone and without pictures. The pairs are
those packed with the dataset, or those of a list (--pairs, a CSV file of scripts/draw_pairs.py).
What has been scored when the command is stopped is not scored again. docs/evaluation.md says what
the numbers are, scripts/eval_*.py are the paper's protocols.
"""

from reenact_jax.errors import run_command
from reenact_jax.evaluation.commands import evaluation_parser, main
from reenact_jax.evaluation.protocols import OWN

if __name__ == "__main__":
    run_command(main, evaluation_parser(__doc__).parse_args(), OWN)
