"""Made-up weights and pictures of the evaluation networks, by NumPy alone.

Each array is a function of a seed and its own name, so scripts/make_evaluation_fixtures.py, which
has PyTorch and no JAX, draws the same ones, and none is stored.
"""

import zlib

import numpy as np


def draw_array(seed: int, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """One array of a network, of a size that keeps activations of order one."""
    rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
    if name.endswith("running_var"):
        return rng.uniform(0.5, 1.5, shape).astype(np.float32)
    if name.endswith("prelu.weight"):
        return rng.uniform(-0.1, 0.5, shape).astype(np.float32)
    if name.startswith("lin"):
        return rng.uniform(0, 1, shape).astype(np.float32)
    if len(shape) == 1 and name.endswith("weight"):
        # Small where a block's result is added, so that 24 additions stay of order one.
        return (rng.uniform(0.5, 1.5, shape) * (0.4 if "bn3" in name else 1)).astype(np.float32)
    if len(shape) == 1:
        return np.float32(0.1) * rng.standard_normal(shape, np.float32)
    scale = np.float32(np.sqrt(2 / np.prod(shape[1:])))
    return scale * rng.standard_normal(shape, np.float32)


def draw_arrays(seed: int, shapes: dict[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
    """Name -> array for name -> shape."""
    return {name: draw_array(seed, name, shape) for name, shape in shapes.items()}


def draw_images(seed: int, count: int, height: int, width: int) -> np.ndarray:
    """float32 (count, height, width, 3) in [0, 1]: squares of 16 pixels under noise."""
    rng = np.random.default_rng(seed)
    coarse = rng.random((count, -(-height // 16), -(-width // 16), 3), np.float32)
    squares = coarse.repeat(16, axis=1).repeat(16, axis=2)[:, :height, :width]
    noise = rng.random((count, height, width, 3), np.float32)
    return np.float32(0.7) * squares + np.float32(0.3) * noise
