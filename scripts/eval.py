"""Scores a trained run into a JSON file: the metrics beside three baselines.

    python scripts/eval.py runs/demo --out metrics.json

As `python -m reenact_jax.evaluate`, by the run's folder alone and without pictures. The pairs are
those packed with the dataset, or those of a list (--pairs, a CSV file of scripts/draw_pairs.py).
"""

import argparse
import json
from pathlib import Path

from reenact_jax.config import from_json
from reenact_jax.data.frames import open_pairs
from reenact_jax.data.pair_lists import open_listed_pairs
from reenact_jax.errors import run_command
from reenact_jax.files import write_text
from reenact_jax.inference.evaluation import evaluate, table
from reenact_jax.inference.run import load_run


def main(options: argparse.Namespace) -> None:
    folder = Path(options.run)
    config = from_json(folder / "config.json")
    data = config.data
    if options.pairs:
        pairs = open_listed_pairs(options.pairs, data.data_dir, options.dataset or data.name)
    else:
        pairs = open_pairs(data.data_dir, options.dataset or data.name)
    report = evaluate(load_run(config, folder), pairs)
    out = Path(options.out) if options.out else folder / "metrics.json"
    write_text(out, json.dumps(report, indent=2) + "\n")
    print(table(report))
    print(f"written: {out}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", help="folder of a trained run, such as runs/demo")
    parser.add_argument("--out", help="JSON file to write; default RUN/metrics.json")
    parser.add_argument("--pairs", help="CSV list of pairs, instead of those of the dataset")
    parser.add_argument("--dataset", help="another packed dataset than the run's, such as celebv")
    run_command(main, parser.parse_args())
