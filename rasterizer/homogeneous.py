"""Clip space to pixels, without ever dividing by a w that is not safely positive.

Every vertex becomes (X, Y, z, w) with position (X/w, Y/w) in pixels from the image centre: half of
the rounding of a corner-based position comes from adding half the image size, and triangles of a
dense mesh are small enough to notice. A vertex in front of the camera is divided through by its
own w, so that w is exactly 1 and X, Y are its position. A vertex behind the camera, on the camera
plane, or in front but more than a million pixels away, cannot be divided; it keeps its sign of w
and is scaled by its largest coordinate instead. Scaling by a positive number moves no vertex of
projective space, so one edge function serves all of them.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

# Pixel positions beyond this stay homogeneous: float32 has no sub-pixel digits left there.
FARTHEST_PIXEL = 1e6
# Between these values of w its square, which derivatives need, is far from the ends of float32.
SMALLEST_W, LARGEST_W = 1e-15, 1e15
# Below this the pixel's edge functions say nothing about where it lies within the triangle.
SMALLEST_AREA = 1e-10


class PixelVertices(NamedTuple):
    """Vertices in homogeneous pixel coordinates, one array per coordinate.

    x, y, z, w: (V,) float; w is exactly 1 in front of the camera, so that x, y are pixels from the
      image centre (y down) and z is z_clip/w_clip. Otherwise all four are the clip vertex times
      `scale`.
    scale: (V,) positive float, the number that the clip vertex was multiplied with.
    valid: (V,) bool, False where a clip coordinate was NaN or infinite; the others are 0 there.
    """

    x: jax.Array
    y: jax.Array
    z: jax.Array
    w: jax.Array
    scale: jax.Array
    valid: jax.Array


def to_pixels(vertices_clip: jax.Array, image_height: int, image_width: int) -> PixelVertices:
    """Homogeneous pixel coordinates of clip-space vertices; differentiable, finite for any input.

    Args:
      vertices_clip: (V, 4) float (x, y, z, w); pixel x = (x/w + 1)/2 image_width.
      image_height, image_width: in pixels.
    """
    columns = [vertices_clip[:, k] for k in range(4)]
    # Not a reduction over the rows: on GPUs that would be a kernel of its own.
    valid = functools.reduce(jnp.logical_and, map(jnp.isfinite, columns))
    x, y, z, w = (jnp.where(valid, column, 0) for column in columns)
    largest = FARTHEST_PIXEL / max(image_height, image_width)
    divisible = (w > SMALLEST_W) & (w < LARGEST_W)
    divisible &= (jnp.abs(x) < largest * w) & (jnp.abs(y) < largest * w)
    # Double where: the branch not taken must not produce an infinite derivative.
    safe_w = jnp.where(divisible, w, 1)
    half_width, half_height = image_width / 2, image_height / 2
    magnitude = jax.lax.stop_gradient(jnp.maximum(jnp.maximum(jnp.abs(x), jnp.abs(y)), jnp.abs(w)))
    shrink = 1 / jnp.where(divisible | (magnitude < SMALLEST_W), 1, magnitude)
    return PixelVertices(
        # Divided last: a product here could be contracted with a later subtraction, and the same
        # vertex would then lie in slightly different places for two of its triangles.
        x=jnp.where(divisible, x * half_width / safe_w, x * (half_width * shrink)),
        y=jnp.where(divisible, y * half_height / safe_w, y * (half_height * shrink)),
        z=jnp.where(divisible, z / safe_w, z * shrink),
        w=jnp.where(divisible, 1, w * shrink),
        scale=jnp.where(divisible, 1 / safe_w, shrink),
        valid=valid,
    )


def pixel_centres(index: jax.Array, size: int) -> jax.Array:
    """Centres of pixel columns (or rows) in pixels from the image centre, exact in float32."""
    return index + np.float32(0.5 - size / 2)
