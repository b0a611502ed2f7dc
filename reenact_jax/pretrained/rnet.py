"""R-Net of Deep3DFaceRecon: a ResNet-50 that regresses the 257 coefficients of an aligned face.

ResNet-50 "v1.5" (a block's stride is in its 3x3 convolution) without its classifier, then seven
parallel 1x1 convolutions on the average over the picture: identity 80, expression 64, texture 80,
angles 3, light 27, translation 2 and 1, which together are the vector that
`face_model.coefficients` names. The input is RGB in [0, 1] without ImageNet's normalisation.

The network here is the one after training: each batch normalisation, with its stored statistics,
is folded into the convolution before it.
"""

import functools
import hashlib
from pathlib import Path

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from absl import logging

from reenact_jax.errors import UserError
from reenact_jax.pretrained.registry import BY_NAME
from reenact_jax.pretrained.weight_files import check_shapes, read_arrays

INPUT_SIZE = 224
NUM_OUTPUTS = 257
HEAD_WIDTHS = (80, 64, 80, 3, 27, 2, 1)
# Blocks and inner channels of the four stages; a block's output has four times as many.
STAGES = ((3, 64), (4, 128), (6, 256), (3, 512))

ASSET = BY_NAME["epoch_20.pth"]
_WHERE = f"it is {ASSET.name} ({ASSET.size:,} bytes), from {ASSET.origin}"

_SECTION = "net_recon"
_BUNDLE_PREFIX = "face_3drecon."
_BATCH_NORM_EPSILON = 1e-5
_EXPANSION = 4

# In float32 throughout: coefficients must not depend on the device that computes them.
_Conv = functools.partial(nn.Conv, precision=jax.lax.Precision.HIGHEST)


class Bottleneck(nn.Module):
    """1x1, 3x3 with the stride, 1x1; added to the input or to its 1x1 projection."""

    channels: int
    stride: int
    project: bool

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        outputs = _EXPANSION * self.channels
        strides = (self.stride, self.stride)
        y = nn.relu(_Conv(self.channels, (1, 1), name="conv1")(x))
        y = _Conv(self.channels, (3, 3), strides, padding=((1, 1), (1, 1)), name="conv2")(y)
        y = _Conv(outputs, (1, 1), name="conv3")(nn.relu(y))
        if self.project:
            x = _Conv(outputs, (1, 1), strides, name="downsample")(x)
        return nn.relu(x + y)


class RNet(nn.Module):
    """Aligned crops -> coefficients."""

    @nn.compact
    def __call__(self, crops: jax.Array) -> jax.Array:
        """uint8 (B, 224, 224, 3) RGB -> float32 (B, 257)."""
        x = crops.astype(jnp.float32) / 255.0
        # Padding as PyTorch has it; "SAME" would pad the right and the lower side alone.
        x = nn.relu(_Conv(64, (7, 7), (2, 2), padding=((3, 3), (3, 3)), name="conv1")(x))
        x = nn.max_pool(x, (3, 3), (2, 2), padding=((1, 1), (1, 1)))
        for stage, (num_blocks, channels) in enumerate(STAGES, start=1):
            for block in range(num_blocks):
                first = block == 0
                stride = 2 if first and stage > 1 else 1
                x = Bottleneck(channels, stride, first, name=f"layer{stage}_{block}")(x)
        features = x.mean(axis=(1, 2))
        return nn.Dense(NUM_OUTPUTS, precision=jax.lax.Precision.HIGHEST, name="heads")(features)


def rnet_coefficients(params: dict, crops: jax.Array) -> jax.Array:
    """The 257 coefficients of aligned crops.

    Args:
      params: as of `load_rnet`.
      crops: uint8 (B, 224, 224, 3) RGB, aligned as by `tracking.alignment`.

    Returns:
      float32 (B, 257), in the order of `face_model.coefficients`.

    Raises:
      ValueError: for crops of another shape or type.
    """
    size = (INPUT_SIZE, INPUT_SIZE, 3)
    if crops.ndim != 4 or crops.shape[1:] != size or crops.dtype != jnp.uint8:
        raise ValueError(
            f"expected uint8 crops (B, 224, 224, 3), found {crops.dtype} {crops.shape}"
        )
    return RNet().apply({"params": params}, crops)


def load_rnet(path: str | Path) -> dict:
    """Parameters of `rnet_coefficients` from a weight file.

    Args:
      path: `epoch_20.pth` (needs torch, the extra `convert`), or a .safetensors file of
        scripts/convert_rnet.py or of SadTalker (its `face_3drecon.` part).

    Raises:
      UserError: if the file is missing, damaged, holds objects other than tensors, or belongs to
        another network; says which.
    """
    return fold(read_rnet(path))


def read_rnet(path: str | Path) -> dict[str, np.ndarray]:
    """The network's arrays under their published names, checked, in float32.

    Raises:
      UserError: as `load_rnet`.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"{path}: expected the weights of R-Net, found no such file; {_WHERE}")
    try:
        arrays = read_arrays(
            path, converter="scripts/convert_rnet.py", section=_SECTION, prefix=_BUNDLE_PREFIX
        )
        expected = state_shapes()
        counters = {name for name in arrays if name.endswith(".num_batches_tracked")}
        check_shapes(
            arrays, expected, network="Deep3DFaceRecon's R-Net", path=path, ignored=counters
        )
    except (ImportError, OSError, ValueError) as err:
        raise UserError(f"{err}. Expected is R-Net: {_WHERE}") from err
    arrays = {name: arrays[name].astype(np.float32) for name in expected}
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise UserError(f"{path}: {name}: expected finite numbers, found NaN or infinity")
        if name.endswith("running_var") and array.min() < 0:
            raise UserError(f"{path}: {name}: expected variances, found {array.min()}")
    return arrays


def file_sha256(path: str | Path) -> str:
    """The file's hash; a warning says so where it is not that of the published epoch_20.pth."""
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != ASSET.sha256 and Path(path).suffix == ".pth":
        logging.warning(
            "%s: sha256 %s is not that of the published epoch_20.pth (%s): its names and shapes "
            "are R-Net's, its numbers are unknown here",
            path,
            digest,
            ASSET.sha256,
        )
    return digest


def state_shapes() -> dict[str, tuple[int, ...]]:
    """Name -> shape, in PyTorch's layout, of every array that the network needs."""
    shapes = {}
    for conv, norm, inputs, outputs, size in _convolutions():
        shapes[f"{conv}.weight"] = (outputs, inputs, size, size)
        for part in ("weight", "bias", "running_mean", "running_var"):
            shapes[f"{norm}.{part}"] = (outputs,)
    for number, width in enumerate(HEAD_WIDTHS):
        shapes[f"final_layers.{number}.weight"] = (width, _EXPANSION * STAGES[-1][1], 1, 1)
        shapes[f"final_layers.{number}.bias"] = (width,)
    return shapes


def fold(arrays: dict[str, np.ndarray]) -> dict:
    """Published arrays -> parameters of `RNet`.

    y = (w * x - mean) g / sqrt(var + eps) + b is a convolution with w g / sqrt(var + eps) and the
    bias b - mean g / sqrt(var + eps); computed in float64.
    """
    params: dict = {}
    for conv, norm, *_ in _convolutions():
        weight, bias, mean, variance = (
            arrays[f"{norm}.{part}"].astype(np.float64)
            for part in ("weight", "bias", "running_mean", "running_var")
        )
        scale = weight / np.sqrt(variance + _BATCH_NORM_EPSILON)
        kernel = arrays[f"{conv}.weight"].transpose(2, 3, 1, 0) * scale
        layer = {"kernel": np.float32(kernel), "bias": np.float32(bias - mean * scale)}
        # backbone.layer1.0.conv2 -> layer1_0, conv2; backbone.layer1.0.downsample.0 likewise.
        names = conv.removeprefix("backbone.").removesuffix("downsample.0").split(".")
        if len(names) == 1:
            params[names[0]] = layer
        else:
            stage, block, name = names
            params.setdefault(f"{stage}_{block}", {})[name or "downsample"] = layer
    heads = range(len(HEAD_WIDTHS))
    kernels = [arrays[f"final_layers.{number}.weight"][:, :, 0, 0].T for number in heads]
    biases = [arrays[f"final_layers.{number}.bias"] for number in heads]
    params["heads"] = {"kernel": np.concatenate(kernels, axis=1), "bias": np.concatenate(biases)}
    return jax.tree.map(jnp.asarray, params)


def _convolutions() -> list[tuple[str, str, int, int, int]]:
    """(convolution, its batch normalisation, inputs, outputs, kernel size), first to last."""
    layers = [("backbone.conv1", "backbone.bn1", 3, 64, 7)]
    inputs = 64
    for stage, (num_blocks, channels) in enumerate(STAGES, start=1):
        outputs = _EXPANSION * channels
        for block in range(num_blocks):
            at = f"backbone.layer{stage}.{block}"
            layers += [
                (f"{at}.conv1", f"{at}.bn1", inputs, channels, 1),
                (f"{at}.conv2", f"{at}.bn2", channels, channels, 3),
                (f"{at}.conv3", f"{at}.bn3", channels, outputs, 1),
            ]
            if block == 0:
                layers.append((f"{at}.downsample.0", f"{at}.downsample.1", inputs, outputs, 1))
            inputs = outputs
    return layers
