"""The table that evaluation fills: one row a pair, one column a method, region and metric."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from reenact_jax.data.pose_difference import BIN_EDGES, pose_bin

MODEL = "model"
FRAME, FACE, VISIBLE, HIDDEN = "frame", "face", "visible", "hidden"


@dataclasses.dataclass(frozen=True)
class PairTable:
    """Scores of N pairs.

    Attributes:
      pairs: what the pairs are; name -> (N,) array:
        pair_id, kind (`self` or `cross`), source_identity, driving_identity (persons),
        source_clip, driving_clip, source_frame, driving_frame,
        has_target (bool: its true answer is known),
        pose_difference (degrees between the head poses, `data.pose_difference`; of the true poses
        where they are known),
        face_share, hidden_share (pixels of these regions over all pixels).
      scores: `METHOD/REGION/METRIC` -> (N,) float64. NaN where there is no number: the answer is
        not known, the region is (nearly) empty, or no face was found. PSNR of equal pictures is
        infinite.
      reasons: the same names -> (N,) str, empty where there is a number; of metrics that can fail
        for other reasons than a missing answer or an empty region.
      features: `METHOD/NETWORK` -> (N, D) float32, for distances between sets of pictures. The
        pseudo-methods `source`, `driving` and `target` hold those of the real pictures.
    """

    pairs: dict[str, np.ndarray]
    scores: dict[str, np.ndarray]
    reasons: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)
    features: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.pairs["pair_id"])

    def score(self, metric: str, *, method: str = MODEL, region: str = FRAME) -> np.ndarray:
        """One column, (N,) float64."""
        return self.scores[f"{method}/{region}/{metric}"]

    def of_kind(self, kind: str) -> "PairTable":
        """The rows of one kind of pairs."""
        return self.rows(self.pairs["kind"] == kind)

    def rows(self, chosen: np.ndarray) -> "PairTable":
        """The rows of a boolean mask (N,) or an index array."""
        return PairTable(
            **{
                group: {name: column[chosen] for name, column in getattr(self, group).items()}
                for group in GROUPS
            }
        )

    def pose_bins(self, edges: Sequence[float] = BIN_EDGES) -> np.ndarray:
        """Number of each pair's bin, (N,) int; a bin holds its lower edge, the last is open."""
        degrees = self.pairs["pose_difference"]
        if edges is BIN_EDGES:
            return pose_bin(degrees)
        return np.searchsorted(edges, degrees, side="right") - 1

    def columns(self) -> dict[str, np.ndarray]:
        """Pairs and scores as one dict of (N,) arrays, for a CSV file or a data frame."""
        return {**self.pairs, **self.scores}


def join_tables(tables: Sequence[PairTable]) -> PairTable:
    """One table below the other; all must have the same columns."""

    def join(group: str) -> dict[str, np.ndarray]:
        parts = [getattr(table, group) for table in tables]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    return PairTable(**{group: join(group) for group in GROUPS})


GROUPS = tuple(field.name for field in dataclasses.fields(PairTable))
