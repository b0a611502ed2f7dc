"""Guidance against rays: flow, occlusion, rendering and mask."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reenact_jax.face_model.parameters import recombine
from reenact_jax.face_model.procedural import procedural_head
from reenact_jax.guidance import GuidanceConfig, batched_guidance
from tests.helpers.posed import compute, occlusion_agreement, pixel_rays, pose, surface_points


@pytest.fixture(scope="module")
def model():
    return procedural_head("light")


@pytest.mark.parametrize("size", [64, 256])
def test_equal_parameters_give_zero_flow_and_full_visibility(model, size):
    parameters = pose(model, yaw=25, pitch=-8, roll=5, shift=(0.1, -0.05, 0.2), seed=3)
    guidance = compute(model, parameters, parameters, jnp.zeros((size, size, 3)), GuidanceConfig())
    covered = np.asarray(guidance.mask[..., 0]) > 0
    assert covered.sum() > 0.2 * size**2
    assert np.abs(np.asarray(guidance.flow)).max() < 1e-6
    assert np.asarray(guidance.occlusion)[covered].mean() > 0.995
    assert not np.asarray(guidance.occlusion)[~covered].any()


def test_flow_is_the_projection_of_the_surface_point(model):
    size = 64
    source = pose(model, yaw=-20, pitch=5, shift=(0.05, 0.0, 0.1), seed=1)
    target = recombine(source, pose(model, yaw=25, roll=8, shift=(-0.1, 0.1, -0.2), seed=2))
    guidance = compute(model, source, target, jnp.zeros((size, size, 3)), GuidanceConfig())
    rays = pixel_rays(size, np.asarray(target.camera)).reshape(-1, 3)
    hit, in_source, _ = surface_points(model, source, target, rays)
    hit, in_source = hit.reshape(size, size), in_source.reshape(size, size, 3)
    mask = np.asarray(guidance.mask[..., 0]) > 0
    # Rays and the rasterizer may differ about pixels whose centre lies on the outline.
    assert (mask != hit).mean() < 1e-3
    camera = np.asarray(source.camera, np.float64)
    expected = camera[2:] + camera[:2] * in_source[..., :2] / in_source[..., 2:]
    centres = (np.arange(size) + 0.5) / size
    own = np.stack(np.meshgrid(centres, centres), axis=-1)
    difference = np.abs(np.asarray(guidance.flow) - 2 * (expected - own))[mask & hit].max(axis=-1)
    # At depth edges float32 may pick the other one of two triangles.
    assert np.quantile(difference, 0.995) < 2e-5
    assert np.abs(np.asarray(guidance.flow))[~mask].max() == 0


@pytest.mark.parametrize("size", [64, 128, 256])
def test_depth_occlusion_agrees_with_brute_force(model, size):
    agreement = occlusion_agreement(model, size, "depth")
    assert agreement >= 0.99


def test_batch_equals_single_pairs(model):
    size = 64
    sources = [pose(model, yaw=yaw, seed=yaw + 50) for yaw in (-10, 15)]
    targets = [pose(model, yaw=-2 * yaw, seed=yaw + 50) for yaw in (-10, 15)]
    stack = lambda items: jax.tree.map(lambda *leaves: jnp.stack(leaves), *items)  # noqa: E731
    images = jnp.zeros((2, size, size, 3))
    config = GuidanceConfig()
    batch = jax.jit(batched_guidance, static_argnums=4)(
        model, stack(sources), stack(targets), images, config
    )
    for i in range(2):
        single = compute(model, sources[i], targets[i], images[i], config)
        for name in ("flow", "occlusion", "rendering", "mask"):
            np.testing.assert_allclose(
                getattr(batch, name)[i], getattr(single, name), atol=1e-5, err_msg=name
            )


def test_rendering_is_black_outside_and_in_range_inside(model):
    parameters = pose(model, yaw=10, seed=4)
    guidance = compute(model, parameters, parameters, jnp.zeros((64, 64, 3)), GuidanceConfig())
    rendering, mask = np.asarray(guidance.rendering), np.asarray(guidance.mask[..., 0]) > 0
    assert (rendering[~mask] == -1).all()
    assert rendering.min() >= -1 and rendering.max() <= 1
    assert rendering[mask].std() > 0.05


def test_colours_sampled_from_the_source_reproduce_it(model):
    """A model without albedo, given its own rendering as the source image, renders it again."""
    size = 128
    import dataclasses

    parameters = pose(model, yaw=12, seed=5)
    picture = compute(
        model, parameters, parameters, jnp.zeros((size, size, 3)), GuidanceConfig()
    ).rendering
    bare = dataclasses.replace(
        model, texture_mean=None, texture_basis=np.zeros((0, *model.mean.shape), np.float32)
    )
    bare_parameters = parameters.replace(texture=np.zeros(0, np.float32))
    sampled = compute(bare, bare_parameters, bare_parameters, picture, GuidanceConfig())
    mask = np.asarray(sampled.mask[..., 0]) > 0
    difference = np.abs(np.asarray(sampled.rendering - picture))[mask].mean()
    assert difference < 0.05
    # Turned to the other side, hidden vertices have been filled: no black holes.
    turned = compute(
        bare,
        bare_parameters,
        bare_parameters.replace(rotation=np.float32([0, -0.7, 0])),
        picture,
        GuidanceConfig(),
    )
    covered = np.asarray(turned.mask[..., 0]) > 0
    assert (np.asarray(turned.rendering)[covered].max(axis=-1) > -0.9).mean() > 0.97


def test_unknown_occlusion_mode_is_refused():
    with pytest.raises(ValueError, match="expected occlusion 'depth'"):
        GuidanceConfig(occlusion="magic")
