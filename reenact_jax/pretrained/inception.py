"""The Inception network of FID: pictures in, the 2048 numbers of the last pooling out.

It is the network of the TensorFlow graph of 2015-12-05 that FID was defined with, in the form of
pytorch-fid's file: Inception v3 with torchvision's names, but
* the averages over 3x3 pixels count the pixels inside the picture alone,
* the last block, Mixed_7c, takes maxima where the others average,
* the classifier, not needed here, has 1008 classes.
Pictures in [0, 1] are resized to 299 x 299 (bilinear, half-pixel centres, no antialiasing, not
rounded) and mapped to [-1, 1], which is pytorch-fid's preprocessing.

Parameters are `{block: {branch: layer}}`, the stem's under "stem", with each batch normalisation
folded into its convolution.
"""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from reenact_jax.image_ops import resize_bilinear, to_signed
from reenact_jax.pretrained.layers import Layer, convolve, fold, max_pool, norm_shapes
from reenact_jax.pretrained.network_files import NetworkFile, Provenance, read_network

INPUT_SIZE = 299
NUM_FEATURES = 2048
_EPSILON = 1e-3

InceptionParams = dict[str, dict[str, Layer]]

# Name, inputs, outputs and kernel of each convolution.
_Convolutions = list[tuple[str, int, int, tuple[int, int]]]


def inception_features(params: InceptionParams, images01: jax.Array) -> jax.Array:
    """Features of the last average pooling, which FID compares.

    Args:
      params: as of `load_inception`.
      images01: float `(B, H, W, 3)` RGB in [0, 1], of any size.

    Returns:
      float32 `(B, 2048)`, none negative.

    Raises:
      ValueError: for images of another shape or type.
    """
    if images01.ndim != 4 or images01.shape[-1] != 3 or images01.dtype != jnp.float32:
        raise ValueError(
            f"expected float32 images (B, H, W, 3), found {images01.dtype} {images01.shape}"
        )
    x = to_signed(resize_bilinear(images01, INPUT_SIZE, INPUT_SIZE))
    stem = params["stem"]
    x = _relu_conv(stem["Conv2d_1a_3x3"], x, stride=2, padding=(0, 0))
    x = _relu_conv(stem["Conv2d_2a_3x3"], x, padding=(0, 0))
    x = max_pool(_relu_conv(stem["Conv2d_2b_3x3"], x))
    x = _relu_conv(stem["Conv2d_3b_1x1"], x)
    x = max_pool(_relu_conv(stem["Conv2d_4a_3x3"], x, padding=(0, 0)))
    for name in ("Mixed_5b", "Mixed_5c", "Mixed_5d"):
        x = _block_a(params[name], x)
    x = _block_b(params["Mixed_6a"], x)
    for name in ("Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e"):
        x = _block_c(params[name], x)
    x = _block_d(params["Mixed_7a"], x)
    x = _block_e(params["Mixed_7b"], x, pool=mean_inside)
    x = _block_e(params["Mixed_7c"], x, pool=_max_inside)
    return x.mean(axis=(1, 2))


def load_inception(path: str | Path) -> tuple[InceptionParams, Provenance]:
    """Parameters of `inception_features`, and where they come from.

    Args:
      path: `pt_inception-2015-12-05-6726825d.pth` (needs torch, the extra `convert`), or the
        .safetensors file that scripts/convert_evaluation.py makes of it.

    Raises:
      UserError: if the file is missing, damaged or another network's.
    """
    arrays, provenance = read_network(FILE, path)
    return fold_inception(arrays), provenance


def fold_inception(arrays: dict[str, np.ndarray]) -> InceptionParams:
    """Published arrays -> parameters of `inception_features`."""
    params: InceptionParams = {}
    for block, convolutions in _blocks().items():
        params[block] = {
            name: fold(arrays, f"{full}.conv", f"{full}.bn", _EPSILON)
            for name, *_ in convolutions
            for full in [_full_name(block, name)]
        }
    return params


def mean_inside(x: jax.Array) -> jax.Array:
    """Means of `(B, H, W, C)` over 3x3 pixels, those outside the picture not counted."""
    counts = [np.convolve(np.ones(size), np.ones(3), "same") for size in x.shape[1:3]]
    inverse = (1 / np.outer(*counts)).astype(np.float32)[None, :, :, None]
    for axis in (1, 2):
        padding = [(1, 1) if i == axis else (0, 0) for i in range(4)]
        padded = jnp.pad(x, padding)
        size = x.shape[axis]
        x = sum(jax.lax.slice_in_dim(padded, i, i + size, axis=axis) for i in range(3))
    return x * inverse


def _max_inside(x: jax.Array) -> jax.Array:
    return max_pool(x, stride=1, padding=1)


def _relu_conv(layer: Layer, x: jax.Array, **options) -> jax.Array:
    return jax.nn.relu(convolve(layer, x, **options))


def _chain(block: dict[str, Layer], x: jax.Array, *names: str) -> jax.Array:
    for name in names:
        x = _relu_conv(block[name], x)
    return x


def _block_a(block: dict[str, Layer], x: jax.Array) -> jax.Array:
    branches = [
        _chain(block, x, "branch1x1"),
        _chain(block, x, "branch5x5_1", "branch5x5_2"),
        _chain(block, x, "branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3"),
        _chain(block, mean_inside(x), "branch_pool"),
    ]
    return jnp.concatenate(branches, axis=-1)


def _block_b(block: dict[str, Layer], x: jax.Array) -> jax.Array:
    double = _chain(block, x, "branch3x3dbl_1", "branch3x3dbl_2")
    branches = [
        _relu_conv(block["branch3x3"], x, stride=2, padding=(0, 0)),
        _relu_conv(block["branch3x3dbl_3"], double, stride=2, padding=(0, 0)),
        max_pool(x),
    ]
    return jnp.concatenate(branches, axis=-1)


def _block_c(block: dict[str, Layer], x: jax.Array) -> jax.Array:
    branches = [
        _chain(block, x, "branch1x1"),
        _chain(block, x, *(f"branch7x7_{i}" for i in (1, 2, 3))),
        _chain(block, x, *(f"branch7x7dbl_{i}" for i in (1, 2, 3, 4, 5))),
        _chain(block, mean_inside(x), "branch_pool"),
    ]
    return jnp.concatenate(branches, axis=-1)


def _block_d(block: dict[str, Layer], x: jax.Array) -> jax.Array:
    single = _chain(block, x, "branch3x3_1")
    long = _chain(block, x, *(f"branch7x7x3_{i}" for i in (1, 2, 3)))
    branches = [
        _relu_conv(block["branch3x3_2"], single, stride=2, padding=(0, 0)),
        _relu_conv(block["branch7x7x3_4"], long, stride=2, padding=(0, 0)),
        max_pool(x),
    ]
    return jnp.concatenate(branches, axis=-1)


def _block_e(block: dict[str, Layer], x: jax.Array, *, pool) -> jax.Array:
    single = _chain(block, x, "branch3x3_1")
    double = _chain(block, x, "branch3x3dbl_1", "branch3x3dbl_2")
    branches = [
        _chain(block, x, "branch1x1"),
        _chain(block, single, "branch3x3_2a"),
        _chain(block, single, "branch3x3_2b"),
        _chain(block, double, "branch3x3dbl_3a"),
        _chain(block, double, "branch3x3dbl_3b"),
        _chain(block, pool(x), "branch_pool"),
    ]
    return jnp.concatenate(branches, axis=-1)


def _blocks() -> dict[str, _Convolutions]:
    blocks: dict[str, _Convolutions] = {
        "stem": [
            ("Conv2d_1a_3x3", 3, 32, (3, 3)),
            ("Conv2d_2a_3x3", 32, 32, (3, 3)),
            ("Conv2d_2b_3x3", 32, 64, (3, 3)),
            ("Conv2d_3b_1x1", 64, 80, (1, 1)),
            ("Conv2d_4a_3x3", 80, 192, (3, 3)),
        ]
    }
    for name, inputs, pooled in (("5b", 192, 32), ("5c", 256, 64), ("5d", 288, 64)):
        blocks[f"Mixed_{name}"] = [
            ("branch1x1", inputs, 64, (1, 1)),
            ("branch5x5_1", inputs, 48, (1, 1)),
            ("branch5x5_2", 48, 64, (5, 5)),
            ("branch3x3dbl_1", inputs, 64, (1, 1)),
            ("branch3x3dbl_2", 64, 96, (3, 3)),
            ("branch3x3dbl_3", 96, 96, (3, 3)),
            ("branch_pool", inputs, pooled, (1, 1)),
        ]
    blocks["Mixed_6a"] = [
        ("branch3x3", 288, 384, (3, 3)),
        ("branch3x3dbl_1", 288, 64, (1, 1)),
        ("branch3x3dbl_2", 64, 96, (3, 3)),
        ("branch3x3dbl_3", 96, 96, (3, 3)),
    ]
    for name, inner in (("6b", 128), ("6c", 160), ("6d", 160), ("6e", 192)):
        blocks[f"Mixed_{name}"] = [
            ("branch1x1", 768, 192, (1, 1)),
            ("branch7x7_1", 768, inner, (1, 1)),
            ("branch7x7_2", inner, inner, (1, 7)),
            ("branch7x7_3", inner, 192, (7, 1)),
            ("branch7x7dbl_1", 768, inner, (1, 1)),
            ("branch7x7dbl_2", inner, inner, (7, 1)),
            ("branch7x7dbl_3", inner, inner, (1, 7)),
            ("branch7x7dbl_4", inner, inner, (7, 1)),
            ("branch7x7dbl_5", inner, 192, (1, 7)),
            ("branch_pool", 768, 192, (1, 1)),
        ]
    blocks["Mixed_7a"] = [
        ("branch3x3_1", 768, 192, (1, 1)),
        ("branch3x3_2", 192, 320, (3, 3)),
        ("branch7x7x3_1", 768, 192, (1, 1)),
        ("branch7x7x3_2", 192, 192, (1, 7)),
        ("branch7x7x3_3", 192, 192, (7, 1)),
        ("branch7x7x3_4", 192, 192, (3, 3)),
    ]
    for name, inputs in (("7b", 1280), ("7c", 2048)):
        blocks[f"Mixed_{name}"] = [
            ("branch1x1", inputs, 320, (1, 1)),
            ("branch3x3_1", inputs, 384, (1, 1)),
            ("branch3x3_2a", 384, 384, (1, 3)),
            ("branch3x3_2b", 384, 384, (3, 1)),
            ("branch3x3dbl_1", inputs, 448, (1, 1)),
            ("branch3x3dbl_2", 448, 384, (3, 3)),
            ("branch3x3dbl_3a", 384, 384, (1, 3)),
            ("branch3x3dbl_3b", 384, 384, (3, 1)),
            ("branch_pool", inputs, 192, (1, 1)),
        ]
    return blocks


def _full_name(block: str, name: str) -> str:
    return name if block == "stem" else f"{block}.{name}"


def _shapes() -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {}
    for block, convolutions in _blocks().items():
        for name, inputs, outputs, kernel in convolutions:
            full = _full_name(block, name)
            shapes[f"{full}.conv.weight"] = (outputs, inputs, *kernel)
            shapes |= norm_shapes(f"{full}.bn", outputs)
    return shapes


def _foreign(arrays: dict[str, np.ndarray]) -> str | None:
    classes = arrays.get("fc.bias", np.zeros(1008)).shape
    if any(name.startswith("AuxLogits.") for name in arrays) or classes != (1008,):
        return "torchvision's Inception v3, whose weights are others (1000 classes)"
    return None


FILE = NetworkFile(
    network="the Inception network of FID",
    official=("pt_inception-2015-12-05-6726825d.pth",),
    shapes=_shapes(),
    ignored=frozenset({"fc.weight", "fc.bias"}),
    foreign=_foreign,
)
