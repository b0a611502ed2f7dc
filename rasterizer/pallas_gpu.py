"""Ids, barycentrics and depth on NVIDIA GPUs: three Pallas kernels.

The same test as in coverage.py and worklist.py: float32 with an error bound decides nearly all
pixels, exact arithmetic (predicates.py) the rest, and a hit is one 64-bit key whose smallest value
wins. What differs is how the work is laid out. While loops on the host's side cost a
round trip per step there, so every loop is inside a kernel:

1. a lane per triangle: triangles with a small bounding box walk through its pixels. Those that are
   larger, cross the camera plane or have a pixel that float32 leaves open are put on a list;
2. a fixed number of programs shares the list. Of each triangle a program takes every so many-th
   window of 16 x 16 pixels, a lane per window throws away those that cannot be covered, and a lane
   per pixel draws the others.

Compilers contract multiplications and additions here. The error bound holds with and without, and
predicates.py says why the exact test does.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.experimental import pallas as pl
from jax.experimental.pallas import triton as plgpu

from rasterizer.gpu import ROW, fits_kernels
from rasterizer.homogeneous import SMALLEST_AREA, pixel_centres, to_pixels
from rasterizer.predicates import exact_edge
from rasterizer.windows import (
    Corners,
    Target,
    affine_edge_functions,
    edge_functions,
    in_front,
    may_cover,
)
from rasterizer.worklist import bounding_boxes

# Triangles with at most so many pixels on a side of their box are drawn by one lane each.
SMALL_SIDE = 8
# Triangles of one program of the first kernel, and its warps of 32 threads.
SMALL_LANES, SMALL_WARPS = 128, 4
# Side of a window, of which each pixel is a lane of the second kernel; a power of two.
WINDOW = 16
WINDOW_WARPS = 4
# Programs that share the list: a few for every multiprocessor of a large GPU.
PROGRAMS = 528
# Pixels of one program of the third kernel.
RESOLVE_LANES, RESOLVE_WARPS = 256, 4

# Larger than the key of any triangle.
_NOTHING = np.float64(np.int64(0x7FD << 52).view(np.float64))


@functools.cache
def rasterizer_of(height: int, width: int, cull_backfaces: bool):
    """A function of vertices_clip (V, 4) float32 and triangles (F, 3) int32, as in `rasterize`.

    It returns ids (H, W) int32, barycentrics (H, W, 3) and depth (H, W) float32, without
    derivatives. `vmap` draws a batch at once; triangles that it shares are not repeated.
    """

    @jax.custom_batching.custom_vmap
    def draw(vertices, triangles):
        return _draw_batch(vertices, triangles, height, width, cull_backfaces)

    @draw.def_vmap
    def _(axis_size, in_batched, vertices, triangles):
        num_pictures = vertices.shape[int(in_batched[0])]

        def merge(array, batched):
            """(N or 1, ...), with a batch or without, as (batch * N, ...)."""
            rest = array.shape[1 + batched :]
            array = array if batched else array[None]
            return jnp.broadcast_to(array, (axis_size, num_pictures, *rest)).reshape(-1, *rest)

        if in_batched[1] or triangles.shape[0] > 1:
            triangles = merge(triangles, in_batched[1])
        found = draw(merge(vertices, in_batched[0]), triangles)
        split = tuple(a.reshape(axis_size, num_pictures, *a.shape[1:]) for a in found)
        return split, (True,) * len(split)

    return lambda vertices, triangles: [out[0] for out in draw(vertices[None], triangles[None])]


def _draw_batch(vertices_clip, triangles, height: int, width: int, cull_backfaces: bool):
    """`rasterizer_of` for N pictures: vertices (N, V, 4), triangles (N, F, 3) or (1, F, 3)."""
    num_pictures, num_vertices = vertices_clip.shape[:2]
    num_triangles = triangles.shape[1]
    if num_pictures > 1 and not fits_kernels(
        num_pictures, num_vertices, num_triangles, height * width
    ):
        halves = [slice(None, num_pictures // 2), slice(num_pictures // 2, None)]
        drawn = [
            _draw_batch(
                vertices_clip[half],
                triangles if triangles.shape[0] == 1 else triangles[half],
                height,
                width,
                cull_backfaces,
            )
            for half in halves
        ]
        return tuple(jnp.concatenate(parts) for parts in zip(*drawn, strict=True))
    target = Target(num_pictures, num_triangles, height, width, cull_backfaces)
    pixels = to_pixels(vertices_clip.reshape(-1, 4), height, width)
    columns = pixels.x, pixels.y, pixels.z, pixels.w, pixels.scale
    columns = [jnp.where(pixels.valid, column, jnp.nan) for column in columns]
    # Rows of 32 bytes, which GPUs read at once.
    table = jnp.stack(columns + [jnp.zeros_like(pixels.x)] * (ROW - len(columns)), axis=-1)
    mesh = table.reshape(-1), triangles.reshape(-1)
    # One place more than pixels, for the length of the list.
    num_keys = target.num_pixels + 1
    settings = {
        "target": target,
        "num_vertices": num_vertices,
        "shared": triangles.shape[0] == 1,
    }
    with jax.enable_x64(True):
        place = lax.iota(jnp.int32, num_keys)
        keys = jnp.where(place < target.num_pixels, _NOTHING, np.float64(0))
        keys_shape = jax.ShapeDtypeStruct(keys.shape, jnp.float64)
        num_listed = num_pictures * target.num_triangles
        keys, listed = pl.pallas_call(
            functools.partial(_draw_small, **settings),
            out_shape=(keys_shape, jax.ShapeDtypeStruct((num_listed,), jnp.int32)),
            grid=(pl.cdiv(target.num_triangles, SMALL_LANES) * num_pictures,),
            input_output_aliases={2: 0},
            compiler_params=plgpu.CompilerParams(num_warps=SMALL_WARPS),
            name="draw_small_triangles",
        )(*mesh, keys)
        keys = pl.pallas_call(
            functools.partial(_draw_listed, **settings),
            out_shape=keys_shape,
            grid=(PROGRAMS,),
            input_output_aliases={3: 0},
            compiler_params=plgpu.CompilerParams(num_warps=WINDOW_WARPS),
            name="draw_listed_triangles",
        )(*mesh, listed, keys)
        count = target.num_pixels
        ids, weights, depth = pl.pallas_call(
            functools.partial(_resolve, **settings),
            out_shape=(
                jax.ShapeDtypeStruct((count,), jnp.int32),
                jax.ShapeDtypeStruct((3 * count,), jnp.float32),
                jax.ShapeDtypeStruct((count,), jnp.float32),
            ),
            grid=(pl.cdiv(count, RESOLVE_LANES),),
            compiler_params=plgpu.CompilerParams(num_warps=RESOLVE_WARPS),
            name="resolve_pixels",
        )(*mesh, keys)
    shape = num_pictures, height, width
    return ids.reshape(shape), weights.reshape(*shape, 3), depth.reshape(shape)


def _load_corner(table, vertex, columns, **mask):
    return [plgpu.load(table.at[vertex * ROW + column], **mask) for column in columns]


def _draw_small(table, rows, _, buffer, listed, *, target: Target, num_vertices, shared):
    """First kernel; a program takes a block of triangles of one picture."""
    num_blocks = np.int32(pl.cdiv(target.num_triangles, SMALL_LANES))
    picture, block = lax.div(pl.program_id(0), num_blocks), lax.rem(pl.program_id(0), num_blocks)
    index = block * SMALL_LANES + lax.iota(jnp.int32, SMALL_LANES)
    exists = index < target.num_triangles
    triangle = index if shared else picture * target.num_triangles + index
    corners = []
    for k in range(3):
        vertex = plgpu.load(rows.at[triangle * 3 + k], mask=exists, other=-1)
        known = (vertex >= 0) & (vertex < num_vertices)
        vertex += picture * num_vertices
        corners.append(Corners(*_load_corner(table, vertex, range(4), mask=known, other=jnp.nan)))
    boxes, pending = bounding_boxes(corners, target)
    pending &= exists
    small = pending & in_front(corners) & (boxes.right < SMALL_SIDE) & (boxes.down < SMALL_SIDE)
    # Of the others boxes may be NaN, infinite or wider than an integer.
    right, down, column, row = (
        jnp.where(small, value, 0).astype(jnp.int32)
        for value in (boxes.right, boxes.down, boxes.column, boxes.row)
    )
    size = jnp.maximum(right, down).astype(jnp.float32) + 1
    edges = affine_edge_functions(
        corners, column.astype(jnp.float32), row.astype(jnp.float32), size, target
    )
    first = (picture * target.height + row) * target.width + column
    cells = jnp.where(small, (right + 1) * (down + 1), 0)

    def step(state):
        cell, dx, dy, undecided = state
        values = _at(edges, dx, dy)
        outside, inside = _sides(values, edges.error, target)
        counts = cell < cells
        a, b, c = corners
        area = edges.at[0] + edges.at[1] + edges.at[2]
        inverse_area = 1 / jnp.where(area == 0, 1, area)
        depth = a.z + values[1] * ((b.z - a.z) * inverse_area)
        depth = depth + values[2] * ((c.z - a.z) * inverse_area)
        pixel = first + dy * target.width + dx
        plgpu.atomic_min(buffer, pixel, _key(depth, index), mask=counts & inside)
        undecided |= counts & ~inside & ~outside
        dx = jnp.where(dx < right, dx + 1, 0)
        dy = jnp.where(dx == 0, dy + 1, dy)
        return cell + 1, dx, dy, undecided

    zero = jnp.zeros((SMALL_LANES,), jnp.int32)
    most = jnp.max(cells)
    *_, undecided = lax.while_loop(
        lambda s: s[0] < most, step, (jnp.int32(0), zero, zero, jnp.zeros((SMALL_LANES,), bool))
    )
    later = (pending & ~(small & ~undecided)).astype(jnp.int32)
    count = jnp.sum(later, dtype=jnp.int32)
    length = plgpu.atomic_add(buffer, target.num_pixels, count.astype(jnp.float64), mask=count > 0)
    place = length.astype(jnp.int32) + lax.cumsum(later) - 1
    plgpu.store(listed.at[place], picture * target.num_triangles + index, mask=later > 0)


def _draw_listed(table, rows, listed, _, buffer, *, target: Target, num_vertices, shared):
    """Second kernel; program p takes every PROGRAMS-th of `parts` equal parts per triangle."""
    length = plgpu.load(buffer.at[target.num_pixels]).astype(jnp.int32)
    parts = jnp.maximum(lax.div(jnp.int32(PROGRAMS), jnp.maximum(length, 1)), 1)
    num_triangles, lanes = np.int32(target.num_triangles), np.int32(WINDOW * WINDOW)
    lane = lax.iota(jnp.int32, WINDOW * WINDOW)

    def draw_part(number):
        entry, part = plgpu.load(listed.at[lax.div(number, parts)]), lax.rem(number, parts)
        picture, index = lax.div(entry, num_triangles), lax.rem(entry, num_triangles)
        corners = []
        for k in range(3):
            vertex = plgpu.load(rows.at[(index if shared else entry) * 3 + k])
            vertex += picture * num_vertices
            corners.append(Corners(*_load_corner(table, vertex, range(4))))
        boxes, _ = bounding_boxes(corners, target)
        left, top, right, down = (value.astype(jnp.int32) for value in boxes)
        columns = lax.div(right, np.int32(WINDOW)) + 1
        count = columns * (lax.div(down, np.int32(WINDOW)) + 1)

        def place(window):
            column = left + lax.rem(window, columns) * WINDOW
            return column, top + lax.div(window, columns) * WINDOW

        def edges_at(column, row):
            first = column.astype(jnp.float32), row.astype(jnp.float32)
            return edge_functions(corners, *first, WINDOW, target)

        def draw_some(first):
            window = first + lane * parts
            # Beyond the last window: any that exists.
            edges = edges_at(*place(jnp.minimum(window, count - 1)))
            kept = (window < count) & may_cover(edges, WINDOW)

            def draw_next(kept_lane):
                chosen = jnp.min(kept_lane)
                column, row = place(first + chosen * parts)
                _draw_window(
                    buffer, corners, edges_at(column, row), column, row, index, picture, target
                )
                return jnp.where(kept_lane == chosen, lanes, kept_lane)

            lax.while_loop(lambda k: jnp.min(k) < lanes, draw_next, jnp.where(kept, lane, lanes))
            return first + lanes * parts

        lax.while_loop(lambda first: first < count, draw_some, part)
        return number + PROGRAMS

    lax.while_loop(lambda number: number < length * parts, draw_part, pl.program_id(0))


def _draw_window(buffer, corners, edges, column, row, index, picture, target: Target):
    """A window of one triangle, both given by scalars, with a lane per pixel."""
    lane = lax.iota(jnp.int32, WINDOW * WINDOW)
    dx, dy = lax.rem(lane, np.int32(WINDOW)), lax.div(lane, np.int32(WINDOW))
    values = _at(edges, dx, dy)
    outside, inside = _sides(values, edges.error, target)
    front = in_front(corners)
    total, homogeneous, depth = _depth(values, corners)
    # Of a triangle that crosses the camera plane, edge functions also describe the mirrored part
    # behind the camera; there the interpolated w, sum(edge * w) / sum(edge), is negative.
    unsure = 4 * edges.error
    sure = (jnp.abs(total) > unsure) & (jnp.abs(homogeneous) > unsure)
    outside |= ~front & sure & (total * homogeneous < 0)
    inside &= front | (sure & (total * homogeneous > 0))
    counts = (column + dx < target.width) & (row + dy < target.height)
    pixel = (picture * target.height + row + dy) * target.width + column + dx
    plgpu.atomic_min(buffer, pixel, _key(depth, index), mask=counts & inside)
    undecided = counts & ~inside & ~outside

    def draw_exactly(times):
        px = pixel_centres((column + dx).astype(jnp.float32), target.width)
        py = pixel_centres((row + dy).astype(jnp.float32), target.height)
        a, b, c = ((corner.x, corner.y, corner.w) for corner in corners)
        values, sides = zip(
            *(exact_edge(*edge, px, py) for edge in ((b, c), (c, a), (a, b))), strict=True
        )
        inside = (sides[0] < 0) & (sides[1] < 0) & (sides[2] < 0)
        if not target.cull_backfaces:
            inside |= (sides[0] > 0) & (sides[1] > 0) & (sides[2] > 0)
        total, homogeneous, depth = _depth(values, corners)
        inside &= front | (total * homogeneous > 0)
        plgpu.atomic_min(buffer, pixel, _key(depth, index), mask=undecided & inside)
        return times - 1

    lax.while_loop(lambda times: times > 0, draw_exactly, jnp.max(undecided.astype(jnp.int32)))


def _at(edges, dx, dy):
    dx, dy = dx.astype(jnp.float32), dy.astype(jnp.float32)
    triples = zip(edges.at, edges.by_x, edges.by_y, strict=True)
    return [at + dx * by_x + dy * by_y for at, by_x, by_y in triples]


def _sides(values, error, target: Target):
    """Which pixels are surely outside, and surely inside, of edge functions with this error."""
    lowest = jnp.minimum(jnp.minimum(values[0], values[1]), values[2])
    highest = jnp.maximum(jnp.maximum(values[0], values[1]), values[2])
    outside = (lowest < -error) & (highest > error)
    inside = highest < -error
    if target.cull_backfaces:
        return outside | (lowest > error), inside
    return outside, inside | (lowest > error)


def _depth(values, corners):
    """Sum of the edge functions, sum weighted by w, and z/w, as in windows.exact_window_keys."""
    # Relative to one corner, so that a triangle of constant depth gets exactly that depth.
    reference = jnp.where(in_front(corners), corners[0].z, 0)
    total = values[0] + values[1] + values[2]
    homogeneous = sum(v * k.w for v, k in zip(values, corners, strict=True))
    rise = sum(v * (k.z - reference * k.w) for v, k in zip(values, corners, strict=True))
    return total, homogeneous, reference + rise / jnp.where(homogeneous == 0, 1, homogeneous)


def _key(depth, index):
    """float64 that orders like (depth, index); a NaN depth counts as infinite, -0 equals +0.

    A positive number whose bits are 32 of depth and 31 of the index. float64 because Pallas lowers
    the atomic minimum of blocks of floats, bit by bit, but not that of integers.
    """
    bits = lax.bitcast_convert_type(jnp.where(depth == depth, depth, jnp.inf) + 0.0, jnp.int32)
    order = bits ^ ((bits >> 31) | np.int32(-(2**31)))
    upper = lax.bitcast_convert_type(order, jnp.uint32).astype(jnp.int64) << np.int64(31)
    lower = lax.bitcast_convert_type(index, jnp.uint32).astype(jnp.int64)
    return lax.bitcast_convert_type(upper | lower, jnp.float64)


def _resolve(table, rows, keys, ids, weights, depth, *, target: Target, num_vertices, shared):
    """Third kernel: what `rasterization._resolve_pixels` computes, from keys."""
    pixel = pl.program_id(0) * RESOLVE_LANES + lax.iota(jnp.int32, RESOLVE_LANES)
    exists = pixel < target.num_pixels
    key = plgpu.load(keys.at[pixel], mask=exists, other=_NOTHING)
    covered = key < _NOTHING
    bits = lax.bitcast_convert_type(key, jnp.int64)
    index = jnp.where(covered, (bits & np.int64(2**31 - 1)).astype(jnp.int32), 0)
    per_picture = np.int32(target.height * target.width)
    picture, place = lax.div(pixel, per_picture), lax.rem(pixel, per_picture)
    row, column = lax.div(place, np.int32(target.width)), lax.rem(place, np.int32(target.width))
    px = pixel_centres(column.astype(jnp.float32), target.width)
    py = pixel_centres(row.astype(jnp.float32), target.height)
    triangle = index if shared else picture * target.num_triangles + index
    x, y, w, scale = [], [], [], []
    for k in range(3):
        vertex = plgpu.load(rows.at[triangle * 3 + k], mask=covered, other=0)
        vertex += picture * num_vertices
        corner = _load_corner(table, vertex, (0, 1, 3, 4), mask=covered, other=1)
        x.append(corner[0] - corner[2] * px)
        y.append(corner[1] - corner[2] * py)
        w.append(corner[2])
        scale.append(corner[3])
    edges = [x[j] * y[k] - y[j] * x[k] for j, k in ((1, 2), (2, 0), (0, 1))]
    parts = [edge * s for edge, s in zip(edges, scale, strict=True)]
    total = parts[0] + parts[1] + parts[2]
    homogeneous = edges[0] * w[0] + edges[1] * w[1] + edges[2] * w[2]
    largest = jnp.maximum(jnp.maximum(scale[0], scale[1]), scale[2])
    solid = covered & (jnp.abs(homogeneous) > SMALLEST_AREA)
    solid &= jnp.abs(total) > SMALLEST_AREA * largest
    inverse = 1 / jnp.where(solid, total, 1)
    flat = jnp.where(covered, np.float32(1 / 3), np.float32(0))
    for k in range(3):
        value = jnp.where(solid, parts[k] * inverse, flat)
        plgpu.store(weights.at[pixel * 3 + k], value, mask=exists)
    needle = jnp.where(covered, (1 / scale[0] + 1 / scale[1] + 1 / scale[2]) / 3, 0)
    value = jnp.where(solid, homogeneous * inverse, needle)
    plgpu.store(depth.at[pixel], value, mask=exists)
    plgpu.store(ids.at[pixel], jnp.where(covered, index, -1), mask=exists)
