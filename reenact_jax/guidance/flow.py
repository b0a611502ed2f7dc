"""The optical flow F_c (Eq. 3) from two posed meshes."""

import jax
import jax.numpy as jnp

import rasterizer
from reenact_jax.face_model.morphable import project
from reenact_jax.image_ops import pixel_centres


def source_positions(
    source_camera_vertices: jax.Array, triangles: jax.Array, fragments: rasterizer.Fragments
) -> jax.Array:
    """Where the surface point under each target pixel lies in the source's camera frame.

    Eq. 3 interpolates projected positions. Perspective-correct weights are right for points in
    space and not for their projections, so we interpolate in space and project per pixel.

    Args:
      source_camera_vertices: (V, 3) decimetres, the source mesh in its camera frame.
      triangles: int32 (G, 3).
      fragments: raster of the target mesh, (H, W).

    Returns:
      (H, W, 3) decimetres; zeros in the background.
    """
    return rasterizer.interpolate(source_camera_vertices, triangles, fragments)


def flow_to(source_uv: jax.Array, mask: jax.Array) -> jax.Array:
    """F_c: the backward flow that reads the source at `source_uv`.

    Args:
      source_uv: (S, S, 2) source position of each target pixel, fractions of the image's side.
      mask: bool (S, S), pixels where the face is.

    Returns:
      (S, S, 2), one unit is half the image (x, y); zero outside the mask. Eq. 3 read literally
      gives minus the pixel's own position there, a large flow that means nothing.
    """
    size = source_uv.shape[0]
    flow = 2.0 * (source_uv - pixel_centres(size, size) / size)
    return jnp.where(mask[..., None], flow, 0.0)


def project_to_source(positions: jax.Array, camera: jax.Array, mask: jax.Array) -> jax.Array:
    """Source image coordinates (S, S, 2) of `source_positions`; 0 outside the mask."""
    in_front = jnp.where(mask[..., None], positions, jnp.asarray([0.0, 0.0, 1.0])[None, None])
    return jnp.where(mask[..., None], project(in_front, camera), 0.0)
