"""The edges of a mesh and their triangles: topology alone, to be computed once per mesh."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class MeshEdges:
    """Every edge of a mesh with its triangles; depends on `triangles`, not on the pose.

    ends: (E, 2) int32, the vertices of the edge in rising order; -1 in rows without an edge.
    opposite: (E, K) int32; opposite[e, k] = v means that the k-th triangle of edge e has v as its
      third vertex. -1 where the edge has fewer than K triangles.
    turned: (E, K) bool; whether that triangle runs through the edge from ends[e, 1] to ends[e, 0].
    """

    ends: jax.Array
    opposite: jax.Array
    turned: jax.Array


def mesh_edges(triangles: jax.Array | np.ndarray) -> MeshEdges:
    """The edges of a mesh, for `antialias`.

    Known triangles are sorted on the host: a closed mesh has 1.5 rows per triangle, and there are
    as many columns as the busiest edge has triangles. Traced ones (an argument under jit or vmap)
    are sorted on the device, into three rows per triangle and two columns; there, edges of three or
    more triangles are left out.

    Args:
      triangles: (F, 3) integer; those with a negative index (padding) are left out.

    Returns:
      MeshEdges.

    Raises:
      ValueError: wrong shape or dtype.
    """
    if np.ndim(triangles) != 2 or np.shape(triangles)[1] != 3:
        raise ValueError(f"expected triangles of shape (F, 3), found {np.shape(triangles)}")
    if not jnp.issubdtype(jnp.result_type(triangles), jnp.integer):
        raise ValueError(f"expected integer triangles, found {jnp.result_type(triangles)}")
    if isinstance(triangles, jax.core.Tracer):
        return _edges_on_the_device(triangles)
    return _edges_on_the_host(np.asarray(triangles))


def _sorted_sides(corner, xp):
    """The three sides of every triangle, sorted by their vertices: low, high, third, turned."""
    start, end, third = (
        xp.concatenate([corner[:, (k + shift) % 3] for k in range(3)]) for shift in range(3)
    )
    low, high = xp.minimum(start, end), xp.maximum(start, end)
    order = xp.lexsort((high, low))
    return low[order], high[order], third[order], (start > end)[order]


def _edges_on_the_host(triangles: np.ndarray) -> MeshEdges:
    corner = triangles[np.all(triangles >= 0, axis=-1)].astype(np.int32)
    if len(corner) == 0:
        nothing = np.zeros((0, 2), np.int32)
        return MeshEdges(jnp.asarray(nothing), jnp.asarray(nothing), jnp.asarray(nothing != 0))
    low, high, third, turned = _sorted_sides(corner, np)
    rows = np.flatnonzero(np.diff(low, prepend=-1) | np.diff(high, prepend=-1))
    num_triangles = np.diff(np.append(rows, len(low)))
    column = np.arange(max(2, num_triangles.max()))
    exists = column < num_triangles[:, None]
    place = np.where(exists, rows[:, None] + column, 0)
    return MeshEdges(
        ends=jnp.asarray(np.stack([low[rows], high[rows]], axis=-1)),
        opposite=jnp.asarray(np.where(exists, third[place], -1)),
        turned=jnp.asarray(exists & turned[place]),
    )


def _edges_on_the_device(triangles: jax.Array) -> MeshEdges:
    complete = jnp.all(triangles >= 0, axis=-1, keepdims=True)
    corner = jnp.where(complete, triangles.astype(jnp.int32), -1)
    low, high, third, turned = _sorted_sides(corner, jnp)

    def is_like_next(shift):
        return (low == jnp.roll(low, -shift)) & (high == jnp.roll(high, -shift))

    # The first of one or two equal rows stands for the edge. Padding sorts to the front; with
    # nothing but one edge the rolls meet themselves, but a triangle has three.
    follows, crowded = jnp.roll(is_like_next(1), 1), is_like_next(2)
    usable = ~follows & ~crowded & (low >= 0)
    paired = is_like_next(1)
    return MeshEdges(
        ends=jnp.where(usable[:, None], jnp.stack([low, high], axis=-1), -1),
        opposite=jnp.stack([third, jnp.where(paired, jnp.roll(third, -1), -1)], axis=-1),
        turned=jnp.stack([turned, jnp.roll(turned, -1)], axis=-1),
    )
