"""VGG-19 up to relu5_1: the feature network of the losses, and the reader of its official file.

Parameters are a pytree `{"features.N": {"kernel": (3, 3, I, O), "bias": (O,)}}` with torchvision's
layer numbers N; the functions are pure.
"""

import functools
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from absl import logging

from reenact_jax.image_ops import to_unit
from reenact_jax.pretrained.layers import max_pool2
from reenact_jax.pretrained.registry import BY_NAME
from reenact_jax.pretrained.weight_files import check_shapes, read_arrays

OFFICIAL_NAME = "vgg19-dcbb9e9d.pth"
OFFICIAL_URL = BY_NAME[OFFICIAL_NAME].url
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

# torchvision's number of each convolution, its inputs and outputs; blocks are parted by pooling.
BLOCKS = (
    ((0, 3, 64), (2, 64, 64)),
    ((5, 64, 128), (7, 128, 128)),
    ((10, 128, 256), (12, 256, 256), (14, 256, 256), (16, 256, 256)),
    ((19, 256, 512), (21, 512, 512), (23, 512, 512), (25, 512, 512)),
    ((28, 512, 512),),
)
# Layers of the complete network that relu5_1 does not need.
_UNUSED = {f"features.{n}" for n in (30, 32, 34)} | {f"classifier.{n}" for n in (0, 3, 6)}

Vgg19Params = dict[str, dict[str, jax.Array]]


def vgg19_features(
    params: Vgg19Params,
    images: jax.Array,
    *,
    dtype: jnp.dtype | None = None,
    rematerialise: bool = False,
) -> tuple[jax.Array, ...]:
    """Activations relu1_1, relu2_1, relu3_1, relu4_1, relu5_1.

    Args:
      params: as of `load_vgg19` or `random_vgg19`.
      images: float `(B, H, W, 3)` RGB in [-1, 1], H and W at least 16.
      dtype: of convolutions and features; None = that of the images.
      rematerialise: keep the blocks' inputs alone for the backward pass and compute the rest again.

    Returns:
      Five arrays `(B, H / 2^i, W / 2^i, C_i)`, i = 0..4, C = 64, 128, 256, 512, 512.
    """
    if images.ndim != 4 or images.shape[-1] != 3 or min(images.shape[1:3]) < 16:
        raise ValueError(f"expected images (B, H, W, 3) with sides >= 16, found {images.shape}")
    shape = (1, 1, 1, 3)
    mean = jnp.array(IMAGENET_MEAN, images.dtype).reshape(shape)
    std = jnp.array(IMAGENET_STD, images.dtype).reshape(shape)
    x = ((to_unit(images) - mean) / std).astype(images.dtype if dtype is None else dtype)
    features = []
    for index in range(len(BLOCKS)):
        block = functools.partial(_block, index)
        first, x = (jax.checkpoint(block) if rematerialise else block)(params, x)
        features.append(first)
    return tuple(features)


def _block(index: int, params: Vgg19Params, x: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Block number `index`: its first activation and its last one."""
    if index:
        x = max_pool2(x)
    activations = []
    for number, _, _ in BLOCKS[index]:
        x = _conv_relu(params[f"features.{number}"], x)
        activations.append(x)
    return activations[0], x


def _conv_relu(layer: dict[str, jax.Array], x: jax.Array) -> jax.Array:
    y = jax.lax.conv_general_dilated(
        x,
        layer["kernel"].astype(x.dtype),
        window_strides=(1, 1),
        padding=((1, 1), (1, 1)),
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )
    return jax.nn.relu(y + layer["bias"].astype(x.dtype).reshape(1, 1, 1, -1))


def random_vgg19(seed: int) -> Vgg19Params:
    """He-initialised weights: N(0, 2 / fan-in), zero biases.

    Random features of this scale keep the five layers balanced, so that the loss is usable without
    the official file. Drawn by NumPy: layer after layer, kernel in (O, I, 3, 3) order, float32.

    Args:
      seed: of numpy.random.default_rng.
    """
    rng = np.random.default_rng(seed)
    params = {}
    for number, inputs, outputs in _layers():
        kernel = rng.standard_normal((outputs, inputs, 3, 3), dtype=np.float32)
        kernel *= np.float32(np.sqrt(2.0 / (9 * inputs)))
        params[f"features.{number}"] = _to_layer(kernel, np.zeros(outputs, np.float32))
    return params


def load_vgg19(path: str | Path) -> Vgg19Params:
    """Reads VGG-19 weights under torchvision's names.

    Args:
      path: the official `vgg19-dcbb9e9d.pth` (needs torch, the extra `convert`) or a
        `.safetensors` file with the same names (scripts/convert_vgg19.py writes one).

    Raises:
      FileNotFoundError: no such file; says where to get it.
      ImportError: a .pth without torch.
      ValueError: another kind of file, or names or shapes that are not VGG-19's.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"VGG-19 weights not found at {path}. {_how_to_get()}")
    arrays = read_arrays(path, converter="scripts/convert_vgg19.py")
    _check_arrays(arrays, path)
    return {
        f"features.{number}": _to_layer(
            arrays[f"features.{number}.weight"], arrays[f"features.{number}.bias"]
        )
        for number, _, _ in _layers()
    }


def resolve_vgg19(spec: str) -> Vgg19Params:
    """Weights named by a configuration: a path, or "random" (seed 0). The log says which.

    Raises:
      ValueError: for an empty `spec`; says where to get the file and how to do without.
      Otherwise as `load_vgg19`.
    """
    if not spec:
        raise ValueError(f"VGG-19 weights are not configured. {_how_to_get()}")
    if spec == "random":
        logging.warning(
            "VGG-19: RANDOM weights (vgg_weights = 'random'); perceptual and style losses are not "
            "those of the paper"
        )
        return random_vgg19(0)
    params = load_vgg19(spec)
    logging.info("VGG-19: weights of %s", spec)
    return params


def _check_arrays(arrays: dict[str, np.ndarray], path: Path) -> None:
    expected = {}
    for number, inputs, outputs in _layers():
        expected[f"features.{number}.weight"] = (outputs, inputs, 3, 3)
        expected[f"features.{number}.bias"] = (outputs,)
    unused = {f"{layer}.{part}" for layer in _UNUSED for part in ("weight", "bias")}
    check_shapes(arrays, expected, network="torchvision's VGG-19", path=path, ignored=unused)


def _layers() -> list[tuple[int, int, int]]:
    return [layer for block in BLOCKS for layer in block]


def _to_layer(weight: np.ndarray, bias: np.ndarray) -> dict[str, jax.Array]:
    """(O, I, 3, 3) -> (3, 3, I, O)."""
    kernel = np.ascontiguousarray(weight.astype(np.float32).transpose(2, 3, 1, 0))
    return {"kernel": jnp.asarray(kernel), "bias": jnp.asarray(bias.astype(np.float32))}


def _how_to_get() -> str:
    return (
        f"`python -m reenact_jax.assets fetch {OFFICIAL_NAME}` downloads {OFFICIAL_URL} (548 MiB); "
        "give its path as vgg_weights; or say vgg_weights = 'random' to train with random "
        "features, without the paper's perceptual quality"
    )
