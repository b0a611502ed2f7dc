"""Sampling, warping and resizing against values of PyTorch and by property."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reenact_jax import image_ops

FIXTURES = Path(__file__).parent / "fixtures" / "torch"


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.mark.parametrize("case", ["same", "other"])
def test_warp_and_its_gradients_agree_with_torch_grid_sample(case):
    stored = np.load(FIXTURES / "warp.npz")
    features, flow = stored[f"{case}_features"], stored[f"{case}_flow"]
    output, transpose = jax.vjp(image_ops.warp, jnp.asarray(features), jnp.asarray(flow))
    features_gradient, flow_gradient = transpose(jnp.asarray(stored[f"{case}_cotangent"]))
    np.testing.assert_allclose(output, stored[f"{case}_output"], atol=1e-6)
    np.testing.assert_allclose(features_gradient, stored[f"{case}_features_gradient"], atol=1e-6)
    # Values reach 8: sums over channels times half the width.
    np.testing.assert_allclose(flow_gradient, stored[f"{case}_flow_gradient"], atol=1e-6, rtol=1e-6)


def test_the_stored_flow_reaches_inside_the_border_and_outside():
    output = np.load(FIXTURES / "warp.npz")["same_output"]
    outside = np.all(output == 0, axis=-1)
    assert 0.05 < outside.mean() < 0.8


def test_zero_flow_returns_the_image(rng):
    image = rng.standard_normal((5, 7, 2)).astype(np.float32)
    np.testing.assert_allclose(image_ops.warp(image, np.zeros((5, 7, 2))), image, atol=1e-6)


def test_whole_pixel_flow_shifts_and_brings_in_zeros(rng):
    image = rng.standard_normal((4, 8, 3)).astype(np.float32)
    flow = np.zeros((4, 8, 2), np.float32)
    flow[..., 0] = 2 * 3 / 8  # reads three pixels further right
    flow[..., 1] = -2 * 1 / 4  # and one pixel further up
    expected = np.zeros_like(image)
    expected[1:, :5] = image[:-1, 3:]
    np.testing.assert_allclose(image_ops.warp(image, flow), expected, atol=1e-6)


def test_bilinear_sample_reads_pixel_centres_and_midpoints():
    image = jnp.arange(12.0).reshape(3, 4, 1)
    grid = jnp.array([[[0.5, 0.5], [3.5, 2.5], [1.0, 0.5], [2.0, 2.0]]])
    sampled = image_ops.bilinear_sample(image, grid)
    np.testing.assert_allclose(sampled[0, :, 0], [0.0, 11.0, 0.5, (5 + 6 + 9 + 10) / 4])


@pytest.mark.parametrize("far", [1e9, -1e9, np.inf], ids=str)
def test_far_positions_give_zero_and_finite_feature_gradients(far):
    image = jnp.ones((3, 3, 2))
    grid = jnp.full((2, 2, 2), far)
    gradient = jax.grad(lambda image: image_ops.bilinear_sample(image, grid).sum())(image)
    np.testing.assert_array_equal(image_ops.bilinear_sample(image, grid), 0.0)
    np.testing.assert_array_equal(gradient, 0.0)


def test_vmapped_warp_equals_a_loop(rng):
    images = rng.standard_normal((3, 6, 5, 2)).astype(np.float32)
    flows = 0.5 * rng.standard_normal((3, 6, 5, 2)).astype(np.float32)
    batched = jax.jit(jax.vmap(image_ops.warp))(images, flows)
    for image, flow, result in zip(images, flows, batched, strict=True):
        np.testing.assert_allclose(image_ops.warp(image, flow), result, atol=1e-6)


def test_bfloat16_features_are_interpolated_in_float32(rng):
    image = jnp.asarray(rng.standard_normal((6, 6, 2)), jnp.bfloat16)
    flow = 0.3 * jnp.asarray(rng.standard_normal((6, 6, 2)), jnp.float32)
    exact = image_ops.warp(image.astype(jnp.float32), flow)
    warped = image_ops.warp(image, flow)
    assert warped.dtype == jnp.bfloat16
    np.testing.assert_array_equal(warped, exact.astype(jnp.bfloat16))


def test_bilinear_sample_refuses_batched_input():
    with pytest.raises(ValueError, match=r"expected image \(H, W, C\).*vmap"):
        image_ops.bilinear_sample(jnp.zeros((1, 4, 4, 3)), jnp.zeros((1, 4, 4, 2)))


@pytest.mark.parametrize("size", [(16, 24), (4, 6), (2, 3), (32, 48), (5, 7)], ids=str)
def test_resize_bilinear_agrees_with_torch_interpolate(size):
    stored = np.load(FIXTURES / "resize.npz")
    resized = image_ops.resize_bilinear(stored["input"], *size)
    np.testing.assert_allclose(resized, stored[f"bilinear_{size[0]}x{size[1]}"], atol=2e-6)


def test_shrink_nearest_agrees_with_torch_interpolate():
    stored = np.load(FIXTURES / "resize.npz")
    np.testing.assert_array_equal(
        image_ops.shrink_nearest(stored["input"], 2, 3), stored["nearest_2x3"]
    )
    with pytest.raises(ValueError, match="expected a size that divides 8 x 12, found 3 x 3"):
        image_ops.shrink_nearest(stored["input"], 3, 3)


def test_downsample2_is_the_mean_of_four_and_undoes_upsample2(rng):
    image = rng.standard_normal((2, 4, 6, 3)).astype(np.float32)
    halved = image_ops.downsample2(image)
    np.testing.assert_allclose(halved[1, 1, 2], image[1, 2:4, 4:6].mean((0, 1)), atol=1e-6)
    np.testing.assert_allclose(
        image_ops.downsample2(image_ops.upsample2_nearest(image)), image, atol=1e-6
    )
    np.testing.assert_array_equal(
        image_ops.upsample2_nearest(image), image.repeat(2, axis=1).repeat(2, axis=2)
    )
    with pytest.raises(ValueError, match="expected an even height and width, found 3 x 4"):
        image_ops.downsample2(jnp.zeros((3, 4, 1)))


def test_range_conversions_are_inverse_and_meet_their_ends():
    np.testing.assert_allclose(image_ops.to_unit(np.array([-1.0, 0.0, 1.0])), [0.0, 0.5, 1.0])
    values = np.linspace(0, 1, 7)
    np.testing.assert_allclose(image_ops.to_unit(image_ops.to_signed(values)), values)
