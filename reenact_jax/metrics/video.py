"""Jitter of videos: what trembles from frame to frame beyond the movement itself.

Both numbers rest on the second difference x(t+1) - 2 x(t) + x(t-1) of a trajectory, which is next
to nothing for slow movements. Units are those of the trajectory per frame squared, so they are
comparable at one frame rate alone.
"""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Jitter:
    """Of one video.

    Attributes:
      value: unit of the trajectory per frame squared, >= 0, lower is steadier; None if there are
        not three neighbouring frames with a face.
      count: second differences that it rests on.
      missing: second differences that fell out because a frame has no face.
    """

    value: float | None
    count: int
    missing: int


def jitter(trajectory: np.ndarray) -> Jitter:
    """Median over time of the mean length of the points' second differences.

    A blink or a cut changes a median little; trembling changes it in every frame.

    Args:
      trajectory: (T, ..., D): points (T, L, 2) in pixels, angles (T, 3) in radians without jumps of
        2 pi. Rows with NaN are frames without a face.
    """
    return _robust(_second_difference(trajectory))


def motion_jitter_error(trajectory: np.ndarray, target: np.ndarray) -> Jitter:
    """`jitter` of the difference of two trajectories: what trembles and does not in the target.

    Args:
      trajectory: (T, ..., D) of the generated video.
      target: the same of the driving video.
    """
    trajectory, target = np.asarray(trajectory), np.asarray(target)
    if trajectory.shape != target.shape:
        raise ValueError(
            f"expected trajectories of one shape, found {trajectory.shape} and {target.shape}"
        )
    return _robust(_second_difference(trajectory - target))


def _second_difference(trajectory: np.ndarray) -> np.ndarray:
    """Mean length over the points, (T - 2,)."""
    trajectory = np.asarray(trajectory, np.float64)
    if trajectory.ndim < 2:
        raise ValueError(f"expected a trajectory (T, ..., D), found {trajectory.shape}")
    lengths = np.linalg.norm(np.diff(trajectory, 2, axis=0), axis=-1)
    return lengths.reshape(len(lengths), int(np.prod(trajectory.shape[1:-1]))).mean(axis=1)


def _robust(lengths: np.ndarray) -> Jitter:
    there = lengths[np.isfinite(lengths)]
    value = float(np.median(there)) if len(there) else None
    return Jitter(value, len(there), len(lengths) - len(there))
