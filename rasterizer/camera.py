"""Cameras: from points in the camera's frame to clip space.

The camera's frame is OpenCV's: x right, y down, z forward, depth > 0 in front. Intrinsics are
(fx, fy, cx, cy) in pixels of the given image size; the centre of pixel (row r, column c) is at
(c + 0.5, r + 0.5). Normalised intrinsics, divided by the side of a square image, go with an image
size of 1 x 1.
"""

import jax
import jax.numpy as jnp
from jax import lax


def perspective_clip(
    points_camera: jax.Array,
    intrinsics: jax.Array,
    image_height: int,
    image_width: int,
    *,
    near: float = 0.1,
) -> jax.Array:
    """Clip-space vertices of a pinhole camera with u = fx X/Z + cx, v = fy Y/Z + cy.

    w is the view depth Z. z/w is -near/Z: -1 at depth `near`, towards 0 at infinity, and ordered as
    finely as float32 orders 1/Z at any distance. Nothing is clipped at `near`.

    Args:
      points_camera: (V, 3) float.
      intrinsics: (4,) fx, fy, cx, cy in pixels.
      image_height, image_width: the size that the intrinsics refer to.
      near: positive depth, only a scale of z.

    Returns:
      (V, 4) float x, y, z, w.
    """
    _check_points(points_camera)
    fx, fy, cx, cy = (intrinsics[k] for k in range(4))
    x, y, depth = (points_camera[:, k] for k in range(3))
    x_clip = (2 * fx / image_width) * x + (2 * cx / image_width - 1) * depth
    y_clip = (2 * fy / image_height) * y + (2 * cy / image_height - 1) * depth
    return jnp.stack([x_clip, y_clip, jnp.full_like(depth, -near), depth], axis=-1)


def orthographic_clip(
    points_camera: jax.Array, intrinsics: jax.Array, image_height: int, image_width: int
) -> jax.Array:
    """Clip-space vertices of a parallel projection with u = fx X + cx, v = fy Y + cy.

    w is 1 everywhere and z is the depth Z, so that the nearest Z wins; Z per pixel comes from
    `interpolate`, since Fragments.depth is the interpolated w.

    Args:
      points_camera: (V, 3) float.
      intrinsics: (4,); fx, fy are pixels per unit of length, cx, cy pixels.
      image_height, image_width: the size that the intrinsics refer to.

    Returns:
      (V, 4) float x, y, z, 1.
    """
    _check_points(points_camera)
    fx, fy, cx, cy = (intrinsics[k] for k in range(4))
    x, y, depth = (points_camera[:, k] for k in range(3))
    x_clip = (2 * fx / image_width) * x + (2 * cx / image_width - 1)
    y_clip = (2 * fy / image_height) * y + (2 * cy / image_height - 1)
    return jnp.stack([x_clip, y_clip, depth, jnp.ones_like(depth)], axis=-1)


def look_at(eye: jax.Array, target: jax.Array, up: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Rotation (3, 3) and translation (3,) with points_camera = points_world @ R.T + t.

    Args:
      eye: (3,) position of the camera in the world.
      target: (3,) point that is seen at the principal point.
      up: (3,) direction of the world that points to the top of the image.

    Raises:
      ValueError: eye and target coincide, or up points along the line of sight; checked where the
        values are known, not under tracing.
    """
    eye, target, up = (jnp.asarray(value) for value in (eye, target, up))
    forward, right = target - eye, jnp.cross(target - eye, up)
    if not isinstance(right, jax.core.Tracer) and not jnp.linalg.norm(right) > 0:
        raise ValueError(
            f"expected a direction of sight that is neither zero nor along up, found "
            f"{forward} with up {up}; choose another eye, target or up"
        )
    forward = forward / jnp.linalg.norm(forward)
    right = right / jnp.linalg.norm(right)
    down = jnp.cross(forward, right)
    rotation = jnp.stack([right, down, forward])
    return rotation, -jnp.matmul(rotation, eye, precision=lax.Precision.HIGHEST)


def flip_opengl(points: jax.Array) -> jax.Array:
    """(..., 3) points of OpenGL's camera frame (x right, y up, z backward) in OpenCV's, or back."""
    return points * jnp.array([1, -1, -1], points.dtype).reshape((1,) * (points.ndim - 1) + (3,))


def _check_points(points: jax.Array) -> None:
    if points.ndim != 2 or points.shape[1] != 3:
        raise ValueError(
            f"expected points_camera of shape (V, 3), found {points.shape}; vmap over a batch"
        )
