"""antialias: soft outlines, and the gradient that moves them.

A picture sampled at pixel centres jumps when an outline passes a centre and is constant in between:
its derivative knows nothing of the outline. The picture of true pixel averages has one. When an
outline moves, every piece of it sweeps an area, and the picture changes by that area times the step
in colour across it. `antialias` estimates both, average and change, from the places where the
outline crosses a few lines per pixel. `docs/gradients.md` has the reasoning and the accuracy.
"""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from rasterizer.edges import MeshEdges, mesh_edges
from rasterizer.homogeneous import to_pixels
from rasterizer.rasterization import Fragments
from rasterizer.silhouettes import (
    LINES,
    crossing_edges,
    largest_of_batch,
    line_position,
    pixels_around,
    rows_of,
)

# An edge that advances less than this across the line (in pixels) says nothing reliable about how
# fast the crossing runs along it. Edges that cross the camera plane are in other units.
_SMALLEST_ADVANCE = 0.05
_SMALLEST_HOMOGENEOUS_ADVANCE = 1e-6


def antialias(
    image: jax.Array,
    vertices_clip: jax.Array,
    triangles: jax.Array,
    fragments: Fragments,
    edges: MeshEdges | None = None,
    *,
    cull_backfaces: bool = False,
) -> jax.Array:
    """Blends the pixels along outlines and creases, and lets their motion pass a gradient.

    Pixels that no outline touches are returned as they are. The derivative is that of the picture
    of pixel averages, not the derivative of the blended values, which jumps like that of the input.

    Args:
      image: (H, W, C) float, a picture of the fragments, background included.
      vertices_clip: (V, 4) float, as rasterized. The gradient flows through x, y, w.
      triangles: (F, 3) integer, the rasterized ones.
      fragments: what `rasterize` returned for them.
      edges: `mesh_edges(triangles)`; computed here if not given, which is slow where the triangles
        are traced, and repeated in every call outside of jit.
      cull_backfaces: as given to `rasterize`.

    Returns:
      (H, W, C) in the dtype of the image. Differentiable in the image and the vertices.

    Raises:
      ValueError: wrong shapes or dtypes.
    """
    image, vertices_clip = jnp.asarray(image), jnp.asarray(vertices_clip)
    height, width = fragments.triangle_id.shape
    if image.ndim != 3 or image.shape[:2] != (height, width):
        raise ValueError(
            f"expected an image of shape ({height}, {width}, C) as the fragments, found "
            f"{image.shape}; add an axis to a mask, and vmap over a batch"
        )
    for name, array in (("image", image), ("vertices_clip", vertices_clip)):
        if not jnp.issubdtype(array.dtype, jnp.floating):
            raise ValueError(f"expected a float {name}, found {array.dtype}")
    if vertices_clip.ndim != 2 or vertices_clip.shape[1] != 4:
        raise ValueError(f"expected vertices_clip of shape (V, 4), found {vertices_clip.shape}")
    edges = mesh_edges(triangles) if edges is None else edges
    if 0 in (len(vertices_clip), len(triangles), len(edges.ends)):
        return image
    triangles = jnp.asarray(triangles, jnp.int32)
    return _antialias(image, vertices_clip, triangles, fragments, edges, cull_backfaces)


@functools.partial(jax.jit, static_argnums=(5,))
def _antialias(image, vertices_clip, triangles, fragments, edges, cull_backfaces: bool):
    fixed_vertices, fixed_fragments = lax.stop_gradient((vertices_clip, fragments))
    depth = _depth(fixed_vertices, triangles, fixed_fragments)
    codes = crossing_edges(fixed_vertices, edges, depth, cull_backfaces=cull_backfaces)
    share = _share_of_rows(jnp.sum(codes >= 0, axis=1, dtype=jnp.int32))
    active = jnp.any(codes >= 0, axis=1).reshape(-1)
    number = largest_of_batch(jnp.sum(active, dtype=jnp.int32))
    # Outlines are lines: they touch few of the pairs, which stand first in `pairs`. Images full of
    # outlines take as many more steps as they need.
    chunk = min(4 * sum(depth.shape), active.size)
    num_chunks = -(-active.size // chunk)
    (pairs,) = jnp.nonzero(active, size=num_chunks * chunk, fill_value=active.size)
    pairs = pairs.astype(jnp.int32).reshape(num_chunks, chunk)

    def blend(total, image, vertices_clip, pairs):
        change = _changes(image, vertices_clip, edges.ends, codes, share, depth, pairs)
        return _add(total, *change)

    # Computed again backwards, so that nothing is kept per step.
    @jax.checkpoint
    def step(total, image, vertices_clip, start, pairs):
        arguments = (total, image, vertices_clip, pairs)
        return lax.cond(start < number, blend, lambda total, *_: total, *arguments)

    @jax.checkpoint
    def blend_rest(total, image, vertices_clip):
        def body(total, work):
            return step(total, image, vertices_clip, *work), None

        starts = chunk * lax.iota(jnp.int32, num_chunks)
        return lax.scan(body, total, (starts[1:], pairs[1:]))[0]

    total = jax.checkpoint(blend)(image, image, vertices_clip, pairs[0])
    if num_chunks == 1:
        return total
    arguments = (total, image, vertices_clip)
    return lax.cond(number > chunk, blend_rest, lambda total, *_: total, *arguments)


def _add(image, target, change) -> jax.Array:
    flat = image.reshape(-1, image.shape[-1])
    return flat.at[target].add(change, mode="promise_in_bounds").reshape(image.shape)


def _depth(vertices_clip, triangles, fragments) -> jax.Array:
    """(H, W) float32 z/w seen by every pixel, inf in the background."""
    covered = fragments.triangle_id >= 0
    corner = triangles.at[jnp.maximum(fragments.triangle_id, 0)].get(mode="promise_in_bounds")
    corner = jnp.where(covered[..., None], corner, 0)
    table = vertices_clip[:, 2:].astype(jnp.float32)
    weights = fragments.barycentrics.astype(jnp.float32)
    z = w = jnp.zeros(covered.shape, jnp.float32)
    for k in range(3):
        zk, wk = rows_of(table, corner[..., k])
        z, w = z + weights[..., k] * zk, w + weights[..., k] * wk
    return jnp.where(covered, z / jnp.where(w > 0, w, 1), jnp.inf)


def _share_of_rows(count: jax.Array) -> jax.Array:
    """(H, W) how far the crossings with lines of rows, not of columns, carry the motion at a pixel.

    An outline with normal n crosses the lines of rows |nx| and those of columns |ny| times per unit
    of length. Either kind measures the whole motion, badly where it runs along its lines, so they
    are weighted by nx^2 and ny^2. This is for edges shorter than a pixel: they point anywhere, so
    the normal is counted over 3 x 3 pixels.

    Args:
      count: (2, H, W) int32, crossings per pair of neighbours in a row and in a column.
    """
    totals = []
    for axis, pairs in ((1, count[0]), (0, count[1])):
        # A pair belongs to both of its pixels.
        pairs = pairs + lax.slice_in_dim(
            jnp.pad(pairs, [(1, 0) if k == axis else (0, 0) for k in range(2)]),
            0,
            pairs.shape[axis],
            axis=axis,
        )
        window = lax.reduce_window(pairs, 0, lax.add, (3, 3), (1, 1), "SAME")
        totals.append(window.astype(jnp.float32) ** 2)
    return totals[0] / jnp.maximum(totals[0] + totals[1], 1)


def _changes(image, vertices_clip, ends, codes, share, depth, pairs):
    """What some pairs of neighbouring pixels contribute, 2 H W standing for none.

    Returns (target, change): flat pixels (N, LINES) int32 and what to add there (N, LINES, C).
    """
    height, width, channels = image.shape
    num_pixels = height * width
    pair = jnp.broadcast_to(pairs[:, None], (pairs.shape[0], LINES))
    exists = pair < 2 * num_pixels
    pair = jnp.where(exists, pair, 0)
    part = lax.broadcasted_iota(jnp.int32, pair.shape, 1)
    is_row, pixel = pair < num_pixels, pair % num_pixels
    row, column = pixel // width, pixel % width
    slot = (jnp.where(is_row, 0, LINES) + part) * num_pixels + pixel
    code = _take(codes.reshape(-1), slot)
    exists &= code >= 0
    edge, upper_is_inside = jnp.maximum(code, 0) // 2, code % 2 == 1
    line = jnp.where(is_row, row, column) * LINES + part
    first = jnp.where(exists, jnp.where(is_row, column, row), 0)

    place, reliable, own_share, trust = _places(
        vertices_clip, ends, edge, is_row, line, first, height, width
    )
    place = jnp.where(exists, place, 0.5)
    around = pixels_around(is_row, line, first, height, width)
    chosen = _sides(depth.reshape(-1), around, upper_is_inside)
    target = jnp.where(place < 0.5, around[0][0], around[1][0])

    flat = image.reshape(num_pixels, channels)
    step = _difference(exists, *(_take(flat, pixel) for pixel in chosen))
    fixed = jnp.clip(lax.stop_gradient(place), 0, 1)
    # Half from the lines of one direction, corrected along the middle line of the other, and half
    # the other way round: see docs/gradients.md.
    part_of_value = 0.5 / LINES + jnp.where(part == LINES // 2, 0.5, 0)
    value = (part_of_value * (fixed - 0.5)).astype(image.dtype)[..., None] * step

    at_edge = _colours_at_the_edge(lax.stop_gradient(flat), depth, chosen, is_row, first, fixed)
    weight = trust * own_share + (1 - trust) * _take(share.reshape(-1), target)
    weight = jnp.where(is_row, weight, 1 - weight).astype(place.dtype) / LINES
    moved = jnp.where(reliable, weight * (place - lax.stop_gradient(place)), 0)
    motion = moved.astype(image.dtype)[..., None] * _difference(exists, *at_edge)
    return target, value + motion


def _take(table, index):
    return table.at[index].get(mode="promise_in_bounds")


def _difference(exists, lower, upper):
    # Masked before it is multiplied: a NaN in the image must not reach other pixels' gradients.
    return jnp.where(exists[..., None], lower - upper, 0)


def _places(vertices_clip, ends, edge, is_row, line, first, height: int, width: int):
    """Where edges cross lines, from 0 (centre of pixel `first`) to 1 (of the next): differentiable.

    Returns:
      place; reliable, False where its derivative is not to be trusted; the square of the x
      component of the edge's own normal; and how far to trust that, 0 for edges below a pixel.
    """
    pixels = to_pixels(vertices_clip, height, width)
    table = jnp.stack([pixels.x, pixels.y, pixels.w], axis=-1)
    corner = jnp.maximum(_take(ends, edge), 0)
    (xa, ya, wa), (xb, yb, wb) = (rows_of(table, corner[..., k]) for k in range(2))
    across, along = (jnp.where(is_row, *size) for size in ((height, width), (width, height)))
    level = line_position(line, across, table.dtype)
    start = first.astype(table.dtype) + 0.5 - along.astype(table.dtype) / 2
    ua, ub = jnp.where(is_row, ya, xa) - level * wa, jnp.where(is_row, yb, xb) - level * wb
    va, vb = jnp.where(is_row, xa, ya) - start * wa, jnp.where(is_row, xb, yb) - start * wb
    scale = ua * wb - ub * wa
    in_front = (wa == 1) & (wb == 1)
    smallest = jnp.where(in_front, _SMALLEST_ADVANCE, _SMALLEST_HOMOGENEOUS_ADVANCE)
    place = (ua * vb - ub * va) / jnp.where(jnp.abs(scale) > 1e-12, scale, 1)
    fixed = lax.stop_gradient((xa, ya, wa, xb, yb, wb))
    xa, ya, wa, xb, yb, wb = (value.astype(jnp.float32) for value in fixed)
    normal_x, normal_y = (ya * wb - yb * wa) ** 2, (xa * wb - xb * wa) ** 2
    own_share = normal_x / jnp.maximum(normal_x + normal_y, 1e-30)
    trust = jnp.where(in_front, jnp.clip(jnp.sqrt(normal_x + normal_y) - 1, 0, 1), 1)
    return place, jnp.abs(scale) > smallest, own_share, trust


def _sides(depth, around, upper_is_inside):
    """On either side of a crossing, the pixel that shows the surface, or what lies beyond it."""
    chosen = []
    for (own, beyond), is_inside in zip(around, (~upper_is_inside, upper_is_inside), strict=True):
        at_own, at_beyond = _take(depth, own), _take(depth, beyond)
        better = jnp.where(is_inside, at_beyond < at_own, at_beyond > at_own)
        chosen.append(jnp.where(better, beyond, own))
    return chosen


def _colours_at_the_edge(image, depth, chosen, is_row, first, place):
    """Colours on both sides, extrapolated from the pixel centres to the edge.

    Where colours change fast towards the outline, as on a ball's limb, a centre's colour is not
    that of the edge. The next pixel on the same side tells the slope, unless it shows something
    else: it must differ less in depth than the two sides do.
    """
    height, width = depth.shape
    flat = depth.reshape(-1)
    along, size = jnp.where(is_row, 1, width), jnp.where(is_row, width, height)
    nearer = [_take(flat, pixel) for pixel in chosen]
    colours = []
    for k, direction in ((0, -1), (1, 1)):
        index = first + k + direction
        pixel = jnp.where((index >= 0) & (index < size), chosen[k] + direction * along, chosen[k])
        both_seen = jnp.isfinite(nearer[0]) & jnp.isfinite(nearer[1])
        jump = jnp.where(both_seen, jnp.abs(nearer[0] - nearer[1]), np.inf)
        smooth = jnp.abs(_take(flat, pixel) - nearer[k]) < jump
        distance = jnp.where(smooth, place if k == 0 else 1 - place, 0)
        colour = _take(image, chosen[k])
        slope = jnp.where(smooth[..., None], colour - _take(image, pixel), 0)
        colours.append(colour + distance.astype(image.dtype)[..., None] * slope)
    return colours
