"""Scores of pairs, some of which could not be measured: values beside reasons, and their summary.

A pair whose face is not found has no score. It is neither a zero nor silently left out: its value
is NaN, its reason says why, and every summary counts it.
"""

import collections
import dataclasses
from collections.abc import Sequence

import numpy as np

NOT_FINITE = "not finite"


@dataclasses.dataclass(frozen=True)
class Scores:
    """One metric of N pairs.

    Attributes:
      values: float64 (N,), finite or NaN.
      reasons: N texts; None exactly where the value is finite.
    """

    values: np.ndarray
    reasons: tuple[str | None, ...]

    @classmethod
    def of(
        cls,
        values: np.ndarray,
        reasons: Sequence[str | None] | None = None,
        *,
        not_finite: str = NOT_FINITE,
    ) -> "Scores":
        """Scores of values (N,), of any float dtype.

        Args:
          values: what is not finite (the PSNR of equal pictures is infinite) becomes NaN.
          reasons: why a value is missing; a pair with a reason has no value, whatever `values` has.
          not_finite: the reason of values that are not finite and have none in `reasons`.

        Raises:
          ValueError: for another rank, or as many reasons as there are not values.
        """
        values = np.array(values, np.float64)
        if values.ndim != 1:
            raise ValueError(f"expected values (N,), found {values.shape}")
        given = [None] * len(values) if reasons is None else list(reasons)
        if len(given) != len(values):
            raise ValueError(f"expected {len(values)} reasons, found {len(given)}")
        full = tuple(
            reason if reason is not None or np.isfinite(value) else not_finite
            for value, reason in zip(values, given, strict=True)
        )
        values[[reason is not None for reason in full]] = np.nan
        return cls(values, full)

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, rows: np.ndarray) -> "Scores":
        """The scores of some pairs: indices or a mask (N,)."""
        chosen = np.arange(len(self))[rows]
        return Scores(self.values[chosen], tuple(self.reasons[k] for k in chosen))

    @property
    def found(self) -> np.ndarray:
        """bool (N,), where there is a value."""
        return np.isfinite(self.values)

    @property
    def failures(self) -> dict[str, int]:
        """Reason -> how many pairs failed for it, the most frequent first."""
        counted = collections.Counter(reason for reason in self.reasons if reason is not None)
        return dict(counted.most_common())


@dataclasses.dataclass(frozen=True)
class Summary:
    """What a metric comes to.

    Attributes:
      mean, median, standard_deviation: over the pairs with a value (the deviation with N - 1);
        None where too few have one, never a number that stands for nothing.
      count: pairs with a value.
      failures: reason -> pairs without one.
    """

    mean: float | None
    median: float | None
    standard_deviation: float | None
    count: int
    failures: dict[str, int]


def concatenate(parts: Sequence[Scores]) -> Scores:
    """Scores of batches, one after the other; none at all give none."""
    return Scores(
        np.concatenate([np.zeros(0), *(part.values for part in parts)]),
        tuple(reason for part in parts for reason in part.reasons),
    )


def summarise(scores: Scores) -> Summary:
    """Mean, median and deviation of the pairs with a value, and the count of those without."""
    values = scores.values[scores.found]
    count = len(values)
    return Summary(
        mean=float(values.mean()) if count else None,
        median=float(np.median(values)) if count else None,
        standard_deviation=float(values.std(ddof=1)) if count > 1 else None,
        count=count,
        failures=scores.failures,
    )


def merge_reasons(
    first: Sequence[str | None],
    second: Sequence[str | None],
    names: tuple[str, str] = ("generated", "reference"),
) -> tuple[str | None, ...]:
    """Reasons of pairs out of the reasons of their two pictures.

    Args:
      first, second: N reasons each, None where nothing went wrong.
      names: of the two sides; a reason becomes `<name>: <reason>`, of the first side that has one.
    """
    return tuple(
        f"{names[0]}: {a}" if a is not None else (f"{names[1]}: {b}" if b is not None else None)
        for a, b in zip(first, second, strict=True)
    )
