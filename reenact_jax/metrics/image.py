"""Image metrics: NHWC float images in [0, 1] in, one value per pair out, shape (B,).

A mask (B, H, W, 1) of 0 and 1 restricts a metric to the pixels with 1. A pair whose mask is empty
gives NaN, not a number that could enter a mean unnoticed.
"""

import jax
import jax.numpy as jnp

_SSIM_SIGMA = 1.5
_SSIM_RADIUS = 5  # an 11-pixel window: sigma 1.5 truncated at 3.5 sigma
_SSIM_UNIFORM_RADIUS = 3
_SSIM_K1, _SSIM_K2 = 0.01, 0.03


def l1(prediction: jax.Array, target: jax.Array, mask: jax.Array | None = None) -> jax.Array:
    """Mean absolute difference, (B,) in [0, 1]."""
    _check(prediction, target, mask)
    return _masked_mean(jnp.abs(prediction - target), mask)


def psnr(prediction: jax.Array, target: jax.Array, mask: jax.Array | None = None) -> jax.Array:
    """Peak signal-to-noise ratio -10 log10(mean squared difference) in dB, (B,).

    Infinite for equal pictures.

    Args:
      prediction: (B, H, W, C) in [0, 1].
      target: the same.
      mask: (B, H, W, 1) of 0 and 1, or None for all pixels.
    """
    _check(prediction, target, mask)
    return -10.0 * jnp.log10(_masked_mean(jnp.square(prediction - target), mask))


@jax.jit
def ssim(prediction: jax.Array, target: jax.Array, mask: jax.Array | None = None) -> jax.Array:
    """Structural similarity (Wang et al. 2004), mean over channels, (B,) in [-1, 1].

    Gaussian window of 11 pixels (sigma 1.5), biased variances, K1 = 0.01, K2 = 0.03, data range 1;
    windows that would leave the image are not counted. These are the settings of the original
    paper and, in scikit-image, `gaussian_weights=True, use_sample_covariance=False`. With a mask,
    windows count whose middle pixel is in it; they see pixels outside it too.
    """
    _check(prediction, target, mask)
    offsets = jnp.arange(-_SSIM_RADIUS, _SSIM_RADIUS + 1, dtype=jnp.float32)
    window = jnp.exp(-0.5 * jnp.square(offsets / _SSIM_SIGMA))
    return _ssim(prediction, target, mask, window / window.sum(), 1.0)


@jax.jit
def ssim_uniform7(
    prediction: jax.Array, target: jax.Array, mask: jax.Array | None = None
) -> jax.Array:
    """SSIM with what scikit-image does unasked, (B,): a flat 7 x 7 window, variances with N - 1.

    Everything else as in `ssim`. Its values differ from `ssim`'s by some hundredths.
    """
    _check(prediction, target, mask)
    size = 2 * _SSIM_UNIFORM_RADIUS + 1
    window = jnp.full((size,), 1.0 / size)
    return _ssim(prediction, target, mask, window, size**2 / (size**2 - 1.0))


def _ssim(
    prediction: jax.Array,
    target: jax.Array,
    mask: jax.Array | None,
    window: jax.Array,
    correction: float,
) -> jax.Array:
    radius = len(window) // 2
    if min(prediction.shape[1:3]) < len(window):
        raise ValueError(
            f"expected images of at least {len(window)} pixels, found {prediction.shape}"
        )

    def blur(images: jax.Array, axis: int) -> jax.Array:
        size = images.shape[axis] - 2 * radius
        shifted = (jax.lax.slice_in_dim(images, k, k + size, axis=axis) for k in range(len(window)))
        return sum(weight * part for weight, part in zip(window, shifted, strict=True))

    def smooth(images: jax.Array) -> jax.Array:
        return blur(blur(images, 1), 2)

    # Variances do not change with the origin, and in the middle of the range cancel least. All
    # five maps are smoothed at once, as channels.
    p, t = prediction - 0.5, target - 0.5
    maps = smooth(jnp.concatenate([p, t, p * p, t * t, p * t], axis=-1))
    mean_p, mean_t, square_p, square_t, product = jnp.split(maps, 5, axis=-1)
    var_p = correction * (square_p - mean_p * mean_p)
    var_t = correction * (square_t - mean_t * mean_t)
    covariance = correction * (product - mean_p * mean_t)
    mean_p, mean_t = mean_p + 0.5, mean_t + 0.5
    c1, c2 = _SSIM_K1**2, _SSIM_K2**2
    similarity = ((2 * mean_p * mean_t + c1) * (2 * covariance + c2)) / (
        (mean_p**2 + mean_t**2 + c1) * (var_p + var_t + c2)
    )
    if mask is not None:
        mask = mask[:, radius:-radius, radius:-radius]
    return _masked_mean(similarity, mask)


def _masked_mean(values: jax.Array, mask: jax.Array | None) -> jax.Array:
    """Over all pixels and channels, or those in the mask, (B,)."""
    if mask is None:
        return values.mean(axis=(1, 2, 3))
    mask = jnp.asarray(mask, jnp.float32)
    count = mask.sum(axis=(1, 2, 3)) * values.shape[-1]
    return (values * mask).sum(axis=(1, 2, 3)) / count


def _check(prediction: jax.Array, target: jax.Array, mask: jax.Array | None) -> None:
    if prediction.shape != target.shape or prediction.ndim != 4:
        raise ValueError(
            f"expected two image batches (B, H, W, C) of one shape, found {prediction.shape} "
            f"and {target.shape}"
        )
    if mask is not None and mask.shape != (*prediction.shape[:3], 1):
        raise ValueError(f"expected a mask {(*prediction.shape[:3], 1)}, found {mask.shape}")
