"""Layers and blocks against values of PyTorch for the same weights."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reenact_jax.nn import blocks, norm
from tests.helpers.torch_values import ORIGINS, torch_values

both_origins = pytest.mark.parametrize("origin", ORIGINS)


def load(name, origin):
    stored = torch_values(name, origin)
    weights = {k.removeprefix("weights/"): v for k, v in stored.items() if k.startswith("weights/")}
    return stored, weights


def linear(weights, name):
    return {"kernel": weights[f"{name}.weight"].T, "bias": weights[f"{name}.bias"]}


def conv(weights, name):
    kernel = weights[f"{name}.weight"].transpose(2, 3, 1, 0)
    return {"kernel": kernel, "bias": weights[f"{name}.bias"]}


def conv_transpose(weights, name):
    # PyTorch stores (in, out, row, column) of the adjoint, hence the spatial flip.
    kernel = weights[f"{name}.weight"].transpose(2, 3, 0, 1)[::-1, ::-1]
    return {"kernel": kernel, "bias": weights[f"{name}.bias"]}


def gamma_beta(layer, weights, prefix):
    """Our one matrix of gammas and betas from PyTorch's two."""
    parts = [layer(weights, f"{prefix}{name}") for name in ("gamma", "beta")]
    return {key: np.concatenate([part[key] for part in parts], axis=-1) for key in parts[0]}


def adain(weights, prefix=""):
    return {
        "hidden": linear(weights, f"{prefix}hidden"),
        "gamma_beta": gamma_beta(linear, weights, prefix),
    }


def check(module, params, stored, *inputs):
    own = jax.eval_shape(module.init, jax.random.key(0), *inputs)["params"]
    expected_tree = jax.tree.map(lambda x: x.shape, own)
    assert jax.tree.map(np.shape, params) == expected_tree
    output = jax.jit(module.apply)({"params": params}, *inputs)
    assert np.abs(stored["output"]).max() > 0.5
    np.testing.assert_allclose(output, stored["output"], atol=1e-5)


@both_origins
def test_layer_norm_2d_agrees_with_torch(origin):
    stored, weights = load("layer_norm", origin)
    params = {"affine": {"scale": weights["weight"], "bias": weights["bias"]}}
    check(norm.LayerNorm2d(), params, stored, stored["x"])


@both_origins
def test_adain_agrees_with_torch(origin):
    stored, weights = load("adain", origin)
    check(norm.AdaIN(hidden=7), adain(weights), stored, stored["x"], stored["code"])


@both_origins
def test_spade_agrees_with_torch(origin):
    stored, weights = load("spade", origin)
    params = {
        "shared": conv(weights, "shared"),
        "gamma_beta": gamma_beta(conv, weights, ""),
    }
    check(norm.SPADE(hidden=6), params, stored, stored["x"], stored["guidance"])


@both_origins
def test_encoder_block_agrees_with_torch(origin):
    stored, weights = load("encoder_block", origin)
    params = {
        "norm0": adain(weights, "norm0."),
        "conv0": conv(weights, "conv0"),
        "norm1": adain(weights, "norm1."),
        "conv1": conv(weights, "conv1"),
    }
    module = blocks.AdaINEncoderBlock(6, adain_hidden=7)
    check(module, params, stored, stored["x"], stored["code"])


@both_origins
def test_decoder_block_agrees_with_torch(origin):
    stored, weights = load("decoder_block", origin)
    params = {
        "norm0": adain(weights, "norm0."),
        "conv0": conv(weights, "conv0"),
        "norm1": adain(weights, "norm1."),
        "conv1": conv_transpose(weights, "conv1"),
        "norm_shortcut": adain(weights, "norm_shortcut."),
        "conv_shortcut": conv_transpose(weights, "conv_shortcut"),
    }
    module = blocks.AdaINDecoderBlock(4, adain_hidden=7)
    check(module, params, stored, stored["x"], stored["code"])


def test_conv_transpose2_equals_convolution_of_the_zero_inserted_input():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 3, 5, 4)).astype(np.float32)
    kernel = rng.standard_normal((3, 3, 4, 6)).astype(np.float32)
    expected = jax.lax.conv_general_dilated(
        x,
        kernel,
        window_strides=(1, 1),
        padding=((1, 2), (1, 2)),
        lhs_dilation=(2, 2),
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )
    assert expected.shape == (2, 6, 10, 6)
    # Sums of up to 16 products of unit normals.
    np.testing.assert_allclose(blocks.conv_transpose2(x, kernel), expected, atol=1e-5)


def test_statistics_stay_float32_under_bfloat16():
    # 256 + noise: in bfloat16 neighbouring numbers lie 2 apart, so a mean taken there is lost.
    noise = np.random.default_rng(0).integers(-1, 2, (1, 16, 16, 2)) * 2.0
    x = jnp.asarray(256 + noise, jnp.bfloat16)
    module = norm.InstanceNorm(jnp.bfloat16)
    params = {"affine": {"scale": jnp.ones(2), "bias": jnp.zeros(2)}}
    y = module.apply({"params": params}, x)
    expected = norm.instance_norm(np.asarray(x, np.float32))
    assert y.dtype == jnp.bfloat16
    np.testing.assert_array_equal(y, expected.astype(jnp.bfloat16))
    assert abs(float(expected.mean())) < 1e-5
    assert float(expected.std()) == pytest.approx(1, abs=1e-3)


def test_residual_block_without_guidance_has_an_affine_in_the_place_of_spade():
    x = jnp.zeros((1, 8, 8, 4))
    block = blocks.GuidedResidualBlock(spade_hidden=3)
    with_map = jax.eval_shape(block.init, jax.random.key(0), x, jnp.ones((1, 8, 8, 3)))["params"]
    without = jax.eval_shape(block.init, jax.random.key(0), x, None)["params"]
    assert set(with_map["norm0"]) == {"shared", "gamma_beta"}
    assert set(without["norm0"]) == {"affine"}
