"""Guidance of a pair in both directions: the same as twice in one, with fewer rasters."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rasterizer
from reenact_jax import method
from reenact_jax.face_model.procedural import procedural_head
from reenact_jax.guidance import GuidanceConfig
from tests.helpers.posed import pose

SIZE = 32


@pytest.fixture(scope="module")
def model():
    return procedural_head("light")


def a_pair(model):
    """Two frames of one person whose identity was fitted to each, as batches of one."""
    first = pose(model, yaw=-20, pitch=5, shift=(0.05, 0.0, 0.1), seed=1)
    second = pose(model, yaw=15, roll=8, shift=(-0.1, 0.1, -0.2), seed=2)
    return [jax.tree.map(lambda leaf: jnp.asarray(leaf)[None], frame) for frame in (first, second)]


def test_both_ways_are_two_single_ways_of_the_mean_identity(model):
    config = GuidanceConfig(depth_raster_size=SIZE)
    first, second = a_pair(model)
    pictures = jnp.zeros((1, SIZE, SIZE, 3))
    both, descriptors = jax.jit(method.guide_both_ways, static_argnums=1)(
        model, config, pictures, pictures, first, second
    )
    identity = (first.identity + second.identity) / 2
    first, second = (frame.replace(identity=identity) for frame in (first, second))
    guide = jax.jit(method.guide, static_argnums=1)
    for row, (source, driving) in enumerate([(first, second), (second, first)]):
        guidance, descriptor = guide(model, config, pictures, source, driving)
        for name in ("flow", "occlusion", "rendering", "mask"):
            one = getattr(guidance, name)[0]
            assert np.ptp(one) > 0.1
            np.testing.assert_allclose(getattr(both, name)[row], one, atol=1e-5, err_msg=name)
        np.testing.assert_allclose(descriptors[row], descriptor[0], atol=1e-6)


@pytest.mark.parametrize(
    "config, rasters, rasters_one_way",
    [
        (GuidanceConfig(occlusion="depth", depth_raster_size=SIZE), 2, 2),
        (GuidanceConfig(occlusion="depth", depth_raster_size=48), 4, 2),
        (GuidanceConfig(occlusion="literal"), 2, 2),
        (GuidanceConfig(occlusion="dilated"), 2, 2),
    ],
    ids=["depth, own size", "depth", "literal", "dilated"],
)
def test_no_raster_is_made_twice(model, config, rasters, rasters_one_way, monkeypatch):
    sides, original = [], rasterizer.rasterize

    def counting(clip, triangles, height, width, **options):
        sides.append(height)
        return original(clip, triangles, height, width, **options)

    monkeypatch.setattr(rasterizer, "rasterize", counting)
    frames = a_pair(model)
    pictures = jnp.zeros((1, SIZE, SIZE, 3))
    jax.eval_shape(functools.partial(method.guide, model, config), pictures, *frames)
    assert len(sides) == rasters_one_way
    sides.clear()
    both_ways = functools.partial(method.guide_both_ways, model, config)
    jax.eval_shape(both_ways, pictures, pictures, *frames)
    assert len(sides) == rasters
