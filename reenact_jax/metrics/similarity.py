"""Five-point alignment of faces: a similarity transform to a template, and the crop it makes.

Points are in edge coordinates (the centre of pixel (r, c) is (c + 0.5, r + 0.5)) everywhere here.
"""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np

from reenact_jax import image_ops


# Compared by identity, so that it can be a static argument.
@dataclasses.dataclass(frozen=True, eq=False)
class Template:
    """Where the points of an aligned face lie.

    Attributes:
      size: side of the aligned square in pixels.
      points: float32 (5, 2), pixels of the aligned square, edge coordinates.
    """

    size: int
    points: np.ndarray


# ArcFace's: eye at the image's left, eye at its right, nose, mouth's corner left, and right. The
# published numbers are index coordinates, whose first pixel centre is (0, 0).
ARCFACE = Template(
    112,
    np.float32(
        [
            [38.2946, 51.6963],
            [73.5318, 51.5014],
            [56.0252, 71.7366],
            [41.5493, 92.3655],
            [70.7299, 92.2041],
        ]
    )
    + np.float32(0.5),
)

# dlib's, of its 150-pixel chips with a margin of 0.25: outer and inner corner of the eye at the
# image's right, of that at its left, base of the nose. iBUG 45, 42, 36, 39, 33.
IBUG_OF_DLIB = (45, 42, 36, 39, 33)
DLIB = Template(
    150,
    (
        np.float32(
            [
                [0.8595674595992, 0.2134981538014],
                [0.6460604764104, 0.2289674387677],
                [0.1205750620789, 0.2137274526848],
                [0.3340850613712, 0.2290642403242],
                [0.4901123135679, 0.6277975316475],
            ]
        )
        + np.float32(0.25)
    )
    * np.float32(150 / 1.5),
)


def dlib_points(points68: np.ndarray) -> np.ndarray:
    """The five points of `DLIB` out of (..., 68, 2) iBUG points."""
    return np.asarray(points68)[..., IBUG_OF_DLIB, :]


def fit_similarity(source: jax.Array, target: jax.Array) -> jax.Array:
    """The similarity transform (turn, scale, move; no mirror) that takes source nearest to target.

    In two dimensions the least-squares problem (Umeyama 1991) is one division of complex numbers.

    Args:
      source, target: (..., L, 2) points, L >= 2.

    Returns:
      (..., 2, 3): A with target ~ A[:, :2] @ source + A[:, 2]. NaN for points that are NaN or all
      the same.
    """
    mean_s, mean_t = source.mean(axis=-2), target.mean(axis=-2)
    s, t = source - mean_s[..., None, :], target - mean_t[..., None, :]
    power = jnp.square(s).sum(axis=(-2, -1))
    a = (s * t).sum(axis=(-2, -1)) / power
    b = (s[..., 0] * t[..., 1] - s[..., 1] * t[..., 0]).sum(axis=-1) / power
    x = mean_t[..., 0] - a * mean_s[..., 0] + b * mean_s[..., 1]
    y = mean_t[..., 1] - b * mean_s[..., 0] - a * mean_s[..., 1]
    rows = [jnp.stack([a, -b, x], axis=-1), jnp.stack([b, a, y], axis=-1)]
    return jnp.stack(rows, axis=-2)


@functools.partial(jax.jit, static_argnames="template")
def align(image: jax.Array, points: jax.Array, template: Template = ARCFACE) -> jax.Array:
    """Cuts the aligned face out of a picture, bilinearly, 0 outside the picture.

    Args:
      image: (H, W, C), any range.
      points: (L, 2) the face's points, in the template's order.
      template: where they go.

    Returns:
      (size, size, C). Differentiable in `image`. Of points that are NaN: NaN everywhere.
    """
    target = jnp.asarray(template.points)
    # From the aligned square to the picture: the inverse of the fit, not the fit the other way.
    forward = fit_similarity(points, target)
    a, b = forward[0, 0], forward[1, 0]
    inverse = jnp.stack([jnp.stack([a, b]), jnp.stack([-b, a])]) / (a * a + b * b)
    centres = image_ops.pixel_centres(template.size, template.size)
    moved = centres - forward[:, 2][None, None, :]
    places = moved[..., :1] * inverse[:, 0][None, None] + moved[..., 1:] * inverse[:, 1][None, None]
    aligned = image_ops.bilinear_sample(image, places)
    return jnp.where(jnp.isfinite(forward).all(), aligned, jnp.nan)


@functools.partial(jax.jit, static_argnames="template")
def align_faces(images: jax.Array, points: jax.Array, template: Template = ARCFACE) -> jax.Array:
    """`align` of a batch: (B, H, W, C) and (B, L, 2) -> (B, size, size, C).

    Raises:
      ValueError: for other shapes.
    """
    if jnp.ndim(images) != 4 or jnp.shape(points) != (len(images), len(template.points), 2):
        raise ValueError(
            f"expected images (B, H, W, C) and points (B, {len(template.points)}, 2), found "
            f"{jnp.shape(images)} and {jnp.shape(points)}"
        )
    return jax.vmap(lambda image, five: align(image, five, template))(
        jnp.asarray(images), jnp.asarray(points, jnp.float32)
    )
