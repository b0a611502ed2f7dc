"""Means, paired differences and slopes of the study, with intervals over people and seeds.

Values are (S, N): S seeds by N pairs, NaN where a pair has none. A bootstrap draw takes the source
identities with all their pairs again, and, independently, the seeds; all variants, metrics and
conditions share the same draws of people, because their pairs are the same.
"""

import dataclasses

import numpy as np

NUM_DRAWS = 2000
LEVEL = 0.95


@dataclasses.dataclass(frozen=True)
class Estimate:
    """A number with the ends of its 95 % interval."""

    value: float
    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        return self.low > 0 or self.high < 0

    def text(self, digits: int = 4, *, signed: bool = False) -> str:
        """`value [low, high]`."""
        sign = "+" if signed else ""
        value, low, high = (f"{x:{sign}.{digits}f}" for x in (self.value, self.low, self.high))
        return f"{value} [{low}, {high}]"


def mean(values: np.ndarray, identities: np.ndarray) -> Estimate:
    """Mean over seeds and pairs.

    Args:
      values: (S, N); of no pair at all the estimate is NaN.
      identities: (N,) person of each pair.
    """
    if not len(identities):
        return Estimate(np.nan, np.nan, np.nan)
    there = np.isfinite(values)
    totals = _by_person(np.where(there, values, 0.0), identities)
    counts = _by_person(there.astype(np.float64), identities)
    people, seeds = _draws(totals.shape[1], len(values))
    # A resample's mean is over its pairs, then over its seeds.
    with np.errstate(invalid="ignore", divide="ignore"):
        per_seed = (people @ totals.T) / (people @ counts.T)
        drawn = (per_seed * seeds).sum(axis=1) / len(values)
        value = float((totals.sum(axis=1) / counts.sum(axis=1)).mean())
    return _estimate(value, drawn)


def slope(values: np.ndarray, degrees: np.ndarray, identities: np.ndarray) -> Estimate:
    """Slope of the least-squares line of values (S, N) over degrees (N,), per 10 degrees."""
    there = np.isfinite(values)
    x = np.broadcast_to(degrees / 10.0, values.shape)
    y = np.where(there, values, 0.0)
    sums = [
        _by_person(np.where(there, part, 0.0), identities) for part in (1.0, x, y, x * x, x * y)
    ]
    people, seeds = _draws(sums[0].shape[1], len(values))

    def fit(n, sx, sy, sxx, sxy):
        return (n * sxy - sx * sy) / (n * sxx - sx * sx)

    with np.errstate(invalid="ignore", divide="ignore"):  # draws of one person at one angle
        value = float(fit(*(part.sum() for part in sums)))
        drawn = fit(*(np.einsum("dp,sp,ds->d", people, s, seeds) for s in sums))
    return _estimate(value, drawn)


def _by_person(values: np.ndarray, identities: np.ndarray) -> np.ndarray:
    """(S, N) -> sums (S, P) over the pairs of each person."""
    names, person = np.unique(identities, return_inverse=True)
    return np.stack([np.bincount(person, weights=row, minlength=len(names)) for row in values])


def _draws(num_people: int, num_seeds: int) -> tuple[np.ndarray, np.ndarray]:
    """How often each person (D, P) and each seed (D, S) is drawn."""
    rng = np.random.default_rng(0)
    people = rng.multinomial(num_people, np.full(num_people, 1 / num_people), size=NUM_DRAWS)
    seeds = rng.multinomial(num_seeds, np.full(num_seeds, 1 / num_seeds), size=NUM_DRAWS)
    return people.astype(np.float64), seeds.astype(np.float64)


def _estimate(value: float, drawn: np.ndarray) -> Estimate:
    drawn = drawn[np.isfinite(drawn)]
    if not len(drawn):
        return Estimate(value, np.nan, np.nan)
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Estimate(value, float(low), float(high))
