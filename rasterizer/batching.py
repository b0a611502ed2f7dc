"""How `vmap` treats a function on the CPU."""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import lax


def one_by_one(function: Callable) -> Callable:
    """The function with a batching rule: `vmap` calls it for one element after the other.

    Scatters over a batch are four times slower than one after the other on the CPU, and one
    picture's temporaries stay in the cache. Arguments without a batch are shared, not repeated.
    """

    @jax.custom_batching.custom_vmap
    @functools.wraps(function)
    def single(*args):
        return function(*args)

    @single.def_vmap
    def _(axis_size, in_batched, *args):
        batched = tuple(a for a, b in zip(args, in_batched, strict=True) if b)

        def call(elements):
            elements = iter(elements)
            return single(
                *(next(elements) if b else a for a, b in zip(args, in_batched, strict=True))
            )

        out = lax.map(call, batched)
        return out, jax.tree.map(lambda _: True, out)

    return single


def as_one(function: Callable) -> Callable:
    """A function of arrays with a leading axis N, batched by `vmap` into one call with B * N."""

    @jax.custom_batching.custom_vmap
    @functools.wraps(function)
    def merged(*args):
        return function(*args)

    @merged.def_vmap
    def _(axis_size, in_batched, *args):
        args = [
            a if b else jnp.broadcast_to(a, (axis_size, *a.shape))
            for a, b in zip(args, in_batched, strict=True)
        ]
        out = merged(*(a.reshape(-1, *a.shape[2:]) for a in args))
        split = jax.tree.map(lambda o: o.reshape(axis_size, -1, *o.shape[1:]), out)
        return split, jax.tree.map(lambda _: True, out)

    return merged
