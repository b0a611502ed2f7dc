"""Files of the evaluation networks: read safely, checked against the network, named by their hash.

A score is a number of one network with one set of weights. So every loader here returns, beside
the weights, a `Provenance` that belongs into the file with the scores, and a file that is not the
published one is accepted and said aloud.
"""

import dataclasses
import json
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from absl import logging
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from reenact_jax.errors import UserError
from reenact_jax.files import replacing
from reenact_jax.pretrained.asset_files import sha256
from reenact_jax.pretrained.registry import BY_NAME
from reenact_jax.pretrained.weight_files import check_shapes, read_arrays

CONVERTER = "scripts/convert_evaluation.py"
_COUNTER = ".num_batches_tracked"


@dataclasses.dataclass(frozen=True)
class Provenance:
    """Which weights a score was computed with; `dataclasses.asdict` of it is JSON.

    Attributes:
      network: what the weights belong to.
      file: the file's name, without its folder.
      sha256: of the file.
      source_sha256: of the file that it was converted from, as the converter noted it; of the file
        itself if it is no conversion; None for a conversion without a note.
      official: the registry's name of the published file with the hash `source_sha256`, or None.
      known: whether there is one.
    """

    network: str
    file: str
    sha256: str
    source_sha256: str | None
    official: str | None
    known: bool


@dataclasses.dataclass(frozen=True)
class NetworkFile:
    """A kind of weight file.

    Attributes:
      network: what the weights belong to, for messages.
      official: the registry's names of the published files of this kind.
      shapes: name -> shape, as PyTorch has them, of every array that is needed.
      ignored: names that may be there and are not used.
      readers: by suffix, functions that read other formats than .pth and .safetensors into the
        same names; they raise UserError.
      foreign: the name of another network that the arrays belong to, if it is one that may be
        mistaken for this; else None.
    """

    network: str
    official: tuple[str, ...]
    shapes: dict[str, tuple[int, ...]]
    ignored: frozenset[str] = frozenset()
    readers: Mapping[str, Callable[[Path], dict[str, np.ndarray]]] = dataclasses.field(
        default_factory=dict
    )
    foreign: Callable[[dict[str, np.ndarray]], str | None] = lambda arrays: None


def read_network(kind: NetworkFile, path: str | Path) -> tuple[dict[str, np.ndarray], Provenance]:
    """The network's arrays, float32 under PyTorch's names, and where they come from.

    Args:
      kind: what the file has to be.
      path: a published file, or a .safetensors file that `write_network` has made of it.

    Raises:
      UserError: if the file is missing, truncated, holds other things than tensors, or does not
        have the network's names and shapes in finite numbers; or a .pth without PyTorch.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(
            f"{path}: expected the weights of {kind.network}, found no such file; `python -m "
            f"reenact_jax.assets` says where to get {' or '.join(kind.official)}"
        )
    try:
        if path.suffix in kind.readers:
            arrays = kind.readers[path.suffix](path)
        else:
            arrays = read_arrays(path, converter=CONVERTER)
        other = kind.foreign(arrays)
        if other is not None:
            raise UserError(f"{path}: expected the weights of {kind.network}, found {other}")
        unused = kind.ignored | {name for name in arrays if name.endswith(_COUNTER)}
        check_shapes(arrays, kind.shapes, network=kind.network, path=path, ignored=unused)
    except UserError:
        raise
    except (ImportError, OSError, ValueError) as err:
        raise UserError(f"{err}. Expected is {kind.network}: {' or '.join(kind.official)}") from err
    arrays = {name: arrays[name].astype(np.float32) for name in kind.shapes}
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise UserError(f"{path}: {name}: expected finite numbers, found NaN or infinity")
        if name.endswith(".running_var") and array.min() < 0:
            raise UserError(f"{path}: {name}: expected variances, found {array.min()}")
    return arrays, provenance(kind.network, kind.official, path)


def write_network(
    path: Path, kind: NetworkFile, arrays: dict[str, np.ndarray], source: Provenance
) -> None:
    """Writes arrays of `read_network` as .safetensors, with a note of the file they come from.

    Raises:
      UserError: if `path` does not end in .safetensors or cannot be written.
    """
    if path.suffix != ".safetensors":
        raise UserError(f"expected a target ending in .safetensors, found {path}")
    note = {"network": kind.network, "source": source.official or source.file}
    if source.source_sha256 is not None:
        note["source_sha256"] = source.source_sha256
    try:
        with replacing(path) as temporary:
            save_file(arrays, temporary, metadata=note)
    except (OSError, SafetensorError) as err:
        raise UserError(f"{path}: cannot be written ({err})") from err


def provenance(network: str, official: tuple[str, ...], path: str | Path) -> Provenance:
    """Where a weight file comes from, by its hash; one that is not known is said aloud.

    Args:
      network: what the weights belong to.
      official: the registry's names of the published files.
      path: a file that has been read without an error.
    """
    path = Path(path)
    digest = sha256(path)
    source = digest
    if path.suffix == ".safetensors":
        with safe_open(path, framework="numpy") as file:
            source = (file.metadata() or {}).get("source_sha256")
    match = next((name for name in official if BY_NAME[name].sha256 == source), None)
    if match is None:
        logging.warning(
            "%s: the weights of %s here are not known to be the published ones (sha256 %s, source "
            "%s; published: %s): scores with them are comparable only among themselves",
            path,
            network,
            digest,
            source or "not noted",
            json.dumps({name: BY_NAME[name].sha256 for name in official}),
        )
    return Provenance(network, path.name, digest, source, match, match is not None)
