"""Normalisation layers: instance, joint layer, AdaIN, SPADE.

Inputs are `(B, H, W, C)`. Statistics are biased, per example, and taken in float32 whatever the
compute dtype; epsilon is 1e-5. Every layer returns its compute dtype.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp

from reenact_jax.image_ops import shrink_nearest
from reenact_jax.nn.convolution import conv2d

EPSILON = 1e-5
WEIGHT_DEVIATION = 0.02
WEIGHT_INIT = nn.initializers.normal(WEIGHT_DEVIATION)


def standardise(x: jax.Array, axes: tuple[int, ...]) -> jax.Array:
    """Zero mean and unit variance over `axes`, as float32 of the shape of `x`."""
    x = x.astype(jnp.float32)
    centred = x - x.mean(axes, keepdims=True)
    variance = jnp.square(centred).mean(axes, keepdims=True)
    return centred * jax.lax.rsqrt(variance + EPSILON)


def instance_norm(x: jax.Array) -> jax.Array:
    """Normalises every channel of every example over H and W; float32."""
    return standardise(x, (1, 2))


class _ChannelAffine(nn.Module):
    """y = scale * x + bias per channel."""

    dtype: jnp.dtype

    @nn.compact
    def __call__(self, normalised: jax.Array) -> jax.Array:
        channels = normalised.shape[-1]
        scale = self.param("scale", nn.initializers.ones, (channels,))
        bias = self.param("bias", nn.initializers.zeros, (channels,))
        shape = (1, 1, 1, channels)
        return (normalised * scale.reshape(shape) + bias.reshape(shape)).astype(self.dtype)


class LayerNorm2d(nn.Module):
    """Normalises over C, H and W jointly, then a learned affine per channel."""

    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        return _ChannelAffine(self.dtype, name="affine")(standardise(x, (1, 2, 3)))


class InstanceNorm(nn.Module):
    """Instance normalisation with a learned affine; SPADE's stand-in without synthesis guidance."""

    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        return _ChannelAffine(self.dtype, name="affine")(instance_norm(x))


class AdaIN(nn.Module):
    """Adaptive instance normalisation: x * (1 + gamma) + beta with gamma, beta from a code.

    Every layer owns its private MLP: code -> hidden, ReLU -> C gammas and C betas. The two linear
    heads are one matrix, gammas first.
    """

    hidden: int
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, code: jax.Array) -> jax.Array:
        """`x` (B, H, W, C), `code` (B, Z) -> (B, H, W, C)."""
        channels = x.shape[-1]
        hidden = nn.relu(nn.Dense(self.hidden, kernel_init=WEIGHT_INIT, name="hidden")(code))
        style = nn.Dense(2 * channels, kernel_init=WEIGHT_INIT, name="gamma_beta")(hidden)
        gamma, beta = jnp.split(style[:, None, None, :], 2, axis=-1)
        return (instance_norm(x) * (1.0 + gamma) + beta).astype(self.dtype)


class SPADE(nn.Module):
    """Spatially adaptive normalisation: gamma and beta are maps computed from a guidance image.

    The guidance image is brought to the size of `x` by nearest neighbour, passes a 3x3 convolution
    with ReLU, and a 3x3 convolution to C gammas and C betas (one kernel, gammas first).
    """

    hidden: int
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, guidance: jax.Array) -> jax.Array:
        """`x` (B, h, w, C), `guidance` (B, k h, l w, G) with whole k, l -> (B, h, w, C)."""
        guidance = shrink_nearest(guidance, x.shape[1], x.shape[2])
        shared = nn.relu(conv(self.hidden, 3, self.dtype, name="shared")(guidance))
        maps = conv(2 * x.shape[-1], 3, self.dtype, name="gamma_beta")(shared)
        gamma, beta = jnp.split(maps.astype(jnp.float32), 2, axis=-1)
        return (instance_norm(x) * (1.0 + gamma) + beta).astype(self.dtype)


class Conv(nn.Module):
    """`conv2d` with a learned kernel and bias; with a stride, XLA's convolution."""

    features: int
    size: int
    stride: int
    dtype: jnp.dtype
    kernel_init: nn.initializers.Initializer

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        shape = (self.size, self.size, x.shape[-1], self.features)
        kernel = self.param("kernel", self.kernel_init, shape).astype(self.dtype)
        bias = self.param("bias", nn.initializers.zeros, (self.features,)).astype(self.dtype)
        x, padding = x.astype(self.dtype), (((self.size - 1) // 2,) * 2,) * 2
        if self.stride == 1:
            y = conv2d(x, kernel, padding)
        else:
            y = jax.lax.conv_general_dilated(
                x,
                kernel,
                (self.stride, self.stride),
                padding,
                dimension_numbers=("NHWC", "HWIO", "NHWC"),
            )
        return y + bias.reshape(1, 1, 1, -1)


def conv(
    features: int,
    size: int,
    dtype: jnp.dtype,
    *,
    name: str,
    stride: int = 1,
    kernel_init: nn.initializers.Initializer = WEIGHT_INIT,
) -> Conv:
    """A convolution with PyTorch's symmetric zero padding (size - 1) // 2, weights N(0, 0.02)."""
    return Conv(features, size, stride, dtype, kernel_init, name=name)
