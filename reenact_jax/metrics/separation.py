"""How well an identity embedding tells people apart: pairs of one person, pairs of two, and AUC.

A similarity means nothing without these two distributions, and a threshold that was published for
other pictures means nothing here; so there is none.
"""

import dataclasses

import numpy as np
from scipy.stats import rankdata

from reenact_jax.errors import UserError
from reenact_jax.metrics.identity import Embeddings, cosine_similarity

_PERCENTILES = (5, 25, 50, 75, 95)


@dataclasses.dataclass(frozen=True)
class Separation:
    """Similarities of pictures of one person and of two.

    Attributes:
      genuine: float64 (G,), similarities of pairs of one person.
      impostor: float64 (I,), of pairs of two people.
      auc: area under the ROC curve: the probability that a genuine pair is more similar than an
        impostor pair, ties half. 0.5 is chance, 1 is perfect.
      failures: reason -> pictures without an embedding, which are in no pair.
    """

    genuine: np.ndarray
    impostor: np.ndarray
    auc: float
    failures: dict[str, int]

    def percentiles(self) -> dict[str, dict[str, float]]:
        """5th, 25th, 50th, 75th and 95th percentile of both, with the numbers of pairs."""
        return {
            name: {f"p{p}": float(np.percentile(values, p)) for p in _PERCENTILES}
            | {"pairs": len(values)}
            for name, values in (("genuine", self.genuine), ("impostor", self.impostor))
        }


def area_under_curve(genuine: np.ndarray, impostor: np.ndarray) -> float:
    """The probability that a value of `genuine` (G,) exceeds one of `impostor` (I,), ties half.

    Raises:
      ValueError: if one is empty or holds NaN.
    """
    both = np.concatenate([genuine, impostor])
    if not (len(genuine) and len(impostor) and np.isfinite(both).all()):
        raise ValueError("expected finite similarities on both sides, found none or NaN")
    # Mann and Whitney: the rank sum, less what the genuine ones have among themselves.
    ranks = rankdata(both)[: len(genuine)].sum() - len(genuine) * (len(genuine) + 1) / 2
    return float(ranks / (len(genuine) * len(impostor)))


def separation(
    embeddings: Embeddings, people: np.ndarray, moments: np.ndarray | None = None, *, apart: int = 1
) -> Separation:
    """All pairs of pictures, by whether they show one person.

    Args:
      embeddings: of N pictures.
      people: (N,) name or number of the person in each.
      moments: (N,) index of the frame, within one clip per person; None where pictures of one
        person are not neighbours in time.
      apart: genuine pairs are at least so many frames apart: neighbours are nearly the same
        picture and would flatter the embedding.

    Raises:
      UserError: if there is no pair of one person or none of two.
    """
    rows = np.flatnonzero(embeddings.found)
    vectors = embeddings.vectors[rows].astype(np.float64)
    people = np.asarray(people)[rows]
    moments = np.arange(len(rows)) * apart if moments is None else np.asarray(moments)[rows]
    first, second = np.triu_indices(len(rows), 1)
    same = people[first] == people[second]
    far = np.abs(moments[first] - moments[second]) >= apart
    similarity = np.asarray(cosine_similarity(vectors[first], vectors[second]), np.float64)
    genuine, impostor = similarity[same & far], similarity[~same]
    if not len(genuine) or not len(impostor):
        raise UserError(
            "separation: expected pictures of at least two people, two of one of them "
            f"{apart} frames apart, found {len(genuine)} pairs of one person and {len(impostor)} "
            "of two"
        )
    reasons = [reason for reason in embeddings.reasons if reason is not None]
    return Separation(
        genuine,
        impostor,
        area_under_curve(genuine, impostor),
        {reason: reasons.count(reason) for reason in sorted(set(reasons))},
    )
