"""Guidance against rays: flow, occlusion, rendering and mask."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rasterizer
from reenact_jax.face_model.morphable import clip_vertices, make_model, posed_vertices
from reenact_jax.face_model.parameters import CANONICAL_CAMERA, recombine
from reenact_jax.face_model.procedural import procedural_head
from reenact_jax.guidance import GuidanceConfig, batched_guidance
from reenact_jax.guidance.rendering import fill_unseen
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


# Off-centre, with fx != fy, as an aligned crop gives them.
CAMERAS = [(CANONICAL_CAMERA, CANONICAL_CAMERA), ((4.1, 4.15, 0.46, 0.55), (4.9, 4.8, 0.56, 0.47))]


@pytest.mark.parametrize("cameras", CAMERAS, ids=["one camera", "two crops"])
def test_flow_is_the_projection_of_the_surface_point(model, cameras):
    size = 64
    source = pose(model, yaw=-20, pitch=5, shift=(0.05, 0.0, 0.1), seed=1)
    driving = pose(model, yaw=25, roll=8, shift=(-0.1, 0.1, -0.2), seed=2)
    source, driving = (
        parameters.replace(camera=np.float32(camera))
        for parameters, camera in zip((source, driving), cameras, strict=True)
    )
    target = recombine(source, driving)
    guidance = compute(model, source, target, jnp.zeros((size, size, 3)), GuidanceConfig())
    rays = pixel_rays(size, np.asarray(target.camera)).reshape(-1, 3)
    hit, in_source, _ = surface_points(model, source, target, rays)
    hit, in_source = hit.reshape(size, size), in_source.reshape(size, size, 3)
    mask = np.asarray(guidance.mask[..., 0]) > 0
    assert mask.sum() > 0.2 * size**2
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


def test_literal_occlusion_is_membership_in_the_sources_raster(model):
    size = 64
    source = pose(model, yaw=-15, seed=6)
    target = recombine(source, pose(model, yaw=20, seed=7))
    triangles = np.asarray(model.region_triangles)

    def ids(parameters):
        clip = clip_vertices(posed_vertices(model, parameters), parameters.camera)
        fragments = rasterizer.rasterize(clip, triangles, size, size, cull_backfaces=True)
        return np.asarray(fragments.triangle_id)

    owners = np.unique(ids(source))[1:]  # without the background
    touched = np.isin(triangles, triangles[owners]).any(axis=1)
    on_target = ids(target)
    image = jnp.zeros((size, size, 3))
    for mode, members in (("literal", owners), ("dilated", np.flatnonzero(touched))):
        guidance = compute(model, source, target, image, GuidanceConfig(occlusion=mode))
        expected = np.isin(on_target, members) & (on_target >= 0)
        # A pixel centre on an edge may change sides between two compiled programs.
        assert (np.asarray(guidance.occlusion[..., 0]) != expected).mean() < 1e-3, mode
        assert 0.1 < expected[on_target >= 0].mean() < 1


def test_unseen_vertices_take_the_mirrors_colour_then_their_neighbours():
    # A strip of six vertices; 0 and 5, 1 and 4, 2 and 3 are mirror images.
    strip = np.array([[0, 1, 2], [1, 3, 2], [2, 3, 4], [3, 5, 4]])
    model = make_model(
        name="strip",
        mean=np.zeros((6, 3)),
        identity_basis=np.zeros((1, 6, 3)),
        expression_basis=np.zeros((1, 6, 3)),
        triangles=strip,
        landmarks68=np.zeros(68, int),
        mirror_vertex=np.arange(6)[::-1],
    )
    colours = jnp.asarray(np.eye(6, 3) + 0.1, jnp.float32)
    filled = fill_unseen(model, colours, jnp.asarray([True, True, False, False, False, False]))
    np.testing.assert_allclose(filled[:2], colours[:2])
    np.testing.assert_allclose(filled[jnp.array([5, 4])], colours[:2])
    # 2 and 3 have no seen partner; 2 touches 0, 1, 4 and 3 touches 1, 4, 5.
    near = (colours[0] + 2 * colours[1]) / 3, (2 * colours[1] + colours[0]) / 3
    np.testing.assert_allclose(filled[2:4], np.stack(near), rtol=1e-6)


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
