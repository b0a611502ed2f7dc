"""Makes tests/fixtures/torch/*.npz: values of PyTorch that the tests of networks compare with.

  python scripts/make_torch_fixtures.py tests/fixtures/torch

Needs PyTorch and NumPy alone (no JAX, no torchvision). Every file holds inputs and outputs in NHWC
and the weights in PyTorch's layout under PyTorch's names. Same seed, same files up to rounding.
"""

import argparse
import os
import zlib
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

VGG_SEED = 7
VGG_SAMPLES = 400


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, help="where the .npz files go")
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    fixtures = {
        "warp": warp_fixture,
        "resize": resize_fixture,
        "layer_norm": layer_norm_fixture,
        "adain": adain_fixture,
        "spade": spade_fixture,
        "encoder_block": encoder_block_fixture,
        "decoder_block": decoder_block_fixture,
        "vgg19": vgg19_fixture,
        "rnet": rnet_fixture,
    }
    for seed, (name, make) in enumerate(fixtures.items()):
        torch.manual_seed(seed)
        arrays = make(np.random.default_rng(seed))
        temporary = folder / f"{name}.tmp.npz"
        np.savez_compressed(temporary, **arrays)
        os.replace(temporary, folder / f"{name}.npz")
        print(f"{name}.npz: {(folder / f'{name}.npz').stat().st_size / 1024:.0f} KiB")


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


def vgg19_fixture(rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Samples and moments of relu1_1 ... relu5_1 on two 48 x 64 images.

    The weights are too large to store. They are drawn by numpy.random.default_rng(VGG_SEED) in
    float32: convolution after convolution, unit normals (O, I, 3, 3) times sqrt(2 / (9 I)), then
    0.1 times unit normals (O,) as its bias.
    """
    weights = np.random.default_rng(VGG_SEED)
    layers: list[nn.Module] = []
    inputs = 3
    for outputs, count in ((64, 2), (128, 2), (256, 4), (512, 4), (512, 1)):
        for _ in range(count):
            conv = nn.Conv2d(inputs, outputs, 3, padding=1)
            kernel = weights.standard_normal((outputs, inputs, 3, 3), dtype=np.float32)
            kernel *= np.float32(np.sqrt(2.0 / (9 * inputs)))
            bias = np.float32(0.1) * weights.standard_normal(outputs, dtype=np.float32)
            conv.load_state_dict(
                {"weight": torch.from_numpy(kernel), "bias": torch.from_numpy(bias)}
            )
            layers += [conv, nn.ReLU()]
            inputs = outputs
        layers.append(nn.MaxPool2d(2))
    features = nn.Sequential(*layers)

    images = torch.tanh(normal(rng, 2, 3, 48, 64))
    x = (images + 1) / 2
    x = x - torch.tensor([0.485, 0.456, 0.406])[:, None, None]
    x = x / torch.tensor([0.229, 0.224, 0.225])[:, None, None]
    arrays = {"images": channels_last(images), "seed": np.array(VGG_SEED)}
    with torch.no_grad():
        for number, module in enumerate(features):
            x = module(x)
            if number in (1, 6, 11, 20, 29):
                values = channels_last(x)
                picked = np.linspace(0, values.size - 1, VGG_SAMPLES).astype(np.int64)
                arrays[f"relu{number}_shape"] = np.array(values.shape)
                arrays[f"relu{number}_indices"] = picked
                arrays[f"relu{number}_samples"] = values.reshape(-1)[picked]
                arrays[f"relu{number}_moments"] = np.array(
                    [values.mean(dtype=np.float64), values.std(dtype=np.float64)]
                )
    return arrays


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


if __name__ == "__main__":
    main()
