"""Image metrics: NHWC float images in [0, 1] in, one value per pair out, shape (B,)."""

import jax
import jax.numpy as jnp

_SSIM_SIGMA = 1.5
_SSIM_RADIUS = 5  # an 11-pixel window: sigma 1.5 truncated at 3.5 sigma
_SSIM_K1, _SSIM_K2 = 0.01, 0.03


def _check(prediction: jax.Array, target: jax.Array) -> None:
    if prediction.shape != target.shape or prediction.ndim != 4:
        raise ValueError(
            f"expected two image batches (B, H, W, C) of one shape, found {prediction.shape} "
            f"and {target.shape}"
        )


def l1(prediction: jax.Array, target: jax.Array) -> jax.Array:
    """Mean absolute difference, (B,) in [0, 1]."""
    _check(prediction, target)
    return jnp.abs(prediction - target).mean(axis=(1, 2, 3))


def psnr(prediction: jax.Array, target: jax.Array, mask: jax.Array | None = None) -> jax.Array:
    """Peak signal-to-noise ratio in dB, (B,).

    Args:
      prediction: (B, H, W, C) in [0, 1].
      target: the same.
      mask: (B, H, W, 1) of 0 and 1: only pixels with 1 count. A pair whose mask is empty gives NaN,
        not a number that could enter a mean unnoticed.
    """
    _check(prediction, target)
    squared = jnp.square(prediction - target)
    if mask is None:
        error = squared.mean(axis=(1, 2, 3))
    else:
        count = mask.sum(axis=(1, 2, 3)) * squared.shape[-1]
        error = (squared * mask).sum(axis=(1, 2, 3)) / count
    return -10.0 * jnp.log10(error)


def ssim(prediction: jax.Array, target: jax.Array) -> jax.Array:
    """Structural similarity (Wang et al. 2004), mean over channels, (B,).

    Gaussian window of 11 pixels (sigma 1.5), biased variances, K1 = 0.01, K2 = 0.03, data range 1;
    windows that would leave the image are not counted. These are the settings of the original
    paper and, in scikit-image, `gaussian_weights=True, use_sample_covariance=False`.
    """
    _check(prediction, target)
    if min(prediction.shape[1:3]) <= 2 * _SSIM_RADIUS:
        raise ValueError(
            f"expected images of at least {2 * _SSIM_RADIUS + 1} pixels, found {prediction.shape}"
        )
    offsets = jnp.arange(-_SSIM_RADIUS, _SSIM_RADIUS + 1, dtype=jnp.float32)
    window = jnp.exp(-0.5 * jnp.square(offsets / _SSIM_SIGMA))
    window = window / window.sum()

    def blur(images: jax.Array, axis: int) -> jax.Array:
        size = images.shape[axis] - 2 * _SSIM_RADIUS
        shifted = (jax.lax.slice_in_dim(images, k, k + size, axis=axis) for k in range(len(window)))
        return sum(weight * part for weight, part in zip(window, shifted, strict=True))

    def smooth(images: jax.Array) -> jax.Array:
        return blur(blur(images, 1), 2)

    mean_p, mean_t = smooth(prediction), smooth(target)
    var_p = smooth(prediction * prediction) - mean_p * mean_p
    var_t = smooth(target * target) - mean_t * mean_t
    covariance = smooth(prediction * target) - mean_p * mean_t
    c1, c2 = _SSIM_K1**2, _SSIM_K2**2
    similarity = ((2 * mean_p * mean_t + c1) * (2 * covariance + c2)) / (
        (mean_p**2 + mean_t**2 + c1) * (var_p + var_t + c2)
    )
    return similarity.mean(axis=(1, 2, 3))
