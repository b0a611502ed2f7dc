"""Sampling, warping, resizing and range conversion of images.

Shared contract: an unbatched image is `(H, W, C)`, rows downwards, and the centre of the pixel in
row r and column c lies at x = c + 0.5, y = r + 0.5. Functions without "batch" in their shapes are
unbatched; `jax.vmap` batches them. Everything is differentiable unless said otherwise.
"""

import jax
import jax.numpy as jnp


def pixel_centres(height: int, width: int) -> jax.Array:
    """Pixel centres of a `height` x `width` image.

    Returns:
      float32 `(height, width, 2)`, (x, y) in pixels.
    """
    x, y = jnp.meshgrid(
        jnp.arange(width, dtype=jnp.float32) + 0.5, jnp.arange(height, dtype=jnp.float32) + 0.5
    )
    return jnp.stack([x, y], axis=-1)


def bilinear_sample(image: jax.Array, grid_xy: jax.Array) -> jax.Array:
    """Reads an image at real-valued positions; taps outside the image count as 0.

    Args:
      image: `(H, W, C)`, any float dtype; interpolated in float32.
      grid_xy: float `(h, w, 2)`, (x, y) in pixels of `image`, pixel centres at +0.5.

    Returns:
      `(h, w, C)` in the dtype of `image`. Differentiable in `image` and `grid_xy`.

    Raises:
      ValueError: for other ranks or a last axis of `grid_xy` that is not 2.
    """
    if image.ndim != 3 or grid_xy.ndim != 3 or grid_xy.shape[-1] != 2:
        raise ValueError(
            "expected image (H, W, C) and grid_xy (h, w, 2), found "
            f"{image.shape} and {grid_xy.shape}; batch with jax.vmap"
        )
    height, width, channels = image.shape
    # One row of C numbers per tap, so that a gather copies (and its transpose adds) whole rows.
    rows = jnp.asarray(image, jnp.float32).reshape(height * width, channels)
    position = grid_xy.astype(jnp.float32) - 0.5
    corner = jnp.floor(position)
    weight_high = position - corner

    sampled = jnp.zeros((*grid_xy.shape[:2], channels), jnp.float32)
    for step_y in (0, 1):
        for step_x in (0, 1):
            column, row = corner[..., 0] + step_x, corner[..., 1] + step_y
            weight_x = weight_high[..., 0] if step_x else 1.0 - weight_high[..., 0]
            weight_y = weight_high[..., 1] if step_y else 1.0 - weight_high[..., 1]
            inside = (column >= 0) & (column <= width - 1) & (row >= 0) & (row <= height - 1)
            weight = jnp.where(inside, weight_x * weight_y, 0.0)
            # Far and non-finite positions have no defined integer, so they go to pixel 0 before.
            row, column = (jnp.where(inside, i, 0.0).astype(jnp.int32) for i in (row, column))
            tap = rows.at[row * width + column].get(mode="promise_in_bounds")
            sampled = sampled + weight[..., None] * tap
    return sampled.astype(image.dtype)


def warp(image: jax.Array, flow: jax.Array) -> jax.Array:
    """Warps an image or a feature map backward by a normalised flow.

    A pixel of the result reads `image` at its own relative position displaced by `flow`; one unit
    of flow is half the image along each axis. This is sampling with align_corners=False; what lies
    outside contributes 0. Zero flow of the image's own size returns the image.

    Args:
      image: `(H, W, C)`.
      flow: float `(h, w, 2)`, (x, y), normalised; usually h, w = H, W.

    Returns:
      `(h, w, C)` in the dtype of `image`.
    """
    flow_height, flow_width = flow.shape[:2]
    height, width = image.shape[:2]
    own = pixel_centres(flow_height, flow_width)
    if (flow_height, flow_width) != (height, width):
        own = own * jnp.array([[[width / flow_width, height / flow_height]]], jnp.float32)
    half_size = jnp.array([[[width / 2, height / 2]]], jnp.float32)
    return bilinear_sample(image, own + flow.astype(jnp.float32) * half_size)


def resize_bilinear(images: jax.Array, height: int, width: int) -> jax.Array:
    """Resizes `(..., H, W, C)` bilinearly, half-pixel centres, no antialiasing when shrinking.

    Equals PyTorch's interpolate(mode="bilinear", align_corners=False). Values keep their units, so
    a normalised flow needs no rescaling.
    """
    if images.shape[-3:-1] == (height, width):
        return images
    shape = (*images.shape[:-3], height, width, images.shape[-1])
    return jax.image.resize(images, shape, method="bilinear", antialias=False)


def downsample2(images: jax.Array) -> jax.Array:
    """Halves `(..., H, W, C)` by the mean over 2 x 2 pixels; H and W must be even."""
    *leading, height, width, channels = images.shape
    if height % 2 or width % 2:
        raise ValueError(f"expected an even height and width, found {height} x {width}")
    blocks = images.reshape(*leading, height // 2, 2, width // 2, 2, channels)
    return blocks.mean(axis=(-4, -2))


def upsample2_nearest(images: jax.Array) -> jax.Array:
    """Doubles `(..., H, W, C)` by repeating every pixel 2 x 2 times."""
    *leading, height, width, channels = images.shape
    blocks = jnp.broadcast_to(
        images[..., :, None, :, None, :], (*leading, height, 2, width, 2, channels)
    )
    return blocks.reshape(*leading, 2 * height, 2 * width, channels)


def shrink_nearest(images: jax.Array, height: int, width: int) -> jax.Array:
    """Shrinks `(..., H, W, C)` by whole factors, keeping the first pixel of every block.

    Equals PyTorch's interpolate(mode="nearest"), which SPADE uses for its map.

    Raises:
      ValueError: where H or W is not a multiple of the new size.
    """
    old_height, old_width = images.shape[-3:-1]
    if old_height % height or old_width % width:
        raise ValueError(
            f"expected a size that divides {old_height} x {old_width}, found {height} x {width}"
        )
    return images[..., :: old_height // height, :: old_width // width, :]


def to_unit(images: jax.Array) -> jax.Array:
    """Maps [-1, 1] (networks) to [0, 1] (metrics); does not clip."""
    return images * 0.5 + 0.5


def to_signed(images: jax.Array) -> jax.Array:
    """Maps [0, 1] (metrics) to [-1, 1] (networks); does not clip."""
    return images * 2.0 - 1.0
