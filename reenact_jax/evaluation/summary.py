"""From a pair table to the numbers of a report: means, intervals, bins, what is missing and why."""

import dataclasses
from typing import Any

import numpy as np

from reenact_jax.data.pose_difference import BIN_NAMES
from reenact_jax.data.prepared import PAIR_KINDS
from reenact_jax.evaluation.pair_table import FRAME, PairTable
from reenact_jax.metrics.bootstrap import bootstrap_mean
from reenact_jax.metrics.scores import Scores

EMPTY_REGION = "the region is empty or nearly so"
EQUAL_PICTURES = "equal pictures: infinite, in no mean"
NO_NUMBER = "no number"
# Of pairs that need no number; they are no failures.
UNKNOWN_ANSWER = "the answer is not known"


@dataclasses.dataclass(frozen=True)
class MethodSummary:
    """What one method comes to; all by `KIND/METRIC` or `KIND/METRIC_REGION`.

    Attributes:
      means: mean over the pairs with a number.
      intervals: [low, high], over source identities; absent with fewer than two of them.
      failures: reason -> pairs without a number though their answer is known.
    """

    means: dict[str, float]
    intervals: dict[str, list[float]]
    failures: dict[str, dict[str, int]]


def metric_name(region: str, metric: str) -> str:
    """Name of a metric in a region, such as `psnr_face`; over the frame it has no suffix."""
    return metric if region == FRAME else f"{metric}_{region}"


def column_scores(table: PairTable, column: str) -> tuple[Scores, np.ndarray]:
    """Values, reasons and source identities of the pairs that should have a number."""
    values, people = table.scores[column], table.pairs["source_identity"]
    if column in table.reasons:
        reasons = [reason or None for reason in table.reasons[column].tolist()]
        wanted = table.reasons[column] != UNKNOWN_ANSWER
    else:
        missing = NO_NUMBER if column.split("/")[1] == FRAME else EMPTY_REGION
        reasons = [
            None if np.isfinite(v) else EQUAL_PICTURES if np.isposinf(v) else missing
            for v in values
        ]
        wanted = table.pairs["has_target"]
    return Scores.of(values, reasons)[wanted], people[wanted]


def summarise_method(table: PairTable, method: str) -> MethodSummary:
    """Means, intervals and failures of one method, over both kinds of pairs."""
    found = MethodSummary({}, {}, {})
    for kind in PAIR_KINDS:
        own = table.of_kind(kind)
        if not len(own):
            continue
        for column in own.scores:
            owner, region, metric = column.split("/")
            if owner != method:
                continue
            name = f"{kind}/{metric_name(region, metric)}"
            scores, identities = column_scores(own, column)
            if failures := scores.failures:
                found.failures[name] = failures
            interval = bootstrap_mean(scores, identities)
            if interval.mean is not None:
                found.means[name] = interval.mean
            if interval.low is not None:
                found.intervals[name] = [interval.low, interval.high]
    return found


def summarise_bins(table: PairTable, methods: list[str]) -> list[dict[str, Any]]:
    """Means by kind and bin of pose difference; bins without pairs are left out."""
    result = []
    for kind in PAIR_KINDS:
        own = table.of_kind(kind)
        bins = own.pose_bins()
        for number, name in enumerate(BIN_NAMES):
            rows = own.rows(bins == number)
            if not len(rows):
                continue
            summaries = {method: summarise_method(rows, method) for method in methods}
            result.append(
                {
                    "kind": kind,
                    "degrees": name,
                    "pairs": len(rows),
                    "identities": len(np.unique(rows.pairs["source_identity"])),
                    "means": {m: _without_kind(s.means) for m, s in summaries.items()},
                    "intervals": {m: _without_kind(s.intervals) for m, s in summaries.items()},
                }
            )
    return result


def _without_kind(values: dict[str, Any]) -> dict[str, Any]:
    return {name.split("/", 1)[1]: value for name, value in values.items()}
