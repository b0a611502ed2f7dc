"""The occlusion map O_c (Eq. 4): 1 where the target's surface point was visible in the source.

Eq. 4 marks a target pixel visible if its triangle also owns a pixel of the source raster
(`literal`). A face mesh has several times more triangles than the picture has face pixels, so most
visible triangles own no pixel at all, and the literal map calls them occluded. `dilated` adds the
triangles that share a vertex with an owner; `depth`, the default, asks the question itself: is the
point behind something in the source's depth raster? docs/guidance.md holds the measured agreement.
"""

import jax
import jax.numpy as jnp

import rasterizer


def triangle_set(fragments: rasterizer.Fragments, num_triangles: int) -> jax.Array:
    """bool (F,): which triangles own at least one pixel of a raster."""
    ids = fragments.triangle_id.ravel()
    owners = jnp.where(ids < 0, num_triangles, ids)
    return jnp.zeros(num_triangles, bool).at[owners].set(True, mode="drop")


def dilate(members: jax.Array, triangles: jax.Array, num_vertices: int) -> jax.Array:
    """Adds to a triangle set (F,) every triangle that shares a vertex with a member."""
    vertices = jnp.where(members[:, None], triangles, num_vertices)
    touched = jnp.zeros(num_vertices, bool).at[vertices.ravel()].set(True, mode="drop")
    return touched[triangles].any(axis=-1)


def visible_by_set(members: jax.Array, target: rasterizer.Fragments) -> jax.Array:
    """Eq. 4: bool (S, S), the target pixel's triangle is in the source's triangle set (F,)."""
    ids = target.triangle_id
    return jnp.where(ids < 0, False, members[jnp.maximum(ids, 0)])


def front_facing(clip_vertices: jax.Array, triangles: jax.Array) -> jax.Array:
    """bool (F,): triangles whose outside faces the camera (negative area in y-down pixels)."""
    corners = clip_vertices[triangles]
    x, y = (corners[..., i] / jnp.maximum(corners[..., 3], 1e-6) for i in (0, 1))
    area = (x[:, 1] - x[:, 0]) * (y[:, 2] - y[:, 0]) - (x[:, 2] - x[:, 0]) * (y[:, 1] - y[:, 0])
    return area < 0


def unoccluded(
    source_uv: jax.Array, depth: jax.Array, source: rasterizer.Fragments, tolerance: jax.Array
) -> jax.Array:
    """Depth test of points against the source's raster.

    Args:
      source_uv: (..., 2) image coordinates of the points in the source, in [0, 1] when inside.
      depth: (...) view depth of the points in the source, decimetres.
      source: raster of the source mesh, square.
      tolerance: scalar, decimetres by which a point may lie behind the surface. It covers the
        depth that a slanted surface spans within one pixel of the raster.

    Returns:
      bool (...), False for points outside the source image.
    """
    size = source.depth.shape[0]
    inside = ((source_uv >= 0) & (source_uv < 1)).all(axis=-1)
    # A point at the silhouette may fall on a background pixel: nothing lies in front of it there.
    surface = jnp.where(source.triangle_id >= 0, source.depth, jnp.inf).ravel()
    # The farthest of the four pixels around the point: where the surface is seen at a grazing
    # angle, its depth changes by more than any small tolerance from one pixel to the next.
    corner = jnp.floor(source_uv * size - 0.5).astype(jnp.int32)
    behind = jnp.full(depth.shape, -jnp.inf)
    for offset in ((0, 0), (1, 0), (0, 1), (1, 1)):
        column, row = (jnp.clip(corner[..., i] + offset[i], 0, size - 1) for i in (0, 1))
        behind = jnp.maximum(behind, surface[row * size + column])
    return inside & (depth <= behind + tolerance)
