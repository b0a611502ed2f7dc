"""How far a driver's head is turned from the source's, and in which bin that lies.

The difference of a pair is the angle of the rotation that leads from the source's head pose to the
driver's: the angle of R_s^T R_d, in degrees, 0 to 180. It does not depend on the order of the two,
nor on the choice of Euler angles. (The paper bins its pairs by "pose discrepancy" and does not say
which number that is.)
"""

import numpy as np

from reenact_jax.face_model.rotation import rotation_matrix

# Degrees; a bin holds its lower edge. The last one is open to 180.
BIN_EDGES = (0, 10, 20, 30, 45, 60)
BIN_NAMES = (
    *(f"{low}-{high}" for low, high in zip(BIN_EDGES[:-1], BIN_EDGES[1:], strict=True)),
    f"{BIN_EDGES[-1]}+",
)


def pose_difference(source: np.ndarray, driving: np.ndarray) -> np.ndarray:
    """Degrees between head poses.

    Args:
      source, driving: (..., 3) Euler angles (pitch, yaw, roll) in radians, as in FaceParameters.

    Returns:
      (...,) float64 in [0, 180].
    """
    turns = [np.asarray(rotation_matrix(angles), np.float64) for angles in (source, driving)]
    # |R_s - R_d| = 2 sqrt(2) sin(angle / 2): exact where the two are nearly equal, as the trace
    # of the product is not.
    distance = np.linalg.norm(turns[0] - turns[1], axis=(-2, -1))
    return np.degrees(2 * np.arcsin(np.clip(distance / np.sqrt(8), 0, 1)))


def pose_bin(degrees: np.ndarray | float) -> np.ndarray:
    """Number of the bin (an index into `BIN_NAMES`) of each difference in degrees."""
    return np.searchsorted(BIN_EDGES, degrees, side="right") - 1
