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
from rasterizer.worklist import Boxes, draw_listed

# The test of 4 x 4 pixels costs every triangle about a third of what the work list costs one.
_WORTH = 3


def nearest_triangles(
    vertices: jax.Array, triangles: jax.Array, target: Target, *, chunk: int, staged: bool
) -> jax.Array:
    """Index of the nearest triangle at every pixel, -1 where there is none.

    Args:
      vertices: (V, 4) float32 homogeneous pixel vertices (x, y, z, w), NaN rows for unusable ones.
      triangles: (num_images * num_triangles, 3) int32, every index in [0, V).
      target: sizes.
      chunk: windows per step of the work list; memory is about 200 bytes times this.
      staged: scatter behind a conditional. On the CPU XLA would otherwise fuse the arithmetic into
        the scatter's scalar loop, which is three times slower.

    Returns:
      (num_images * height * width,) int32, counted within each picture's own triangles.
    """
    with jax.enable_x64(True):
        buffer = jnp.full((target.num_pixels,), NOTHING, jnp.int64)
    if triangles.shape[0] > 0 and target.num_pixels > 0:
        corners = gather_corners(vertices, triangles)
        boxes, pending = _bounding_boxes(corners, target)

        def of_size(size):
            return pending & in_front(corners) & (boxes.right < size) & (boxes.down < size)

        def draw_small(buffer):
            return _draw_dense(buffer, corners, boxes, pending, of_size(2), 2, target, staged)

        def draw_medium(buffer):
            # Gathered again: as operands of the conditional all coordinates would be copied.
            again = gather_corners(vertices, triangles)
            return _draw_dense(buffer, again, boxes, pending, of_size(4), 4, target, staged)

        buffer, pending = draw_small(buffer)
        many = jnp.sum(of_size(4), dtype=jnp.int32) > triangles.shape[0] // _WORTH
        buffer, pending = lax.cond(many, draw_medium, lambda b: (b, pending), buffer)
        buffer = lax.cond(
            pending.any(),
            lambda b: draw_listed(b, vertices, triangles, pending, boxes, target, chunk),
            lambda b: b,
            buffer,
        )
    with jax.enable_x64(True):
        return lax.convert_element_type(buffer & np.int64(2**32 - 1), jnp.int32)


def _bounding_boxes(corners, target: Target) -> tuple[Boxes, jax.Array]:
    """Bounding boxes of the pixel centres, clipped to the image, and which are to be drawn.

    A triangle that crosses the camera plane gets the whole image. Nothing is to be drawn where no
    pixel centre is in the box, every corner is behind the camera, or a corner is unusable.
    """
    a, b, c = corners
    front = in_front(corners)
    pending = (a.w > 0) | (b.w > 0) | (c.w > 0)
    first, reach = [], []
    for axis, size in (("x", target.width), ("y", target.height)):
        p, q, r = (getattr(corner, axis) for corner in corners)
        # The sums round monotonically: a pixel centre in the box is never lost.
        to_index = np.float32(size / 2 - 0.5)
        low = jnp.ceil(jnp.minimum(jnp.minimum(p, q), r) + to_index)
        high = jnp.floor(jnp.maximum(jnp.maximum(p, q), r) + to_index)
        low = jnp.where(front, jnp.maximum(low, 0), 0)
        high = jnp.where(front, jnp.minimum(high, size - 1), size - 1)
        pending &= (high >= low) & (p == p) & (q == q) & (r == r)
        first.append(low)
        reach.append(high - low)
    return Boxes(*first, *reach), pending


def _draw_dense(buffer, corners, boxes: Boxes, pending, member, size: int, target: Target, staged):
    """Tests size x size pixels of every triangle and draws the members.

    Returns:
      The buffer, and `pending` without the triangles that are done.
    """
    order = lax.iota(jnp.int32, pending.shape[0])
    edges = affine_edge_functions(corners, boxes.column, boxes.row, size, target)
    right = jnp.where(member, boxes.right, -1)
    index = order % target.num_triangles
    keys = window_keys(corners, edges, index, right, boxes.down, size, target, affine=True)
    column, row = boxes.column.astype(jnp.int32), boxes.row.astype(jnp.int32)
    pixel = window_pixels(column, row, order // target.num_triangles, size, target)

    def draw(buffer):
        return keep_nearest(buffer, pixel, keys), pending & ~(member & ~any_undecided(keys))

    if not staged:
        return draw(buffer)
    # Always true, which the compiler cannot know.
    return lax.cond(jnp.any(pixel[0, :1] >= 0), draw, lambda b: (b, pending), buffer)
