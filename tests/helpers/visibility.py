"""Brute-force answers in float64 NumPy: what a ray hits, and what stands in its way."""

import numpy as np


def ray_hits(
    origins: np.ndarray, directions: np.ndarray, corners: np.ndarray, chunk: int = 64
) -> tuple[np.ndarray, np.ndarray]:
    """Nearest intersections of rays with triangles (Moeller and Trumbore 1997).

    Args:
      origins, directions: (N, 3).
      corners: (F, 3, 3).

    Returns:
      (N,) ray parameter of the nearest hit (inf where there is none) and (N,) triangle index.
    """
    corners = corners.astype(np.float64)
    base, edge1, edge2 = corners[:, 0], corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    nearest, index = np.empty(len(origins)), np.empty(len(origins), int)
    for start in range(0, len(origins), chunk):
        origin = origins[start : start + chunk, None].astype(np.float64)
        direction = directions[start : start + chunk, None].astype(np.float64)
        p = np.cross(direction, edge2)
        determinant = (edge1 * p).sum(-1)
        with np.errstate(divide="ignore", invalid="ignore"):
            offset = origin - base
            u = (offset * p).sum(-1) / determinant
            q = np.cross(offset, edge1)
            v = (direction * q).sum(-1) / determinant
            t = (edge2 * q).sum(-1) / determinant
            hit = (u >= 0) & (v >= 0) & (u + v <= 1) & (t > 1e-9)
        t = np.where(hit, t, np.inf)
        index[start : start + chunk] = t.argmin(axis=1)
        nearest[start : start + chunk] = t.min(axis=1)
    return nearest, index


def visible_points(points: np.ndarray, corners: np.ndarray, slack: float = 1e-4) -> np.ndarray:
    """bool (N,): nothing stands between the camera at the origin and each point (N, 3)."""
    nearest, _ = ray_hits(np.zeros_like(points), points, corners)
    return nearest >= 1.0 - slack
