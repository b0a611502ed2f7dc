"""Reenactment network: source image, fused flow and occlusion, rendering -> reenacted image."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from reenact_jax.image_ops import resize_bilinear, warp
from reenact_jax.nn.blocks import (
    ConvBlock,
    DownBlock,
    GuidedResidualBlock,
    UpBlock,
    rematerialised,
)
from reenact_jax.nn.config import ReenactmentConfig
from reenact_jax.nn.norm import conv


def warp_and_mask(features: jax.Array, flow: jax.Array, occlusion: jax.Array) -> jax.Array:
    """Warps `(B, h, w, C)` by the flow and hides what is occluded in the source.

    Flow `(B, H, W, 2)` and occlusion `(B, H, W, 1)` are brought to h x w bilinearly; the flow is
    normalised, so its values stay.
    """
    height, width = features.shape[1:3]
    flow = resize_bilinear(flow, height, width)
    occlusion = resize_bilinear(occlusion, height, width)
    return jax.vmap(warp)(features, flow) * occlusion.astype(features.dtype)


class ReenactmentNetwork(nn.Module):
    """Encoder-decoder whose every encoder map is warped by F and masked by O on its way.

    The deepest map feeds the decoder, the others are added after a convolution of their own (jump).
    The rendering steers the decoder's residual blocks by SPADE.
    """

    config: ReenactmentConfig = ReenactmentConfig()
    dtype: jnp.dtype = jnp.float32
    rematerialise: bool = False

    @nn.compact
    def __call__(
        self, source_image: jax.Array, flow: jax.Array, occlusion: jax.Array, rendering: jax.Array
    ) -> tuple[jax.Array, tuple[jax.Array, ...]]:
        """Generates the image.

        Args:
          source_image: float `(B, S, S, 3)` in [-1, 1].
          flow: float `(B, R, R, 2)` fused F, normalised (x, y), any R.
          occlusion: float `(B, R, R, 1)` fused O, 1 = visible.
          rendering: float `(B, S, S, 3)` I_r in [-1, 1]; unused without synthesis guidance.

        Returns:
          float32 image `(B, S, S, 3)` in [-1, 1], and the warped and masked encoder maps, full
          resolution first.
        """
        config, dtype = self.config, self.dtype
        guidance = rendering if config.synthesis_guidance else None
        conv_block, down_block, up_block, residual_block = (
            rematerialised(block, self.rematerialise)
            for block in (ConvBlock, DownBlock, UpBlock, GuidedResidualBlock)
        )

        x = conv_block(config.base_channels, size=7, dtype=dtype, name="encoder_input")(
            source_image
        )
        levels = [x]
        for i in range(config.num_down):
            x = down_block(config.channels(i + 1), dtype, name=f"down{i}")(x)
            levels.append(x)
        warped = tuple(warp_and_mask(level, flow, occlusion) for level in levels)

        x = warped[-1]
        for i in reversed(range(config.num_down)):
            for j in range(config.num_residual_blocks):
                block = residual_block(config.spade_hidden, dtype, name=f"residual{i}_{j}")
                x = block(x, guidance)
            x = up_block(config.channels(i), dtype, name=f"up{i}")(x)
            x = x + conv_block(config.channels(i), dtype=dtype, name=f"jump{i}")(warped[i])
        image = conv(3, 7, dtype, name="output")(x)
        return jnp.tanh(image.astype(jnp.float32)), warped
