"""Normalisation layers and blocks of the networks."""

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from .arrays import module_fixture, normal


class LayerNorm2d(nn.Module):
    """Over C, H, W jointly, affine per channel."""

    def __init__(self, channels: int):
        super().__init__()
        self.weight = nn.Parameter(1 + 0.3 * torch.randn(channels))
        self.bias = nn.Parameter(0.3 * torch.randn(channels))

    def forward(self, x):
        x = functional.layer_norm(x, x.shape[1:], eps=1e-5)
        return x * self.weight[:, None, None] + self.bias[:, None, None]


class AdaIN(nn.Module):
    def __init__(self, channels: int, code: int, hidden: int):
        super().__init__()
        self.hidden = nn.Linear(code, hidden)
        self.gamma = nn.Linear(hidden, channels)
        self.beta = nn.Linear(hidden, channels)

    def forward(self, x, code):
        hidden = functional.relu(self.hidden(code))
        gamma, beta = self.gamma(hidden)[..., None, None], self.beta(hidden)[..., None, None]
        return functional.instance_norm(x, eps=1e-5) * (1 + gamma) + beta


class Spade(nn.Module):
    def __init__(self, channels: int, hidden: int):
        super().__init__()
        self.shared = nn.Conv2d(3, hidden, 3, padding=1)
        self.gamma = nn.Conv2d(hidden, channels, 3, padding=1)
        self.beta = nn.Conv2d(hidden, channels, 3, padding=1)

    def forward(self, x, guidance):
        guidance = functional.interpolate(guidance, x.shape[2:], mode="nearest")
        shared = functional.relu(self.shared(guidance))
        normalised = functional.instance_norm(x, eps=1e-5)
        return normalised * (1 + self.gamma(shared)) + self.beta(shared)


class EncoderBlock(nn.Module):
    def __init__(self, inputs: int, outputs: int, code: int, hidden: int):
        super().__init__()
        self.norm0 = AdaIN(inputs, code, hidden)
        self.conv0 = nn.Conv2d(inputs, outputs, 4, stride=2, padding=1)
        self.norm1 = AdaIN(outputs, code, hidden)
        self.conv1 = nn.Conv2d(outputs, outputs, 3, padding=1)

    def forward(self, x, code):
        x = self.conv0(functional.leaky_relu(self.norm0(x, code), 0.1))
        return self.conv1(functional.leaky_relu(self.norm1(x, code), 0.1))


class DecoderBlock(nn.Module):
    def __init__(self, inputs: int, outputs: int, code: int, hidden: int):
        super().__init__()
        doubling = dict(stride=2, padding=1, output_padding=1)
        self.norm0 = AdaIN(inputs, code, hidden)
        self.conv0 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.norm1 = AdaIN(outputs, code, hidden)
        self.conv1 = nn.ConvTranspose2d(outputs, outputs, 3, **doubling)
        self.norm_shortcut = AdaIN(inputs, code, hidden)
        self.conv_shortcut = nn.ConvTranspose2d(inputs, outputs, 3, **doubling)

    def forward(self, x, code):
        main = self.conv0(functional.leaky_relu(self.norm0(x, code), 0.1))
        main = self.conv1(functional.leaky_relu(self.norm1(main, code), 0.1))
        shortcut = functional.leaky_relu(self.norm_shortcut(x, code), 0.1)
        return main + self.conv_shortcut(shortcut)


def layer_norm_fixture(rng: np.random.Generator) -> dict[str, np.ndarray]:
    return module_fixture(LayerNorm2d(5), x=0.5 + 2 * normal(rng, 2, 5, 6, 4))


def adain_fixture(rng: np.random.Generator) -> dict[str, np.ndarray]:
    module = AdaIN(5, code=6, hidden=7)
    return module_fixture(module, x=0.5 + 2 * normal(rng, 2, 5, 6, 4), code=normal(rng, 2, 6))


def spade_fixture(rng: np.random.Generator) -> dict[str, np.ndarray]:
    module = Spade(5, hidden=6)
    return module_fixture(module, x=normal(rng, 2, 5, 4, 6), guidance=normal(rng, 2, 3, 16, 24))


def encoder_block_fixture(rng: np.random.Generator) -> dict[str, np.ndarray]:
    module = EncoderBlock(4, 6, code=5, hidden=7)
    return module_fixture(module, x=normal(rng, 2, 4, 8, 12), code=normal(rng, 2, 5))


def decoder_block_fixture(rng: np.random.Generator) -> dict[str, np.ndarray]:
    module = DecoderBlock(6, 4, code=5, hidden=7)
    return module_fixture(module, x=normal(rng, 2, 6, 4, 6), code=normal(rng, 2, 5))
