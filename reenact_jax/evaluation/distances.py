"""Distances between sets of pictures: FID, and the same of other features."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np

from reenact_jax.data.prepared import PAIR_KINDS
from reenact_jax.errors import UserError
from reenact_jax.evaluation.pair_table import PairTable
from reenact_jax.evaluation.parts import content_key
from reenact_jax.metrics.feature_cache import load_moments, save_moments
from reenact_jax.metrics.frechet import Moments, frechet_distance

# Kind of pairs -> real pictures that a set of results is compared with, the primary ones first.
# Self: the driving frames are the true answers. Cross: the sources have the wanted appearance.
REAL_SETS = {"self": ("driving", "source"), "cross": ("source", "driving")}
# Rows of features that wait to be merged: merging costs by the square of their width.
_ROWS = 2048


class SetMoments:
    """Moments of the sets of pictures of a list, gathered part by part, so that the features of all
    pairs are never in memory together."""

    def __init__(self, known: dict[str, Moments] | None = None):
        """
        Args:
          known: `KIND/SET/NETWORK` -> moments of sets that are not gathered.
        """
        self._known = known or {}
        self._moments: dict[str, Moments] = {}
        self._waiting: dict[str, list[np.ndarray]] = {}

    def add(self, table: PairTable) -> None:
        """Takes the features of a part. A picture without any (no face was found) is in no set."""
        for kind in PAIR_KINDS:
            for name, features in table.of_kind(kind).features.items():
                key = f"{kind}/{name}"
                if key in self._known or not len(features):
                    continue
                waiting = self._waiting.setdefault(key, [])
                waiting.append(features[np.isfinite(features).all(axis=1)])
                if sum(map(len, waiting)) >= _ROWS:
                    self._merge(key)

    def all(self) -> dict[str, Moments]:
        """`KIND/SET/NETWORK` -> moments of everything that was added, and what was known."""
        for key in list(self._waiting):
            self._merge(key)
        return self._moments | self._known

    def _merge(self, key: str) -> None:
        found = Moments.of(np.concatenate(self._waiting.pop(key)))
        self._moments[key] = self._moments[key].merged(found) if key in self._moments else found


class RealSets:
    """Files with the moments of the real pictures of a list, which all runs are compared with."""

    def __init__(
        self,
        folder: Path,
        kinds: Collection[str],
        networks: Collection[str],
        made_of: dict[str, Any],
    ):
        """
        Args:
          folder: where the files lie.
          kinds: of the pairs.
          networks: names of the features.
          made_of: what decides the numbers (JSON): list, content, size, weights.
        """
        self._made_of = {"made_of": content_key(made_of)}
        self._paths = {
            f"{kind}/{real}/{network}": folder
            / f"{self._made_of['made_of']}-{kind}-{real}-{network}.npz"
            for kind in kinds
            for real in REAL_SETS[kind]
            for network in networks
        }

    def load(self) -> dict[str, Moments] | None:
        """`KIND/SET/NETWORK` -> moments; None unless all are there.

        Raises:
          UserError: if a file is damaged.
        """
        if not self._paths or not all(path.is_file() for path in self._paths.values()):
            return None
        return {key: load_moments(path, self._made_of)[0] for key, path in self._paths.items()}

    def save(self, moments: dict[str, Moments]) -> None:
        """Writes those of the real sets."""
        for key, path in self._paths.items():
            save_moments(path, moments[key], self._made_of)


def picture_distances(
    moments: dict[str, Moments], methods: list[str], descriptions: list[dict[str, Any]]
) -> tuple[dict[str, dict[str, float]], dict[str, str], list[str]]:
    """Frechet distances of every method, kind and network.

    With so few pictures that there is no distance, the warnings say so.

    Args:
      moments: `KIND/SET/NETWORK` -> moments; sets are methods and the real pictures.
      methods: whose results are compared.
      descriptions: of the scorers; `distances` in them is NETWORK -> (name of the metric, text).

    Returns:
      Method -> `KIND/METRIC` -> distance, where METRIC is against the primary real set and
      METRIC_to_SET against the other; definitions of the metrics; warnings.
    """
    values: dict[str, dict[str, float]] = {method: {} for method in methods}
    definitions: dict[str, str] = {}
    warned: dict[str, dict[str, None]] = {}  # what is said -> of which numbers
    for network, (metric, text) in networks(descriptions).items():
        for kind in PAIR_KINDS:
            for place, real in enumerate(REAL_SETS[kind]):
                if f"{kind}/{real}/{network}" not in moments:
                    continue
                name = metric if place == 0 else f"{metric}_to_{real}"
                definitions[name] = f"{text}; " + (
                    "to the driving frames (self) or the source frames (cross)"
                    if place == 0
                    else f"to the {real} frames"
                )
                reference = moments[f"{kind}/{real}/{network}"]
                for method in methods:
                    results = moments[f"{kind}/{method}/{network}"]
                    try:
                        distance = frechet_distance(results, reference)
                    except UserError as error:
                        warned.setdefault(str(error), {})[f"{kind}/{name}"] = None
                        continue
                    values[method][f"{kind}/{name}"] = distance.value
                    for one in distance.warnings:
                        warned.setdefault(one, {})[f"{kind}/{name}"] = None
    warnings = [f"{', '.join(names)}: {text}" for text, names in warned.items()]
    return values, definitions, warnings


def networks(descriptions: list[dict[str, Any]]) -> dict[str, tuple[str, str]]:
    """Features of the scorers whose distributions are compared -> metric and its definition."""
    found: dict[str, tuple[str, str]] = {}
    for description in descriptions:
        found |= description.get("distances", {})
    return found
