"""Reads the paper's face model: `BFM_model_front.mat` of Deep3DFaceRecon.

The file is the Basel Face Model 2009 with the expressions of Guo et al., cut down to a face without
ears and neck. Its users hold a licence; nothing of it is part of this project. Coordinates are
decimetres already, vectors interleave xyz (or RGB), and indices count from 1.
"""

from pathlib import Path

import numpy as np
import scipy.io

from reenact_jax.errors import UserError
from reenact_jax.face_model.morphable import MorphableModel, make_model

NAME = "bfm2009"
NUM_VERTICES = 35_709
NUM_TRIANGLES = 70_789
NUM_IDENTITY = 80
NUM_EXPRESSION = 64
NUM_TEXTURE = 80

_NUM_COORDINATES = 3 * NUM_VERTICES
# Triangles listed for each vertex, filled up with an index one behind the last triangle.
_TRIANGLES_PER_VERTEX = 8

_SHAPES = {
    "meanshape": (1, _NUM_COORDINATES),
    "idBase": (_NUM_COORDINATES, NUM_IDENTITY),
    "exBase": (_NUM_COORDINATES, NUM_EXPRESSION),
    "meantex": (1, _NUM_COORDINATES),
    "texBase": (_NUM_COORDINATES, NUM_TEXTURE),
    "tri": (NUM_TRIANGLES, 3),
    "point_buf": (NUM_VERTICES, _TRIANGLES_PER_VERTEX),
    "keypoints": (1, 68),
}
# Largest index (counted from 1) of each table of indices.
_LARGEST_INDEX = {
    "tri": NUM_VERTICES,
    "point_buf": NUM_TRIANGLES + 1,
    "keypoints": NUM_VERTICES,
}


def load_bfm_front(path: str | Path) -> MorphableModel:
    """The model of `BFM_model_front.mat`: 35,709 vertices, 70,789 triangles.

    The mean shape is moved so that its vertices average to zero, as the regressor's authors do;
    colours are divided by 255. Normals are computed from `tri` (all triangles of a vertex), which
    is what `point_buf` lists; that table is only checked.

    Args:
      path: the .mat file.

    Returns:
      A model named `bfm2009` with 80 identity, 64 expression and 80 texture modes; the whole mesh
      is its guidance region.

    Raises:
      UserError: if the file is no complete MATLAB file, or lacks a key, or a key has another shape
        or indices out of range; says which, what was expected and what was found.
    """
    arrays = _read(Path(path))
    mean = arrays["meanshape"].reshape(-1, 3).astype(np.float64)
    return make_model(
        name=NAME,
        mean=mean - mean.mean(axis=0, keepdims=True),
        identity_basis=_modes(arrays["idBase"]),
        expression_basis=_modes(arrays["exBase"]),
        texture_mean=arrays["meantex"].reshape(-1, 3) / 255.0,
        texture_basis=_modes(arrays["texBase"]) / np.float32(255.0),
        triangles=arrays["tri"].astype(np.int32) - 1,
        landmarks68=arrays["keypoints"].reshape(-1).astype(np.int32) - 1,
    )


def _read(path: Path) -> dict[str, np.ndarray]:
    if not path.is_file():
        raise UserError(f"{path}: expected BFM_model_front.mat, found no such file")
    try:
        arrays = scipy.io.loadmat(path, variable_names=list(_SHAPES))
    except Exception as err:  # scipy raises whatever a damaged file leads its reader to
        raise UserError(
            f"{path}: expected a complete MATLAB 5 file, found one that cannot be read "
            f"({type(err).__name__}: {err}): copy or build it again"
        ) from err
    for key, shape in _SHAPES.items():
        if key not in arrays:
            raise UserError(
                f"{path}: expected the key {key} of BFM_model_front.mat, found "
                f"{sorted(name for name in arrays if not name.startswith('__'))}: is it another "
                "file, such as 01_MorphableModel.mat?"
            )
        if arrays[key].shape != shape:
            raise UserError(
                f"{path}: {key}: expected shape {shape}, found {arrays[key].shape}: this is not "
                "the cut-down model of Deep3DFaceRecon"
            )
        if not np.isfinite(arrays[key]).all():
            raise UserError(f"{path}: {key}: expected finite numbers, found NaN or infinity")
    for key, largest in _LARGEST_INDEX.items():
        low, high = arrays[key].min(), arrays[key].max()
        if low < 1 or high > largest:
            raise UserError(
                f"{path}: {key}: expected indices from 1 to {largest}, found {low} to {high}"
            )
    return arrays


def _modes(columns: np.ndarray) -> np.ndarray:
    """(3 V, K) columns -> (K, V, 3) float32."""
    return np.ascontiguousarray(columns.T, np.float32).reshape(columns.shape[1], -1, 3)
