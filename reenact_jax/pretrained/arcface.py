"""ArcFace: the identity embedding of CSIM, by insightface's iresnet50.

A convolution, four stages of 3, 4, 14 and 3 residual blocks that halve the picture from 112 to 7,
and a linear layer. A block is BN, conv 3x3, BN, PReLU, conv 3x3 (with the stride), BN, added to its
input or to a 1x1 projection of it, with no activation after the sum. Normalisations that follow
a convolution are folded into it, the last two into the linear layer; a block's first one is not,
because the convolution after it pads with zeros.

Pictures are aligned faces: 112 x 112, RGB, the five landmarks at insightface's places.
"""

import re
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from reenact_jax.image_ops import to_signed
from reenact_jax.pretrained.arcface_onnx import read_iresnet_onnx
from reenact_jax.pretrained.layers import convolve, fold, norm_scale_bias, norm_shapes
from reenact_jax.pretrained.network_files import NetworkFile, Provenance, read_network

INPUT_SIZE = 112
# Blocks and channels of the four stages.
STAGES = ((3, 64), (4, 128), (14, 256), (3, 512))
NUM_FEATURES = 512
NETWORK = "ArcFace's iresnet50"
# The published weights that CSIM is taken to be made with; cosines of others cannot be compared.
MS1MV3 = "backbone.pth"
EPSILON = 1e-5

_FINAL_SIZE = INPUT_SIZE // 16
_RELATIVES = {
    (2, 2, 2, 2): "iresnet18",
    (3, 4, 6, 3): "iresnet34",
    (3, 13, 30, 3): "iresnet100",
    (6, 26, 60, 6): "iresnet200",
}


def arcface_embedding(params: dict, aligned_images01: jax.Array) -> jax.Array:
    """Embeddings of aligned faces; the cosine of two is their dot product.

    Args:
      params: as of `load_arcface`.
      aligned_images01: float32 `(B, 112, 112, 3)` RGB in [0, 1].

    Returns:
      float32 `(B, 512)` of unit length.

    Raises:
      ValueError: for images of another shape or type.
    """
    size = (INPUT_SIZE, INPUT_SIZE, 3)
    if aligned_images01.shape[1:] != size or aligned_images01.dtype != jnp.float32:
        raise ValueError(
            "expected float32 aligned images (B, 112, 112, 3), found "
            f"{aligned_images01.dtype} {aligned_images01.shape}"
        )
    stem, head = params["stem"], params["head"]
    x = _prelu(convolve(stem["conv"], to_signed(aligned_images01)), stem["slope"])
    for block in params["blocks"]:
        x = _residual(block, x)
    x = x.reshape(x.shape[0], -1)
    x = jnp.matmul(x, head["kernel"], precision=jax.lax.Precision.HIGHEST)
    x = x + head["bias"].reshape(1, -1)
    return x / jnp.maximum(jnp.linalg.norm(x, axis=1, keepdims=True), 1e-12)


def load_arcface(path: str | Path) -> tuple[dict, Provenance]:
    """Parameters of `arcface_embedding`, and where they come from.

    Args:
      path: `backbone.pth` of arcface_torch (needs torch) or `w600k_r50.onnx` (needs onnx; both are
        in the extra `convert`), or the .safetensors file that scripts/convert_evaluation.py makes.

    Raises:
      UserError: if the file is missing, damaged or another network's, iresnet100's for example.
    """
    arrays, provenance = read_network(FILE, path)
    return fold_iresnet(arrays), provenance


def fold_iresnet(arrays: dict[str, np.ndarray]) -> dict:
    """Published arrays of an iresnet of any depth -> parameters of `arcface_embedding`."""
    blocks = []
    for at in sorted(_block_names(arrays), key=lambda name: [int(n) for n in _digits(name)]):
        scale, bias = norm_scale_bias(arrays, f"{at}.bn1", EPSILON)
        block = {
            "norm": {"scale": np.float32(scale), "bias": np.float32(bias)},
            "conv1": fold(arrays, f"{at}.conv1", f"{at}.bn2", EPSILON),
            "slope": arrays[f"{at}.prelu.weight"],
            "conv2": fold(arrays, f"{at}.conv2", f"{at}.bn3", EPSILON),
        }
        if f"{at}.downsample.0.weight" in arrays:
            block["shortcut"] = fold(arrays, f"{at}.downsample.0", f"{at}.downsample.1", EPSILON)
        blocks.append(block)
    stem = {"conv": fold(arrays, "conv1", "bn1", EPSILON), "slope": arrays["prelu.weight"]}
    params = {"stem": stem, "blocks": blocks, "head": _fold_head(arrays)}
    return jax.tree.map(jnp.asarray, params)


def iresnet_shapes(
    stages: tuple[tuple[int, int], ...] = STAGES, num_features: int = NUM_FEATURES
) -> dict[str, tuple[int, ...]]:
    """Name -> shape, in PyTorch's layout, of an iresnet's arrays.

    Args:
      stages: blocks and channels of each.
      num_features: length of the embedding.
    """
    inputs = stages[0][1]
    shapes = {"conv1.weight": (inputs, 3, 3, 3), "prelu.weight": (inputs,)}
    shapes |= norm_shapes("bn1", inputs)
    for stage, (num_blocks, channels) in enumerate(stages, start=1):
        for block in range(num_blocks):
            at = f"layer{stage}.{block}"
            shapes |= norm_shapes(f"{at}.bn1", inputs)
            shapes[f"{at}.conv1.weight"] = (channels, inputs, 3, 3)
            shapes |= norm_shapes(f"{at}.bn2", channels)
            shapes[f"{at}.prelu.weight"] = (channels,)
            shapes[f"{at}.conv2.weight"] = (channels, channels, 3, 3)
            shapes |= norm_shapes(f"{at}.bn3", channels)
            if block == 0:
                shapes[f"{at}.downsample.0.weight"] = (channels, inputs, 1, 1)
                shapes |= norm_shapes(f"{at}.downsample.1", channels)
            inputs = channels
    shapes |= norm_shapes("bn2", inputs)
    shapes["fc.weight"] = (num_features, inputs * _FINAL_SIZE**2)
    shapes["fc.bias"] = (num_features,)
    return shapes | norm_shapes("features", num_features)


def _residual(block: dict, x: jax.Array) -> jax.Array:
    norm = block["norm"]
    y = x * norm["scale"].reshape(1, 1, 1, -1) + norm["bias"].reshape(1, 1, 1, -1)
    y = _prelu(convolve(block["conv1"], y), block["slope"])
    # Blocks with a projection are the first of their stage, and halve the picture.
    if "shortcut" not in block:
        return convolve(block["conv2"], y) + x
    return convolve(block["conv2"], y, stride=2) + convolve(block["shortcut"], x, stride=2)


def _prelu(x: jax.Array, slope: jax.Array) -> jax.Array:
    return jnp.where(x >= 0, x, x * slope.reshape(1, 1, 1, -1))


def _fold_head(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """BN, flattening, linear layer and BN as one linear layer on `(B, H * W * C)`.

    PyTorch flattens channels first: its columns are in the order C, H, W.
    """
    scale, bias = norm_scale_bias(arrays, "bn2", EPSILON)
    weight = arrays["fc.weight"].astype(np.float64)
    weight = weight.reshape(len(weight), len(scale), -1)
    out_scale, out_bias = norm_scale_bias(arrays, "features", EPSILON)
    offset = arrays["fc.bias"] + np.einsum("ecp,c->e", weight, bias)
    weight = weight * scale[None, :, None] * out_scale[:, None, None]
    kernel = weight.transpose(2, 1, 0).reshape(-1, len(weight))
    return {"kernel": np.float32(kernel), "bias": np.float32(offset * out_scale + out_bias)}


def _block_names(arrays: dict[str, np.ndarray]) -> set[str]:
    found = (re.fullmatch(r"(layer\d+\.\d+)\.conv1\.weight", name) for name in arrays)
    return {match.group(1) for match in found if match}


def _digits(name: str) -> list[str]:
    return re.findall(r"\d+", name)


def _foreign(arrays: dict[str, np.ndarray]) -> str | None:
    stages = [int(_digits(name)[0]) for name in _block_names(arrays)]
    counts = tuple(stages.count(stage) for stage in range(1, max(stages, default=0) + 1))
    if counts in _RELATIVES:
        return f"those of {_RELATIVES[counts]}, of {', '.join(map(str, counts))} blocks"
    return None


FILE = NetworkFile(
    network=NETWORK,
    official=(MS1MV3, "w600k_r50.onnx"),
    shapes=iresnet_shapes(),
    readers={".onnx": read_iresnet_onnx},
    foreign=_foreign,
)
