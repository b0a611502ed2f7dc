"""The paper's face model: BFM 2009 with the expressions of Guo et al., cut down to a face.

It comes as one file, `BFM_model_front.mat` of Deep3DFaceRecon, or as the folder of files that it is
made of (`bfm_raw`). Its users hold a licence; nothing of it is part of this project. Coordinates
are decimetres, vectors interleave xyz (or RGB), and indices count from 1.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from reenact_jax.face_model import bfm_raw
from reenact_jax.face_model.bfm_layout import FRONT_SHAPES, NAME, check_topology, check_units
from reenact_jax.face_model.matlab_files import read_mat
from reenact_jax.face_model.morphable import MorphableModel, make_model


def load_bfm(path: str | Path) -> MorphableModel:
    """The model of `BFM_model_front.mat`, or of a folder with the files that it is made of.

    Args:
      path: the .mat file or the folder.

    Returns:
      A model named `bfm2009` with 35,709 vertices, 70,789 triangles, 80 identity, 64 expression and
      80 texture modes; the whole mesh is its guidance region.

    Raises:
      UserError: if a file is missing or damaged, or has another shape, unit or index base than
        documented; says which, what was expected and what was found.
    """
    path = Path(path)
    return _model(bfm_raw.read_raw(path) if path.is_dir() else _read_front(path))


def _read_front(path: Path) -> dict[str, np.ndarray]:
    arrays = read_mat(
        path,
        FRONT_SHAPES,
        otherwise="this is not the cut-down model of Deep3DFaceRecon; if it is "
        "01_MorphableModel.mat, give its folder instead",
    )
    check_topology(path, arrays)
    check_units(path, arrays)
    return arrays


def _model(arrays: Mapping[str, np.ndarray]) -> MorphableModel:
    """The mean is moved so that its vertices average to zero, as the regressor's authors do.

    Colours are divided by 255. Normals are computed from `tri` (all triangles of a vertex), which
    is what `point_buf` lists; that table is only checked.
    """
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


def _modes(columns: np.ndarray) -> np.ndarray:
    """(3 V, K) columns -> (K, V, 3) float32."""
    return np.ascontiguousarray(columns.T, np.float32).reshape(columns.shape[1], -1, 3)
