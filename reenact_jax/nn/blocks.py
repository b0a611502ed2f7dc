"""Building blocks of both networks. Inputs and outputs are `(B, H, W, C)`.

Weights start as N(0, 0.02), biases as 0.
"""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp

from reenact_jax.image_ops import downsample2, upsample2_nearest
from reenact_jax.nn.convolution import conv2d
from reenact_jax.nn.norm import SPADE, WEIGHT_INIT, AdaIN, InstanceNorm, LayerNorm2d, conv

leaky_relu = functools.partial(nn.leaky_relu, negative_slope=0.1)
# SPADE's own residual block has a slope of its own.
leaky_relu_spade = functools.partial(nn.leaky_relu, negative_slope=0.2)


def rematerialised(block: type[nn.Module], enabled: bool) -> type[nn.Module]:
    """The block, or one that keeps its inputs alone and computes again in the backward pass.

    Parameters keep their names, since every block is given one.
    """
    return nn.remat(block) if enabled else block


def conv_transpose2(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """Transposed 3x3 convolution, stride 2, padding 1, output padding 1: doubles H and W.

    Equals zero insertion by 2, padding (1, 2) and an ordinary convolution with `kernel`. Computed
    without the inserted zeros: even output pixels see only the middle tap of an axis, odd ones the
    two outer taps, so a 2x2 convolution to four interleaved phases gives the same sums. (The
    gradient of the zero-inserted form is an order of magnitude slower on the CPU.)

    Args:
      x: `(B, H, W, C)`.
      kernel: `(3, 3, C, O)`; of a PyTorch weight (C, O, 3, 3) it is the spatially flipped one.

    Returns:
      `(B, 2H, 2W, O)`.
    """
    batch, height, width, _ = x.shape
    zero = jnp.zeros_like(kernel[:1])
    rows = (jnp.concatenate([kernel[1:2], zero]), kernel[0::2])  # even rows, odd rows
    phases = []
    for of_row in rows:
        zero = jnp.zeros_like(of_row[:, :1])
        phases += [jnp.concatenate([of_row[:, 1:2], zero], axis=1), of_row[:, 0::2]]
    y = conv2d(x, jnp.concatenate(phases, axis=-1), ((0, 1), (0, 1)))
    y = y.reshape(batch, height, width, 2, 2, -1).transpose(0, 1, 3, 2, 4, 5)
    return y.reshape(batch, 2 * height, 2 * width, -1)


class ConvTranspose2(nn.Module):
    """`conv_transpose2` with a learned kernel and bias."""

    features: int
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        kernel = self.param("kernel", WEIGHT_INIT, (3, 3, x.shape[-1], self.features))
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        y = conv_transpose2(x.astype(self.dtype), kernel.astype(self.dtype))
        return y + bias.astype(self.dtype).reshape(1, 1, 1, -1)


class AdaINEncoderBlock(nn.Module):
    """AdaIN, LReLU, conv 4x4 stride 2; AdaIN, LReLU, conv 3x3. Halves H and W."""

    features: int
    adain_hidden: int
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, code: jax.Array) -> jax.Array:
        norm = functools.partial(AdaIN, self.adain_hidden, self.dtype)
        x = leaky_relu(norm(name="norm0")(x, code))
        x = conv(self.features, 4, self.dtype, stride=2, name="conv0")(x)
        x = leaky_relu(norm(name="norm1")(x, code))
        return conv(self.features, 3, self.dtype, name="conv1")(x)


class AdaINDecoderBlock(nn.Module):
    """AdaIN residual block that doubles H and W.

    Main path: AdaIN, LReLU, conv 3x3; AdaIN, LReLU, transposed conv. Shortcut: AdaIN, LReLU,
    transposed conv. The result is their sum.
    """

    features: int
    adain_hidden: int
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, code: jax.Array) -> jax.Array:
        norm = functools.partial(AdaIN, self.adain_hidden, self.dtype)
        main = leaky_relu(norm(name="norm0")(x, code))
        main = conv(self.features, 3, self.dtype, name="conv0")(main)
        main = leaky_relu(norm(name="norm1")(main, code))
        main = ConvTranspose2(self.features, self.dtype, name="conv1")(main)
        shortcut = leaky_relu(norm(name="norm_shortcut")(x, code))
        return main + ConvTranspose2(self.features, self.dtype, name="conv_shortcut")(shortcut)


class ConvBlock(nn.Module):
    """conv, LayerNorm2d, LReLU, at the same H and W."""

    features: int
    size: int = 3
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        x = conv(self.features, self.size, self.dtype, name="conv")(x)
        return leaky_relu(LayerNorm2d(self.dtype, name="norm")(x))


class DownBlock(nn.Module):
    """conv 3x3, LayerNorm2d, LReLU, 2x2 mean."""

    features: int
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        return downsample2(ConvBlock(self.features, dtype=self.dtype, name="block")(x))


class UpBlock(nn.Module):
    """Nearest x2, conv 3x3, LayerNorm2d, LReLU."""

    features: int
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        return ConvBlock(self.features, dtype=self.dtype, name="block")(upsample2_nearest(x))


class GuidedResidualBlock(nn.Module):
    """Residual block of SPADE, LReLU 0.2, conv 3x3, twice; the width stays.

    With `guidance` None, instance normalisation with a learned affine takes SPADE's place.
    """

    spade_hidden: int
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, guidance: jax.Array | None) -> jax.Array:
        y = x
        for i in range(2):
            if guidance is None:
                y = InstanceNorm(self.dtype, name=f"norm{i}")(y)
            else:
                y = SPADE(self.spade_hidden, self.dtype, name=f"norm{i}")(y, guidance)
            y = conv(x.shape[-1], 3, self.dtype, name=f"conv{i}")(leaky_relu_spade(y))
        return x + y
