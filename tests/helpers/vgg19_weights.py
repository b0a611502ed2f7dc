"""VGG-19's weights as the fixtures of PyTorch have them."""

import numpy as np

from reenact_jax.pretrained import vgg19


def drawn_arrays(seed: int) -> dict[str, np.ndarray]:
    """Weights of the fixture under torchvision's names, as scripts/torch_fixtures draws them."""
    rng = np.random.default_rng(seed)
    arrays = {}
    for block in vgg19.BLOCKS:
        for number, inputs, outputs in block:
            kernel = rng.standard_normal((outputs, inputs, 3, 3), dtype=np.float32)
            kernel *= np.float32(np.sqrt(2.0 / (9 * inputs)))
            bias = np.float32(0.1) * rng.standard_normal(outputs, dtype=np.float32)
            arrays[f"features.{number}.weight"] = kernel
            arrays[f"features.{number}.bias"] = bias
    return arrays
