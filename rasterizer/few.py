"""Meshes of few triangles on the CPU: every triangle at every pixel, without gathers or scatters.

A work list, and reading corners by index, cost the same however few triangles there are. Here a
number per triangle is a scalar of the program and arithmetic on whole images vectorises.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from rasterizer.queues import indices_where
from rasterizer.windows import (
    NOTHING,
    UNDECIDED,
    Corners,
    Target,
    affine_edge_functions,
    any_undecided,
    edge_functions,
    exact_window_keys,
    gather_corners,
    in_front,
    take,
    window_keys,
)
from rasterizer.worklist import bounding_boxes

# Up to here this is faster for triangles that cover the image. Compile time grows with the number.
FEW_TRIANGLES = 8
_WINDOW = 4
# Windows per step of exact arithmetic: the few along the edges whose rounding matters.
_EXACT_WINDOWS = 16


def nearest_of_few(vertices: jax.Array, triangles: jax.Array, target: Target) -> jax.Array:
    """(height, width) int32, as `coverage.nearest_triangles` for one picture.

    Args:
      vertices: (V, 4) float32 homogeneous pixel vertices (x, y, z, w), NaN rows for unusable ones.
      triangles: (F, 3) int32, every index in [0, V); F at least 1.
      target: sizes; one image.
    """
    corners = gather_corners(vertices, triangles)
    _, usable = bounding_boxes(corners, target)
    columns, rows = (-(-size // _WINDOW) for size in (target.width, target.height))
    window = lax.iota(jnp.int32, columns * rows)
    keys = lax.cond(
        jnp.all(in_front(corners) | ~usable),
        lambda: _keys(corners, columns, window, target, affine=True),
        lambda: _keys(corners, columns, window, target, affine=False),
    )
    list_, total = indices_where(any_undecided(keys), window.size + _EXACT_WINDOWS)

    def picture(keys):
        with jax.enable_x64(True):
            ids = lax.convert_element_type(keys & np.int64(2**32 - 1), jnp.int32)
        ids = ids.reshape(_WINDOW, _WINDOW, rows, columns).transpose(2, 0, 3, 1)
        ids = ids.reshape(rows * _WINDOW, columns * _WINDOW)
        return ids[: target.height, : target.width]

    # The picture is made within the conditional: XLA would otherwise fuse this change of order into
    # everything that reads the ids.
    return lax.cond(
        total > 0,
        lambda: picture(_decide(keys, corners, list_, total, columns, target)),
        lambda: picture(keys),
    )


def _keys(corners, columns: int, window, target: Target, *, affine: bool) -> jax.Array:
    """Smallest keys (16, K) int64 of all windows, UNDECIDED where any triangle is undecided."""
    boxes, usable = bounding_boxes(corners, target)
    column, row = (
        first.astype(jnp.float32)
        for first in (window % columns * _WINDOW, window // columns * _WINDOW)
    )
    functions = affine_edge_functions if affine else edge_functions

    def of_triangle(index):
        corner = _one(corners, index, window.size)
        first, below, right, down = (value[index] for value in boxes)
        # A triangle without area is undecided everywhere, but only its box matters.
        touched = (column + _WINDOW > first) & (column <= first + right)
        touched &= (row + _WINDOW > below) & (row <= below + down) & usable[index]
        return window_keys(
            corner,
            functions(corner, column, row, _WINDOW, target),
            jnp.full_like(window, index),
            jnp.where(touched, target.width - 1 - column, -1),
            target.height - 1 - row,
            _WINDOW,
            target,
            affine=affine,
        )

    keys = [of_triangle(index) for index in range(usable.shape[0])]
    with jax.enable_x64(True):
        undecided = functools.reduce(jnp.logical_or, [k == UNDECIDED for k in keys])
        return jnp.where(undecided, UNDECIDED, functools.reduce(jnp.minimum, keys))


def _decide(keys, corners, list_, total, columns: int, target: Target) -> jax.Array:
    """Keys (16, K) with the first `total` windows of a list drawn by exact arithmetic."""
    num_windows, num_triangles = keys.shape[1], corners[0].x.shape[0]

    def step(state):
        keys, start = state
        window = lax.dynamic_slice(list_, (start,), (_EXACT_WINDOWS,))
        exists = start + lax.iota(jnp.int32, _EXACT_WINDOWS) < total
        column, row = window % columns * _WINDOW, window // columns * _WINDOW

        def add(index, smallest):
            corner = _one(corners, index, _EXACT_WINDOWS)
            keys = exact_window_keys(
                corner, column, row, jnp.full_like(window, index), exists, _WINDOW, target
            )
            with jax.enable_x64(True):
                return jnp.minimum(smallest, keys)

        with jax.enable_x64(True):
            nothing = jnp.full((keys.shape[0], _EXACT_WINDOWS), NOTHING, jnp.int64)
        smallest = lax.fori_loop(jnp.int32(0), jnp.int32(num_triangles), add, nothing)
        with jax.enable_x64(True):
            place = jnp.where(exists, window, num_windows)
            keys = keys.at[:, place].set(smallest, mode="drop")
        return keys, start + _EXACT_WINDOWS

    return lax.while_loop(lambda state: state[1] < total, step, (keys, jnp.int32(0)))[0]


def choose(table: jax.Array, triangle: jax.Array) -> jax.Array:
    """table[triangle] for table (F,) of few and triangle (P,) int; table[0] where out of range.

    A chain of selections, which XLA fuses with the arithmetic around it.
    """
    chosen = table[0]
    for index in range(1, table.shape[0]):
        chosen = jnp.where(triangle == index, table[index], chosen)
    return chosen


def _one(corners, index, count: int) -> tuple[Corners, Corners, Corners]:
    """The corners of one triangle, (count,) times."""
    return tuple(
        Corners(*(jnp.broadcast_to(take(value, index), (count,)) for value in corner))
        for corner in corners
    )
