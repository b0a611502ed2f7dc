"""OpenGL's frames, projection and clip space, there and back.

OpenGL's camera looks along -z with x right and y up; its clip space has y up. Ours is OpenCV's: z
forward, y down, in the camera's frame and in clip space. trimesh, glTF, Blender and NeRF data sets
store camera-to-world matrices of OpenGL's camera.
"""

import jax
import jax.numpy as jnp
from jax import lax


def flip_opengl(points: jax.Array) -> jax.Array:
    """(..., 3) points of OpenGL's camera frame (x right, y up, z backward) in OpenCV's, or back."""
    return points * _signs((1, -1, -1), points)


def flip_opengl_clip(vertices_clip: jax.Array) -> jax.Array:
    """(..., 4) vertices of OpenGL's clip space (y up) in ours (y down), or back.

    Near is -w and far is w in both: the smallest z/w is nearest. What OpenGL would clip at its near
    and far planes is drawn.
    """
    return vertices_clip * _signs((1, -1, 1, 1), vertices_clip)


def pose_from_opengl(camera_to_world: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Rotation (3, 3) and translation (3,) of a `Camera` from OpenGL's camera-to-world matrix.

    Args:
      camera_to_world: (4, 4) float, a rigid motion: columns are the camera's right, up and backward
        directions and its position in the world, over a last row 0, 0, 0, 1.
    """
    if camera_to_world.shape != (4, 4):
        raise ValueError(
            f"expected camera_to_world of shape (4, 4), found {camera_to_world.shape}; "
            "vmap over a batch"
        )
    rotation = flip_opengl(camera_to_world[:3, :3]).T
    return rotation, -_matmul(rotation, camera_to_world[:3, 3:])[:, 0]


def pose_to_opengl(rotation: jax.Array, translation: jax.Array) -> jax.Array:
    """(4, 4) OpenGL camera-to-world matrix of a rotation (3, 3) and a translation (3,)."""
    position = -_matmul(rotation.T, translation[:, None])
    top = jnp.concatenate([flip_opengl(rotation.T), position], axis=1)
    return jnp.concatenate([top, jnp.array([[0, 0, 0, 1]], top.dtype)])


def projection_to_opengl(
    intrinsics: jax.Array, image_height: int, image_width: int, *, near: float, far: float
) -> jax.Array:
    """(4, 4) OpenGL projection matrix of a pinhole camera, also an off-centre one.

    Args:
      intrinsics: (4,) fx, fy, cx, cy in pixels.
      image_height, image_width: the size that the intrinsics refer to.
      near, far: depths 0 < near < far that become z/w = -1 and 1.

    Returns:
      The matrix M of clip = M @ (x, y, z, 1) with x right, y up, z backward in the camera's frame
      and y up in clip space.
    """
    if not 0 < near < far:
        raise ValueError(f"expected 0 < near < far, found near {near} and far {far}")
    intrinsics = jnp.asarray(intrinsics)
    fx, fy, cx, cy = (intrinsics[k] for k in range(4))
    zero, one = jnp.zeros_like(fx), jnp.ones_like(fx)
    depth = [-(far + near) / (far - near) * one, -2 * far * near / (far - near) * one]
    return jnp.stack(
        [
            jnp.stack([2 * fx / image_width, zero, 1 - 2 * cx / image_width, zero]),
            jnp.stack([zero, 2 * fy / image_height, 2 * cy / image_height - 1, zero]),
            jnp.stack([zero, zero, *depth]),
            jnp.stack([zero, zero, -one, zero]),
        ]
    )


def intrinsics_from_opengl(projection: jax.Array, image_height: int, image_width: int) -> jax.Array:
    """(4,) fx, fy, cx, cy in pixels from an OpenGL projection matrix (4, 4) without skew."""
    if projection.shape != (4, 4):
        raise ValueError(f"expected projection of shape (4, 4), found {projection.shape}")
    return jnp.stack(
        [
            projection[0, 0] * image_width / 2,
            projection[1, 1] * image_height / 2,
            (1 - projection[0, 2]) * image_width / 2,
            (1 + projection[1, 2]) * image_height / 2,
        ]
    )


def _signs(signs: tuple[int, ...], like: jax.Array) -> jax.Array:
    return jnp.array(signs, like.dtype).reshape((1,) * (like.ndim - 1) + (len(signs),))


def _matmul(a: jax.Array, b: jax.Array) -> jax.Array:
    return jnp.matmul(a, b, precision=lax.Precision.HIGHEST)
