"""Cameras: from points in the world to the camera's frame, and on to clip space.

The camera's frame is OpenCV's: x right, y down, z forward, depth > 0 in front. Intrinsics are
(fx, fy, cx, cy) in pixels of the given image size; the centre of pixel (row r, column c) is at
(c + 0.5, r + 0.5). Normalised intrinsics, divided by the side of a square image, go with an image
size of 1 x 1.
"""

import dataclasses
import math

import jax
import jax.numpy as jnp
from jax import lax


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Camera:
    """Where a camera stands, where it looks and how it projects; a pytree of its three arrays.

    rotation: (3, 3) and translation: (3,); points_camera = points_world @ rotation.T + translation.
    intrinsics: (4,) fx, fy, cx, cy in pixels of the image that is drawn.
    orthographic: a parallel projection, of which fx, fy are pixels per unit of length.
    """

    rotation: jax.Array
    translation: jax.Array
    intrinsics: jax.Array
    orthographic: bool = dataclasses.field(default=False, metadata={"static": True})

    @property
    def position(self) -> jax.Array:
        """(3,) the camera's centre in the world."""
        return -_matmul(self.translation[None], self.rotation)[0]

    def from_world(self, points_world: jax.Array) -> jax.Array:
        """(V, 3) points of the world in the camera's frame."""
        _check_points(points_world, "points_world")
        return _matmul(points_world, self.rotation.T) + self.translation[None]

    def to_clip(
        self, points_world: jax.Array, image_height: int, image_width: int, *, near: float = 0.1
    ) -> jax.Array:
        """(V, 4) clip-space vertices of (V, 3) points of the world.

        `near` is as in `perspective_clip` and says nothing for an orthographic camera.
        """
        points = self.from_world(points_world)
        if self.orthographic:
            return orthographic_clip(points, self.intrinsics, image_height, image_width)
        return perspective_clip(points, self.intrinsics, image_height, image_width, near=near)


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
    return rotation, -_matmul(eye[None], rotation.T)[0]


def field_of_view_intrinsics(
    vertical: float | jax.Array, image_height: int, image_width: int
) -> jax.Array:
    """(4,) intrinsics of square pixels and a centred principal point.

    Args:
      vertical: radians between the top and the bottom border of the image, in (0, pi).
      image_height, image_width: in pixels.
    """
    focal = image_height / 2 / jnp.tan(jnp.asarray(vertical) / 2)
    return jnp.stack([focal, focal, *jnp.asarray([image_width / 2, image_height / 2], focal.dtype)])


def framing_camera(
    points_world: jax.Array,
    image_height: int,
    image_width: int,
    *,
    direction: tuple[float, float, float] = (0.4, 0.3, 1.0),
    up: tuple[float, float, float] = (0.0, 1.0, 0.0),
    vertical: float = math.radians(30),
    orthographic: bool = False,
) -> Camera:
    """A camera that sees all points, with a margin of 5 % around their bounding sphere.

    The sphere stands around the middle of the bounding box. Points with a NaN or infinite
    coordinate are left out; without any other, the unit sphere is framed.

    Args:
      points_world: (V, 3) float.
      image_height, image_width: in pixels.
      direction: from the points to the camera, in the world; of any length.
      up: direction of the world that points to the top of the image.
      vertical: field of view in radians; an orthographic camera takes its distance from it.
      orthographic: a parallel projection.
    """
    points_world = jnp.asarray(points_world)
    _check_points(points_world, "points_world")
    dtype = points_world.dtype
    centre, radius = bounding_sphere(points_world)
    radius = 1.05 * jnp.where(radius > 0, radius, 1)
    half_height = vertical / 2
    half_angle = min(half_height, math.atan(math.tan(half_height) * image_width / image_height))
    towards = jnp.asarray(direction, dtype)
    towards = towards / jnp.linalg.norm(towards)
    eye = centre + radius / math.sin(half_angle) * towards
    rotation, translation = look_at(eye, centre, jnp.asarray(up, dtype))
    intrinsics = field_of_view_intrinsics(jnp.asarray(vertical, dtype), image_height, image_width)
    if orthographic:
        scale = min(image_height, image_width) / 2 / radius
        intrinsics = jnp.stack([scale, scale, intrinsics[2], intrinsics[3]])
    return Camera(rotation, translation, intrinsics, orthographic)


def bounding_sphere(points: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Centre (3,) of the bounding box of (V, 3) points and the largest distance () from it.

    Points with a NaN or infinite coordinate are left out; 0 and 0 where nothing is left.
    """
    known = jnp.all(jnp.isfinite(points), axis=-1, keepdims=True)
    low = jnp.min(jnp.where(known, points, jnp.inf), axis=0, initial=jnp.inf)
    high = jnp.max(jnp.where(known, points, -jnp.inf), axis=0, initial=-jnp.inf)
    centre = jnp.where(jnp.any(known), (low + high) / 2, 0)
    offsets = jnp.where(known, points - centre[None], 0)
    farthest = jnp.max(jnp.sum(offsets * offsets, axis=-1), initial=0)
    # The square root has no derivative at 0.
    return centre, jnp.where(farthest > 0, jnp.sqrt(jnp.where(farthest > 0, farthest, 1)), 0)


def _matmul(a: jax.Array, b: jax.Array) -> jax.Array:
    # The default precision of some devices is below float32, and would move vertices by pixels.
    return jnp.matmul(a, b, precision=lax.Precision.HIGHEST)


def _check_points(points: jax.Array, name: str = "points_camera") -> None:
    if points.ndim != 2 or points.shape[1] != 3:
        raise ValueError(
            f"expected {name} of shape (V, 3), found {points.shape}; vmap over a batch"
        )
