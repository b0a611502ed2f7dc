"""All of `jax.pmap`: data parallelism over the local devices of every host.

State carries a leading device axis between `replicate` and `unreplicate`, and nowhere else. (With
the state unreplicated by `in_axes=None` donation fails at the second step on two hosts.)
"""

from collections.abc import Callable
from typing import TypeVar

import jax
import numpy as np
from flax import jax_utils

from reenact_jax.errors import UserError

AXIS = "devices"
Tree = TypeVar("Tree")


def replicate(tree: Tree) -> Tree:
    """Puts a copy of every leaf on every local device."""
    # Under pmap's own axis name: under another one the second step would be compiled again.
    return jax_utils.replicate(tree, axis_name=AXIS)


def unreplicate(tree: Tree) -> Tree:
    """The first device's copy, as arrays of the host."""
    return jax.device_get(jax_utils.unreplicate(tree))


def check_batch_size(batch_size: int) -> None:
    """The global batch must divide evenly over all devices.

    Raises:
      UserError: if it does not.
    """
    if batch_size % jax.device_count():
        raise UserError(
            f"expected train.batch_size to be a multiple of the {jax.device_count()} devices, "
            f"found {batch_size}: choose another batch size or fewer devices"
        )


def shard(batch: Tree) -> Tree:
    """Host batch, leaves (B, ...) -> (local devices, B / local devices, ...)."""
    devices = jax.local_device_count()

    def split(leaf: np.ndarray) -> np.ndarray:
        return leaf.reshape(devices, leaf.shape[0] // devices, *leaf.shape[1:])

    return jax.tree.map(split, batch)


def mean_over_devices(tree: Tree) -> Tree:
    """Averages over all devices of all hosts; only inside `parallelise`d functions."""
    return jax.lax.pmean(tree, AXIS)


def parallelise(step: Callable) -> Callable:
    """pmaps `step(state, *rest)`: leading device axes everywhere, the state's memory is reused."""
    return jax.pmap(step, axis_name=AXIS, donate_argnums=(0,))
