"""Distances of landmarks, and how far mouth and eyes are open, on the 68 iBUG points.

Functions are over any leading axes, jittable, and give NaN where points are NaN. Points are in
pixels unless said otherwise. Left and right are the subject's.
"""

import jax
import jax.numpy as jnp

# Opposite points of the lids and of the inner lips, and outer corners of the eyes.
_RIGHT_LIDS = ((37, 41), (38, 40))
_LEFT_LIDS = ((43, 47), (44, 46))
_INNER_LIPS = ((61, 67), (62, 66), (63, 65))
_OUTER_CORNERS = (36, 45)

# Order of the last axis of `apertures`.
APERTURES = ("left_eye", "right_eye", "mouth")


def landmark_distance(first: jax.Array, second: jax.Array) -> jax.Array:
    """Mean Euclidean distance over points (..., L, 2): (...,), in the unit of the points.

    Raises:
      ValueError: for different shapes, or a last axis that is not 2.
    """
    first, second = jnp.asarray(first), jnp.asarray(second)
    if first.shape != second.shape or first.ndim < 2 or first.shape[-1] != 2:
        raise ValueError(
            f"expected points (..., L, 2) of one shape, found {first.shape} and {second.shape}"
        )
    return jnp.linalg.norm(first - second, axis=-1).mean(axis=-1)


def interocular_distance(points68: jax.Array) -> jax.Array:
    """Distance of the outer corners of the eyes (36 and 45) of (..., 68, 2): (...,)."""
    points68 = _checked(points68)
    right, left = (points68[..., k, :] for k in _OUTER_CORNERS)
    return jnp.linalg.norm(left - right, axis=-1)


def normalised_landmark_distance(points68: jax.Array, target68: jax.Array) -> jax.Array:
    """`landmark_distance` over the target's `interocular_distance`, (...,); 0.01 is one percent."""
    return landmark_distance(points68, target68) / interocular_distance(target68)


def apertures(points68: jax.Array) -> jax.Array:
    """Openings of left eye, right eye and mouth of (..., 68, 2), (..., 3), in the points' unit.

    The mean distance of opposite points of the lids (43-47, 44-46; 37-41, 38-40) and of the inner
    lips (61-67, 62-66, 63-65).
    """
    points68 = _checked(points68)

    def gap(pairs: tuple[tuple[int, int], ...]) -> jax.Array:
        first, second = jnp.asarray(pairs).T
        offsets = points68[..., first, :] - points68[..., second, :]
        return jnp.linalg.norm(offsets, axis=-1).mean(axis=-1)

    return jnp.stack([gap(_LEFT_LIDS), gap(_RIGHT_LIDS), gap(_INNER_LIPS)], axis=-1)


def aperture_errors(points68: jax.Array, target68: jax.Array) -> jax.Array:
    """Absolute differences of `apertures`, (..., 3), in the points' unit; two faces of one size."""
    return jnp.abs(apertures(points68) - apertures(target68))


def relative_aperture_errors(points68: jax.Array, target68: jax.Array) -> jax.Array:
    """Absolute differences of the openings over each face's own `interocular_distance`, (..., 3).

    For faces of different people or sizes.
    """
    first, second = (
        apertures(points) / interocular_distance(points)[..., None]
        for points in (points68, target68)
    )
    return jnp.abs(first - second)


def _checked(points68: jax.Array) -> jax.Array:
    points68 = jnp.asarray(points68)
    if points68.shape[-2:] != (68, 2):
        raise ValueError(f"expected points (..., 68, 2), found {points68.shape}")
    return points68
