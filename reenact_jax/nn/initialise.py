"""Initial parameters of the generator, drawn in a second instead of compiled for half a minute."""

import jax
import jax.numpy as jnp
import numpy as np

from reenact_jax.nn.completion import scale_head_kernel
from reenact_jax.nn.config import ModelConfig
from reenact_jax.nn.model import FaceReenactor
from reenact_jax.nn.norm import WEIGHT_DEVIATION

_HEAD_KERNEL = ("completion", "head", "kernel")


def parameter_shapes(config: ModelConfig) -> dict:
    """Shapes of the parameters of `FaceReenactor(config)`, without computing anything.

    Returns:
      The `params` tree with jax.ShapeDtypeStruct leaves.
    """
    side = 2 ** (max(config.completion.num_down, config.reenactment.num_down) + 1)
    image = jax.ShapeDtypeStruct((1, side, side, 3), jnp.float32)
    flow = jax.ShapeDtypeStruct((1, side, side, 2), jnp.float32)
    plane = jax.ShapeDtypeStruct((1, side, side, 1), jnp.float32)
    descriptor = jax.ShapeDtypeStruct((1, config.completion.descriptor_dim), jnp.float32)
    variables = jax.eval_shape(
        FaceReenactor(config).init, jax.random.key(0), image, descriptor, flow, plane, image, plane
    )
    return variables["params"]


def initial_parameters(config: ModelConfig, rng: jax.Array) -> dict:
    """Draws the parameters of `FaceReenactor(config)`.

    The distribution is that of `FaceReenactor.init` (weights N(0, 0.02), biases 0, scales 1, the
    completion head near 0), but all normals come from one call: `init` compiles a random number
    generator per weight, which takes the CPU 10 to 30 seconds.

    Args:
      config: of the model.
      rng: a jax.random key.

    Returns:
      The `params` tree, float32.
    """
    leaves, structure = jax.tree_util.tree_flatten_with_path(parameter_shapes(config))
    paths = [tuple(entry.key for entry in path) for path, _ in leaves]
    shapes = [leaf.shape for _, leaf in leaves]
    counts = [
        int(np.prod(s)) if p[-1] == "kernel" else 0 for p, s in zip(paths, shapes, strict=True)
    ]
    normals = np.asarray(jax.random.normal(rng, (sum(counts),), jnp.float32))
    ends = np.cumsum(counts)

    values = []
    for path, shape, count, end in zip(paths, shapes, counts, ends, strict=True):
        drawn = normals[end - count : end]
        if path == _HEAD_KERNEL:
            value = scale_head_kernel(drawn.reshape(shape))
        elif path[-1] == "kernel":
            value = np.float32(WEIGHT_DEVIATION) * drawn.reshape(shape)
        elif path[-1] == "bias":
            value = np.zeros(shape, np.float32)
        elif path[-1] == "scale":
            value = np.ones(shape, np.float32)
        else:
            raise ValueError(f"expected a kernel, bias or scale, found parameter {'/'.join(path)}")
        values.append(jnp.asarray(value))
    return jax.tree_util.tree_unflatten(structure, values)
