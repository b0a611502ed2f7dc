"""What learns in the whole generator, in each configuration of the paper's ablation."""

import dataclasses
import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reenact_jax.nn.initialise import parameter_shapes
from reenact_jax.nn.model import FaceReenactor
from tests.helpers.tiny_networks import TINY, UNGUIDED, make_inputs, perturbed_parameters


@functools.cache
def gradients(config, *, rematerialise=False):
    """Of a random projection of the image: name -> array, per parameter and per input."""
    inputs = make_inputs(16, config.completion.descriptor_dim)
    cotangent = np.random.default_rng(2).standard_normal((2, 16, 16, 3)).astype(np.float32)
    network = FaceReenactor(config, rematerialise=rematerialise)

    def objective(params, inputs):
        image, _ = network.apply({"params": params}, **inputs)
        return jnp.sum(image * cotangent)

    of_params, of_inputs = jax.jit(jax.grad(objective, (0, 1)))(
        perturbed_parameters(config), inputs
    )
    flat, _ = jax.tree_util.tree_flatten_with_path(of_params)
    named = {"/".join(entry.key for entry in path): np.asarray(leaf) for path, leaf in flat}
    return named, jax.tree.map(np.asarray, of_inputs)


def largest(arrays):
    return {name: float(np.abs(array).max()) for name, array in arrays.items()}


# A bias that only instance normalisation sees is removed with the mean.
REMOVED_BIASES = re.compile(
    r"completion/(input|encoder\d/conv0|encoder1/conv1|decoder1/conv0)/bias"
    r"|reenactment/residual\d_\d/conv0/bias"
)
# Table 3: configuration, the outputs of the completion network's head (F_p 2, O_p, M_f, M_o) that
# reach nothing, and the inputs that reach nothing.
ABLATION = {
    "base": (UNGUIDED, [3, 4], {"flow", "occlusion", "rendering", "mask"}),
    "FG": (
        dataclasses.replace(UNGUIDED, flow_guidance=True),
        [4],
        {"occlusion", "rendering"},
    ),
    "FG+OG": (dataclasses.replace(TINY, reenactment=UNGUIDED.reenactment), [], {"rendering"}),
    "FG+OG+SG": (TINY, [], set()),
}


@pytest.mark.parametrize("name", ABLATION)
def test_every_parameter_and_input_gets_a_gradient(name):
    config, unused_outputs, unused_inputs = ABLATION[name]
    of_params, of_inputs = gradients(config)
    head = of_params["completion/head/kernel"], of_params["completion/head/bias"]
    used_outputs = np.delete(np.arange(5), unused_outputs)
    for of_head in head:
        assert not of_head[..., unused_outputs].any()
        assert np.abs(of_head[..., used_outputs]).max(axis=tuple(range(of_head.ndim - 1))).all()
    sizes = largest(of_params)
    removed = {name for name in sizes if REMOVED_BIASES.fullmatch(name)}
    assert len(removed) == 6
    alive = {name: size for name, size in sizes.items() if name not in removed}
    assert min(alive.values()) > 1e-2, min(alive, key=alive.get)
    # Rounding of sums that cancel; the smallest of the others is a hundred times larger.
    assert max(sizes[name] for name in removed) < 1e-4
    sizes = largest(of_inputs)
    assert {name for name, size in sizes.items() if size == 0} == unused_inputs
    assert min(size for size in sizes.values() if size) > 1e-4, sizes


def test_rematerialisation_changes_no_gradient_and_keeps_less():
    kept, again = gradients(TINY)[0], gradients(TINY, rematerialise=True)[0]
    assert kept.keys() == again.keys()
    for name, gradient in kept.items():
        np.testing.assert_allclose(
            again[name], gradient, atol=1e-5 * np.abs(gradient).max() + 1e-4, err_msg=name
        )

    def kept_numbers(rematerialise):
        network = FaceReenactor(TINY, rematerialise=rematerialise)
        inputs = make_inputs(16, 5)
        params = parameter_shapes(TINY)
        _, backward = jax.eval_shape(
            lambda params: jax.vjp(lambda p: network.apply({"params": p}, **inputs)[0], params),
            params,
        )
        return sum(leaf.size for leaf in jax.tree.leaves(backward))

    assert kept_numbers(True) < 0.6 * kept_numbers(False)
