"""Distances between sets of pictures: FID, and the same of other features."""

from typing import Any

import numpy as np

from reenact_jax.data.prepared import PAIR_KINDS
from reenact_jax.errors import UserError
from reenact_jax.evaluation.pair_table import PairTable
from reenact_jax.metrics.frechet import Moments, frechet_distance

# Kind of pairs -> real pictures that a set of results is compared with, the primary ones first.
# Self: the driving frames are the true answers. Cross: the sources have the wanted appearance.
REAL_SETS = {"self": ("driving", "source"), "cross": ("source", "driving")}


def picture_distances(
    table: PairTable, methods: list[str], descriptions: list[dict[str, Any]]
) -> tuple[dict[str, dict[str, float]], dict[str, str], list[str]]:
    """Frechet distances of every method, kind and network of the table's features.

    A picture without features (no face was found) is in no set. With so few pictures that there is
    no distance, the warnings say so.

    Args:
      table: with features `METHOD/NETWORK`.
      methods: whose results are compared.
      descriptions: of the scorers; `distances` in them is NETWORK -> (name of the metric, text).

    Returns:
      Method -> `KIND/METRIC` -> distance, where METRIC is against the primary real set and
      METRIC_to_SET against the other; definitions of the metrics; warnings.
    """
    networks: dict[str, tuple[str, str]] = {}
    for description in descriptions:
        networks |= description.get("distances", {})
    values: dict[str, dict[str, float]] = {method: {} for method in methods}
    definitions: dict[str, str] = {}
    warnings: dict[str, None] = {}
    for network, (metric, text) in networks.items():
        for kind in PAIR_KINDS:
            own = table.of_kind(kind)
            if not len(own):
                continue
            for place, real in enumerate(REAL_SETS[kind]):
                name = metric if place == 0 else f"{metric}_to_{real}"
                definitions[name] = f"{text}; " + (
                    "to the driving frames (self) or the source frames (cross)"
                    if place == 0
                    else f"to the {real} frames"
                )
                reference = _moments(own.features[f"{real}/{network}"])
                for method in methods:
                    results = _moments(own.features[f"{method}/{network}"])
                    try:
                        distance = frechet_distance(results, reference)
                    except UserError as error:
                        warnings[f"{kind}/{name}: {error}"] = None
                        continue
                    values[method][f"{kind}/{name}"] = distance.value
                    warnings |= {f"{kind}/{name}: {one}": None for one in distance.warnings}
    return values, definitions, list(warnings)


def _moments(features: np.ndarray) -> Moments:
    return Moments.of(features[np.isfinite(features).all(axis=1)])
