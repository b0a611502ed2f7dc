"""Made-up weights of Deng's R-Net under their published names."""

import functools
import zlib
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from reenact_jax.pretrained import rnet


def draw_array(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """One array, a function of its name alone; scripts/make_torch_fixtures.py draws the same."""
    rng = np.random.RandomState(zlib.crc32(name.encode()))
    if name.endswith("running_var"):
        return rng.uniform(0.5, 1.5, shape).astype(np.float32)
    if len(shape) == 1 and name.endswith("weight"):
        return (rng.uniform(0.5, 1.5, shape) * (0.3 if "bn3" in name else 1)).astype(np.float32)
    if len(shape) == 1:
        return (0.1 * rng.standard_normal(shape)).astype(np.float32)
    gain = 0.5 if name.startswith("final_layers") else 2
    return (np.sqrt(gain / np.prod(shape[1:])) * rng.standard_normal(shape)).astype(np.float32)


@functools.cache
def drawn_state() -> dict[str, np.ndarray]:
    """Name -> array; shared between tests, not to be changed."""
    return {name: draw_array(name, shape) for name, shape in rnet.state_shapes().items()}


def write_safetensors(path: Path, *, prefix: str = "") -> Path:
    """`drawn_state` as a .safetensors file, 96 MB."""
    save_file({prefix + name: array for name, array in drawn_state().items()}, path)
    return path
