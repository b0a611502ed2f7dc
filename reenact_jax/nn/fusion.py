"""Fusion of predicted and computed guidance (Eqs. 6, 7)."""

import jax
import jax.numpy as jnp

from reenact_jax.image_ops import resize_bilinear


def fuse(
    prediction: dict[str, jax.Array],
    flow: jax.Array,
    occlusion: jax.Array,
    mask: jax.Array,
    *,
    flow_guidance: bool,
    occlusion_guidance: bool,
    fusion: str,
) -> tuple[jax.Array, jax.Array]:
    """F = M_f' F_p + (1 - M_f') F_c and O = M_o' O_p + (1 - M_o') O_c, M' = 1 - m (1 - M).

    Outside the face (m = 0) there is no computed guidance, so M' is 1 there and the prediction
    stands alone.

    Args:
      prediction: `F_p` (B, s, s, 2), `O_p`, `M_f`, `M_o` (B, s, s, 1), of the completion network.
      flow: float `(B, S, S, 2)` computed F_c, normalised (x, y).
      occlusion: float `(B, S, S, 1)` computed O_c, 1 = visible.
      mask: float `(B, S, S, 1)` face mask m, 1 where the computed guidance is defined.
      flow_guidance: False gives F = F_p.
      occlusion_guidance: False gives O = O_p.
      fusion: "full" upsamples the prediction bilinearly and fuses at S; "pooled" averages F_c over
        the face pixels of a cell, O_c and m over the whole cell, and fuses at s.

    Returns:
      F (B, R, R, 2) and O (B, R, R, 1), R = S for "full" and s for "pooled".
    """
    height, width = flow.shape[1:3]
    if fusion == "full":
        maps = {name: resize_bilinear(value, height, width) for name, value in prediction.items()}
    else:
        maps = prediction
        factor = height // prediction["F_p"].shape[1]
        pooled_mask = average_pool(mask, factor)
        # Where a cell has no face pixel the numerator is 0 as well and the weight of F_c is 0.
        flow = average_pool(flow * mask, factor) / jnp.maximum(pooled_mask, 1.0 / factor**2)
        occlusion, mask = average_pool(occlusion, factor), pooled_mask

    fused_flow, fused_occlusion = maps["F_p"], maps["O_p"]
    if flow_guidance:
        fused_flow = _blend(maps["F_p"], flow, maps["M_f"], mask)
    if occlusion_guidance:
        fused_occlusion = _blend(maps["O_p"], occlusion, maps["M_o"], mask)
    return fused_flow, fused_occlusion


def average_pool(images: jax.Array, factor: int) -> jax.Array:
    """Mean over `factor` x `factor` cells of `(B, H, W, C)`."""
    batch, height, width, channels = images.shape
    cells = images.reshape(batch, height // factor, factor, width // factor, factor, channels)
    return cells.mean(axis=(2, 4))


def _blend(
    predicted: jax.Array, computed: jax.Array, weight: jax.Array, mask: jax.Array
) -> jax.Array:
    effective_weight = 1.0 - mask * (1.0 - weight)
    return effective_weight * predicted + (1.0 - effective_weight) * computed
