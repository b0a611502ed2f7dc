"""The networks at their smallest, inputs for them, and parameters away from the start."""

import dataclasses

import jax
import numpy as np

from reenact_jax.nn.config import CompletionConfig, ModelConfig, ReenactmentConfig
from reenact_jax.nn.initialise import initial_parameters

TINY = ModelConfig(
    CompletionConfig(
        base_channels=4,
        max_channels=8,
        num_down=2,
        num_up=1,
        descriptor_dim=5,
        descriptor_hidden=6,
        adain_hidden=4,
    ),
    ReenactmentConfig(
        base_channels=4, max_channels=8, num_down=1, num_residual_blocks=1, spade_hidden=4
    ),
)
UNGUIDED = dataclasses.replace(
    TINY,
    flow_guidance=False,
    occlusion_guidance=False,
    reenactment=dataclasses.replace(TINY.reenactment, synthesis_guidance=False),
)
INPUTS = ("source_image", "descriptor", "flow", "occlusion", "rendering", "mask")


def make_inputs(side, descriptor_dim, batch=2):
    rng = np.random.default_rng(0)

    def normal(*shape):
        return rng.standard_normal(shape).astype(np.float32)

    return {
        "source_image": np.tanh(normal(batch, side, side, 3)),
        "descriptor": normal(batch, descriptor_dim),
        "flow": 0.2 * normal(batch, side, side, 2),
        "occlusion": rng.uniform(size=(batch, side, side, 1)).astype(np.float32),
        "rendering": np.tanh(normal(batch, side, side, 3)),
        "mask": (normal(batch, side, side, 1) > 0).astype(np.float32),
    }


def perturbed_parameters(config):
    """Away from the start, where the zero flow rows would hide paths, and with larger weights."""
    params = initial_parameters(config, jax.random.key(0))
    rng = np.random.default_rng(1)
    return jax.tree.map(lambda p: p + 0.1 * rng.standard_normal(p.shape).astype(np.float32), params)
