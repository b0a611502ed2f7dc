"""Which triangle is nearest at each pixel centre: integers only, exact, no triangle dropped.

Triangles in front of the camera with at most 2 x 2 pixel centres in their bounding box (on a face
at 256 px nearly all) are tested all at once, one array per coordinate, so that the loops vectorise;
those with at most 4 x 4 too, if they are many. Everything else goes through the work list
(worklist.py): larger triangles, those that cross the camera plane, and the few whose test float32
cannot decide. Hits are written by a scatter-min of 64-bit keys (windows.py).
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from rasterizer.windows import (
    NOTHING,
    Target,
    affine_edge_functions,
    any_undecided,
    gather_corners,
    in_front,
    keep_nearest,
    window_keys,
    window_pixels,
)
from rasterizer.worklist import Boxes, bounding_boxes, draw_listed, while_once

# The test of 4 x 4 pixels costs every triangle about a third of what the work list costs one.
_WORTH = 3


def nearest_triangles(
    vertices: jax.Array,
    triangles: jax.Array,
    target: Target,
    *,
    dense_chunk: int,
    listed_chunk: int,
    staged: bool,
) -> jax.Array:
    """Index of the nearest triangle at every pixel, -1 where there is none.

    Args:
      vertices: (V, 4) float32 homogeneous pixel vertices (x, y, z, w), NaN rows for unusable ones.
      triangles: (num_images * num_triangles, 3) int32, every index in [0, V).
      target: sizes.
      dense_chunk: triangles tested at once; memory is about 430 bytes times this.
      listed_chunk: windows per step of the work list; memory is about 200 bytes times this.
      staged: scatter in a loop of its own. On the CPU XLA would otherwise fuse the arithmetic into
        the scatter's scalar loop, which is three times slower.

    Returns:
      (num_images * height * width,) int32, counted within each picture's own triangles.
    """
    with jax.enable_x64(True):
        buffer = jnp.full((target.num_pixels,), NOTHING, jnp.int64)
    num_triangles = triangles.shape[0]
    if num_triangles > 0 and target.num_pixels > 0:
        size = min(dense_chunk, num_triangles)
        state = buffer, jnp.zeros((num_triangles,), bool)

        def draw(index, state):
            # The last chunk overlaps the one before: to draw a triangle twice changes nothing.
            start = jnp.minimum(index * size, num_triangles - size)
            return _draw_chunk(state, vertices, triangles, start, size, target, staged)

        buffer, pending = lax.fori_loop(0, -(-num_triangles // size), draw, state)
        buffer = while_once(
            pending.any(),
            lambda b: draw_listed(b, vertices, triangles, pending, target, listed_chunk),
            buffer,
        )
    with jax.enable_x64(True):
        return lax.convert_element_type(buffer & np.int64(2**32 - 1), jnp.int32)


def _draw_chunk(state, vertices, triangles, start, count: int, target: Target, staged: bool):
    """Draws the small ones of the `count` triangles from `start` on; marks the rest as pending."""
    buffer, pending = state
    chunk = lax.dynamic_slice(triangles, (start, 0), (count, 3))

    def draw(state, size):
        buffer, pending = state
        corners = gather_corners(vertices, chunk)
        boxes, _ = bounding_boxes(corners, target)
        member = pending & _of_size(size, corners, boxes)
        return _draw_dense(buffer, corners, boxes, pending, member, start, size, target, staged)

    corners = gather_corners(vertices, chunk)
    boxes, todo = bounding_boxes(corners, target)
    buffer, todo = draw((buffer, todo), 2)
    many = jnp.sum(todo & _of_size(4, corners, boxes), dtype=jnp.int32) > count // _WORTH
    buffer, todo = while_once(many, lambda s: draw(s, 4), (buffer, todo))
    return buffer, lax.dynamic_update_slice(pending, todo, (start,))


def _of_size(size: int, corners, boxes: Boxes) -> jax.Array:
    return in_front(corners) & (boxes.right < size) & (boxes.down < size)


def _draw_dense(
    buffer, corners, boxes: Boxes, pending, member, start, size: int, target: Target, staged: bool
):
    """Tests size x size pixels of every triangle and draws the members.

    Returns:
      The buffer, and `pending` without the triangles that are done.
    """
    order = start + lax.iota(jnp.int32, pending.shape[0])
    edges = affine_edge_functions(corners, boxes.column, boxes.row, size, target)
    right = jnp.where(member, boxes.right, -1)
    index = order % target.num_triangles
    keys = window_keys(corners, edges, index, right, boxes.down, size, target, affine=True)
    column, row = boxes.column.astype(jnp.int32), boxes.row.astype(jnp.int32)
    pixel = window_pixels(column, row, order // target.num_triangles, size, target)
    if staged:
        # Always true, which the compiler cannot know.
        apart = pixel[0, 0] >= 0
        buffer = while_once(apart, lambda b: keep_nearest(b, pixel, keys), buffer)
    else:
        buffer = keep_nearest(buffer, pixel, keys)
    return buffer, pending & ~(member & ~any_undecided(keys))
