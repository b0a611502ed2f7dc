"""Style loss L_s (Eq. 9): distance of Gram matrices of features.

Functions return one value per example `(B,)`; the caller reduces.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from reenact_jax.losses.perceptual import perceptual_loss


def gram_matrix(features: jax.Array) -> jax.Array:
    """Correlations of channels, sum over pixels / (H W C): `(B, H, W, C)` -> float32 `(B, C, C)`.

    The weight 250 of L_s is tied to this normalisation.
    """
    _, height, width, channels = features.shape
    products = jnp.einsum("bhwc,bhwd->bcd", features, features, preferred_element_type=jnp.float32)
    return products / (height * width * channels)


def style_loss(generated: Sequence[jax.Array], target: Sequence[jax.Array]) -> jax.Array:
    """Sum over layers of the mean absolute difference of Gram matrices (Eq. 9).

    Args:
      generated: features `(B, h, w, C)` of B generated images at full scale, one per layer.
      target: features of the B true images, of the same shapes.

    Returns:
      float32 `(B,)`.
    """
    return perceptual_loss([gram_matrix(g) for g in generated], [gram_matrix(t) for t in target])
