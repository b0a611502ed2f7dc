"""Textures by uv coordinates.

u runs to the right and v up: (0, 0) is the lower left corner of the picture, (1, 1) the upper right
one, as in OBJ files and trimesh (glTF files count v downwards: give 1 - v). The centre of the texel
in row r and column c lies at u = (c + 0.5) / width, v = 1 - (r + 0.5) / height.

A mesh has uvs either per vertex or, along seams, per corner of a triangle, with an index table of
its own; both are read by `interpolate(uv, uv_triangles, fragments)`.
"""

import enum

import jax
import jax.numpy as jnp


class Wrap(enum.Enum):
    """What is read outside [0, 1]: the picture again, or its border."""

    REPEAT = "repeat"
    CLAMP = "clamp"


def sample_texture(texture: jax.Array, uv: jax.Array, *, wrap: Wrap = Wrap.REPEAT) -> jax.Array:
    """Bilinear value of a texture at uv coordinates.

    Args:
      texture: (h, w, C) float of any range, of any size from 1 x 1.
      uv: (..., 2) float. Coordinates that are NaN or infinite count as 0.
      wrap: what lies outside [0, 1]; Wrap.REPEAT also joins opposite borders.

    Returns:
      (..., C) in the dtype of the texture. Differentiable in the texture and in uv, where the
      derivative jumps at texel centres (the value is piecewise bilinear). No smaller copies of the
      picture are averaged: a texture finer than the pixels aliases.

    Raises:
      ValueError: wrong shapes or dtypes.
    """
    texture, uv = jnp.asarray(texture), jnp.asarray(uv)
    if texture.ndim != 3 or 0 in texture.shape[:2]:
        raise ValueError(f"expected texture of shape (h, w, C), found {texture.shape}")
    if not jnp.issubdtype(texture.dtype, jnp.floating):
        raise ValueError(
            f"expected a float texture, found {texture.dtype}; divide 8-bit colours by 255"
        )
    if uv.ndim < 1 or uv.shape[-1] != 2 or not jnp.issubdtype(uv.dtype, jnp.floating):
        raise ValueError(f"expected float uv of shape (..., 2), found {uv.dtype} {uv.shape}")
    height, width, channels = texture.shape
    uv = jnp.where(jnp.isfinite(uv), uv, 0)
    u, v = uv[..., 0].reshape(-1), 1 - uv[..., 1].reshape(-1)
    columns, right = _neighbours(u, width, wrap)
    rows, down = _neighbours(v, height, wrap)
    table = texture.reshape(height * width, channels)

    def read(row, column):
        return table.at[row * width + column].get(mode="promise_in_bounds")

    def between(first, second, fraction):
        return first + fraction[:, None] * (second - first)

    value = between(
        between(read(rows[0], columns[0]), read(rows[0], columns[1]), right),
        between(read(rows[1], columns[0]), read(rows[1], columns[1]), right),
        down,
    )
    return value.astype(texture.dtype).reshape(*uv.shape[:-1], channels)


def _neighbours(coordinate: jax.Array, size: int, wrap: Wrap):
    """The two texels around a coordinate, and its fraction of the way from one to the other."""
    if wrap is Wrap.REPEAT:
        # Into [0, 1) first: an integer made of a huge float is undefined.
        position = (coordinate - jnp.floor(coordinate)) * size - 0.5
    elif wrap is Wrap.CLAMP:
        position = jnp.clip(coordinate * size - 0.5, 0, size - 1)
    else:
        raise ValueError(f"expected wrap to be a rasterizer.Wrap, found {wrap!r}")
    first = jnp.floor(position)
    fraction = position - first
    index = first.astype(jnp.int32)
    if wrap is Wrap.REPEAT:
        return (index % size, (index + 1) % size), fraction
    return (index, jnp.minimum(index + 1, size - 1)), fraction
