"""Bootstrap intervals over identities.

Pairs of one person are not independent: a model that fails on a face fails in all its frames. So
whole identities are drawn again, with all their pairs, and the interval says what other people
would have given (the cluster bootstrap; Davison and Hinkley 1997, section 3.8). Percentile
intervals.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from reenact_jax.metrics.scores import Scores

NUM_RESAMPLES = 2000
LEVEL = 0.95


@dataclasses.dataclass(frozen=True)
class Interval:
    """A mean with its interval.

    Attributes:
      mean: over all pairs with a value; None if there is none.
      low, high: ends of the interval; None with fewer than two identities.
      level: coverage, 0.95.
      count: pairs that it rests on.
      missing: pairs that have no value (of a difference: in one of the two).
      clusters: identities with at least one such pair.
    """

    mean: float | None
    low: float | None
    high: float | None
    level: float
    count: int
    missing: int
    clusters: int


def bootstrap_mean(
    scores: Scores,
    identities: Sequence[str] | np.ndarray,
    *,
    seed: int = 0,
    num_resamples: int = NUM_RESAMPLES,
    level: float = LEVEL,
) -> Interval:
    """Interval of the mean over pairs.

    Args:
      scores: of N pairs; or differences of two methods on the same pairs, which are then paired.
      identities: (N,) the person that each pair belongs to (of cross pairs: the source's).
      seed: the same seed gives the same interval.
      num_resamples: how often the identities are drawn.
      level: in (0, 1).
    """
    return _interval(scores.values, identities, seed, num_resamples, level)


def _interval(
    values: np.ndarray,
    identities: Sequence[str] | np.ndarray,
    seed: int,
    num_resamples: int,
    level: float,
) -> Interval:
    identities = np.asarray(identities)
    if identities.shape != values.shape:
        raise ValueError(f"expected identities {values.shape}, found {identities.shape}")
    if not 0 < level < 1 or num_resamples < 1:
        raise ValueError(f"expected a level in (0, 1), resamples >= 1: {level}, {num_resamples}")
    there = np.isfinite(values)
    values, identities = values[there], identities[there]
    people, person = np.unique(identities, return_inverse=True)
    sums = np.bincount(person, weights=values, minlength=len(people))
    sizes = np.bincount(person, minlength=len(people))
    low = high = None
    if len(people) > 1:
        # How often each person is drawn; a resample's mean is over all its pairs.
        drawn = np.random.default_rng(seed).multinomial(
            len(people), np.full(len(people), 1 / len(people)), size=num_resamples
        )
        means = (drawn @ sums) / (drawn @ sizes)
        low, high = (float(x) for x in np.quantile(means, [(1 - level) / 2, (1 + level) / 2]))
    return Interval(
        mean=float(values.mean()) if len(values) else None,
        low=low,
        high=high,
        level=level,
        count=len(values),
        missing=int((~there).sum()),
        clusters=len(people),
    )
