"""Makes tests/fixtures/torch/{inception,arcface,lpips}.npz and iresnet_*.onnx with PyTorch.

  PYTHONPATH=. python scripts/make_evaluation_fixtures.py tests/fixtures/torch

Needs PyTorch, onnx and NumPy alone (no JAX, no torchvision). Weights and pictures are drawn by
tests/helpers/evaluation_weights.py from seeds; only PyTorch's answers are stored. The networks here
are what the tests compare with where PyTorch is installed.
"""

import argparse
import os
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from tests.helpers.evaluation_weights import draw_array, draw_images

SEED = 11
NUM_SAMPLES = 100
TINY_STAGES = ((2, 4), (1, 6), (2, 8), (1, 8))
TINY_FEATURES = 16


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, help="where the files go")
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    fixtures = {
        "inception": inception_fixture,
        "arcface": arcface_fixture,
        "lpips": lpips_fixture,
    }
    for name, make in fixtures.items():
        with torch.no_grad():
            arrays = make()
        temporary = folder / f"{name}.tmp.npz"
        np.savez_compressed(temporary, **arrays)
        os.replace(temporary, folder / f"{name}.npz")
        print(f"{name}.npz: {(folder / f'{name}.npz').stat().st_size / 1024:.0f} KiB")
    for name in ("folded", "unfolded"):
        path = folder / f"iresnet_{name}.onnx"
        export_iresnet(drawn(IResNet(TINY_STAGES, TINY_FEATURES)), path, name == "folded")
        print(f"{path.name}: {path.stat().st_size / 1024:.0f} KiB")


class ConvNorm(nn.Module):
    """Inception's convolution: BN with epsilon 1e-3, then ReLU; keeps the size unless told."""

    def __init__(self, inputs: int, outputs: int, kernel, stride: int = 1, padding=None):
        super().__init__()
        kernel = (kernel, kernel) if isinstance(kernel, int) else kernel
        padding = tuple(size // 2 for size in kernel) if padding is None else padding
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(outputs, eps=1e-3)

    def forward(self, x):
        return functional.relu(self.bn(self.conv(x)))


def halving(inputs: int, outputs: int) -> ConvNorm:
    return ConvNorm(inputs, outputs, 3, stride=2, padding=0)


def mean3(x):
    return functional.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)


def max3(x):
    return functional.max_pool2d(x, 3, stride=1, padding=1)


class BlockA(nn.Module):
    def __init__(self, inputs: int, pooled: int):
        super().__init__()
        self.branch1x1 = ConvNorm(inputs, 64, 1)
        self.branch5x5_1 = ConvNorm(inputs, 48, 1)
        self.branch5x5_2 = ConvNorm(48, 64, 5)
        self.branch3x3dbl_1 = ConvNorm(inputs, 64, 1)
        self.branch3x3dbl_2 = ConvNorm(64, 96, 3)
        self.branch3x3dbl_3 = ConvNorm(96, 96, 3)
        self.branch_pool = ConvNorm(inputs, pooled, 1)

    def forward(self, x):
        wide = self.branch5x5_2(self.branch5x5_1(x))
        double = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return torch.cat([self.branch1x1(x), wide, double, self.branch_pool(mean3(x))], dim=1)


class BlockB(nn.Module):
    def __init__(self):
        super().__init__()
        self.branch3x3 = halving(288, 384)
        self.branch3x3dbl_1 = ConvNorm(288, 64, 1)
        self.branch3x3dbl_2 = ConvNorm(64, 96, 3)
        self.branch3x3dbl_3 = halving(96, 96)

    def forward(self, x):
        double = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return torch.cat([self.branch3x3(x), double, functional.max_pool2d(x, 3, 2)], dim=1)


class BlockC(nn.Module):
    def __init__(self, inner: int):
        super().__init__()
        row, column = (1, 7), (7, 1)
        self.branch1x1 = ConvNorm(768, 192, 1)
        self.branch7x7_1 = ConvNorm(768, inner, 1)
        self.branch7x7_2 = ConvNorm(inner, inner, row)
        self.branch7x7_3 = ConvNorm(inner, 192, column)
        self.branch7x7dbl_1 = ConvNorm(768, inner, 1)
        self.branch7x7dbl_2 = ConvNorm(inner, inner, column)
        self.branch7x7dbl_3 = ConvNorm(inner, inner, row)
        self.branch7x7dbl_4 = ConvNorm(inner, inner, column)
        self.branch7x7dbl_5 = ConvNorm(inner, 192, row)
        self.branch_pool = ConvNorm(768, 192, 1)

    def forward(self, x):
        single = self.branch7x7_3(self.branch7x7_2(self.branch7x7_1(x)))
        double = self.branch7x7dbl_3(self.branch7x7dbl_2(self.branch7x7dbl_1(x)))
        double = self.branch7x7dbl_5(self.branch7x7dbl_4(double))
        return torch.cat([self.branch1x1(x), single, double, self.branch_pool(mean3(x))], dim=1)


class BlockD(nn.Module):
    def __init__(self):
        super().__init__()
        self.branch3x3_1 = ConvNorm(768, 192, 1)
        self.branch3x3_2 = halving(192, 320)
        self.branch7x7x3_1 = ConvNorm(768, 192, 1)
        self.branch7x7x3_2 = ConvNorm(192, 192, (1, 7))
        self.branch7x7x3_3 = ConvNorm(192, 192, (7, 1))
        self.branch7x7x3_4 = halving(192, 192)

    def forward(self, x):
        single = self.branch3x3_2(self.branch3x3_1(x))
        long = self.branch7x7x3_3(self.branch7x7x3_2(self.branch7x7x3_1(x)))
        return torch.cat([single, self.branch7x7x3_4(long), functional.max_pool2d(x, 3, 2)], dim=1)


class BlockE(nn.Module):
    def __init__(self, inputs: int, pool):
        super().__init__()
        self.pool = pool
        self.branch1x1 = ConvNorm(inputs, 320, 1)
        self.branch3x3_1 = ConvNorm(inputs, 384, 1)
        self.branch3x3_2a = ConvNorm(384, 384, (1, 3))
        self.branch3x3_2b = ConvNorm(384, 384, (3, 1))
        self.branch3x3dbl_1 = ConvNorm(inputs, 448, 1)
        self.branch3x3dbl_2 = ConvNorm(448, 384, 3)
        self.branch3x3dbl_3a = ConvNorm(384, 384, (1, 3))
        self.branch3x3dbl_3b = ConvNorm(384, 384, (3, 1))
        self.branch_pool = ConvNorm(inputs, 192, 1)

    def forward(self, x):
        single = self.branch3x3_1(x)
        double = self.branch3x3dbl_2(self.branch3x3dbl_1(x))
        branches = [
            self.branch1x1(x),
            self.branch3x3_2a(single),
            self.branch3x3_2b(single),
            self.branch3x3dbl_3a(double),
            self.branch3x3dbl_3b(double),
            self.branch_pool(self.pool(x)),
        ]
        return torch.cat(branches, dim=1)


class FidInception(nn.Module):
    """(B, 3, H, W) in [0, 1] -> (B, 2048)."""

    def __init__(self):
        super().__init__()
        self.Conv2d_1a_3x3 = halving(3, 32)
        self.Conv2d_2a_3x3 = ConvNorm(32, 32, 3, padding=0)
        self.Conv2d_2b_3x3 = ConvNorm(32, 64, 3)
        self.Conv2d_3b_1x1 = ConvNorm(64, 80, 1)
        self.Conv2d_4a_3x3 = ConvNorm(80, 192, 3, padding=0)
        self.Mixed_5b = BlockA(192, 32)
        self.Mixed_5c = BlockA(256, 64)
        self.Mixed_5d = BlockA(288, 64)
        self.Mixed_6a = BlockB()
        self.Mixed_6b = BlockC(128)
        self.Mixed_6c = BlockC(160)
        self.Mixed_6d = BlockC(160)
        self.Mixed_6e = BlockC(192)
        self.Mixed_7a = BlockD()
        self.Mixed_7b = BlockE(1280, mean3)
        self.Mixed_7c = BlockE(2048, max3)
        self.fc = nn.Linear(2048, 1008)

    def forward(self, x):
        x = functional.interpolate(x, (299, 299), mode="bilinear", align_corners=False)
        x = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(2 * x - 1)))
        x = self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(functional.max_pool2d(x, 3, 2)))
        x = functional.max_pool2d(x, 3, 2)
        x = self.Mixed_6a(self.Mixed_5d(self.Mixed_5c(self.Mixed_5b(x))))
        x = self.Mixed_6e(self.Mixed_6d(self.Mixed_6c(self.Mixed_6b(x))))
        x = self.Mixed_7c(self.Mixed_7b(self.Mixed_7a(x)))
        return x.mean(dim=(2, 3))


class ResidualBlock(nn.Module):
    def __init__(self, inputs: int, channels: int, first: bool):
        super().__init__()
        stride = 2 if first else 1
        self.bn1 = nn.BatchNorm2d(inputs)
        self.conv1 = nn.Conv2d(inputs, channels, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.prelu = nn.PReLU(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, stride, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(channels)
        self.downsample = nn.Identity()
        if first:
            projection = nn.Conv2d(inputs, channels, 1, 2, bias=False)
            self.downsample = nn.Sequential(projection, nn.BatchNorm2d(channels))

    def forward(self, x):
        y = self.prelu(self.bn2(self.conv1(self.bn1(x))))
        return self.bn3(self.conv2(y)) + self.downsample(x)


class IResNet(nn.Module):
    """(B, 3, 112, 112) in [-1, 1] -> (B, num_features), not normalised."""

    def __init__(self, stages: tuple[tuple[int, int], ...], num_features: int):
        super().__init__()
        inputs = stages[0][1]
        self.conv1 = nn.Conv2d(3, inputs, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(inputs)
        self.prelu = nn.PReLU(inputs)
        self.num_stages = len(stages)
        for stage, (num_blocks, channels) in enumerate(stages, start=1):
            blocks = []
            for block in range(num_blocks):
                blocks.append(ResidualBlock(inputs, channels, block == 0))
                inputs = channels
            setattr(self, f"layer{stage}", nn.Sequential(*blocks))
        self.bn2 = nn.BatchNorm2d(inputs)
        self.dropout = nn.Dropout(0.4)
        self.fc = nn.Linear(inputs * 49, num_features)
        self.features = nn.BatchNorm1d(num_features)

    def forward(self, x):
        x = self.prelu(self.bn1(self.conv1(x)))
        for stage in range(1, self.num_stages + 1):
            x = getattr(self, f"layer{stage}")(x)
        return self.features(self.fc(self.dropout(self.bn2(x).flatten(1))))


def iresnet50() -> IResNet:
    return IResNet(((3, 64), (4, 128), (14, 256), (3, 512)), 512)


class Features(nn.Module):
    """AlexNet's or VGG-16's `features` under torchvision's numbers."""

    def __init__(self, layers: list[nn.Module]):
        super().__init__()
        self.features = nn.Sequential(*layers)

    def forward(self, x, numbers: tuple[int, ...]):
        found = []
        for number, layer in enumerate(self.features):
            x = layer(x)
            if number in numbers:
                found.append(x)
        return found


def alexnet() -> Features:
    return Features(
        [
            *(nn.Conv2d(3, 64, 11, 4, 2), nn.ReLU(), nn.MaxPool2d(3, 2)),
            *(nn.Conv2d(64, 192, 5, 1, 2), nn.ReLU(), nn.MaxPool2d(3, 2)),
            *(nn.Conv2d(192, 384, 3, 1, 1), nn.ReLU()),
            *(nn.Conv2d(384, 256, 3, 1, 1), nn.ReLU()),
            *(nn.Conv2d(256, 256, 3, 1, 1), nn.ReLU()),
        ]
    )


def vgg16() -> Features:
    layers: list[nn.Module] = []
    inputs = 3
    for outputs, count in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(count):
            layers += [nn.Conv2d(inputs, outputs, 3, 1, 1), nn.ReLU()]
            inputs = outputs
        layers.append(nn.MaxPool2d(2))
    return Features(layers)


class Lpips(nn.Module):
    """Two (B, 3, H, W) in [0, 1] -> (B,)."""

    def __init__(self, trunk: Features, numbers: tuple[int, ...], channels: tuple[int, ...]):
        super().__init__()
        self.trunk = trunk
        self.numbers = numbers
        self.weights = nn.ParameterList(torch.zeros(1, count, 1, 1) for count in channels)

    def activations(self, x):
        shift = torch.tensor([-0.030, -0.088, -0.188])[:, None, None]
        scale = torch.tensor([0.458, 0.448, 0.450])[:, None, None]
        return self.trunk((2 * x - 1 - shift) / scale, self.numbers)

    def forward(self, a, b):
        distance = 0
        pairs = zip(self.activations(a), self.activations(b), strict=True)
        for (x, y), weight in zip(pairs, self.weights, strict=True):
            x = x / (x.pow(2).sum(1, keepdim=True).sqrt() + 1e-10)
            y = y / (y.pow(2).sum(1, keepdim=True).sqrt() + 1e-10)
            distance = distance + functional.conv2d((x - y).pow(2), weight).mean(dim=(1, 2, 3))
        return distance


def drawn_lpips(network: str, seed: int = SEED) -> Lpips:
    """Of "alex" or "vgg"."""
    if network == "alex":
        lpips = Lpips(alexnet(), (1, 4, 7, 9, 11), (64, 192, 384, 256, 256))
    else:
        lpips = Lpips(vgg16(), (3, 8, 15, 22, 29), (64, 128, 256, 512, 512))
    drawn(lpips.trunk, seed)
    for index, weight in enumerate(lpips.weights):
        array = draw_array(seed, f"lin{index}.model.1.weight", tuple(weight.shape))
        weight.data = torch.from_numpy(array)
    return lpips.eval()


def drawn(module: nn.Module, seed: int = SEED) -> nn.Module:
    """The module with every array drawn by its name, ready for use."""
    state = module.state_dict()
    for name, tensor in state.items():
        if not name.endswith("num_batches_tracked"):
            tensor.copy_(torch.from_numpy(draw_array(seed, name, tuple(tensor.shape))))
    return module.eval()


def channels_first(images: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))


def export_iresnet(module: IResNet, path: Path, folded: bool) -> None:
    """As arcface_torch's exporter does it; `folded` puts normalisations into convolutions."""
    module = module.eval()
    picture = torch.zeros(1, 3, 112, 112)
    kind = torch.onnx.TrainingMode.EVAL if folded else torch.onnx.TrainingMode.PRESERVE
    torch.onnx.export(
        module,
        (picture,),
        path,
        input_names=["data"],
        opset_version=11,
        dynamo=False,
        training=kind,
        do_constant_folding=folded,
    )


def inception_fixture() -> dict[str, np.ndarray]:
    """Two pictures that are made smaller in height and larger in width."""
    images = draw_images(SEED, 2, 320, 272)
    return {"seed": SEED, "features": drawn(FidInception())(channels_first(images)).numpy()}


def arcface_fixture() -> dict[str, np.ndarray]:
    pictures = channels_first(2 * draw_images(SEED, 2, 112, 112) - 1)
    tiny = drawn(IResNet(TINY_STAGES, TINY_FEATURES))(pictures)
    embeddings = drawn(iresnet50())(pictures)
    return {
        "seed": SEED,
        "embeddings": functional.normalize(embeddings).numpy(),
        "tiny_embeddings": functional.normalize(tiny).numpy(),
    }


def lpips_fixture() -> dict[str, np.ndarray]:
    """Distances of two pairs, and some of the activations of the first pictures."""
    a, b = draw_images(SEED, 4, 67, 80).reshape(2, 2, 67, 80, 3)
    arrays = {"seed": SEED}
    for network in ("alex", "vgg"):
        lpips = drawn_lpips(network)
        arrays[f"{network}_distance"] = lpips(channels_first(a), channels_first(b)).numpy()
        for index, x in enumerate(lpips.activations(channels_first(a))):
            values = x.permute(0, 2, 3, 1).reshape(-1).numpy()
            picked = np.linspace(0, values.size - 1, NUM_SAMPLES).astype(np.int64)
            arrays[f"{network}_activations{index}"] = values[picked]
    return arrays


if __name__ == "__main__":
    main()
