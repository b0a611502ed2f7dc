"""Completion network (Eq. 5): source image and motion descriptor -> F_p, O_p, M_f, M_o."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from reenact_jax.nn.blocks import (
    AdaINDecoderBlock,
    AdaINEncoderBlock,
    leaky_relu,
    rematerialised,
)
from reenact_jax.nn.config import CompletionConfig
from reenact_jax.nn.norm import WEIGHT_INIT, LayerNorm2d, conv


def scale_head_kernel(standard_normal: jax.Array | np.ndarray) -> jax.Array | np.ndarray:
    """Initial head kernel from unit normals (7, 7, C, 5): F_p = 0 and masks within 0.5 +- 0.05.

    Zero for the two flow rows; N(0, 0.001) for the others, because rows of N(0, 0.02) would see
    7 * 7 * 256 inputs and give logits of deviation 1.6.
    """
    return standard_normal * np.array([0.0, 0.0, 0.001, 0.001, 0.001], np.float32).reshape(
        1, 1, 1, 5
    )


def _head_init(key: jax.Array, shape: tuple[int, ...], dtype: jnp.dtype = jnp.float32) -> jax.Array:
    return scale_head_kernel(jax.random.normal(key, shape, dtype))


class DescriptorMLP(nn.Module):
    """Three linear layers with LReLU between them: descriptor (B, D) -> code (B, hidden)."""

    hidden: int

    @nn.compact
    def __call__(self, descriptor: jax.Array) -> jax.Array:
        x = descriptor
        for i in range(3):
            x = x if i == 0 else leaky_relu(x)
            x = nn.Dense(self.hidden, kernel_init=WEIGHT_INIT, name=f"linear{i}")(x)
        return x


class CompletionNetwork(nn.Module):
    """AdaIN hourglass that predicts what the computed guidance leaves open.

    The descriptor enters through AdaIN alone. The computed flow and occlusion are no inputs: they
    meet the prediction in `fusion.fuse`.
    """

    config: CompletionConfig = CompletionConfig()
    dtype: jnp.dtype = jnp.float32
    rematerialise: bool = False

    @nn.compact
    def __call__(self, source_image: jax.Array, descriptor: jax.Array) -> dict[str, jax.Array]:
        """Predicts the four maps.

        Args:
          source_image: float `(B, S, S, 3)` in [-1, 1].
          descriptor: float `(B, config.descriptor_dim)`: expression, rotation, translation.

        Returns:
          float32 maps of side s = S / 2^(num_down - num_up): `F_p` (B, s, s, 2) normalised flow
          (x, y), `O_p` occlusion (1 = visible), `M_f` and `M_o` fusion weights, each (B, s, s, 1)
          in (0, 1), 1 = trust the prediction.
        """
        config = self.config
        encoder_block, decoder_block = (
            rematerialised(block, self.rematerialise)
            for block in (AdaINEncoderBlock, AdaINDecoderBlock)
        )
        code = DescriptorMLP(config.descriptor_hidden, name="descriptor")(descriptor)

        x = conv(config.base_channels, 7, self.dtype, name="input")(source_image)
        levels = [x]
        for i in range(config.num_down):
            block = encoder_block(
                config.channels(i + 1), config.adain_hidden, self.dtype, name=f"encoder{i}"
            )
            x = block(x, code)
            levels.append(x)
        for i in reversed(range(config.num_down - config.num_up, config.num_down)):
            block = decoder_block(
                config.channels(i), config.adain_hidden, self.dtype, name=f"decoder{i}"
            )
            x = jnp.concatenate([block(x, code), levels[i]], axis=-1)

        x = leaky_relu(LayerNorm2d(self.dtype, name="head_norm")(x))
        x = conv(5, 7, self.dtype, name="head", kernel_init=_head_init)(x).astype(jnp.float32)
        unit = nn.sigmoid(x[..., 2:])
        # The head speaks in pixels of its own grid, as PIRenderer's does. In normalised units the
        # first steps of Adam throw the flow out of the image, where it has no gradient.
        pixels_to_normalised = 2.0 / jnp.asarray([x.shape[2], x.shape[1]], jnp.float32)
        return {
            "F_p": x[..., :2] * pixels_to_normalised[None, None, None],
            "O_p": unit[..., 0:1],
            "M_f": unit[..., 1:2],
            "M_o": unit[..., 2:3],
        }
