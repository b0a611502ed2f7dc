"""How a head's angles depend on where in the picture it is.

A head that keeps its angles and moves sideways is seen from another side. What a picture shows is
the head relative to the ray on which it is seen, so angles that were fitted with one camera are
turned with the ray when they are said in another.
"""

import jax
import jax.numpy as jnp

from reenact_jax.face_model.rotation import euler_angles, rotation_matrix


def turn_with_ray(rotation: jax.Array, old_ray: jax.Array, new_ray: jax.Array) -> jax.Array:
    """Angles with which a head on the new ray looks as it did on the old one.

    The head is turned by the smallest rotation from the one ray to the other. Equal rays leave the
    angles as they are, to rounding, also beyond |yaw| = pi / 2.

    Args:
      rotation: (..., 3) Euler angles (pitch, yaw, roll), radians.
      old_ray, new_ray: (..., 3) from the camera to the head, in the y-up model frame, of any
        length but zero; less than half a turn apart.

    Returns:
      (..., 3) radians.
    """
    old_ray, new_ray = (_unit(ray) for ray in (old_ray, new_ray))
    axis = jnp.cross(old_ray, new_ray)
    cosine = (old_ray * new_ray).sum(axis=-1)[..., None, None]
    x, y, z = jnp.moveaxis(axis, -1, 0)
    zero = jnp.zeros_like(x)
    rows = [[zero, -z, y], [z, zero, -x], [-y, x, zero]]
    cross = jnp.stack([jnp.stack(row, axis=-1) for row in rows], axis=-2)
    # Rodrigues: I + [v] + [v]^2 / (1 + c), of which what is added to R is computed.
    before = rotation_matrix(rotation)
    turned = _matmul(cross, before)
    after = before + turned + _matmul(cross, turned) / (1.0 + cosine)
    change = euler_angles(after) - euler_angles(before)
    # Around the end of the circle the short way.
    return rotation + (change - 2 * jnp.pi * jnp.round(change / (2 * jnp.pi)))


def _unit(ray: jax.Array) -> jax.Array:
    return ray / jnp.linalg.norm(ray, axis=-1, keepdims=True)


def _matmul(a: jax.Array, b: jax.Array) -> jax.Array:
    return jnp.matmul(a, b, precision=jax.lax.Precision.HIGHEST)
