"""Angles of a head that is seen along another ray."""

import jax
import numpy as np
import pytest

from reenact_jax.face_model.rotation import rotation_matrix
from reenact_jax.face_model.view import turn_with_ray

turn = jax.jit(turn_with_ray)
matrices = jax.jit(rotation_matrix)
AHEAD = np.float32([0.0, 0.0, -10.0])


def random_rays(rng, count):
    return np.float32(AHEAD + rng.normal(0, 1.0, (count, 3)))


def test_equal_rays_leave_the_angles():
    rng = np.random.default_rng(0)
    angles = rng.uniform(-3, 3, (20, 3)).astype(np.float32)
    rays = random_rays(rng, 20)
    np.testing.assert_allclose(turn(angles, rays, rays), angles, atol=2e-6)


@pytest.mark.parametrize(
    ("ray", "expected"),
    [((2.0, 0, -10), (0, -np.arctan(0.2), 0)), ((0, 2.0, -10), (np.arctan(0.2), 0, 0))],
    ids=["to the right", "upwards"],
)
def test_a_head_that_looked_into_the_camera_still_does(ray, expected):
    # At the right it must turn to the image's left (negative yaw), above it must look down.
    turned = turn(np.zeros(3, np.float32), AHEAD, np.float32(ray))
    np.testing.assert_allclose(turned, np.float32(expected), atol=1e-6)


def test_what_is_seen_along_the_ray_stays():
    """The ray itself, in the head's own frame, is the same before and after."""
    rng = np.random.default_rng(1)
    angles = rng.uniform(-1.2, 1.2, (20, 3)).astype(np.float32)
    old, new = random_rays(rng, 20), random_rays(rng, 20)
    turned = turn(angles, old, new)

    def in_head(rotation, ray):
        unit = ray / np.linalg.norm(ray, axis=-1, keepdims=True)
        return np.einsum("nij,ni->nj", np.asarray(matrices(rotation)), unit)

    before, after = in_head(angles, old), in_head(turned, new)
    np.testing.assert_allclose(after, before, atol=2e-6)
    assert np.abs(in_head(angles, new) - before).max() > 0.05


def test_turning_back_returns_the_angles_and_lengths_do_not_matter():
    rng = np.random.default_rng(2)
    angles = rng.uniform(-1.2, 1.2, (20, 3)).astype(np.float32)
    old, new = random_rays(rng, 20), random_rays(rng, 20)
    there = turn(angles, old, new)
    back = turn(there, 3 * new, old)
    np.testing.assert_allclose(back, angles, atol=1e-5)


def test_the_gradient_is_finite_where_the_rays_are_equal():
    angles = np.float32([0.1, -0.4, 0.2])
    gradient = jax.jit(jax.grad(lambda ray: turn(angles, AHEAD, ray).sum()))(AHEAD)
    assert np.isfinite(gradient).all() and np.abs(gradient).max() > 0.05
