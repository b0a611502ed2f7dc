"""Layers of frozen networks, NHWC, with batch normalisation folded into convolutions.

A layer is `{"kernel": (height, width, I, O), "bias": (O,)}`. Convolutions run at the highest
precision, so that a score does not depend on the device that computes it.
"""

import jax
import jax.numpy as jnp
import numpy as np

Layer = dict[str, jax.Array]


def convolve(
    layer: Layer, x: jax.Array, *, stride: int = 1, padding: tuple[int, int] | None = None
) -> jax.Array:
    """A convolution with its bias.

    Args:
      layer: kernel and bias.
      x: float `(B, H, W, I)`.
      stride: in both directions.
      padding: rows and columns of zeros on each side; None keeps the size of an odd kernel.
    """
    height, width = layer["kernel"].shape[:2]
    rows, columns = (height // 2, width // 2) if padding is None else padding
    y = jax.lax.conv_general_dilated(
        x,
        layer["kernel"],
        window_strides=(stride, stride),
        padding=((rows, rows), (columns, columns)),
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        precision=jax.lax.Precision.HIGHEST,
    )
    return y + layer["bias"].reshape(1, 1, 1, -1)


def max_pool(x: jax.Array, *, stride: int = 2, padding: int = 0) -> jax.Array:
    """3x3 maxima of `(B, H, W, C)`; windows that stick out on the right or below are dropped."""
    return jax.lax.reduce_window(
        x,
        -jnp.inf,
        jax.lax.max,
        window_dimensions=(1, 3, 3, 1),
        window_strides=(1, stride, stride, 1),
        padding=((0, 0), (padding, padding), (padding, padding), (0, 0)),
    )


def max_pool2(x: jax.Array) -> jax.Array:
    """2x2 maxima of `(B, H, W, C)`; an odd last row or column is dropped.

    As a maximum over axes, not a reduce_window, whose gradient is several times slower on the CPU.
    """
    batch, height, width, channels = x.shape
    x = x[:, : height // 2 * 2, : width // 2 * 2]
    return x.reshape(batch, height // 2, 2, width // 2, 2, channels).max(axis=(2, 4))


def to_layer(weight: np.ndarray, bias: np.ndarray) -> Layer:
    """PyTorch's (O, I, height, width) and (O,) -> a layer."""
    kernel = np.ascontiguousarray(weight.transpose(2, 3, 1, 0), np.float32)
    return {"kernel": jnp.asarray(kernel), "bias": jnp.asarray(bias, jnp.float32)}


def norm_scale_bias(
    arrays: dict[str, np.ndarray], norm: str, epsilon: float
) -> tuple[np.ndarray, np.ndarray]:
    """A trained batch normalisation as x * scale + bias, float64 `(C,)` each.

    Args:
      arrays: holds `weight`, `bias`, `running_mean` and `running_var` under `norm`.
      norm: its name.
      epsilon: added to the variance.
    """
    weight, bias, mean, variance = (
        arrays[f"{norm}.{part}"].astype(np.float64)
        for part in ("weight", "bias", "running_mean", "running_var")
    )
    scale = weight / np.sqrt(variance + epsilon)
    return scale, bias - mean * scale


def fold(arrays: dict[str, np.ndarray], conv: str, norm: str, epsilon: float) -> Layer:
    """A convolution without bias and the batch normalisation after it, as one layer."""
    scale, bias = norm_scale_bias(arrays, norm, epsilon)
    weight = arrays[f"{conv}.weight"].astype(np.float64) * scale[:, None, None, None]
    return to_layer(weight, bias)


def norm_shapes(norm: str, channels: int) -> dict[str, tuple[int, ...]]:
    """Names and shapes of a batch normalisation's arrays."""
    parts = ("weight", "bias", "running_mean", "running_var")
    return {f"{norm}.{part}": (channels,) for part in parts}
