"""Brute-force answers in float64 NumPy: what a ray from the camera hits, and what is in its way."""

import numpy as np


def ray_hits(
    directions: np.ndarray, corners: np.ndarray, chunk: int = 256
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Nearest intersections of rays through the origin with triangles.

    A point t d of the ray lies in the plane of the corners a, b, c (columns of M) with barycentric
    weights t M^-1 d, so the ray hits where all three entries of M^-1 d are positive.

    Args:
      directions: (N, 3).
      corners: (F, 3, 3), one corner per row.

    Returns:
      (N,) ray parameter t of the nearest hit (inf where there is none), (N,) triangle index and
      (N, 3) barycentric weights in it.
    """
    matrices = np.swapaxes(corners.astype(np.float64), 1, 2)
    # A triangle seen edge-on has no inverse and cannot be hit.
    usable = np.abs(np.linalg.det(matrices)) > 1e-15
    inverse = np.zeros_like(matrices)
    inverse[usable] = np.linalg.inv(matrices[usable])
    inverse[~usable] = np.nan
    nearest, index = np.empty(len(directions)), np.empty(len(directions), int)
    weights = np.empty((len(directions), 3))
    for start in range(0, len(directions), chunk):
        part = slice(start, start + chunk)
        scaled = inverse.reshape(-1, 3) @ directions[part].T.astype(np.float64)
        scaled = scaled.reshape(len(corners), 3, -1)
        with np.errstate(divide="ignore", invalid="ignore"):
            t = np.where((scaled >= 0).all(axis=1), 1.0 / scaled.sum(axis=1), np.inf)
        best = t.argmin(axis=0)
        columns = np.arange(len(best))
        index[part], nearest[part] = best, t[best, columns]
        chosen = scaled[best, :, columns]
        with np.errstate(invalid="ignore"):
            weights[part] = chosen / chosen.sum(axis=1, keepdims=True)
    return nearest, index, weights


def front_facing(corners: np.ndarray) -> np.ndarray:
    """bool (F,): triangles whose outside (counter-clockwise) faces the camera at the origin."""
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    return (normals * corners[:, 0]).sum(-1) < 0


def visible_points(points: np.ndarray, corners: np.ndarray, slack: float = 1e-4) -> np.ndarray:
    """bool (N,): nothing stands between the camera at the origin and each point (N, 3)."""
    nearest, _, _ = ray_hits(points, corners)
    return nearest >= 1.0 - slack
