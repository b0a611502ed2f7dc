"""dlib's face recognition network, in JAX: an open identity embedding of 128 numbers.

The 29-layer residual network of dlib's `dnn_face_recognition` example (Davis King; CC0), with its
batch normalisations already frozen to scales and offsets, which are folded into the convolutions
here. Against common residual networks: convolutions and poolings with a stride have no padding, a
block that halves the picture adds its input averaged over 2 x 2 pixels, and where two summands
differ in size or channels the smaller one counts as zero outside. Nothing of dlib itself is needed.

Pictures are aligned faces: 150 x 150, RGB, five points at `metrics.similarity.DLIB`.
"""

import re
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from reenact_jax.errors import UserError
from reenact_jax.pretrained.layers import convolve, max_pool, to_layer
from reenact_jax.pretrained.network_files import NetworkFile, Provenance, read_network
from reenact_jax.pretrained.registry import find, folders

FILE_NAME = "dlib_face_recognition_resnet_model_v1.dat"
INPUT_SIZE = 150
NUM_FEATURES = 128

# Channels of the blocks and whether they halve the picture, from the input on.
_BLOCKS = (
    *[(32, False)] * 3,
    *[(64, True), (64, False), (64, False), (64, False)],
    *[(128, True), (128, False), (128, False)],
    *[(256, True), (256, False), (256, False)],
    (256, True),
)
# What the network's input layer subtracts, and divides by, of 0 to 255.
_MEAN = (122.782, 117.001, 104.298)
_DIVISOR = 256.0


def dlib_embedding(params: dict, aligned_images01: jax.Array) -> jax.Array:
    """Embeddings of aligned faces, as dlib computes them: not normalised, of a length of about 1.4.

    Args:
      params: as of `load_dlib_face`.
      aligned_images01: float32 (B, 150, 150, 3) RGB in [0, 1].

    Returns:
      float32 (B, 128).

    Raises:
      ValueError: for images of another shape or type.
    """
    size = (INPUT_SIZE, INPUT_SIZE, 3)
    if aligned_images01.shape[1:] != size or aligned_images01.dtype != jnp.float32:
        raise ValueError(
            "expected float32 aligned images (B, 150, 150, 3), found "
            f"{aligned_images01.dtype} {aligned_images01.shape}"
        )
    x = (aligned_images01 * 255.0 - jnp.float32(_MEAN).reshape(1, 1, 1, 3)) / _DIVISOR
    layers = iter(params["convolutions"])
    x = max_pool(jax.nn.relu(convolve(next(layers), x, stride=2, padding=(0, 0))))
    for _, halves in _BLOCKS:
        y = convolve(next(layers), x, stride=2, padding=(0, 0)) if halves else None
        y = convolve(next(layers), x) if y is None else y
        y = convolve(next(layers), jax.nn.relu(y))
        x = jax.nn.relu(_padded_sum(y, _mean_pool2(x) if halves else x))
    return jnp.matmul(x.mean(axis=(1, 2)), params["head"], precision=jax.lax.Precision.HIGHEST)


def find_dlib_face() -> Path:
    """The weights: in the assets folders, or in the package face_recognition_models.

    Raises:
      UserError: if they are in neither.
    """
    path = find(FILE_NAME)
    if path is None:
        raise UserError(
            f"expected dlib's {FILE_NAME}, found none in {', '.join(map(str, folders()))}: "
            "pip install 'reenact-jax[dlib]', which brings it, or set REENACT_ASSETS to its folder"
        )
    return path


def load_dlib_face(path: str | Path | None = None) -> tuple[dict, Provenance]:
    """The parameters of `dlib_embedding`, and where they come from.

    Args:
      path: dlib's .dat file, or None to look for it (`find_dlib_face`).

    Raises:
      UserError: if the file is missing or is not of this network.
    """
    arrays, provenance = read_network(_FILE, find_dlib_face() if path is None else path)
    convolutions = []
    for k in range(_NUM_CONVOLUTIONS):
        scale, offset = arrays[f"affine{k}.scale"], arrays[f"affine{k}.offset"]
        weight = arrays[f"convolution{k}.weight"] * scale[:, None, None, None]
        convolutions.append(to_layer(weight, arrays[f"convolution{k}.bias"] * scale + offset))
    return {"convolutions": convolutions, "head": jnp.asarray(arrays["head"])}, provenance


def _mean_pool2(x: jax.Array) -> jax.Array:
    """Means over 2 x 2 pixels; an odd last row or column is dropped."""
    batch, height, width, channels = x.shape
    x = x[:, : height // 2 * 2, : width // 2 * 2]
    return x.reshape(batch, height // 2, 2, width // 2, 2, channels).mean(axis=(2, 4))


def _padded_sum(a: jax.Array, b: jax.Array) -> jax.Array:
    """Sum of two maps of different sizes: both filled up with zeros at the end of every axis."""
    shape = np.maximum(a.shape, b.shape)
    return sum(
        jnp.pad(x, [(0, int(n - m)) for n, m in zip(shape, x.shape, strict=True)]) for x in (a, b)
    )


def _convolution_shapes() -> list[tuple[int, int, int, int]]:
    """(O, I, height, width) of every convolution, from the input on."""
    shapes, channels = [(32, 3, 7, 7)], 32
    for width, _ in _BLOCKS:
        shapes += [(width, channels, 3, 3), (width, width, 3, 3)]
        channels = width
    return shapes


def _read_dat(path: Path) -> dict[str, np.ndarray]:
    """The arrays of dlib's serialised network.

    Layers are written from the input on. A layer with weights begins with its name; a tensor is its
    format's version (2), its four dimensions, and little-endian float32 numbers.
    """
    content = path.read_bytes()
    arrays: dict[str, np.ndarray] = {}
    convolutions, affines = _tensors(content, b"con_4", path), _tensors(content, b"affine_", path)
    shapes = _convolution_shapes()
    heads = _tensors(content, b"fc_2", path, integers_before=2)
    if (len(convolutions), len(affines), len(heads)) != (len(shapes), len(shapes), 1):
        raise UserError(
            f"{path}: expected dlib's network with 29 convolutions, found {len(convolutions)} and "
            f"{len(heads)} linear layers"
        )
    for k, shape in enumerate(shapes):
        size, out = int(np.prod(shape)), shape[0]
        if convolutions[k].size != size + out or affines[k].size != 2 * out:
            raise UserError(
                f"{path}: convolution {k}: expected {size + out} numbers and 2 x {out} of its "
                f"normalisation, found {convolutions[k].size} and {affines[k].size}"
            )
        arrays[f"convolution{k}.weight"] = convolutions[k][:size].reshape(shape)
        arrays[f"convolution{k}.bias"] = convolutions[k][size:]
        arrays[f"affine{k}.scale"], arrays[f"affine{k}.offset"] = np.split(affines[k], 2)
    if heads[0].size != shapes[-1][0] * NUM_FEATURES:
        raise UserError(f"{path}: linear layer: expected 256 x 128 numbers, found {heads[0].size}")
    arrays["head"] = heads[0].reshape(shapes[-1][0], NUM_FEATURES)
    return arrays


def _tensors(
    content: bytes, layer: bytes, path: Path, integers_before: int = 0
) -> list[np.ndarray]:
    """The first tensor of every layer of one kind."""
    tag = bytes([1, len(layer)]) + layer
    tensors = []
    for found in re.finditer(re.escape(tag), content):
        position = found.end()
        for _ in range(integers_before):
            _, position = _integer(content, position)
        version, position = _integer(content, position)
        size = 1
        for _ in range(4):
            number, position = _integer(content, position)
            size *= number
        if version != 2 or size < 0 or position + 4 * size > len(content):
            raise UserError(f"{path}: expected dlib's serialised network, found a damaged file")
        tensors.append(np.frombuffer(content, "<f4", size, position))
    return tensors


def _integer(content: bytes, position: int) -> tuple[int, int]:
    """dlib's integers: a byte with the number of bytes and, on top, the sign; then the bytes."""
    if position >= len(content):
        return -1, position
    head = content[position]
    end = position + 1 + (head & 0x0F)
    number = int.from_bytes(content[position + 1 : end], "little")
    return (-number if head & 0x80 else number), end


_NUM_CONVOLUTIONS = len(_convolution_shapes())
_SHAPES: dict[str, tuple[int, ...]] = {"head": (_BLOCKS[-1][0], NUM_FEATURES)}
for _k, _shape in enumerate(_convolution_shapes()):
    _SHAPES[f"convolution{_k}.weight"] = _shape
    for _name in (f"convolution{_k}.bias", f"affine{_k}.scale", f"affine{_k}.offset"):
        _SHAPES[_name] = _shape[:1]

_FILE = NetworkFile(
    network="dlib's face recognition network",
    official=(FILE_NAME,),
    shapes=_SHAPES,
    readers={".dat": _read_dat},
)
