"""Moments of a reference set in a file, with what they were made of.

A cached reference is only good for the network, the pictures and the preparation that made it, so
the file says what those were and reading it says what is expected.
"""

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from reenact_jax.errors import UserError
from reenact_jax.files import replacing
from reenact_jax.metrics.frechet import Moments

_FORMAT = 1


def save_moments(path: Path, moments: Moments, provenance: Mapping[str, str | int]) -> None:
    """Writes a .npz with the moments and their provenance. Makes the folder.

    Args:
      path: ends with .npz.
      moments: of the reference set.
      provenance: what decides about the numbers: network and hash of its weights, list of the
        pictures, image size, codec, preparation. Keys are free.
    """
    if Path(path).suffix != ".npz":
        raise ValueError(f"expected a path that ends with .npz, found {path}")
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        np.savez(
            temporary,
            format=_FORMAT,
            count=moments.count,
            mean=moments.mean,
            scatter=moments.scatter,
            provenance=json.dumps(dict(provenance), sort_keys=True),
        )


def load_moments(
    path: Path, expected: Mapping[str, str | int] | None = None
) -> tuple[Moments, dict[str, str | int]]:
    """Reads moments and provenance.

    Args:
      path: of the file.
      expected: the provenance must have these keys with these values; None asks for nothing.

    Raises:
      UserError: if there is no such file, it is not one of these, or was made of something else.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            if int(arrays["format"]) != _FORMAT:
                raise ValueError(f"format {int(arrays['format'])}, expected {_FORMAT}")
            moments = Moments(int(arrays["count"]), arrays["mean"], arrays["scatter"])
            provenance = json.loads(str(arrays["provenance"]))
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile) as err:
        raise UserError(
            f"{path}: expected cached features of a reference set, found none that can be read "
            f"({err}): delete it and score again"
        ) from err
    dimensions = moments.dimensions
    if moments.mean.ndim != 1 or moments.scatter.shape != (dimensions, dimensions):
        raise UserError(f"{path}: mean and scatter do not fit together: delete it and score again")
    for key, value in (expected or {}).items():
        if provenance.get(key) != value:
            raise UserError(
                f"{path}: expected features with {key} = {value!r}, found "
                f"{provenance.get(key)!r}: delete the file, or name another one"
            )
    return moments, provenance
