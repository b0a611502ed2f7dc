"""Arrays of MATLAB files, checked: what is wrong is said with the file, the key and both values."""

import hashlib
import logging
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import scipy.io

from reenact_jax.errors import UserError

logger = logging.getLogger(__name__)


def read_mat(
    path: Path, shapes: Mapping[str, tuple[int, ...]], *, otherwise: str
) -> dict[str, np.ndarray]:
    """The arrays named by `shapes`; other keys of the file are not read.

    Args:
      path: a MATLAB 5 file.
      shapes: key -> shape that it must have.
      otherwise: what a file with another key or shape may be, or what to do; ends the message.

    Raises:
      UserError: if the file is missing, cut short or no MATLAB file, lacks a key, or holds another
        shape, NaN or infinity.
    """
    if not path.is_file():
        raise UserError(f"{path}: expected {path.name}, found no such file")
    try:
        stored = scipy.io.loadmat(path, variable_names=list(shapes))
    except Exception as err:  # scipy raises whatever a damaged file leads its reader to
        raise UserError(
            f"{path}: expected a complete MATLAB 5 file, found one that cannot be read "
            f"({type(err).__name__}: {err}): copy or build it again"
        ) from err
    arrays = {}
    for key, shape in shapes.items():
        if key not in stored:
            found = sorted(name for name, *_ in scipy.io.whosmat(path))
            raise UserError(f"{path}: expected the key {key}, found {found}: {otherwise}")
        array = stored[key]
        if array.shape != shape or array.dtype.kind not in "fiub":
            raise UserError(
                f"{path}: {key}: expected shape {shape}, found {array.shape} of {array.dtype}: "
                f"{otherwise}"
            )
        if not np.isfinite(array).all():
            raise UserError(f"{path}: {key}: expected finite numbers, found NaN or infinity")
        arrays[key] = array
    return arrays


def check_indices(
    path: Path, key: str, indices: np.ndarray, largest: int, *, uses_first: bool = True
) -> None:
    """Raises UserError unless `indices` are whole numbers from 1 to `largest`.

    Args:
      uses_first: 1 must be among them; a table that should use it and does not counts from
        somewhere else.
    """
    low, high = indices.min(), indices.max()
    whole = (indices == np.round(indices)).all()
    if low < 1 or high > largest or not whole or (uses_first and low != 1):
        raise UserError(
            f"{path}: {key}: expected indices from 1 to {largest}, found "
            f"{low} to {high}{'' if whole else ', not all whole'}"
        )


def warn_unless_known(path: Path, key: str, array: np.ndarray, sha256: str) -> None:
    """Logs a warning if the numbers are not the published ones.

    The hash is of the numbers, not of the file, so that a file saved again keeps it.

    Args:
      array: the numbers, of the dtype that the hash was taken of.
      sha256: 64 hex digits.
    """
    found = hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()
    if found != sha256:
        logger.warning(
            "%s: %s: expected the published numbers (sha256 %s...), found others (%s...): "
            "results will not compare with those of other people",
            *(path, key, sha256[:12], found[:12]),
        )
