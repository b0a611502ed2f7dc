"""Sampling and resizing of images."""

import numpy as np
import torch
from torch.nn import functional

from .arrays import channels_last, normal


def warp_fixture(rng: np.random.Generator) -> dict[str, np.ndarray]:
    """grid_sample with bilinear taps, zeros outside, align_corners=False, and its gradients.

    Sides are powers of two and flows multiples of 1 / 1024, so that positions are exact in float32
    and what differs is the interpolation alone.
    """
    arrays = {}
    # Sampling at the features' own size, and at another.
    for name, size in {"same": (8, 16), "other": (4, 32)}.items():
        features = (0.25 * normal(rng, 1, 3, 8, 16)).requires_grad_()
        # Deviation 0.4 of half the image: inside, across the border and outside.
        flow = 0.4 * normal(rng, 1, *size, 2)
        flow[:, :2] += 1.0
        flow[:, -1] -= 3.0
        flow = (torch.round(flow * 1024) / 1024).requires_grad_()
        height, width = size
        x = (2 * torch.arange(width) + 1) / width - 1
        y = (2 * torch.arange(height) + 1) / height - 1
        grid = torch.stack([x.expand(height, width), y[:, None].expand(height, width)], dim=-1)
        output = functional.grid_sample(
            features, grid[None] + flow, mode="bilinear", padding_mode="zeros", align_corners=False
        )
        cotangent = normal(rng, *output.shape)
        output.backward(cotangent)
        arrays |= {
            f"{name}_features": channels_last(features)[0],
            f"{name}_flow": flow.detach().numpy()[0],
            f"{name}_output": channels_last(output)[0],
            f"{name}_cotangent": channels_last(cotangent)[0],
            f"{name}_features_gradient": channels_last(features.grad)[0],
            f"{name}_flow_gradient": flow.grad.numpy()[0],
        }
    return arrays


def resize_fixture(rng: np.random.Generator) -> dict[str, np.ndarray]:
    x = normal(rng, 2, 3, 8, 12)
    arrays = {"input": channels_last(x)}
    for height, width in ((16, 24), (4, 6), (2, 3), (32, 48), (5, 7)):
        resized = functional.interpolate(
            x, (height, width), mode="bilinear", align_corners=False, antialias=False
        )
        arrays[f"bilinear_{height}x{width}"] = channels_last(resized)
    arrays["nearest_2x3"] = channels_last(functional.interpolate(x, (2, 3), mode="nearest"))
    return arrays
