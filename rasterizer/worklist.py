"""Triangles of any size, window by window, in loops that run as long as there is work.

Three loops inside one another, each of which hands on to the next what is left to do:

1. take the next triangles of the list; those with one window go straight to 3;
2. of the others, take the next windows and throw away those that cannot be covered;
3. draw the windows; those with a pixel that float32 cannot decide are queued once more
4. and drawn by exact arithmetic.

Queues collect windows until there are enough for a full step, so that no step runs for a few.
Loops, not conditionals: XLA updates the state of a loop in place but copies that of a conditional.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from rasterizer.queues import Queue, append, empty_queue, indices_where, pop, running_count
from rasterizer.windows import (
    Target,
    any_undecided,
    edge_functions,
    exact_window_keys,
    gather_corners,
    in_front,
    keep_nearest,
    may_cover,
    take,
    window_keys,
    window_pixels,
)

_WINDOW = 4


class Boxes(NamedTuple):
    """Bounding boxes in pixels: first column and row, and how many more to the right and down."""

    column: jax.Array
    row: jax.Array
    right: jax.Array
    down: jax.Array


def bounding_boxes(corners, target: Target) -> tuple[Boxes, jax.Array]:
    """Bounding boxes of the pixel centres, clipped to the image, and which are to be drawn.

    A triangle that crosses the camera plane gets the whole image. Nothing is to be drawn where no
    pixel centre is in the box, every corner is behind the camera, or a corner is unusable.
    """
    a, b, c = corners
    front = in_front(corners)
    pending = (a.w > 0) | (b.w > 0) | (c.w > 0)
    first, reach = [], []
    for axis, size in (("x", target.width), ("y", target.height)):
        p, q, r = (getattr(corner, axis) for corner in corners)
        # The sums round monotonically: a pixel centre in the box is never lost.
        to_index = np.float32(size / 2 - 0.5)
        low = jnp.ceil(jnp.minimum(jnp.minimum(p, q), r) + to_index)
        high = jnp.floor(jnp.maximum(jnp.maximum(p, q), r) + to_index)
        low = jnp.where(front, jnp.maximum(low, 0), 0)
        high = jnp.where(front, jnp.minimum(high, size - 1), size - 1)
        pending &= (high >= low) & (p == p) & (q == q) & (r == r)
        first.append(low)
        reach.append(high - low)
    return Boxes(*first, *reach), pending


class _Taken(NamedTuple):
    """Triangles in work: their boxes as integers, and how many windows end before each's last."""

    triangle: jax.Array  # (K,) int32
    column: jax.Array
    row: jax.Array
    columns: jax.Array  # of windows
    begin: jax.Array  # (K,) int64, running number of each triangle's first window
    end: jax.Array  # (K,) int64, and of the one after its last


class _State(NamedTuple):
    buffer: jax.Array  # (P,) int64 keys
    next_triangle: jax.Array  # int32, place in the list
    next_window: jax.Array  # int64, among the windows of the triangles taken
    finishing: jax.Array  # bool, nothing will be added to the queues any more
    windows: Queue
    undecided: Queue


def draw_listed(
    buffer: jax.Array,
    vertices: jax.Array,
    triangles: jax.Array,
    listed: jax.Array,
    target: Target,
    chunk: int,
) -> jax.Array:
    """Draws the triangles that are `listed`.

    Args:
      buffer: (P,) int64 keys of all pixels.
      vertices, triangles, target, chunk: as in `coverage.nearest_triangles`.
      listed: (F,) bool.
    """
    take_triangles, draw_windows, draw_exactly = chunk // 2, chunk // 2, chunk // 64
    list_, total = indices_where(listed, triangles.shape[0] + take_triangles)

    def corners_of(triangle):
        return gather_corners(vertices, take(triangles, triangle))

    def place_of(triangle, pixel):
        """Column, row, index within the picture, and picture, of windows."""
        picture, index = triangle // target.num_triangles, triangle % target.num_triangles
        return pixel % target.width, pixel // target.width, index, picture

    def take_next(state: _State) -> tuple[_State, _Taken]:
        start = state.next_triangle
        triangle = lax.dynamic_slice(list_, (start,), (take_triangles,))
        exists = start + lax.iota(jnp.int32, take_triangles) < total
        boxes, _ = bounding_boxes(corners_of(triangle), target)
        column, row, right, down = (b.astype(jnp.int32) for b in boxes)
        columns, rows = (right + _WINDOW) // _WINDOW, (down + _WINDOW) // _WINDOW
        single = exists & (columns == 1) & (rows == 1)
        with jax.enable_x64(True):  # 10,000 triangles over 2048 x 2048 pixels are 2^31 windows
            count = columns.astype(jnp.int64) * rows.astype(jnp.int64)
            count = jnp.where(exists & ~single, count, 0)
            end = jnp.cumsum(count)
            finishing = (end[-1] == 0) & (start + take_triangles >= total)
            taken = _Taken(triangle, column, row, columns, end - count, end)
            state = state._replace(next_window=jnp.zeros((), jnp.int64), finishing=finishing)
        windows = append(state.windows, single, triangle, row * target.width + column)
        return state._replace(next_triangle=start + take_triangles, windows=windows), taken

    def choose(state: _State, taken: _Taken) -> _State:
        """Queues those of the next `chunk` windows that may be covered."""
        owner = _owners(taken, state.next_window, chunk)
        with jax.enable_x64(True):
            number = state.next_window + lax.iota(jnp.int64, chunk)
            exists = number < taken.end[-1]
            window = (number - take(taken.begin, owner)).astype(jnp.int32)
            after = state.next_window + chunk
            finishing = (after >= taken.end[-1]) & (state.next_triangle >= total)
        columns = take(taken.columns, owner)
        column = take(taken.column, owner) + window % columns * _WINDOW
        row = take(taken.row, owner) + window // columns * _WINDOW
        triangle = take(taken.triangle, owner)
        first = column.astype(jnp.float32), row.astype(jnp.float32)
        edges = edge_functions(corners_of(triangle), *first, _WINDOW, target)
        kept = exists & may_cover(edges, _WINDOW)
        windows = append(state.windows, kept, triangle, row * target.width + column)
        return state._replace(next_window=after, finishing=finishing, windows=windows)

    def draw(state: _State) -> _State:
        triangle, pixel, exists, windows = pop(state.windows, draw_windows)
        column, row, index, picture = place_of(triangle, pixel)
        corners = corners_of(triangle)
        first = column.astype(jnp.float32), row.astype(jnp.float32)
        edges = edge_functions(corners, *first, _WINDOW, target)
        right = jnp.where(exists, target.width - 1 - column, -1).astype(jnp.float32)
        down = (target.height - 1 - row).astype(jnp.float32)
        keys = window_keys(corners, edges, index, right, down, _WINDOW, target, affine=False)
        pixels = window_pixels(column, row, picture, _WINDOW, target)
        buffer = _draw_apart(state.buffer, pixels, keys, exists[0])
        undecided = append(state.undecided, any_undecided(keys), triangle, pixel)
        state = state._replace(buffer=buffer, windows=windows, undecided=undecided)

        def enough(state):
            at_the_end = state.finishing & (state.windows.size == 0)
            return (state.undecided.size >= draw_exactly) | (
                at_the_end & (state.undecided.size > 0)
            )

        return lax.while_loop(enough, draw_undecided, state)

    def draw_undecided(state: _State) -> _State:
        triangle, pixel, exists, undecided = pop(state.undecided, draw_exactly)
        column, row, index, picture = place_of(triangle, pixel)
        corners = corners_of(triangle)
        keys = exact_window_keys(corners, column, row, index, exists, _WINDOW, target)
        pixels = window_pixels(column, row, picture, _WINDOW, target)
        buffer = _draw_apart(state.buffer, pixels, keys, exists[0])
        return state._replace(buffer=buffer, undecided=undecided)

    def step(state: _State) -> _State:
        state, taken = take_next(state)

        def more(state):
            with jax.enable_x64(True):
                return state.next_window < taken.end[-1]

        def enough(state):
            some = state.windows.size > 0
            return (state.windows.size >= draw_windows) | (state.finishing & some)

        def choose_and_draw(loop):
            state, _ = loop
            state = while_once(more(state), lambda s: choose(s, taken), state)
            return lax.while_loop(enough, draw, state), jnp.zeros((), bool)

        # At least once: there may be triangles of one window only.
        first = jnp.ones((), bool)
        return lax.while_loop(lambda s: s[1] | more(s[0]), choose_and_draw, (state, first))[0]

    with jax.enable_x64(True):
        zero = jnp.zeros((), jnp.int64)
    state = _State(
        buffer=buffer,
        next_triangle=jnp.zeros((), jnp.int32),
        next_window=zero,
        finishing=jnp.zeros((), bool),
        windows=empty_queue(max(chunk, take_triangles) + draw_windows),
        undecided=empty_queue(draw_windows + draw_exactly),
    )
    return lax.while_loop(lambda s: s.next_triangle < total, step, state).buffer


def _owners(taken: _Taken, first: jax.Array, count: int) -> jax.Array:
    """(count,) int32: to which of the triangles taken the windows from `first` on belong.

    A binary search per window would take most of the time; here every triangle whose windows begin
    in the range marks the place, and marks are counted.
    """
    num_taken = taken.begin.shape[0]
    with jax.enable_x64(True):
        place = taken.begin - first
        begins = (place > 0) & (place < count) & (taken.end > taken.begin)
        place = jnp.where(begins, place, 0).astype(jnp.int32)
        ended = jnp.sum(taken.end <= first, dtype=jnp.int32)
    marks = jnp.zeros((count,), bool)
    marks = marks.at[place].max(begins, mode="promise_in_bounds", wrap_negative_indices=False)
    rank = running_count(marks)
    # The owner of every rank; rank 0 is the triangle that the first window belongs to.
    owner = jnp.zeros((count,), jnp.int32).at[take(rank, place)]
    owner = owner.max(
        jnp.where(begins, lax.iota(jnp.int32, num_taken), 0),
        mode="promise_in_bounds",
        wrap_negative_indices=False,
    )
    owner = owner.at[0].set(jnp.minimum(ended, num_taken - 1))
    return take(owner, rank)


def _draw_apart(buffer, pixels, keys, exists) -> jax.Array:
    """`keep_nearest` where the arithmetic before it cannot be fused into its scalar loop."""
    return while_once(exists, lambda b: keep_nearest(b, pixels, keys), buffer)


def while_once(condition, function, state):
    """function(state) if the condition holds, else state, without a copy of either."""
    loop = lax.while_loop(
        lambda s: s[1], lambda s: (function(s[0]), jnp.zeros((), bool)), (state, condition)
    )
    return loop[0]
