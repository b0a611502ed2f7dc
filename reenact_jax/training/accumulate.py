"""A batch worked off in parts, for networks whose activations of a whole one do not fit."""

from collections.abc import Callable
from typing import TypeVar

import jax
import jax.numpy as jnp

from reenact_jax.errors import UserError

Tree = TypeVar("Tree")


def mean_over_parts(function: Callable[[dict], Tree], batch: dict, num_parts: int) -> Tree:
    """`function(batch)` for a function that is a mean over the batch, part after part.

    Args:
      function: batch -> tree of float arrays, each a mean over the examples; gradients too.
      batch: leaves (B, ...).
      num_parts: equal parts of the batch, one in memory at a time.

    Returns:
      The mean of `function` over the parts, which differs from `function(batch)` by rounding.

    Raises:
      UserError: if B is not a multiple of `num_parts`.
    """
    if num_parts == 1:
        return function(batch)
    batch_size = jax.tree.leaves(batch)[0].shape[0]
    if batch_size % num_parts:
        raise UserError(
            f"expected train.accumulate_steps to divide the {batch_size} pairs of a device, "
            f"found {num_parts}: choose another one, or another train.batch_size"
        )
    parts = jax.tree.map(
        lambda leaf: leaf.reshape(num_parts, batch_size // num_parts, *leaf.shape[1:]), batch
    )

    def add(total: Tree, part: dict) -> tuple[Tree, None]:
        return jax.tree.map(jnp.add, total, function(part)), None

    one = jax.eval_shape(function, jax.tree.map(lambda leaf: leaf[0], parts))
    zero = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), one)
    total, _ = jax.lax.scan(add, zero, parts)
    return jax.tree.map(lambda leaf: leaf / num_parts, total)
