"""LPIPS v0.1: a perceptual distance on the features of AlexNet ("alex") or VGG-16 ("vgg").

Pictures in [-1, 1] are shifted and scaled per channel; the activations of five layers are brought
to unit length over their channels; the squares of their differences are weighted per channel by
the published linear layers, averaged over the picture and added up. (Zhang et al., CVPR 2018.)
"""

import dataclasses
import functools
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from reenact_jax.image_ops import to_signed
from reenact_jax.pretrained.layers import Layer, convolve, max_pool, max_pool2, to_layer
from reenact_jax.pretrained.network_files import NetworkFile, Provenance, read_network

MIN_SIZE = 32
SHIFT = (-0.030, -0.088, -0.188)
SCALE = (0.458, 0.448, 0.450)

# Of each convolution torchvision's number, inputs, outputs and kernel size. Stages are parted by
# pooling or by a feature that is compared: the activation of a stage's last convolution.
_STAGES = {
    "alex": (
        ((0, 3, 64, 11),),
        ((3, 64, 192, 5),),
        ((6, 192, 384, 3),),
        ((8, 384, 256, 3),),
        ((10, 256, 256, 3),),
    ),
    "vgg": (
        ((0, 3, 64, 3), (2, 64, 64, 3)),
        ((5, 64, 128, 3), (7, 128, 128, 3)),
        ((10, 128, 256, 3), (12, 256, 256, 3), (14, 256, 256, 3)),
        ((17, 256, 512, 3), (19, 512, 512, 3), (21, 512, 512, 3)),
        ((24, 512, 512, 3), (26, 512, 512, 3), (28, 512, 512, 3)),
    ),
}
NETWORKS = tuple(_STAGES)


@functools.partial(
    jax.tree_util.register_dataclass, data_fields=["trunk", "linear"], meta_fields=["network"]
)
@dataclasses.dataclass(frozen=True)
class LpipsParams:
    """What `lpips_distance` computes with.

    Attributes:
      network: "alex" or "vgg".
      trunk: torchvision's name -> layer.
      linear: five arrays `(C_i,)`, the weights of the channels.
    """

    network: str
    trunk: dict[str, Layer]
    linear: tuple[jax.Array, ...]


def lpips_distance(params: LpipsParams, a01: jax.Array, b01: jax.Array) -> jax.Array:
    """Perceptual distance of two pictures each; symmetric, 0 for equal ones.

    Args:
      params: as of `load_lpips`.
      a01: float32 `(B, H, W, 3)` RGB in [0, 1], H and W at least 32.
      b01: of the same shape.

    Returns:
      float32 `(B,)`.

    Raises:
      ValueError: for images of other or different shapes or types.
    """
    if a01.shape != b01.shape:
        raise ValueError(f"expected images of one shape, found {a01.shape} and {b01.shape}")
    if a01.ndim != 4 or a01.shape[-1] != 3 or min(a01.shape[1:3]) < MIN_SIZE:
        raise ValueError(f"expected images (B, H, W, 3) with sides >= 32, found {a01.shape}")
    if a01.dtype != jnp.float32 or b01.dtype != jnp.float32:
        raise ValueError(f"expected float32 images, found {a01.dtype} and {b01.dtype}")
    features = lpips_features(params, jnp.concatenate([a01, b01]))
    distance = jnp.zeros(len(a01))
    for feature, weights in zip(features, params.linear, strict=True):
        unit_a, unit_b = jnp.split(unit_length(feature), 2)
        difference = jnp.square(unit_a - unit_b).mean(axis=(1, 2))
        distance += (difference * weights.reshape(1, -1)).sum(axis=1)
    return distance


def lpips_features(params: LpipsParams, images01: jax.Array) -> list[jax.Array]:
    """The five activations that are compared, float `(B, H_i, W_i, C_i)`."""
    shape = (1, 1, 1, 3)
    x = to_signed(images01)
    x = (x - jnp.array(SHIFT, x.dtype).reshape(shape)) / jnp.array(SCALE, x.dtype).reshape(shape)
    trunk = params.trunk
    features = []
    for index, stage in enumerate(_STAGES[params.network]):
        if params.network == "vgg" and index > 0:
            x = max_pool2(x)
        if params.network == "alex" and index in (1, 2):
            x = max_pool(x)
        for number, _, _, size in stage:
            # AlexNet's first convolution is the only one that does not keep the size.
            options = {"stride": 4, "padding": (2, 2)} if size == 11 else {}
            x = jax.nn.relu(convolve(trunk[f"features.{number}"], x, **options))
        features.append(x)
    return features


def unit_length(x: jax.Array) -> jax.Array:
    """Each pixel's channels at length 1; zero where all are zero."""
    squares = jnp.square(x).sum(axis=-1, keepdims=True)
    # The root's gradient at 0 is infinite; where all channels are 0, so is the quotient.
    return x / (jnp.sqrt(jnp.where(squares > 0, squares, 1.0)) + 1e-10)


def load_lpips(
    network: str, trunk: str | Path, linear: str | Path
) -> tuple[LpipsParams, tuple[Provenance, Provenance]]:
    """Parameters of `lpips_distance`, and where both files come from.

    Args:
      network: "alex" or "vgg".
      trunk: torchvision's `alexnet-owt-7be5be79.pth` or `vgg16-397923af.pth`.
      linear: LPIPS's own `alex.pth` or `vgg.pth` of version 0.1.
        A .pth needs torch, the extra `convert`; the .safetensors files that
        scripts/convert_evaluation.py makes do without.

    Raises:
      UserError: if a file is missing, damaged or another network's.
      ValueError: for another `network`.
    """
    if network not in NETWORKS:
        raise ValueError(f"expected a network among {', '.join(NETWORKS)}, found {network!r}")
    trunk_arrays, trunk_provenance = read_network(TRUNK_FILES[network], trunk)
    linear_arrays, linear_provenance = read_network(LINEAR_FILES[network], linear)
    params = pack_lpips(network, trunk_arrays, linear_arrays)
    return params, (trunk_provenance, linear_provenance)


def pack_lpips(
    network: str, trunk: dict[str, np.ndarray], linear: dict[str, np.ndarray]
) -> LpipsParams:
    """Published arrays -> parameters of `lpips_distance`."""
    names = [f"features.{number}" for number, *_ in _convolutions(network)]
    layers = {name: to_layer(trunk[f"{name}.weight"], trunk[f"{name}.bias"]) for name in names}
    weights = (linear[_linear_name(index)] for index in range(len(_STAGES[network])))
    return LpipsParams(
        network, layers, tuple(jnp.asarray(weight.reshape(-1)) for weight in weights)
    )


def _convolutions(network: str) -> list[tuple[int, int, int, int]]:
    return [convolution for stage in _STAGES[network] for convolution in stage]


def _linear_name(index: int) -> str:
    return f"lin{index}.model.1.weight"


def _trunk_shapes(network: str) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {}
    for number, inputs, outputs, size in _convolutions(network):
        shapes[f"features.{number}.weight"] = (outputs, inputs, size, size)
        shapes[f"features.{number}.bias"] = (outputs,)
    return shapes


def _linear_shapes(network: str) -> dict[str, tuple[int, ...]]:
    channels = [stage[-1][2] for stage in _STAGES[network]]
    return {_linear_name(index): (1, count, 1, 1) for index, count in enumerate(channels)}


def _named_network(arrays: dict[str, np.ndarray]) -> str | None:
    """What a file holds, of the networks that LPIPS may be confused about."""
    shapes = {name: array.shape for name, array in arrays.items()}
    for network, title in (("alex", "AlexNet"), ("vgg", "VGG-16")):
        if _linear_shapes(network).items() <= shapes.items():
            return f"LPIPS's linear layers for {title}"
    if "features.1.running_mean" in shapes:
        return "a VGG with batch normalisation"
    if "features.34.weight" in shapes:
        return "VGG-19"
    for network, title in (("vgg", "VGG-16"), ("alex", "AlexNet")):
        if _trunk_shapes(network).items() <= shapes.items():
            return title
    return None


def _classifier(*numbers: int) -> frozenset[str]:
    return frozenset(f"classifier.{n}.{part}" for n in numbers for part in ("weight", "bias"))


def _kind(title: str, official: str, shapes: dict, ignored: frozenset[str]) -> NetworkFile:
    def foreign(arrays: dict[str, np.ndarray]) -> str | None:
        found = _named_network(arrays)
        return found if found != title else None

    return NetworkFile(title, (official,), shapes, ignored, foreign=foreign)


TRUNK_FILES = {
    "alex": _kind(
        "AlexNet", "alexnet-owt-7be5be79.pth", _trunk_shapes("alex"), _classifier(1, 4, 6)
    ),
    "vgg": _kind("VGG-16", "vgg16-397923af.pth", _trunk_shapes("vgg"), _classifier(0, 3, 6)),
}
LINEAR_FILES = {
    "alex": _kind(
        "LPIPS's linear layers for AlexNet", "alex.pth", _linear_shapes("alex"), frozenset()
    ),
    "vgg": _kind("LPIPS's linear layers for VGG-16", "vgg.pth", _linear_shapes("vgg"), frozenset()),
}
