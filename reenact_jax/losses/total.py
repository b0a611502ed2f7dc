"""The training loss L = L_c + 250 L_s (Eq. 10), with a multi-scale L1 term for random features."""

import dataclasses
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp

from reenact_jax.image_ops import downsample2
from reenact_jax.losses.perceptual import mean_absolute_difference, perceptual_loss
from reenact_jax.losses.style import style_loss

MAX_SCALES = 4
SMALLEST_SCALE = 32

FeatureFunction = Callable[[jax.Array], Sequence[jax.Array]]


@dataclasses.dataclass(frozen=True)
class LossWeights:
    """Weights of the terms; a term of weight 0 is not computed. The defaults are the paper's."""

    perceptual: float = 1.0
    style: float = 250.0
    multi_scale_l1: float = 0.0

    def __post_init__(self):
        weights = dataclasses.asdict(self)
        if min(weights.values()) < 0 or not any(weights.values()):
            raise ValueError(f"expected weights >= 0 and one above 0, found {weights}")


def num_scales(image_size: int) -> int:
    """Scales of the loss pyramid: 4 from 256 pixels on, fewer below: the smallest stays at 32."""
    scales = 1
    while scales < MAX_SCALES and image_size >= SMALLEST_SCALE * 2**scales:
        scales += 1
    return scales


def image_pyramid(images: jax.Array) -> list[jax.Array]:
    """`(B, H, W, C)` and its halvings by 2x2 means, largest first, `num_scales` in all."""
    pyramid = [images]
    for _ in range(num_scales(min(images.shape[1:3])) - 1):
        pyramid.append(downsample2(pyramid[-1]))
    return pyramid


def reconstruction_loss(
    generated: jax.Array,
    target: jax.Array,
    feature_fn: FeatureFunction | None,
    weights: LossWeights,
) -> tuple[jax.Array, dict[str, jax.Array]]:
    """Weighted sum of the terms (Eq. 10).

    Args:
      generated: float `(B, H, W, 3)` in [-1, 1]; gradients flow through it alone.
      target: float `(B, H, W, 3)` in [-1, 1].
      feature_fn: images -> features per layer, VGG-19 up to relu5_1; not called, and may be None,
        where only `multi_scale_l1` has a weight.
      weights: of the terms.

    Returns:
      float32 `(B,)` total and the unweighted `(B,)` terms that have a weight: `perceptual` (summed
      over scales and layers), `style` (full scale, summed over layers), `multi_scale_l1` (mean over
      scales).
    """
    if generated.shape != target.shape or generated.ndim != 4:
        raise ValueError(
            f"expected two equal shapes (B, H, W, 3), found {generated.shape} and {target.shape}"
        )
    if feature_fn is None and (weights.perceptual or weights.style):
        raise ValueError(f"expected a feature function for {weights}, found None")
    generated_pyramid = image_pyramid(generated)
    target_pyramid = image_pyramid(jax.lax.stop_gradient(target))
    pairs = list(zip(generated_pyramid, target_pyramid, strict=True))

    terms = {}
    if weights.perceptual or weights.style:
        # L_c at full scale and L_s share their features.
        feature_scales = pairs if weights.perceptual else pairs[:1]
        features = [
            (feature_fn(image), jax.lax.stop_gradient(feature_fn(truth)))
            for image, truth in feature_scales
        ]
        if weights.perceptual:
            terms["perceptual"] = sum(perceptual_loss(*scale) for scale in features)
        if weights.style:
            terms["style"] = style_loss(*features[0])
    if weights.multi_scale_l1:
        distances = [mean_absolute_difference(image, truth) for image, truth in pairs]
        terms["multi_scale_l1"] = jnp.stack(distances).mean(axis=0)
    total = sum(getattr(weights, name) * value for name, value in terms.items())
    return total, terms
