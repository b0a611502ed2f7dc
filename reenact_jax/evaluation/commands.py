"""What the commands of evaluation share: their options, and the way from a run to its JSON file."""

import argparse
import json
import runpy
from collections.abc import Sequence
from pathlib import Path

from reenact_jax.compilation_cache import enable_compilation_cache
from reenact_jax.config import from_config_dict
from reenact_jax.data.frames import PairDataset, open_pairs
from reenact_jax.data.pair_lists import open_listed_pairs
from reenact_jax.evaluation.measures import NAMES, open_measures
from reenact_jax.evaluation.predictions import Predictions, open_predictions
from reenact_jax.evaluation.protocols import PROTOCOLS, check_protocol
from reenact_jax.evaluation.report import Evaluation, evaluate
from reenact_jax.evaluation.scorers import Scorer
from reenact_jax.evaluation.show import table
from reenact_jax.files import write_text
from reenact_jax.inference.model_folder import is_model_folder, read_config
from reenact_jax.inference.run import TrainedRun, load_run


def evaluation_parser(description: str, *, dataset: str | None = None) -> argparse.ArgumentParser:
    """Options of every evaluation script.

    Args:
      description: the script's docstring.
      dataset: packed dataset that is scored unless the user names one; None for the run's own.
    """
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", help="folder of a trained run or of a model, such as runs/demo")
    parser.add_argument(
        "--predictions",
        help="folder with PAIR_ID.png made by other code, scored in the run's place; of RUN, which "
        "may then be a configuration such as configs/study.py:full, the size of the pictures and "
        "the guidance of the baselines are taken",
    )
    parser.add_argument(
        "--checkpoint",
        default="latest",
        help="latest, best or the number of a step; default latest",
    )
    parser.add_argument(
        "--out",
        help="JSON file to write; default metrics-PROTOCOL.json in RUN, or in runs/NAME-model "
        "for a model folder",
    )
    parser.add_argument("--pairs", help="CSV list of pairs, instead of those of the dataset")
    parser.add_argument(
        "--dataset", default=dataset, help=f"packed dataset; default {dataset or 'that of the run'}"
    )
    parser.add_argument("--data-dir", help="folder of packed datasets; default the run's")
    parser.add_argument(
        "--measures",
        help="what is measured, separated by commas, instead of all that can be: "
        + ", ".join(NAMES),
    )
    parser.add_argument(
        "--fresh", action="store_true", help="score again what an earlier call has scored"
    )
    return parser


def open_run(
    options: argparse.Namespace, kind: str | None = None
) -> tuple[TrainedRun | Predictions, PairDataset]:
    """The trained run, or the pictures in its place, and the pairs that the options name."""
    enable_compilation_cache()
    folder = Path(options.run)
    file, _, argument = options.run.partition(":")
    if options.predictions and file.endswith(".py"):
        arguments = [argument] if argument else []
        config = from_config_dict(runpy.run_path(file)["get_config"](*arguments))
    else:
        config = read_config(folder)
    data_dir = options.data_dir or config.data.data_dir
    name = options.dataset or config.data.name
    if options.pairs:
        pairs = open_listed_pairs(options.pairs, data_dir, name)
    else:
        pairs = open_pairs(data_dir, name)
    if options.predictions:
        return open_predictions(config, options.predictions, pairs, kind), pairs
    return load_run(config, folder, options.checkpoint), pairs


def run_protocol(
    run: TrainedRun | Predictions,
    pairs: PairDataset,
    *,
    protocol: str,
    out: Path,
    parts_dir: Path | None,
    measures: str | None = None,
    kind: str | None = None,
    transfer_pose: bool = True,
    transfer_expression: bool = True,
    more_scorers: Sequence[Scorer] = (),
) -> Evaluation:
    """Scores pairs by a protocol, writes the JSON file and prints its numbers.

    Args:
      run, pairs: what is scored.
      protocol: a key of `PROTOCOLS`.
      out: the JSON file.
      parts_dir: folder of finished parts; None keeps none and reads none.
      measures: names, separated by commas; None for all that can be made.
      kind: of pairs, where the protocol leaves it open.
      transfer_pose, transfer_expression: see `score_pairs`.
      more_scorers: beside those of the measures.
    """
    chosen = PROTOCOLS[protocol]
    check_protocol(chosen, pairs)
    wanted = None if measures is None else measures.split(",")
    with open_measures(wanted, drawn_faces=pairs.info.drawn_faces) as made:
        evaluation = evaluate(
            run,
            pairs,
            scorers=(*made.scorers, *more_scorers),
            absent=made.absent,
            protocol=chosen,
            kind=chosen.kind or kind,
            parts_dir=parts_dir,
            reference_dir=None if parts_dir is None else pairs.root / "reference",
            transfer_pose=transfer_pose,
            transfer_expression=transfer_expression,
        )
    report = evaluation.report
    write_text(out, json.dumps(report, indent=2, allow_nan=False) + "\n")
    print(table(report))
    for warning in report["warnings"]:
        print(f"warning: {warning}")
    speed = report["speed"]
    if speed["pairs_per_second"] is not None:
        print(f"{speed['pairs']} pairs, {speed['pairs_per_second']:.2f} pairs/s")
    print(f"written: {out}")
    return evaluation


def main(options: argparse.Namespace, protocol: str, more_scorers: Sequence[Scorer] = ()) -> None:
    """Body of the scripts that score one protocol."""
    run, pairs = open_run(options, PROTOCOLS[protocol].kind)
    home = options.predictions or options.run
    name = "metrics.json" if protocol == "own" else f"metrics-{protocol}.json"
    run_protocol(
        run,
        pairs,
        protocol=protocol,
        out=Path(options.out) if options.out else results_folder(home) / name,
        parts_dir=None if options.fresh else parts_folder(home),
        measures=options.measures,
        more_scorers=more_scorers,
    )


def results_folder(run: str | Path) -> Path:
    """Where scores go: into the run's folder; those of a model folder, which is kept as it was
    written and may be the package's own, into runs/NAME-model."""
    folder = Path(run)
    if not is_model_folder(folder):
        return folder
    return Path("runs") / f"{read_config(folder).name}-model"


def parts_folder(run: str | Path) -> Path:
    """Where finished parts of a run's evaluations are kept."""
    return results_folder(run) / "evaluation"
