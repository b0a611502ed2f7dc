"""A first guess of the pose: scaled orthography in closed form."""

import jax
import jax.numpy as jnp

from reenact_jax.face_model.parameters import CAMERA_DISTANCE, CANONICAL_FOCAL


def orthographic_pose(
    points: jax.Array, landmarks: jax.Array, weights: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Rotation and translation that put `points` near `landmarks` in the canonical camera.

    The affine map of least squares from points to the image is replaced by the nearest scaled
    rotation; its scale gives the depth. Perspective within the face is neglected.

    Args:
      points: (L, 3) decimetres, model frame (y up); not all in one plane.
      landmarks: (L, 2) image positions in [0, 1], y down.
      weights: (L,) non-negative.

    Returns:
      Rotation matrix (3, 3) and translation (3,) in decimetres, in the conventions of
      FaceParameters.
    """
    share = weights / weights.sum()
    centre = share @ points
    image = (landmarks - 0.5) * jnp.asarray([[1.0, -1.0]])
    image_centre = share @ image
    spread = points - centre[None]
    moments = (spread * share[:, None]).T @ spread
    affine = jnp.linalg.solve(
        moments, (spread * share[:, None]).T @ (image - image_centre[None])
    ).T  # (2, 3)
    left, scales, right = jnp.linalg.svd(affine, full_matrices=False)
    rows = left @ right
    rotation = jnp.concatenate([rows, jnp.cross(rows[0], rows[1])[None]])
    depth = CANONICAL_FOCAL / jnp.maximum(scales.mean(), 1e-6)
    in_camera = jnp.append(image_centre * depth / CANONICAL_FOCAL, CAMERA_DISTANCE - depth)
    return rotation, in_camera - rotation @ centre


def rotation_from_vector(vector: jax.Array) -> jax.Array:
    """Rodrigues' formula: the turn (3, 3) about `vector` (3,) by its length in radians."""
    squared = vector @ vector
    small = squared < 1e-8
    # The angle of a tiny turn is replaced before it divides; its series is exact to float32.
    angle = jnp.sqrt(jnp.where(small, 1.0, squared))
    first = jnp.where(small, 1.0 - squared / 6.0, jnp.sin(angle) / angle)
    second = jnp.where(small, 0.5 - squared / 24.0, (1.0 - jnp.cos(angle)) / angle**2)
    x, y, z = vector
    skew = jnp.asarray([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    return jnp.eye(3) + first * skew + second * (skew @ skew)
