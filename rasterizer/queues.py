"""Lists of varying length in arrays of fixed size, for loops that run as long as there is work."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

_BLOCK = 32


class Queue(NamedTuple):
    """The first `size` entries of two int32 arrays (capacity + 1,); the last place is a dump."""

    triangle: jax.Array
    pixel: jax.Array
    size: jax.Array


def running_count(flag: jax.Array) -> jax.Array:
    """(N,) int32: how many of flag (N,) bool are true up to and including each.

    Blocks are summed by a product with a triangular matrix of ones (exact), which is three times as
    fast as `cumsum` on the CPU.
    """
    count = flag.shape[0]
    blocks = jnp.pad(flag, (0, -count % _BLOCK)).reshape(-1, _BLOCK).astype(jnp.float32)
    within = jnp.dot(blocks, jnp.triu(jnp.ones((_BLOCK, _BLOCK), jnp.float32))).astype(jnp.int32)
    total = within[:, -1]
    return (within + (jnp.cumsum(total) - total)[:, None]).reshape(-1)[:count]


def indices_where(flag: jax.Array, capacity: int) -> tuple[jax.Array, jax.Array]:
    """Indices of the true entries in order, (capacity + 1,) int32 padded with 0, and their number.

    The capacity must be at least the number of entries.
    """
    counts = running_count(flag)
    place = jnp.where(flag, counts - 1, capacity)
    return _put(jnp.zeros((capacity + 1,), jnp.int32), place, lax.iota(jnp.int32, len(flag))), (
        counts[-1]
    )


def empty_queue(capacity: int) -> Queue:
    zeros = jnp.zeros((capacity + 1,), jnp.int32)
    return Queue(zeros, zeros, jnp.zeros((), jnp.int32))


def append(queue: Queue, flag: jax.Array, triangle: jax.Array, pixel: jax.Array) -> Queue:
    """The queue with the flagged ones of K entries at its end; there must be room for K."""
    counts = running_count(flag)
    place = jnp.where(flag, queue.size + counts - 1, queue.triangle.shape[0] - 1)
    return Queue(
        _put(queue.triangle, place, triangle),
        _put(queue.pixel, place, pixel),
        queue.size + counts[-1],
    )


def pop(queue: Queue, count: int) -> tuple[jax.Array, jax.Array, jax.Array, Queue]:
    """The last `count` entries, or all if there are fewer.

    Returns:
      triangle, pixel (count,), exists (count,) bool, and the queue without them.
    """
    start = jnp.maximum(queue.size - count, 0)
    triangle = lax.dynamic_slice(queue.triangle, (start,), (count,))
    pixel = lax.dynamic_slice(queue.pixel, (start,), (count,))
    exists = lax.iota(jnp.int32, count) < queue.size
    return triangle, pixel, exists, queue._replace(size=start)


def _put(array: jax.Array, place: jax.Array, values: jax.Array) -> jax.Array:
    return array.at[place].set(values, mode="promise_in_bounds", wrap_negative_indices=False)
