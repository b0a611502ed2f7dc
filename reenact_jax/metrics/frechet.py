"""Frechet distance of two sets of features, as Gaussians, in float64.

    d = |m1 - m2|^2 + tr(S1) + tr(S2) - 2 tr((S1 S2)^(1/2))

(Dowson and Landau 1982; Heusel et al. 2017, equation 6), means over the samples, covariances with
N - 1. With 2048 features of the 2015 Inception graph it is called FID, with others not.

The last trace is the sum of the singular values of F1^T F2, where S = F F^T. The factors come from
the eigenvalues of the covariances, of which those that are rounding are left out. No square root is
taken of a matrix that is not symmetric, and none of a number that is rounding: with fewer samples
than features (singular covariances) the result is as exact as with many.
"""

import dataclasses

import numpy as np

from reenact_jax.errors import UserError


@dataclasses.dataclass(frozen=True)
class Moments:
    """Count, mean and scatter of feature vectors; batches and machines are merged exactly.

    Attributes:
      count: number of samples N.
      mean: float64 (D,).
      scatter: float64 (D, D), the sum of (x - mean)(x - mean)^T; divided by N - 1 the covariance.
    """

    count: int
    mean: np.ndarray
    scatter: np.ndarray

    @classmethod
    def empty(cls, dimensions: int) -> "Moments":
        """Of no sample."""
        return cls(0, np.zeros(dimensions), np.zeros((dimensions, dimensions)))

    @classmethod
    def of(cls, features: np.ndarray) -> "Moments":
        """Of features (N, D), N >= 0.

        Raises:
          ValueError: for another rank, or features that are not finite: a picture without a face
            has none and must be counted, not averaged in.
        """
        features = np.asarray(features, np.float64)
        if features.ndim != 2:
            raise ValueError(f"expected features (N, D), found {features.shape}")
        if not np.isfinite(features).all():
            rows = np.flatnonzero(~np.isfinite(features).all(axis=1))
            raise ValueError(f"expected finite features, found NaN or infinity in rows {rows[:8]}")
        if len(features) == 0:
            return cls.empty(features.shape[1])
        mean = features.mean(axis=0)
        centred = features - mean
        return cls(len(features), mean, centred.T @ centred)

    @property
    def dimensions(self) -> int:
        return len(self.mean)

    @property
    def covariance(self) -> np.ndarray:
        """(D, D), with N - 1; needs two samples."""
        return self.scatter / (self.count - 1)

    def merged(self, other: "Moments") -> "Moments":
        """Of both sets of samples together (Chan, Golub and LeVeque 1979).

        Raises:
          ValueError: if the dimensions differ.
        """
        if self.dimensions != other.dimensions:
            raise ValueError(
                f"expected features of {self.dimensions} dimensions, found {other.dimensions}"
            )
        count = self.count + other.count
        if count == 0:
            return self
        step = other.mean - self.mean
        share = other.count / count
        return Moments(
            count,
            self.mean + share * step,
            self.scatter + other.scatter + np.outer(step, step) * (self.count * share),
        )


@dataclasses.dataclass(frozen=True)
class FrechetDistance:
    """A distance and what it rests on.

    Attributes:
      value: >= 0, in squared units of the features.
      counts: samples of the first and of the second set.
      dimensions: D.
      warnings: what a reader of the number must know; empty if nothing.
    """

    value: float
    counts: tuple[int, int]
    dimensions: int
    warnings: tuple[str, ...]


def frechet_distance(first: Moments, second: Moments) -> FrechetDistance:
    """The distance of two sets.

    The value depends on the number of samples (it is biased upwards, the more so the fewer), so it
    is comparable between sets of equal counts alone.

    Raises:
      ValueError: if the dimensions differ.
      UserError: if a set has fewer than two samples.
    """
    if first.dimensions != second.dimensions:
        raise ValueError(
            f"expected features of {first.dimensions} dimensions, found {second.dimensions}"
        )
    counts, dimensions = (first.count, second.count), first.dimensions
    if min(counts) < 2:
        raise UserError(
            f"Frechet distance: expected at least 2 samples on each side, found {counts[0]} and "
            f"{counts[1]}: score more pictures"
        )
    offset = first.mean - second.mean
    overlap = np.linalg.svd(
        _factor(first.covariance).T @ _factor(second.covariance), compute_uv=False
    ).sum()
    trace = (np.trace(first.scatter) / (counts[0] - 1)) + (
        np.trace(second.scatter) / (counts[1] - 1)
    )
    # Of equal sets the difference is rounding, of either sign.
    value = max(float(offset @ offset + trace - 2 * overlap), 0.0)
    return FrechetDistance(value, counts, dimensions, _warnings(counts, dimensions))


def _factor(covariance: np.ndarray) -> np.ndarray:
    """F (D, rank) with F F^T = covariance."""
    values, vectors = np.linalg.eigh(covariance)
    rounding = max(values[-1], 0.0) * len(values) * np.finfo(np.float64).eps
    kept = values > rounding
    return vectors[:, kept] * np.sqrt(values[kept])


def _warnings(counts: tuple[int, int], dimensions: int) -> tuple[str, ...]:
    warnings = []
    if min(counts) <= dimensions:
        warnings.append(
            f"{counts[0]} and {counts[1]} samples for {dimensions} dimensions: covariances are "
            "singular and the distance strongly biased upwards; compare it with distances of "
            "exactly these counts alone"
        )
    if counts[0] != counts[1]:
        warnings.append(f"the sets have different counts ({counts[0]} and {counts[1]})")
    return tuple(warnings)
