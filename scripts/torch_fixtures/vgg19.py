"""VGG-19 and the losses on its features."""

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from .arrays import channels_last, normal

VGG_SEED = 7
VGG_SAMPLES = 400
# relu1_1, relu2_1, relu3_1, relu4_1, relu5_1
LAYERS = (1, 6, 11, 20, 29)


def drawn_vgg19() -> nn.Sequential:
    """Up to relu5_1, with weights that are too large to store.

    They are drawn by numpy.random.default_rng(VGG_SEED) in float32: convolution after convolution,
    unit normals (O, I, 3, 3) times sqrt(2 / (9 I)), then 0.1 times unit normals (O,) as its bias.
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
    return nn.Sequential(*layers).requires_grad_(False)


def normalised(images: torch.Tensor) -> torch.Tensor:
    """[-1, 1] -> what VGG-19 was trained on."""
    x = (images + 1) / 2
    x = x - torch.tensor([0.485, 0.456, 0.406])[:, None, None]
    return x / torch.tensor([0.229, 0.224, 0.225])[:, None, None]


def activations(features: nn.Sequential, x: torch.Tensor) -> dict[int, torch.Tensor]:
    found = {}
    for number, module in enumerate(features):
        x = module(x)
        if number in LAYERS:
            found[number] = x
    return found


def vgg19_fixture(rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Samples and moments of relu1_1 ... relu5_1 on two 48 x 64 images."""
    images = torch.tanh(normal(rng, 2, 3, 48, 64))
    arrays = {"images": channels_last(images), "seed": np.array(VGG_SEED)}
    for number, x in activations(drawn_vgg19(), normalised(images)).items():
        values = channels_last(x)
        picked = np.linspace(0, values.size - 1, VGG_SAMPLES).astype(np.int64)
        arrays[f"relu{number}_shape"] = np.array(values.shape)
        arrays[f"relu{number}_indices"] = picked
        arrays[f"relu{number}_samples"] = values.reshape(-1)[picked]
        arrays[f"relu{number}_moments"] = np.array(
            [values.mean(dtype=np.float64), values.std(dtype=np.float64)]
        )
    return arrays


def losses_fixture(rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Eqs. 8-10 on two 64 x 64 images: the terms per example, and the gradient of the total.

    As PIRenderer computes them: scales halved bilinearly after the normalisation, Gram matrices at
    full scale over (H W C).
    """
    features = drawn_vgg19()

    def smooth() -> torch.Tensor:
        low = 1.5 * normal(rng, 2, 3, 6, 6)
        images = functional.interpolate(low, (64, 64), mode="bilinear", align_corners=False)
        return torch.round(127 * torch.tanh(images + 0.1 * normal(rng, 2, 3, 64, 64))) / 127

    generated, target = smooth().requires_grad_(), smooth()
    perceptual, style = torch.zeros(2), torch.zeros(2)
    scale = [normalised(generated), normalised(target)]
    for number in range(2):
        for f, g in zip(*(activations(features, x).values() for x in scale), strict=True):
            perceptual = perceptual + (f - g).abs().mean((1, 2, 3))
            if number == 0:
                style = style + (gram(f) - gram(g)).abs().mean((1, 2))
        scale = [
            functional.interpolate(x, scale_factor=0.5, mode="bilinear", align_corners=False)
            for x in scale
        ]
    (perceptual + 250 * style).sum().backward()
    return {
        "seed": np.array(VGG_SEED),
        # In steps of 1 / 127, to be stored as bytes.
        "generated": np.round(127 * channels_last(generated)).astype(np.int8),
        "target": np.round(127 * channels_last(target)).astype(np.int8),
        "perceptual": perceptual.detach().numpy(),
        "style": style.detach().numpy(),
        "gradient": channels_last(generated.grad).astype(np.float16),
    }


def gram(f: torch.Tensor) -> torch.Tensor:
    batch, channels, height, width = f.shape
    flat = f.reshape(batch, channels, height * width)
    return flat @ flat.transpose(1, 2) / (channels * height * width)
