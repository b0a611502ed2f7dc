"""Windows of n x n pixels against one triangle each: which pixels it covers, and at what depth.

A pixel's answer is one 64-bit key, depth order above triangle index, so that a scatter-min keeps
the nearest triangle and, of equal depths, the smallest index. float32 decides with an error bound;
pixels that it cannot decide are marked, and `predicates.py` decides them.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from rasterizer.homogeneous import pixel_centres
from rasterizer.predicates import exact_edge

# Larger than the key of any triangle. Its lower half is the id of the background, -1.
NOTHING = np.int64((0x7FFFFFFE << 32) | 0xFFFFFFFF)
UNDECIDED = np.int64(2**63 - 1)
# With u = 2^-24 and all corners within (reach_x, reach_y) of the window's first pixel, rounding
# moves an edge function in the window by less than 12 u (reach_x + 0.75 n) (reach_y + 0.75 n).
_EDGE_ERROR = np.float32(1e-6)


class Target(NamedTuple):
    """What is drawn into: `num_images` pictures, with `num_triangles` consecutive ones for each."""

    num_images: int
    num_triangles: int
    height: int
    width: int
    cull_backfaces: bool

    @property
    def num_pixels(self) -> int:
        return self.num_images * self.height * self.width


class Corners(NamedTuple):
    """One corner of every triangle: x, y, z, w as in homogeneous.PixelVertices, NaN if unusable."""

    x: jax.Array
    y: jax.Array
    z: jax.Array
    w: jax.Array


class EdgeFunctions(NamedTuple):
    """A triangle's three edge functions in a window: at + dx by_x + dy by_y, within `error`."""

    at: tuple[jax.Array, jax.Array, jax.Array]
    by_x: tuple[jax.Array, jax.Array, jax.Array]
    by_y: tuple[jax.Array, jax.Array, jax.Array]
    error: jax.Array


def gather_corners(vertices: jax.Array, triangles: jax.Array) -> tuple[Corners, Corners, Corners]:
    """Corners (K,) of triangles (K, 3), every index in [0, V), from vertices (V, 4)."""
    rows = [take(vertices, triangles[:, k]) for k in range(3)]
    return tuple(Corners(*(row[:, j] for j in range(4))) for row in rows)


def take(array: jax.Array, index: jax.Array) -> jax.Array:
    """Rows of an array at indices that are known to be in range."""
    return array.at[index].get(mode="promise_in_bounds", wrap_negative_indices=False)


def in_front(corners: tuple[Corners, Corners, Corners]) -> jax.Array:
    """(K,) bool, True where all corners are divided by w: pixels then form an affine plane."""
    a, b, c = corners
    return (a.w == 1) & (b.w == 1) & (c.w == 1)


def edge_functions(corners, column, row, size: int, target: Target) -> EdgeFunctions:
    """Edge functions of K triangles, in front of the camera or not, in K windows.

    Args:
      corners: of the triangles, (K,) each.
      column, row: (K,) float32, the first pixel of each window.
      size: side of the windows in pixels.
    """
    px, py = pixel_centres(column, target.width), pixel_centres(row, target.height)
    ax, bx, cx = (corner.x - corner.w * px for corner in corners)
    ay, by, cy = (corner.y - corner.w * py for corner in corners)
    a, b, c = corners
    at = (bx * cy - by * cx, cx * ay - cy * ax, ax * by - ay * bx)
    by_x = (by * c.w - cy * b.w, cy * a.w - ay * c.w, ay * b.w - by * a.w)
    by_y = (cx * b.w - bx * c.w, ax * c.w - cx * a.w, bx * a.w - ax * b.w)

    def lengths(shifted, pixel):
        # Where w is 1, w * pixel is exact; elsewhere it is rounded before it is subtracted.
        return [
            jnp.abs(s) + jnp.where(corner.w == 1, 0, jnp.abs(corner.w * pixel))
            for s, corner in zip(shifted, corners, strict=True)
        ]

    error = _edge_error(lengths((ax, bx, cx), px), lengths((ay, by, cy), py), size)
    return EdgeFunctions(at, by_x, by_y, error)


def affine_edge_functions(corners, column, row, size: int, target: Target) -> EdgeFunctions:
    """The same for triangles in front of the camera, cheaper; without meaning for others."""
    px, py = pixel_centres(column, target.width), pixel_centres(row, target.height)
    ax, bx, cx = (corner.x - px for corner in corners)
    ay, by, cy = (corner.y - py for corner in corners)
    at = (bx * cy - by * cx, cx * ay - cy * ax, ax * by - ay * bx)
    error = _edge_error(
        [jnp.abs(x) for x in (ax, bx, cx)], [jnp.abs(y) for y in (ay, by, cy)], size
    )
    return EdgeFunctions(at, (by - cy, cy - ay, ay - by), (cx - bx, ax - cx, bx - ax), error)


def _edge_error(lengths_x, lengths_y, size: int) -> jax.Array:
    reach_x, reach_y = (
        jnp.maximum(jnp.maximum(lengths[0], lengths[1]), lengths[2]) + 0.75 * size
        for lengths in (lengths_x, lengths_y)
    )
    return _EDGE_ERROR * reach_x * reach_y


def may_cover(edges: EdgeFunctions, size: int) -> jax.Array:
    """(K,) bool, False where some edge has the whole window on one side and another on the other.

    Then no pixel of the window is on the same side of all three.
    """
    above = below = False
    for at, by_x, by_y in zip(edges.at, edges.by_x, edges.by_y, strict=True):
        rise = (size - 1.0) * (jnp.maximum(by_x, 0) + jnp.maximum(by_y, 0))
        fall = (size - 1.0) * (jnp.minimum(by_x, 0) + jnp.minimum(by_y, 0))
        above |= at + fall > edges.error
        below |= at + rise < -edges.error
    return ~(above & below)


def window_keys(
    corners, edges: EdgeFunctions, index, right, down, size: int, target: Target, *, affine: bool
) -> jax.Array:
    """Keys (size * size, K) int64 of K windows: a depth key, NOTHING, or UNDECIDED.

    Args:
      corners, edges: (K,) each; the edge functions of the same windows.
      index: (K,) int32 index of the triangle within its picture.
      right, down: (K,) float32, how many pixels to the right of and below the first one count.
      affine: all triangles are in front of the camera; cheaper.
    """
    dx, dy = _cells(size)
    dx, dy = dx.astype(jnp.float32), dy.astype(jnp.float32)
    values = [
        at[None] + dx * by_x[None] + dy * by_y[None]
        for at, by_x, by_y in zip(edges.at, edges.by_x, edges.by_y, strict=True)
    ]
    error = edges.error[None]
    lowest = jnp.minimum(jnp.minimum(values[0], values[1]), values[2])
    highest = jnp.maximum(jnp.maximum(values[0], values[1]), values[2])
    counts = (dx <= right[None]) & (dy <= down[None])
    outside = (lowest < -error) & (highest > error)
    inside = highest < -error
    if target.cull_backfaces:
        outside |= lowest > error
    else:
        inside |= lowest > error
    a, b, c = corners
    # Relative to one corner, so that a triangle of constant depth gets exactly that depth.
    if affine:
        area = edges.at[0] + edges.at[1] + edges.at[2]
        inverse_area = 1 / jnp.where(area == 0, 1, area)
        slope_b, slope_c = (b.z - a.z) * inverse_area, (c.z - a.z) * inverse_area
        depth = a.z[None] + values[1] * slope_b[None] + values[2] * slope_c[None]
    else:
        front = in_front(corners)
        reference = jnp.where(front, a.z, 0)
        total = values[0] + values[1] + values[2]
        homogeneous = sum(v * k.w[None] for v, k in zip(values, corners, strict=True))
        rise = sum(v * (k.z - reference * k.w)[None] for v, k in zip(values, corners, strict=True))
        depth = reference[None] + rise / jnp.where(homogeneous == 0, 1, homogeneous)
        # See `exact_window_keys`: where the interpolated w is negative is the mirrored part.
        product, unsure = total * homogeneous, 4 * error
        sure = (jnp.abs(total) > unsure) & (jnp.abs(homogeneous) > unsure)
        outside |= ~front[None] & sure & (product < 0)
        inside &= front[None] | (sure & (product > 0))
    key = _key(depth, index[None])
    with jax.enable_x64(True):
        unknown = jnp.where(~counts | outside, NOTHING, UNDECIDED)
        return jnp.where(counts & inside, key, unknown)


def exact_window_keys(corners, column, row, index, exists, size: int, target: Target) -> jax.Array:
    """Keys (size * size, K) int64 as `window_keys`, of any triangle, and none UNDECIDED.

    Args:
      corners: (K,) each.
      column, row, index: (K,) int32, first pixel of each window and index of its triangle.
      exists: (K,) bool, False where nothing is to be drawn.
    """
    dx, dy = _cells(size)
    column, row = column[None] + dx, row[None] + dy
    px = pixel_centres(column.astype(jnp.float32), target.width)
    py = pixel_centres(row.astype(jnp.float32), target.height)
    front = in_front(corners)[None]
    a, b, c = (Corners(*(value[None] for value in corner)) for corner in corners)
    # All three edges in one array: a third of the operations to compile.
    start, end = (
        tuple(jnp.stack([getattr(corner, axis) for corner in order]) for axis in ("x", "y", "w"))
        for order in ((b, c, a), (c, a, b))
    )
    value, side = exact_edge(start, end, px[None], py[None])
    inside = jnp.all(side < 0, axis=0)
    if not target.cull_backfaces:
        inside |= jnp.all(side > 0, axis=0)
    # Of a triangle that crosses the camera plane, edge functions also describe the mirrored part
    # behind the camera; there the interpolated w, sum(edge * w) / sum(edge), is negative.
    total = value[0] + value[1] + value[2]
    homogeneous = value[0] * a.w + value[1] * b.w + value[2] * c.w
    inside &= front | (total * homogeneous > 0)
    inside &= exists[None] & (column < target.width) & (row < target.height)
    reference = jnp.where(front, a.z, 0)
    rise = sum(value[k] * (corner.z - reference * corner.w) for k, corner in enumerate((a, b, c)))
    depth = reference + rise / jnp.where(homogeneous == 0, 1, homogeneous)
    key = _key(depth, index[None])
    with jax.enable_x64(True):
        return jnp.where(inside, key, NOTHING)


def any_undecided(keys: jax.Array) -> jax.Array:
    """(K,) bool: windows with an undecided pixel, of keys (cells, K)."""
    with jax.enable_x64(True):
        # Row by row: XLA's reduction over the first axis does not vectorise on the CPU.
        largest = keys[0]
        for row in keys[1:]:
            largest = jnp.maximum(largest, row)
        return largest == UNDECIDED


def window_pixels(column, row, picture, size: int, target: Target) -> jax.Array:
    """Flat pixel index (size * size, K) int32 of K windows; in range also where they stick out."""
    dx, dy = _cells(size)
    start = (picture * target.height + row) * target.width + column
    pixel = start[None] + (dy * target.width + dx)
    return jnp.clip(pixel, 0, target.num_pixels - 1)


def keep_nearest(buffer: jax.Array, pixel: jax.Array, keys: jax.Array) -> jax.Array:
    """The (P,) int64 buffer with the smallest key of every pixel."""
    with jax.enable_x64(True):
        return buffer.at[pixel].min(keys, mode="promise_in_bounds", wrap_negative_indices=False)


def _cells(size: int) -> tuple[jax.Array, jax.Array]:
    """Column and row (size * size, 1) int32 of the pixels of a window."""
    cell = lax.broadcasted_iota(jnp.int32, (size * size, 1), 0)
    return cell % size, cell // size


def _key(depth: jax.Array, index: jax.Array) -> jax.Array:
    """int64 that orders like (depth, index); a NaN depth counts as infinite, -0 equals +0."""
    bits = lax.bitcast_convert_type(jnp.where(depth == depth, depth, jnp.inf) + 0.0, jnp.int32)
    order = bits ^ ((bits >> 31) & np.int32(2**31 - 1))
    with jax.enable_x64(True):
        upper = lax.convert_element_type(order, jnp.int64) << np.int64(32)
        return upper | lax.convert_element_type(index, jnp.int64)
