"""Which triangle is nearest at each pixel centre: integers only, exact, no triangle dropped.

Small triangles (at most 2 x 2 pixel centres in the bounding box; on a face at 256 px nearly all)
are tested densely: one array per coordinate over all triangles, four pixels each, so that the loops
vectorise. Everything else (larger triangles, triangles that cross the camera plane, and the few
whose test float32 cannot decide) goes through a work list of windows of 4 x 4 pixels, in chunks,
inside a while loop that runs as often as there is work. Hits are written by one scatter-min of a
64-bit key, depth above triangle index: the nearest wins, and of equal depths the smallest index.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from rasterizer.homogeneous import pixel_centres
from rasterizer.predicates import exact_edge

_NOTHING = np.int64(2**63 - 1)
# A window's edge functions are sums of a few products of lengths below 3 px, each rounded to
# 2^-24: the error stays under 1e-5 px^2. What lies closer to zero goes to the exact test.
_SMALL_EXTENT = 3.0
_SMALL_ERROR = np.float32(1e-5)
# The same for one product difference at any size, relative to its two products.
_RELATIVE_ERROR = np.float32(4e-7)
_WINDOW = 4
_FEW = 64  # windows per step when little work is left


class Corners(NamedTuple):
    """One corner of every triangle: x, y, z, w as in homogeneous.PixelVertices, NaN if unusable."""

    x: jax.Array
    y: jax.Array
    z: jax.Array
    w: jax.Array


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


def nearest_triangles(
    vertices: jax.Array, triangles: jax.Array, target: Target, *, chunk: int, staged: bool
) -> jax.Array:
    """Index of the nearest triangle at every pixel, -1 where there is none.

    Args:
      vertices: (V, 4) float32 homogeneous pixel vertices (x, y, z, w), NaN rows for unusable ones.
      triangles: (num_images * num_triangles, 3) int32, every index in [0, V).
      target: sizes.
      chunk: windows per step of the work list; memory is 16 times this.
      staged: compute in stages behind conditionals. On the CPU XLA would otherwise fuse the
        arithmetic into the scatter's scalar loop, which is three times slower.

    Returns:
      (num_images * height * width,) int32, counted within each picture's own triangles.
    """
    with jax.enable_x64(True):
        buffer = jnp.full((target.num_pixels + 1,), _NOTHING, jnp.int64)
    if triangles.shape[0] > 0 and target.num_pixels > 0:
        first, span, pending, corners = _bounding_boxes(vertices, triangles, target)
        small = pending & (span[0] <= 1) & (span[1] <= 1) & _is_tame(corners)

        def windows(_):
            return _small_windows(corners, first, span, small, target)

        def no_windows(_):
            shape = (4, triangles.shape[0])
            return jnp.full(shape, target.num_pixels, jnp.int32), jnp.zeros(shape, jnp.int32), small

        def fill(operands):
            return _scatter(operands[0], *operands[1:], _local_index(target, axis=1))

        when_any = _branch_if(small.any(), staged)
        pixel, key, undecided = when_any(windows, no_windows, 0)
        buffer = when_any(fill, lambda operands: operands[0], (buffer, pixel, key))
        left_over = pending & (~small | undecided)
        buffer = lax.cond(
            left_over.any(),
            lambda b: _draw_windows(b, vertices, triangles, left_over, first, span, target, chunk),
            lambda b: b,
            buffer,
        )
    with jax.enable_x64(True):
        return lax.convert_element_type(buffer[:-1] & np.int64(2**32 - 1), jnp.int32)


def _branch_if(condition: jax.Array, staged: bool) -> Callable:
    if staged:
        return lambda if_true, if_false, operand: lax.cond(condition, if_true, if_false, operand)
    return lambda if_true, _, operand: if_true(operand)


def _corners(vertices: jax.Array, triangles: jax.Array) -> tuple[Corners, Corners, Corners]:
    rows = [vertices.at[triangles[:, k]].get(mode="promise_in_bounds") for k in range(3)]
    return tuple(Corners(*(row[:, j] for j in range(4))) for row in rows)


def _is_tame(corners) -> jax.Array:
    """In front of the camera and short enough for the error bound of the dense test."""
    a, b, c = corners
    tame = (a.w == 1) & (b.w == 1) & (c.w == 1)
    for axis in ("x", "y"):
        p, q, r = (getattr(corner, axis) for corner in corners)
        longest = jnp.maximum(jnp.maximum(p, q), r) - jnp.minimum(jnp.minimum(p, q), r)
        tame &= longest <= _SMALL_EXTENT
    return tame


def _bounding_boxes(vertices: jax.Array, triangles: jax.Array, target: Target):
    """First pixel (x, y) and span to the last one, both as floats, of every triangle's box.

    A triangle that crosses the camera plane gets the whole image. `pending` is False where nothing
    can be drawn: no pixel centre in the box, every corner behind the camera, or an unusable corner.
    """
    corners = a, b, c = _corners(vertices, triangles)
    in_front = (a.w == 1) & (b.w == 1) & (c.w == 1)
    pending = (a.w > 0) | (b.w > 0) | (c.w > 0)
    first, span = [], []
    for axis, size in (("x", target.width), ("y", target.height)):
        p, q, r = (getattr(corner, axis) for corner in corners)
        # The sums round monotonically: a pixel centre in the box is never lost.
        to_index = np.float32(size / 2 - 0.5)
        low = jnp.ceil(jnp.minimum(jnp.minimum(p, q), r) + to_index)
        high = jnp.floor(jnp.maximum(jnp.maximum(p, q), r) + to_index)
        low = jnp.where(in_front, jnp.maximum(low, 0), 0)
        high = jnp.where(in_front, jnp.minimum(high, size - 1), size - 1)
        pending &= (high >= low) & (p == p) & (q == q) & (r == r)
        first.append(low)
        span.append(high - low)
    return tuple(first), tuple(span), pending, corners


def _small_windows(corners, first, span, small, target: Target):
    """Dense test of 2 x 2 pixels per triangle.

    Returns:
      pixel (4, M) int32, the dump index `num_pixels` where not hit; key (4, M) int32; undecided
      (M,) bool, True where a pixel is too close to an edge for float32. Those are not drawn here.
    """
    px, py = pixel_centres(first[0], target.width), pixel_centres(first[1], target.height)
    (ax, bx, cx), (ay, by, cy) = (
        [corner.x - px for corner in corners],
        [corner.y - py for corner in corners],
    )
    az, bz, cz = (corner.z for corner in corners)
    edge_a, edge_b, edge_c = bx * cy - by * cx, cx * ay - cy * ax, ax * by - ay * bx
    area = edge_a + edge_b + edge_c
    inverse_area = 1 / jnp.where(area == 0, 1, area)
    slope_b, slope_c = (bz - az) * inverse_area, (cz - az) * inverse_area
    picture = lax.iota(jnp.int32, small.shape[0]) // target.num_triangles
    start = (picture * target.height + first[1].astype(jnp.int32)) * target.width
    start += first[0].astype(jnp.int32)

    window = lax.broadcasted_iota(jnp.int32, (4, 1), 0)
    column, row = window & 1, window >> 1
    dx, dy = column.astype(jnp.float32), row.astype(jnp.float32)

    def at_window(edge, by_x, by_y):
        return edge[None] + dx * by_x[None] + dy * by_y[None]

    at_a = at_window(edge_a, by - cy, cx - bx)
    at_b = at_window(edge_b, cy - ay, ax - cx)
    at_c = at_window(edge_c, ay - by, bx - ax)
    lowest = jnp.minimum(jnp.minimum(at_a, at_b), at_c)
    highest = jnp.maximum(jnp.maximum(at_a, at_b), at_c)
    inside = highest < -_SMALL_ERROR
    if not target.cull_backfaces:
        inside |= lowest > _SMALL_ERROR
    outside = (lowest < -_SMALL_ERROR) & (highest > _SMALL_ERROR)
    if target.cull_backfaces:
        outside |= lowest > _SMALL_ERROR
    in_box = small[None] & (span[0][None] >= dx) & (span[1][None] >= dy)
    undecided = jnp.any(in_box & ~inside & ~outside, axis=0)
    depth = az[None] + at_b * slope_b[None] + at_c * slope_c[None]
    drawn = in_box & inside & ~undecided[None]
    pixel = jnp.where(drawn, start[None] + (row * target.width + column), target.num_pixels)
    return pixel, _depth_key(depth), undecided


def _draw_windows(buffer, vertices, triangles, left_over, first, span, target: Target, chunk: int):
    """Draws the triangles of `left_over` window by window, as many steps as there are windows."""
    columns = (span[0].astype(jnp.int32) + _WINDOW) // _WINDOW
    rows = (span[1].astype(jnp.int32) + _WINDOW) // _WINDOW
    with jax.enable_x64(True):  # 10,000 triangles over 2048 x 2048 pixels are 2^31 windows
        count = jnp.where(left_over, columns, 0).astype(jnp.int64) * rows.astype(jnp.int64)
        ends = jnp.cumsum(count)
        total = ends[-1]
        done = jnp.zeros((), jnp.int64)
        starts = ends - count
    boxes = jnp.stack([first[0].astype(jnp.int32), first[1].astype(jnp.int32), columns], axis=-1)

    def step(state, size):
        buffer, done = state
        with jax.enable_x64(True):
            pair = done + lax.iota(jnp.int64, size)
            # The number of triangles that end at or before this window is the triangle's index.
            triangle = jnp.searchsorted(ends, pair, side="right", method="scan")
            triangle = jnp.minimum(triangle, len(ends) - 1).astype(jnp.int32)
            start = starts.at[triangle].get(mode="promise_in_bounds")
            window = (pair - start).astype(jnp.int32)
            exists = pair < total
            done = done + size
        box = boxes.at[triangle].get(mode="promise_in_bounds")
        x = box[:, 0] + window % box[:, 2] * _WINDOW
        y = box[:, 1] + window // box[:, 2] * _WINDOW
        picture = triangle // target.num_triangles
        corners = _corners(vertices, triangles.at[triangle].get(mode="promise_in_bounds"))
        pixel, key = _test_windows(corners, x, y, picture, exists, target)
        index = jnp.broadcast_to((triangle % target.num_triangles)[None], pixel.shape)
        # Also keeps the arithmetic above out of the scatter's scalar loop on the CPU.
        buffer = lax.cond(
            jnp.any(pixel < target.num_pixels),
            lambda buffer: _scatter(buffer, pixel, key, index),
            lambda buffer: buffer,
            buffer,
        )
        return buffer, done

    def more_than(windows):
        def condition(state):
            with jax.enable_x64(True):
                return total - state[1] > windows

        return condition

    state = (buffer, done)
    state = lax.while_loop(more_than(8 * _FEW), lambda s: step(s, chunk), state)
    return lax.while_loop(more_than(0), lambda s: step(s, _FEW), state)[0]


def _test_windows(corners, x, y, picture, exists, target: Target):
    """Tests _WINDOW x _WINDOW pixels from (x, y) on, for K windows with their triangle's corners.

    Returns pixel (16, K), the dump index where not hit, and key (16, K), both int32.
    """
    cell = lax.broadcasted_iota(jnp.int32, (_WINDOW * _WINDOW, 1), 0)
    column, row = x[None] + cell % _WINDOW, y[None] + cell // _WINDOW
    px = pixel_centres(column.astype(jnp.float32), target.width)
    py = pixel_centres(row.astype(jnp.float32), target.height)
    a, b, c = (Corners(*(value[None] for value in corner)) for corner in corners)
    in_front = (a.w == 1) & (b.w == 1) & (c.w == 1)
    in_image = exists[None] & (column < target.width) & (row < target.height)

    def quick(p, q):
        left, right = (p.x - px) * (q.y - py), (p.y - py) * (q.x - px)
        value, error = left - right, _RELATIVE_ERROR * (jnp.abs(left) + jnp.abs(right))
        sure = in_front & (jnp.abs(value) > error)
        return value, jnp.where(sure, jnp.sign(value), 0)

    quick_edges = [quick(p, q) for p, q in ((b, c), (c, a), (a, b))]
    sides = [side for _, side in quick_edges]
    lowest = jnp.minimum(jnp.minimum(sides[0], sides[1]), sides[2])
    highest = jnp.maximum(jnp.maximum(sides[0], sides[1]), sides[2])
    decided = (lowest * highest != 0) | ((lowest < 0) & (highest > 0))

    def exact(_):
        # All three edges in one array: a third of the operations to compile.
        start, end = (
            tuple(
                jnp.stack([getattr(corner, axis) for corner in order]) for axis in ("x", "y", "w")
            )
            for order in ((b, c, a), (c, a, b))
        )
        value, side = exact_edge(start, end, px[None], py[None])
        return [value[k] for k in range(3)], [side[k] for k in range(3)]

    quick_values = [value for value, _ in quick_edges]
    values, sides = lax.cond(
        jnp.any(in_image & ~decided), exact, lambda _: (quick_values, sides), 0
    )
    inside = (sides[0] < 0) & (sides[1] < 0) & (sides[2] < 0)
    front_orientation = inside
    inside |= (sides[0] > 0) & (sides[1] > 0) & (sides[2] > 0)
    # Of a triangle that crosses the camera plane, edge functions also describe the mirrored part
    # behind the camera; there the interpolated w, sum(edge * w) / sum(edge), is negative.
    total = values[0] + values[1] + values[2]
    homogeneous = values[0] * a.w + values[1] * b.w + values[2] * c.w
    inside &= in_front | (total * homogeneous > 0)
    if target.cull_backfaces:
        inside &= front_orientation
    # Relative to one corner, so that a triangle of constant depth gets exactly that depth.
    reference = jnp.where(in_front, a.z, 0)
    rise = sum(
        value * (corner.z - reference * corner.w)
        for value, corner in zip(values, (a, b, c), strict=True)
    )
    depth = reference + rise / jnp.where(homogeneous == 0, 1, homogeneous)
    pixel = (picture[None] * target.height + row) * target.width + column
    return jnp.where(inside & in_image, pixel, target.num_pixels), _depth_key(depth)


def _depth_key(depth: jax.Array) -> jax.Array:
    """An int32 that orders like the float32 depth; NaN comes last, -0 equals +0."""
    bits = lax.bitcast_convert_type(jnp.where(depth == depth, depth, jnp.inf) + 0.0, jnp.int32)
    return bits ^ ((bits >> 31) & np.int32(2**31 - 1))


def _local_index(target: Target, axis: int) -> jax.Array:
    num_all = target.num_images * target.num_triangles
    return lax.broadcasted_iota(jnp.int32, (4, num_all), axis) % target.num_triangles


def _scatter(buffer, pixel, key, index) -> jax.Array:
    """Keeps, per pixel, the smallest depth key, and among equal ones the smallest index."""
    with jax.enable_x64(True):
        upper = lax.convert_element_type(key, jnp.int64) << np.int64(32)
        packed = upper | lax.convert_element_type(index, jnp.int64)
        return buffer.at[pixel].min(packed, mode="promise_in_bounds")
