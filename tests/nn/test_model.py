"""Sizes, switches and errors of the whole generator."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reenact_jax.image_ops import resize_bilinear
from reenact_jax.nn.completion import CompletionNetwork
from reenact_jax.nn.config import CompletionConfig, ModelConfig, ReenactmentConfig
from reenact_jax.nn.initialise import initial_parameters, parameter_shapes
from reenact_jax.nn.model import FaceReenactor
from tests.helpers.tiny_networks import INPUTS, TINY, UNGUIDED, make_inputs, perturbed_parameters


def counts(tree):
    return {
        name: sum(int(np.prod(leaf.shape)) for leaf in jax.tree.leaves(part))
        for name, part in tree.items()
    }


def test_paper_sized_networks_have_the_stated_parameter_counts():
    shapes = parameter_shapes(ModelConfig())
    assert counts(shapes) == {"completion": 12_894_533, "reenactment": 13_972_035}
    assert counts(shapes["completion"]) == {
        "descriptor": 149_760,
        "input": 4_736,
        "encoder0": 160_320,
        "encoder1": 394_112,
        "encoder2": 1_279_488,
        "encoder3": 1_836_800,
        "encoder4": 1_836_800,
        "decoder4": 2_067_072,
        "decoder3": 3_378_816,
        "decoder2": 1_723_392,
        "head_norm": 512,
        "head": 62_725,
    }
    assert counts(shapes["reenactment"]) == {
        "encoder_input": 9_600,
        "down0": 74_112,
        "down1": 295_680,
        "down2": 590_592,
        "residual2_0": 2_368_000,
        "residual2_1": 2_368_000,
        "up2": 590_592,
        "jump2": 590_592,
        "residual1_0": 2_368_000,
        "residual1_1": 2_368_000,
        "up1": 295_296,
        "jump1": 147_840,
        "residual0_0": 892_672,
        "residual0_1": 892_672,
        "up0": 73_920,
        "jump0": 37_056,
        "output": 9_411,
    }


@pytest.mark.parametrize(("fusion", "fused_side"), [("full", 256), ("pooled", 64)])
def test_paper_sized_model_returns_the_named_intermediates(fusion, fused_side):
    config = ModelConfig(fusion=fusion)
    image, intermediates = jax.eval_shape(
        FaceReenactor(config).apply,
        {"params": parameter_shapes(config)},
        **make_inputs(256, 70, batch=1),
    )
    warped = [leaf.shape for leaf in intermediates.pop("warped_features")]
    assert image.shape == (1, 256, 256, 3)
    assert {name: leaf.shape for name, leaf in intermediates.items()} == {
        "F_p": (1, 64, 64, 2),
        "O_p": (1, 64, 64, 1),
        "M_f": (1, 64, 64, 1),
        "M_o": (1, 64, 64, 1),
        "F": (1, fused_side, fused_side, 2),
        "O": (1, fused_side, fused_side, 1),
    }
    assert warped == [(1, 256, 256, 64), (1, 128, 128, 128), (1, 64, 64, 256), (1, 32, 32, 256)]


def test_without_guidance_no_computed_map_reaches_the_image():
    inputs = make_inputs(16, 5)
    params = perturbed_parameters(UNGUIDED)
    apply = jax.jit(FaceReenactor(UNGUIDED).apply)
    image, maps = apply({"params": params}, **inputs)
    for name in ("flow", "occlusion", "rendering", "mask"):
        other, _ = apply({"params": params}, **{**inputs, name: 1.0 - inputs[name]})
        np.testing.assert_array_equal(other, image)
    for name in ("source_image", "descriptor"):
        other, _ = apply({"params": params}, **{**inputs, name: 1.0 - inputs[name]})
        assert float(jnp.abs(other - image).max()) > 1e-3
    np.testing.assert_array_equal(maps["F"], resize_bilinear(maps["F_p"], 16, 16))


def test_bfloat16_stays_close_to_float32_and_returns_float32():
    inputs = make_inputs(16, 5)
    params = perturbed_parameters(TINY)
    image, maps = jax.jit(FaceReenactor(TINY).apply)({"params": params}, **inputs)
    half_model = FaceReenactor(dataclasses.replace(TINY, dtype="bfloat16"))
    half_image, half_maps = jax.jit(half_model.apply)({"params": params}, **inputs)
    assert half_image.dtype == half_maps["F"].dtype == jnp.float32
    assert half_maps["warped_features"][0].dtype == jnp.bfloat16
    assert 1e-4 < float(jnp.abs(half_image - image).mean()) < 0.05
    np.testing.assert_allclose(half_maps["M_f"], maps["M_f"], atol=0.1)


def test_initial_weights_have_deviation_0_02_and_the_rest_is_neutral():
    params = initial_parameters(TINY, jax.random.key(3))
    kernels = []
    for path, value in jax.tree_util.tree_flatten_with_path(params)[0]:
        match path[-1].key:
            case "kernel" if path[1].key != "head":
                kernels.append(np.ravel(value))
            case "bias":
                np.testing.assert_array_equal(value, 0.0)
            case "scale":
                np.testing.assert_array_equal(value, 1.0)
    weights = np.concatenate(kernels)
    # Some ten thousand independent weights: their deviation is known to one percent.
    assert weights.size > 8_000
    assert weights.std() == pytest.approx(0.02, rel=0.03)
    assert abs(weights.mean()) < 0.001
    assert len(np.unique(weights)) > 0.99 * weights.size
    other = initial_parameters(TINY, jax.random.key(4))
    assert not np.array_equal(
        other["reenactment"]["output"]["kernel"], params["reenactment"]["output"]["kernel"]
    )


@pytest.mark.slow  # half a minute of compiling random numbers: what initial_parameters avoids
def test_initial_parameters_follow_the_modules_own_initialisers():
    # One level of each network: every module of the model, in the shortest compile.
    config = dataclasses.replace(
        TINY,
        completion=dataclasses.replace(TINY.completion, num_down=1),
        reenactment=dataclasses.replace(TINY.reenactment, num_down=1),
    )
    quick = initial_parameters(config, jax.random.key(3))
    own = jax.jit(FaceReenactor(config).init)(jax.random.key(0), **make_inputs(8, 5, batch=1))[
        "params"
    ]
    flat_quick, structure = jax.tree_util.tree_flatten_with_path(quick)
    flat_own, own_structure = jax.tree_util.tree_flatten_with_path(own)
    assert structure == own_structure
    for (path, mine), (_, theirs) in zip(flat_quick, flat_own, strict=True):
        assert mine.shape == theirs.shape and mine.dtype == theirs.dtype, path
        if path[-1].key == "kernel":
            # Deviations agree within the spread of two samples of that size.
            tolerance = 4 / np.sqrt(mine.size)
            assert float(mine.std() / theirs.std()) == pytest.approx(1, abs=tolerance), path
        else:
            np.testing.assert_array_equal(mine, theirs)
    head = quick["completion"]["head"]["kernel"]
    np.testing.assert_array_equal(head[..., :2], 0.0)
    np.testing.assert_array_equal(own["completion"]["head"]["kernel"][..., :2], 0.0)


def test_initial_flow_is_zero_and_initial_masks_are_near_one_half_at_full_width():
    params = initial_parameters(ModelConfig(), jax.random.key(0))["completion"]
    inputs = make_inputs(64, 70, batch=1)
    maps = jax.jit(CompletionNetwork().apply)(
        {"params": params}, inputs["source_image"], inputs["descriptor"]
    )
    np.testing.assert_array_equal(maps["F_p"], 0.0)
    for name in ("O_p", "M_f", "M_o"):
        assert 1e-3 < float(jnp.abs(maps[name] - 0.5).max()) < 0.15


@pytest.mark.parametrize("side", [16, 40])
def test_a_size_that_cannot_be_halved_is_an_error(side):
    inputs = make_inputs(side, 70, batch=1)
    with pytest.raises(ValueError, match=f"multiples of 32 and at least 64.*{side} x {side}"):
        jax.eval_shape(FaceReenactor().init, jax.random.key(0), **inputs)


@pytest.mark.parametrize("name", INPUTS[1:])
def test_a_shape_that_does_not_fit_is_named(name):
    inputs = make_inputs(16, 5)
    inputs[name] = inputs[name][..., :-1] if name == "descriptor" else inputs[name][:, :8]
    with pytest.raises(ValueError, match=f"expected {name} .*found"):
        jax.eval_shape(FaceReenactor(TINY).init, jax.random.key(0), **inputs)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ModelConfig(fusion="max"), "expected fusion 'full' or 'pooled', found 'max'"),
        (lambda: ModelConfig(dtype="float16"), "expected dtype .* found 'float16'"),
        (lambda: CompletionConfig(num_down=2, num_up=3), "expected num_up <= num_down"),
        (lambda: ReenactmentConfig(spade_hidden=0), "ReenactmentConfig.spade_hidden >= 1"),
    ],
    ids=["fusion", "dtype", "num_up", "width"],
)
def test_impossible_configurations_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
