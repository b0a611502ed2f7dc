"""AED and APD: how far the expression and the pose of a picture are from the wanted ones.

Both compare coefficients of a morphable model that are regressed from, or fitted to, the two
pictures. The literature uses one name for several numbers, so every number here carries its
variant's name; docs/metrics.md says who uses which. Functions are over any leading axes and
jittable; rows of NaN (no face) give NaN.
"""

from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp

Variant = Callable[[jax.Array, jax.Array], jax.Array]


def _offset(first: jax.Array, second: jax.Array) -> jax.Array:
    first, second = jnp.asarray(first), jnp.asarray(second)
    if first.shape != second.shape or first.ndim < 1:
        raise ValueError(
            f"expected two arrays (..., K) of one shape, found {first.shape} and {second.shape}"
        )
    return first - second


def l2(first: jax.Array, second: jax.Array) -> jax.Array:
    """Euclidean norm of the difference, (...,)."""
    return jnp.sqrt(jnp.square(_offset(first, second)).sum(axis=-1))


def mean_abs(first: jax.Array, second: jax.Array) -> jax.Array:
    """Mean absolute difference, (...,)."""
    return jnp.abs(_offset(first, second)).mean(axis=-1)


def sum_abs(first: jax.Array, second: jax.Array) -> jax.Array:
    """Sum of absolute differences, (...,)."""
    return jnp.abs(_offset(first, second)).sum(axis=-1)


def rms(first: jax.Array, second: jax.Array) -> jax.Array:
    """Root of the mean squared difference, (...,)."""
    return jnp.sqrt(jnp.square(_offset(first, second)).mean(axis=-1))


def angle_difference(first: jax.Array, second: jax.Array) -> jax.Array:
    """Difference of angles in radians, in [-pi, pi)."""
    return jnp.mod(_offset(first, second) + jnp.pi, 2 * jnp.pi) - jnp.pi


def _turned(first: jax.Array, second: jax.Array, num_compared: int) -> tuple[jax.Array, jax.Array]:
    """Poses whose plain difference has its angles wrapped."""
    first, second = jnp.asarray(first), jnp.asarray(second)
    if first.shape[-1:] not in ((3,), (6,)) or first.shape[-1] < num_compared:
        raise ValueError(f"expected poses (..., 3) or (..., 6), found {first.shape}")
    angles = angle_difference(first[..., :3], second[..., :3])
    wrapped = jnp.concatenate([angles, _offset(first[..., 3:], second[..., 3:])], axis=-1)
    wrapped = wrapped[..., :num_compared]
    return wrapped, jnp.zeros_like(wrapped)


# Name -> function of two arrays (..., E) of expression coefficients. The first is the primary one:
# the only reading that fits the paper's numbers.
AED_VARIANTS: Mapping[str, Variant] = {
    "aed_l2": l2,
    "aed_mean_abs": mean_abs,
    "aed_sum_abs": sum_abs,
    "aed_rms": rms,
}

# Name -> function of two poses, (..., 3) angles in radians or (..., 6) angles and translation in
# decimetres; those ending in _6 need six. The first is the primary one.
APD_VARIANTS: Mapping[str, Variant] = {
    "apd_l2": lambda first, second: l2(*_turned(first, second, 3)),
    "apd_l2_6": lambda first, second: l2(*_turned(first, second, 6)),
    "apd_mean_abs": lambda first, second: mean_abs(*_turned(first, second, 3)),
    "apd_mean_abs_6": lambda first, second: mean_abs(*_turned(first, second, 6)),
    "apd_mean_abs_degrees": lambda first, second: jnp.degrees(mean_abs(*_turned(first, second, 3))),
}


def aed(first: jax.Array, second: jax.Array, variant: str = "aed_l2") -> jax.Array:
    """Average expression distance per pair, (...,), >= 0, in units of the coefficients.

    Args:
      first, second: (..., E) expression coefficients of one model.
      variant: key of `AED_VARIANTS`.
    """
    return AED_VARIANTS[variant](first, second)


def apd(first: jax.Array, second: jax.Array, variant: str = "apd_l2") -> jax.Array:
    """Average pose distance per pair, (...,), >= 0, radians unless the variant says otherwise.

    Args:
      first, second: (..., 3) Euler angles (pitch, yaw, roll) in radians, or (..., 6) with a
        translation in decimetres behind them.
      variant: key of `APD_VARIANTS`.
    """
    return APD_VARIANTS[variant](first, second)
