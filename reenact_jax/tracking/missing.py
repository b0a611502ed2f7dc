"""What stands in for frames in which no face was found."""

import dataclasses

import numpy as np
from scipy.spatial.transform import Rotation

from reenact_jax.face_model.parameters import FaceParameters

# hold: the face of the frame before (at the start: of the first frame with one).
# interpolate: between the frames before and after (at the ends: as hold).
# skip: the frame is left out. fail: it is an error.
ON_MISSING = ("hold", "interpolate", "skip", "fail")


@dataclasses.dataclass(frozen=True)
class StandIns:
    """For M frames that are kept of T: between which frames with a face each one lies.

    Attributes:
      kept: int (M,) ascending indices of frames.
      before, after: int (M,) indices of frames with a face; both are `kept` where it has one.
      share: float32 (M,), weight of `after`.
    """

    kept: np.ndarray
    before: np.ndarray
    after: np.ndarray
    share: np.ndarray


def stand_ins(found: np.ndarray, on_missing: str) -> StandIns:
    """Applies a policy to frames of which `found` (T,) have a face; at least one has.

    `fail` is the caller's to raise; frames without a face are kept as by `hold`.
    """
    if on_missing not in ON_MISSING:
        raise ValueError(f"on_missing: expected one of {ON_MISSING}, found {on_missing!r}")
    present = np.flatnonzero(found)
    kept = present if on_missing == "skip" else np.arange(len(found))
    place = np.searchsorted(present, kept)
    after = present[np.minimum(place, len(present) - 1)]
    before = np.where(after == kept, kept, present[np.maximum(place - 1, 0)])
    if on_missing != "interpolate":
        after = before
    # At the ends both sides are the same frame.
    share = (kept - before) / np.maximum(after - before, 1)
    return StandIns(kept, before, after, np.float32(np.where(after > before, share, 0.0)))


def between(before: FaceParameters, after: FaceParameters, share: np.ndarray) -> FaceParameters:
    """Parameters (M, K) on the way from one to the other, the head turning the shortest way."""
    weight = share[:, None]
    leaves = {
        field.name: getattr(before, field.name) * (1 - weight) + getattr(after, field.name) * weight
        for field in dataclasses.fields(before)
    }
    # Euler angles (pitch, yaw, roll) turn about the fixed axes x, y, z in that order.
    start = Rotation.from_euler("xyz", before.rotation)
    turn = (Rotation.from_euler("xyz", after.rotation) * start.inv()).as_rotvec()
    leaves["rotation"] = (Rotation.from_rotvec(turn * weight) * start).as_euler("xyz")
    # Frames with a face of their own stay as they are to the last bit.
    exact = weight == 0
    return FaceParameters(
        **{
            name: np.where(exact, getattr(before, name), leaf).astype(np.float32)
            for name, leaf in leaves.items()
        }
    )
