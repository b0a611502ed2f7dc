"""Euler angles and rotation matrices, the same for every face model.

Angles are (pitch, yaw, roll) in radians, a frontal face has zeros, and
R = Rz(roll) @ Ry(yaw) @ Rx(pitch) in the model frame (x right, y up, z out of the face). Positive
pitch lowers the nose, positive yaw turns it to image right, positive roll turns the head
counter-clockwise as seen in the image (the conventions of Deep3DFaceRecon's regressor).
"""

import jax
import jax.numpy as jnp


def rotation_matrix(angles: jax.Array) -> jax.Array:
    """Turns Euler angles (..., 3) (pitch, yaw, roll; radians) into matrices (..., 3, 3)."""
    sin_x, sin_y, sin_z = jnp.moveaxis(jnp.sin(angles), -1, 0)
    cos_x, cos_y, cos_z = jnp.moveaxis(jnp.cos(angles), -1, 0)
    rows = [
        [
            cos_z * cos_y,
            cos_z * sin_y * sin_x - sin_z * cos_x,
            cos_z * sin_y * cos_x + sin_z * sin_x,
        ],
        [
            sin_z * cos_y,
            sin_z * sin_y * sin_x + cos_z * cos_x,
            sin_z * sin_y * cos_x - cos_z * sin_x,
        ],
        [-sin_y, cos_y * sin_x, cos_y * cos_x],
    ]
    return jnp.stack([jnp.stack(row, axis=-1) for row in rows], axis=-2)


def euler_angles(matrix: jax.Array) -> jax.Array:
    """Inverts `rotation_matrix` for (..., 3, 3) with |yaw| < pi/2; returns (..., 3) radians.

    At |yaw| = pi/2 pitch and roll are not separable; roll is then whatever arctan2 gives.
    """
    yaw = -jnp.arcsin(jnp.clip(matrix[..., 2, 0], -1.0, 1.0))
    pitch = jnp.arctan2(matrix[..., 2, 1], matrix[..., 2, 2])
    roll = jnp.arctan2(matrix[..., 1, 0], matrix[..., 0, 0])
    return jnp.stack([pitch, yaw, roll], axis=-1)
