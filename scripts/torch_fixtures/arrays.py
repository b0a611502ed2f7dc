"""Shared by the fixtures: random tensors, the order of axes, a module with its weights."""

import numpy as np
import torch
from torch import nn


def module_fixture(module: nn.Module, **inputs: torch.Tensor) -> dict[str, np.ndarray]:
    with torch.no_grad():
        output = module(*inputs.values())
    arrays = {f"weights/{name}": w.detach().numpy() for name, w in module.state_dict().items()}
    arrays |= {name: channels_last(value) for name, value in inputs.items()}
    return arrays | {"output": channels_last(output)}


def channels_last(x: torch.Tensor) -> np.ndarray:
    """NCHW -> NHWC; (B, C) stays."""
    array = x.detach().numpy()
    return array.transpose(0, 2, 3, 1) if array.ndim == 4 else array


def normal(rng: np.random.Generator, *shape: int) -> torch.Tensor:
    return torch.from_numpy(rng.standard_normal(shape, dtype=np.float32))
