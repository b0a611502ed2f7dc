"""The content of metrics.json: numbers with everything that they depend on."""

import dataclasses
import os
import platform
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import jax
import numpy as np

from reenact_jax import __version__
from reenact_jax.data.frames import PairDataset
from reenact_jax.data.pose_difference import BIN_EDGES
from reenact_jax.data.prepared import PAIR_KINDS
from reenact_jax.evaluation.distances import picture_distances
from reenact_jax.evaluation.face_scorer import NOISE_FLOOR
from reenact_jax.evaluation.pair_table import FACE, FRAME, HIDDEN, MODEL, VISIBLE, PairTable
from reenact_jax.evaluation.pictures import BASELINES
from reenact_jax.evaluation.predictions import Predictions
from reenact_jax.evaluation.protocols import OWN, PROTOCOLS, Protocol, protocol_warnings
from reenact_jax.evaluation.scorers import MIN_REGION_SHARE, ImageScorer, Scorer
from reenact_jax.evaluation.scoring import ScoredPairs, score_pairs
from reenact_jax.evaluation.summary import MethodSummary, summarise_bins, summarise_method
from reenact_jax.inference.run import TrainedRun
from reenact_jax.metrics import bootstrap

_PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy", "scipy", "mediapipe")
# Of fewer people the bootstrap's intervals are known to be too narrow.
_FEW_IDENTITIES = 10
_REGIONS = {
    "truth": {
        FACE: "pixels whose centre shows the face in the true answer, not hair or glasses over it",
        VISIBLE: "of the face, what the source picture shows too",
        HIDDEN: "of the face, what the source picture does not show",
    },
    "guidance": {
        FACE: "raster of the face region of the target's parameters; what covers it is not known",
        VISIBLE: "of that, what O_c takes for visible in the source",
        HIDDEN: "of that, what O_c takes for hidden in the source",
    },
}


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """What `evaluate` found.

    Attributes:
      report: content of metrics.json; `metrics/metrics.schema.json` is its schema.
      scored: the pairs one by one.
    """

    report: dict[str, Any]
    scored: ScoredPairs


def evaluate(
    run: TrainedRun | Predictions,
    pairs: PairDataset,
    *,
    scorers: Sequence[Scorer] = (ImageScorer(),),
    absent: dict[str, str] | None = None,
    protocol: Protocol = PROTOCOLS[OWN],
    kind: str | None = None,
    parts_dir: str | Path | None = None,
    reference_dir: str | Path | None = None,
    transfer_pose: bool = True,
    transfer_expression: bool = True,
    progress: bool = True,
) -> Evaluation:
    """Scores a list of pairs and says how.

    Args:
      run, pairs, scorers, parts_dir, reference_dir, transfer_pose, transfer_expression, progress:
        see `score_pairs`.
      absent: metric -> why it is not among the scorers.
      protocol: whose protocol this is; its kind is not looked at.
      kind: `self` or `cross` for pairs of that kind alone; None for all.

    Raises:
      UserError: if the pairs belong to another face model, or none is of that kind.
    """
    scored = score_pairs(
        run,
        pairs,
        scorers=scorers,
        kind=kind,
        parts_dir=parts_dir,
        reference_dir=reference_dir,
        transfer_pose=transfer_pose,
        transfer_expression=transfer_expression,
        progress=progress,
    )
    return Evaluation(make_report(run, pairs, scored, scorers, absent or {}, protocol), scored)


def make_report(
    run: TrainedRun | Predictions,
    pairs: PairDataset,
    scored: ScoredPairs,
    scorers: Sequence[Scorer],
    absent: dict[str, str],
    protocol: Protocol,
) -> dict[str, Any]:
    """The report of pairs that have been scored."""
    table, config = scored.table, run.config
    foreign = isinstance(run, Predictions)
    methods = [MODEL, *BASELINES]
    summaries = {method: summarise_method(table, method) for method in methods}
    floor = summarise_method(table, NOISE_FLOOR)
    descriptions = [scorer.describe() for scorer in scorers]
    distances, definitions, warnings = picture_distances(scored.moments, methods, descriptions)
    means = {method: summary.means | distances[method] for method, summary in summaries.items()}
    measured = {name: text for one in descriptions for name, text in one["metrics"].items()}
    return {
        "protocol": {
            "name": protocol.name,
            "task": "self: driving frame of the source's own clip; cross: of another person",
            "kind": scored.facts["kind"] or "all",
            "transfer": scored.facts["transfer"],
            "prefixes": "self/ and cross/",
            "metrics": _definitions(table, measured) | definitions,
            "regions": {FRAME: "all pixels", **_REGIONS[scored.masks]},
            "masks": scored.masks,
            "smallest_region": MIN_REGION_SHARE,
            "baselines": BASELINES,
            "intervals": f"{100 * bootstrap.LEVEL:g} %, percentiles of {bootstrap.NUM_RESAMPLES} "
            "draws of the source identities with all their pairs, seed 0",
            "pose_difference": "angle of R_source^T R_driving in degrees, of the "
            + ("true" if scored.masks == "truth" else "dataset's")
            + " parameters",
            "pose_bin_edges": list(BIN_EDGES),
            "image_size": config.image_size,
            "resize": _resize(pairs.info.image_size, config.image_size),
            "stored_frames": scored.codec,
            "prediction": "PNG files of other code"
            if foreign
            else "rounded to 8 bits, not compressed",
            "pairs": pairs.list_hash,
            "run": config.name,
            "step": run.step,
            "vgg_weights": "not known" if foreign else config.loss.vgg_weights,
            "guidance": dataclasses.asdict(config.guidance),
        },
        "metrics": means[MODEL],
        "baselines": {name: means[name] for name in BASELINES},
        "intervals": {method: summary.intervals for method, summary in summaries.items()},
        "noise_floor": floor.means,
        "bins": summarise_bins(table, methods),
        "counts": _counts(table),
        "failures": {m: summary.failures for m, summary in summaries.items() if summary.failures},
        "absent": absent,
        "weights": [one for description in descriptions for one in description.get("weights", [])],
        "warnings": [
            *protocol_warnings(protocol, len(table)),
            *_warnings(pairs, scored, summaries, descriptions),
            *warnings,
        ],
        "checkpoint": {"step": run.step, "params": scored.facts["params"]},
        "config": run.facts() if foreign else dataclasses.asdict(config),
        "versions": versions(),
        "machine": machine(),
        "speed": {
            "pairs": scored.num_scored,
            "seconds": scored.seconds,
            "pairs_per_second": scored.num_scored / scored.seconds if scored.num_scored else None,
        },
        "dataset": pairs.info.to_dict() | {"content": pairs.content},
    }


def _definitions(table: PairTable, measured: dict[str, str]) -> dict[str, str]:
    """Name in the report -> definition, of every column that the table has."""
    result = {}
    for column in table.scores:
        _, region, metric = column.split("/")
        if region == FRAME:
            result[metric] = measured[metric]
        else:
            result[f"{metric}_{region}"] = f"{measured[metric]}; region {region}"
    return result


def _counts(table: PairTable) -> dict[str, int]:
    counts = {}
    for kind in PAIR_KINDS:
        own = table.of_kind(kind)
        counts[f"{kind}/pairs"] = len(own)
        if len(own):
            counts[f"{kind}/identities"] = len(np.unique(own.pairs["source_identity"]))
        if without := int((~own.pairs["has_target"]).sum()):
            counts[f"{kind}/without_answer"] = without
    return counts


def _warnings(
    pairs: PairDataset,
    scored: ScoredPairs,
    summaries: dict[str, MethodSummary],
    descriptions: list[dict[str, Any]],
) -> list[str]:
    table, warnings = scored.table, []
    if pairs.info.drawn_faces and scored.masks == "guidance":
        warnings.append(
            "this world has true masks, but none are beside the packed dataset for these pairs (or "
            "the transfer is not whole): regions are those of the guidance; pack the world again"
        )
    people = len(np.unique(table.pairs["source_identity"]))
    if people < _FEW_IDENTITIES:
        warnings.append(f"{people} identities: intervals over them are too narrow, or missing")
    for kind in PAIR_KINDS:
        own = table.of_kind(kind)
        if len(own) and not own.pairs["has_target"].any():
            warnings.append(
                f"{kind} pairs have no true answer: metrics that need one are not among the numbers"
            )
    for method, summary in summaries.items():
        for name, reasons in summary.failures.items():
            failed = sum(reasons.values())
            of = len(table.of_kind(name.split("/")[0]))
            if failed > 0.05 * of and name.split("_")[-1] not in (FACE, VISIBLE, HIDDEN):
                warnings.append(f"{method} {name}: no number for {failed} of {of} pairs")
    for description in descriptions:
        warnings += description.get("warnings", [])
        for weights in description.get("weights", []):
            if not weights["known"]:
                warnings.append(
                    f"{weights['file']}: not the published weights of {weights['network']}: "
                    "numbers made with it are comparable among themselves alone"
                )
    return warnings


def _resize(stored: int, size: int) -> str:
    if stored == size:
        return "none"
    if stored < size:
        return f"{stored} to {size}, bilinear"
    return f"{stored} to {size}, area average"


def versions() -> dict[str, str]:
    """Package -> version, of what decides numbers."""
    found = {"reenact-jax": __version__, "python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def machine() -> dict[str, Any]:
    """What this program runs on."""
    device = jax.devices()[0]
    return {
        "system": platform.platform(),
        "processors": os.cpu_count(),
        "accelerator": f"{device.platform}: {device.device_kind}",
    }
