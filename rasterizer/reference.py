"""The contract of `rasterize` once more: NumPy, one triangle at a time, slow and plain.

Vertices are brought to pixels in float32, as the rasterizer does, because the question is which
pixels the float32 triangle covers. All else is float64, in which a product of two float32 numbers
is exact: the sign of a product difference is then the sign of the real number.
"""

import numpy as np

from rasterizer.homogeneous import FARTHEST_PIXEL, LARGEST_W, SMALLEST_W


def rasterize_reference(
    vertices_clip: np.ndarray,
    triangles: np.ndarray,
    image_height: int,
    image_width: int,
    *,
    cull_backfaces: bool = False,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Arguments as in `rasterize`, as NumPy arrays.

    Returns:
      (triangle_id (H, W) int32, barycentrics (H, W, 3) float64, depth (H, W) float64).
    """
    vertices, scales = _to_pixels(np.asarray(vertices_clip, np.float32), image_height, image_width)
    triangle_id = np.full((image_height, image_width), -1, np.int32)
    barycentrics = np.zeros((image_height, image_width, 3))
    depth = np.zeros((image_height, image_width))
    nearest = np.full((image_height, image_width), np.inf, np.float32)
    # Positions are counted from the image centre; row and column vectors of all pixel centres.
    pixel_x = (np.arange(image_width) + 0.5 - image_width / 2)[None, :]
    pixel_y = (np.arange(image_height) + 0.5 - image_height / 2)[:, None]
    for index, triangle in enumerate(np.asarray(triangles)):
        if np.any(triangle < 0) or np.any(triangle >= len(vertices)):
            continue
        corners, scale = vertices[triangle], scales[triangle]
        if not np.all(np.isfinite(corners)) or np.all(corners[:, 3] <= 0):
            continue
        a, b, c = corners
        values, signs = zip(
            *(_edge(p, q, pixel_x, pixel_y) for p, q in ((b, c), (c, a), (a, b))), strict=True
        )
        covered = (signs[0] == signs[1]) & (signs[1] == signs[2]) & (signs[0] != 0)
        if cull_backfaces:
            covered &= signs[0] < 0
        with np.errstate(all="ignore"):
            weights = np.stack([v * s for v, s in zip(values, scale, strict=True)], axis=-1)
            homogeneous = sum(v * corner[3] for v, corner in zip(values, corners, strict=True))
            # Where edge functions agree but sum(edge) and sum(edge w) do not, w is negative.
            covered &= (sum(values) * homogeneous > 0) | np.all(corners[:, 3] == 1)
            reference = a[2] if np.all(corners[:, 3] == 1) else 0.0
            rise = sum(
                v * (corner[2] - reference * corner[3])
                for v, corner in zip(values, corners, strict=True)
            )
            order = (reference + rise / homogeneous).astype(np.float32)
            covered &= order < nearest
            total = weights.sum(axis=-1)
            barycentrics[covered] = (weights / total[..., None])[covered]
            depth[covered] = (homogeneous / total)[covered]
        nearest[covered] = order[covered]
        triangle_id[covered] = index
    return triangle_id, barycentrics, depth


def _to_pixels(clip: np.ndarray, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """(V, 4) homogeneous pixel vertices, NaN rows for unusable ones, and (V,) scales, float64."""
    half = np.array([width / 2, height / 2], np.float32)
    with np.errstate(all="ignore"):
        xy, z, w = clip[:, :2], clip[:, 2], clip[:, 3]
        largest = np.float32(FARTHEST_PIXEL / max(height, width))
        divisible = (w > SMALLEST_W) & (w < LARGEST_W)
        divisible &= np.all(np.abs(xy) < largest * w[:, None], axis=-1)
        magnitude = np.maximum(np.abs(xy).max(axis=-1, initial=0), np.abs(w))
        shrink = 1 / np.where(magnitude < SMALLEST_W, np.float32(1), magnitude)
        scaled = np.column_stack([xy * (half * shrink[:, None]), z * shrink, w * shrink])
        divided = np.column_stack([xy * half / w[:, None], z / w, np.ones_like(w)])
        vertices = np.where(divisible[:, None], divided, scaled)
        scale = np.where(divisible, 1 / w, shrink)
    vertices[~np.all(np.isfinite(clip), axis=-1)] = np.nan
    return vertices.astype(np.float64), scale.astype(np.float64)


def _edge(a: np.ndarray, b: np.ndarray, pixel_x: np.ndarray, pixel_y: np.ndarray):
    """Edge function at every pixel and its side; on the line, the side after an infinitesimal
    move of the pixel to the right, and then down."""
    left = (a[0] - a[3] * pixel_x) * (b[1] - b[3] * pixel_y)
    right = (a[1] - a[3] * pixel_y) * (b[0] - b[3] * pixel_x)
    by_x = np.sign(a[1] * b[3] - a[3] * b[1])
    by_y = np.sign(a[3] * b[0] - a[0] * b[3])
    side = np.sign(left - right)
    return left - right, np.where(side == 0, by_x if by_x else by_y, side)
