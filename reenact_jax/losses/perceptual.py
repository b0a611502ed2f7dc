"""Perceptual loss L_c (Eq. 8): distance of features of two images.

Functions return one value per example `(B,)`; the caller reduces. A feature is `(B, h, w, C)`.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp


def perceptual_loss(generated: Sequence[jax.Array], target: Sequence[jax.Array]) -> jax.Array:
    """Sum over layers of the mean absolute difference (Eq. 8 at one scale).

    Args:
      generated: features of B generated images, one array per layer (relu1_1 ... relu5_1).
      target: features of the B true images, of the same shapes.

    Returns:
      float32 `(B,)`.
    """
    if [g.shape for g in generated] != [t.shape for t in target]:
        raise ValueError(
            f"expected features of equal shapes, found {[g.shape for g in generated]} "
            f"and {[t.shape for t in target]}"
        )
    return sum(mean_absolute_difference(g, t) for g, t in zip(generated, target, strict=True))


def mean_absolute_difference(a: jax.Array, b: jax.Array) -> jax.Array:
    """Mean of |a - b| over all axes but the first: `(B, ...)`, `(B, ...)` -> float32 `(B,)`."""
    difference = jnp.abs(a.astype(jnp.float32) - b.astype(jnp.float32))
    return difference.mean(axis=tuple(range(1, a.ndim)))
