"""R-Net of Deep3DFaceRecon."""

import zlib

import numpy as np
import torch
from torch import nn
from torch.nn import functional


class Bottleneck(nn.Module):
    """ResNet v1.5: the stride is in the 3x3 convolution."""

    def __init__(self, inputs: int, channels: int, stride: int):
        super().__init__()
        outputs = 4 * channels
        self.conv1 = nn.Conv2d(inputs, channels, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.conv3 = nn.Conv2d(channels, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.downsample = None
        if inputs != outputs or stride != 1:
            projection = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
            self.downsample = nn.Sequential(projection, nn.BatchNorm2d(outputs))

    def forward(self, x):
        y = functional.relu(self.bn1(self.conv1(x)))
        y = functional.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return functional.relu(y + (x if self.downsample is None else self.downsample(x)))


class ResNet50(nn.Module):
    """Up to the average over the picture, which stays a 1x1 map."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        inputs = 64
        for stage, (blocks, channels) in enumerate(((3, 64), (4, 128), (6, 256), (3, 512)), 1):
            layers = []
            for block in range(blocks):
                stride = 2 if stage > 1 and block == 0 else 1
                layers.append(Bottleneck(inputs, channels, stride))
                inputs = 4 * channels
            setattr(self, f"layer{stage}", nn.Sequential(*layers))

    def forward(self, x):
        x = functional.relu(self.bn1(self.conv1(x)))
        x = functional.max_pool2d(x, 3, 2, 1)
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return functional.adaptive_avg_pool2d(x, 1)


class RNet(nn.Module):
    """Deep3DFaceRecon's regressor: (B, 3, 224, 224) in [0, 1] -> (B, 257)."""

    def __init__(self):
        super().__init__()
        self.backbone = ResNet50()
        widths = (80, 64, 80, 3, 27, 2, 1)
        self.final_layers = nn.ModuleList(nn.Conv2d(2048, width, 1) for width in widths)

    def forward(self, x):
        features = self.backbone(x)
        return torch.cat([layer(features) for layer in self.final_layers], dim=1).flatten(1)


def draw_rnet_array(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Made-up weights of R-Net, a function of each array's name alone, so that none is stored.

    tests/helpers/rnet_weights.py draws the same ones for the other side.
    """
    rng = np.random.RandomState(zlib.crc32(name.encode()))
    if name.endswith("running_var"):
        return rng.uniform(0.5, 1.5, shape).astype(np.float32)
    if len(shape) == 1 and name.endswith("weight"):
        # Small where a block's result is added, so that 16 additions stay of order one.
        return (rng.uniform(0.5, 1.5, shape) * (0.3 if "bn3" in name else 1)).astype(np.float32)
    if len(shape) == 1:
        return (0.1 * rng.standard_normal(shape)).astype(np.float32)
    gain = 0.5 if name.startswith("final_layers") else 2
    return (np.sqrt(gain / np.prod(shape[1:])) * rng.standard_normal(shape)).astype(np.float32)


def rnet_fixture(rng: np.random.Generator) -> dict[str, np.ndarray]:
    """The 257 numbers for two pictures of 14 x 14 flat squares of 16 pixels each."""
    module = RNet().eval()
    state = module.state_dict()
    for name, tensor in state.items():
        if not name.endswith("num_batches_tracked"):
            tensor.copy_(torch.from_numpy(draw_rnet_array(name, tuple(tensor.shape))))
    coarse = rng.integers(0, 256, (2, 14, 14, 3), np.uint8)
    coarse[1] //= 4  # a dark one, so that the two answers differ
    images = coarse.repeat(16, axis=1).repeat(16, axis=2)
    with torch.no_grad():
        output = module(torch.from_numpy(images.transpose(0, 3, 1, 2)).float() / 255)
    return {"squares": coarse, "output": output.numpy()}
