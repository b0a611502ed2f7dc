"""Where a picture jumps: the mesh edge that lies between two neighbouring pixel columns or rows.

The picture of a mesh jumps only along edges that have all their triangles on one side in the image:
the outline, creases where one part hides another, the border of an open surface. Such edges are
found here, among all edges of the mesh, and followed across the image along thin lines: LINES per
pixel row, running from column centre to column centre, and LINES per pixel column. Every stretch of
a line between two neighbouring centres keeps one edge that crosses it in front of what the outer
centre sees. Where several do, nothing of the surface beyond is visible before the last one: the one
nearest to the outer centre is kept.

Integers come out, no gradient passes. `antialiasing.py` turns them into colours and gradients.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from rasterizer.edges import MeshEdges
from rasterizer.homogeneous import to_pixels

# Lines per pixel; odd, so that the middle one runs through the pixel centres.
LINES = 5
# Crossings per step of the work list.
_CHUNK = 4096
# Pixels; rounding may place an edge on the wrong side of a centre that is this close.
_NEAR_CENTRE = 1e-3
_NOTHING = np.int64(2**63 - 1)


def crossing_edges(
    vertices_clip: jax.Array, edges: MeshEdges, depth: jax.Array, *, cull_backfaces: bool
) -> jax.Array:
    """Which edge makes the picture jump between neighbouring pixel centres.

    Args:
      vertices_clip: (V, 4) float, V > 0.
      edges: E > 0 edges of the rasterized triangles.
      depth: (H, W) float32, z/w seen by every pixel, inf in the background.
      cull_backfaces: as given to `rasterize`.

    Returns:
      (2, LINES, H, W) int32. [0, k, r, c] is about line k of row r between the centres of columns c
      and c + 1, [1, k, r, c] about line k of column c between the centres of rows r and r + 1:
      2 * edge, plus 1 where the surface lies on the side of the higher column (row); -1 where the
      picture does not jump.
    """
    height, width = depth.shape
    pixels = to_pixels(vertices_clip.astype(jnp.float32), height, width)
    table = jnp.stack([pixels.x, pixels.y, pixels.z, pixels.w], axis=-1)
    table = jnp.where(pixels.valid[:, None], table, jnp.nan)
    # Unknown vertices point at one more row, which is unusable.
    table = jnp.pad(table, ((0, 1), (0, 0)), constant_values=jnp.nan)
    unknown = vertices_clip.shape[0]

    def known(index):
        return jnp.where((index >= 0) & (index < unknown), index, unknown)

    a, b = (rows_of(table, known(edges.ends[:, k])) for k in range(2))
    inside = _inner_side(a, b, table, known(edges.opposite), edges.turned, cull_backfaces)
    lowest, count = _crossed_lines(a, b, height, width)
    count = [jnp.where(inside != 0, number, 0) for number in count]
    plan = jnp.stack([*lowest, count[0], inside], axis=-1)
    return _follow(a, b, plan, count[0], count[1], depth)


def rows_of(table: jax.Array, index: jax.Array) -> tuple[jax.Array, ...]:
    """The columns of some rows of a table, one array per column."""
    rows = table.at[index].get(mode="promise_in_bounds")
    return tuple(rows[..., k] for k in range(table.shape[-1]))


def line_position(line: jax.Array, size: jax.Array, dtype) -> jax.Array:
    """Where line `line` in [0, LINES * size) lies, in pixels from the image centre."""
    return (line.astype(dtype) + 0.5) / LINES - size.astype(dtype) / 2


def pixels_around(is_row, line, first, height: int, width: int):
    """Flat indices of the pixels around a crossing: ((own, next), (own, next)).

    The first pair lies before the crossing along its line, the second after it. `own` are the
    pixels whose row (column) holds the line, `next` the ones beyond the line, seen from those
    centres; the same for the middle line.
    """
    own, part = line // LINES, line % LINES - LINES // 2
    beyond = jnp.clip(own + jnp.sign(part), 0, jnp.where(is_row, height, width) - 1)
    along, across = jnp.where(is_row, 1, width), jnp.where(is_row, width, 1)
    return tuple(
        tuple((first + k) * along + row * across for row in (own, beyond)) for k in range(2)
    )


@jax.custom_batching.custom_vmap
def largest_of_batch(value: jax.Array) -> jax.Array:
    """The value itself; under vmap the largest of the batch, so that a branch stays a branch."""
    return value


@largest_of_batch.def_vmap
def _(axis_size, in_batched, value):
    return largest_of_batch(jnp.max(value, axis=0) if in_batched[0] else value), False


def _inner_side(a, b, table, opposite, turned, cull_backfaces: bool) -> jax.Array:
    """(E,) side (1 or -1) of the line from a to b that has all triangles of the edge, else 0."""
    (xa, ya, _, wa), (xb, yb, _, wb) = a, b
    # Seen from a, where a is a point of the image: short differences, little rounding.
    ox, oy = jnp.where(wa == 1, xa, 0), jnp.where(wa == 1, ya, 0)
    xa, ya, xb, yb = xa - ox * wa, ya - oy * wa, xb - ox * wb, yb - oy * wb
    line = (ya * wb - wa * yb, wa * xb - xa * wb, xa * yb - ya * xb)
    plus = minus = jnp.zeros(xa.shape, bool)
    for k in range(opposite.shape[1]):
        xc, yc, _, wc = rows_of(table, opposite[:, k])
        side = line[0] * (xc - ox * wc) + line[1] * (yc - oy * wc) + line[2] * wc
        if cull_backfaces:
            side = jnp.where((side > 0) == turned[:, k], side, 0)
        plus, minus = plus | (side > 0), minus | (side < 0)
    return jnp.where(plus & ~minus, 1, 0) - jnp.where(minus & ~plus, 1, 0)


def _crossed_lines(a, b, height: int, width: int):
    """First line of the rows and of the columns that an edge may cross, and how many of each."""
    in_front = (a[3] == 1) & (b[3] == 1)
    usable = ((a[3] > 0) | (b[3] > 0)) & (a[0] == a[0]) & (b[0] == b[0])
    lowest, highest = [], []
    for axis, size in ((1, height), (0, width)):
        to_line = np.float32(size / 2 * LINES - 0.5)
        low = jnp.ceil(jnp.minimum(a[axis], b[axis]) * LINES + to_line)
        high = jnp.floor(jnp.maximum(a[axis], b[axis]) * LINES + to_line)
        last = size * LINES - 1
        # An edge that crosses the camera plane may cross every line.
        lowest.append(jnp.where(in_front, jnp.maximum(low, 0), 0))
        highest.append(jnp.where(in_front, jnp.minimum(high, last), last))
        # A short edge between two rows' lines may still cross a column's.
        usable &= highest[-1] + 1 >= lowest[-1]
    count = [
        jnp.where(usable, jnp.maximum(high - low + 1, 0), 0).astype(jnp.int32)
        for low, high in zip(lowest, highest, strict=True)
    ]
    return [jnp.where(usable, low, 0).astype(jnp.int32) for low in lowest], count


def _follow(a, b, plan, num_rows, num_columns, depth_image) -> jax.Array:
    """Visits every line that every silhouette edge crosses, as many steps as there are crossings.

    plan: (E, 4) int32: first row line, first column line, number of row lines, inner side.
    """
    height, width = depth_image.shape
    num_slots = 2 * LINES * height * width
    a, b = jnp.stack(a, axis=-1), jnp.stack(b, axis=-1)
    with jax.enable_x64(True):  # 100,000 edges across 10,000 lines each are 2^30 crossings
        count = num_rows.astype(jnp.int64) + num_columns.astype(jnp.int64)
        ends = jnp.cumsum(count)
        starts = ends - count
        steps = lax.convert_element_type((ends[-1] + (_CHUNK - 1)) // _CHUNK, jnp.int32)
        buffer = jnp.full((num_slots + 1,), _NOTHING, jnp.int64)
    steps = largest_of_batch(steps)

    def step(number, buffer):
        with jax.enable_x64(True):
            item = number.astype(jnp.int64) * _CHUNK + lax.iota(jnp.int64, _CHUNK)
            # The number of edges whose crossings end at or before this one is the edge's index.
            edge = jnp.searchsorted(ends, item, side="right", method="scan")
            edge = jnp.minimum(edge, len(ends) - 1).astype(jnp.int32)
            local = (item - starts.at[edge].get(mode="promise_in_bounds")).astype(jnp.int32)
            exists = item < ends[-1]
        slot, distance, upper_is_inside = _cross(a, b, plan, depth_image, edge, local, exists)
        # Bits of positive floats order like the floats.
        key = lax.bitcast_convert_type(distance, jnp.int32)
        code = 2 * edge + upper_is_inside
        with jax.enable_x64(True):
            packed = (key.astype(jnp.int64) << np.int64(32)) | code.astype(jnp.int64)
            return buffer.at[slot].min(packed, mode="promise_in_bounds")

    buffer = lax.fori_loop(0, steps, step, buffer)[:-1]
    with jax.enable_x64(True):
        code = lax.convert_element_type(buffer & np.int64(2**32 - 1), jnp.int32)
        code = jnp.where(buffer == _NOTHING, np.int32(-1), code)
    return code.reshape(2, LINES, height, width)


def _cross(a, b, plan, depth_image, edge, local, exists):
    """Where edges cross lines, for K (edge, number of its line) at once.

    Returns:
      slot (K,) int32 in the flat result, one past its end where there is nothing to see; distance
      (K,) float32 to the pixel centre on the outer side, in pixels; upper_is_inside (K,) bool,
      whether the surface lies on the side of the higher column (row).
    """
    height, width = depth_image.shape
    first_row, first_column, num_rows, inside = rows_of(plan, edge)
    is_row = local < num_rows
    line = jnp.where(is_row, first_row + local, first_column + local - num_rows)
    (xa, ya, za, wa), (xb, yb, zb, wb) = rows_of(a, edge), rows_of(b, edge)
    across, along = (jnp.where(is_row, *size) for size in ((height, width), (width, height)))
    level = line_position(line, across, jnp.float32)
    # u is measured across the line, from the line; v along it.
    ua, ub = jnp.where(is_row, ya, xa) - level * wa, jnp.where(is_row, yb, xb) - level * wb
    va, vb = jnp.where(is_row, xa, ya), jnp.where(is_row, xb, yb)
    scale = ua * wb - ub * wa
    # As in coverage, a line through a vertex counts as moved down (right) by a hair. The last
    # condition: at w > 0, in front of the camera.
    crosses = exists & ((ua <= 0) != (ub <= 0)) & (scale * (ua - ub) > 0)
    inverse = 1 / jnp.where(crosses, scale, 1)
    depth = (ua * zb - ub * za) * inverse
    position = (ua * vb - ub * va) * inverse + (along.astype(jnp.float32) / 2 - 0.5)
    upper_is_inside = jnp.where(is_row, scale > 0, scale < 0) == (inside > 0)
    line = jnp.where(crosses, line, 0)
    flat = depth_image.reshape(-1)

    def visible_after(place):
        """Between the centres at `place` and at the next: visible, index, distance."""
        possible = crosses & (place >= 0) & (place <= (along - 2).astype(jnp.float32))
        first = jnp.where(possible, place, 0).astype(jnp.int32)
        lower, upper = (
            [flat.at[pixel].get(mode="promise_in_bounds") for pixel in side]
            for side in pixels_around(is_row, line, first, height, width)
        )
        nearest = jnp.where(upper_is_inside, jnp.minimum(*upper), jnp.minimum(*lower))
        farthest = jnp.where(upper_is_inside, jnp.maximum(*lower), jnp.maximum(*upper))
        # What lies beyond the edge must be farther than the edge and than the edge's own surface.
        visible = possible & (depth < farthest) & (nearest < farthest)
        rest = position - place
        return visible, first, jnp.where(upper_is_inside, rest, 1 - rest)

    # An edge that runs through a centre lies on one side of it or the other: the one that shows.
    place = jnp.floor(position)
    rest = position - place
    other = place + (rest > 1 - _NEAR_CENTRE) - (rest < _NEAR_CENTRE)
    at_place, at_other = visible_after(place), visible_after(other)
    crosses = at_place[0] | at_other[0]
    first, distance = (
        jnp.where(at_place[0], own, others)
        for own, others in zip(at_place[1:], at_other[1:], strict=True)
    )
    distance = jnp.maximum(distance, 0)
    own, part = line // LINES, line % LINES
    pixel = jnp.where(is_row, own * width + first, first * width + own)
    slot = (jnp.where(is_row, 0, LINES) + part) * (height * width) + pixel
    return jnp.where(crosses, slot, 2 * LINES * height * width), distance, upper_is_inside
