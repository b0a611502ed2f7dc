"""BFM 2009 from the files that `BFM_model_front.mat` is made of.

01_MorphableModel.mat is the Basel Face Model itself (53,490 vertices, micrometres), Exp_Pca.bin and
std_exp.txt are the expressions of Guo et al. on 53,215 of them, and the index files say which
35,709 of those make the face. The derivation is that of Deep3DFaceRecon.
"""

from pathlib import Path

import numpy as np
import scipy.io

from reenact_jax.errors import UserError
from reenact_jax.face_model.bfm_layout import (
    NUM_EXPRESSION,
    NUM_IDENTITY,
    NUM_TEXTURE,
    NUM_VERTICES,
    TOPOLOGY_SHAPES,
    UNUSED_SHAPES,
    check_topology,
    check_units,
)
from reenact_jax.face_model.matlab_files import check_indices, read_mat, warn_unless_known
from reenact_jax.files import replacing

NUM_BASEL_VERTICES = 53_490
NUM_EXPRESSION_VERTICES = 53_215
_NUM_BASEL_MODES = 199
_NUM_EXPRESSION_MODES = 79
# Shapes and expressions are in micrometres.
_PER_DECIMETRE = 1e5

_ORIGINS = {
    "01_MorphableModel.mat": "the Basel Face Model 2009, from the University of Basel by licence",
    "Exp_Pca.bin": "the expressions of Guo et al., from github.com/Juyong/3DFace (CoarseData)",
    "std_exp.txt": "folder BFM of github.com/sicxu/Deep3DFaceRecon_pytorch",
    "BFM_exp_idx.mat": "the same folder",
    "BFM_front_idx.mat": "the same folder",
    "facemodel_info.mat": "the same folder",
}
# sha256 of the published numbers: indices as little-endian int32, deviations as float64.
_KNOWN = {
    "trimIndex": "68deec77a323d8b9505070bbd0252f49b1da01bf33c2ea0c47da9c253aa3ba02",
    "idx": "0c6a382209e15fc362bc580ba095fbea01004c68d49b199f953f5bfc704e0083",
    "standard deviations": "b3911a8ef6727c1ee3b196af521540cf1cc19222569082a9dabc2e66ed7712db",
}


def read_raw(folder: str | Path) -> dict[str, np.ndarray]:
    """The arrays of `BFM_model_front.mat`, derived.

    Columns of the principal components are multiplied by their standard deviations, lengths are
    divided by 1e5, the first 80 (64, 80) columns and the face's vertices are kept. The mean of the
    expressions is not used: the published model leaves it out.

    Args:
      folder: holds the files named in `_ORIGINS`.

    Returns:
      Keys and shapes of `FRONT_SHAPES` and `UNUSED_SHAPES`; bases and means float32.

    Raises:
      UserError: if a file is missing, cut short, or of another shape, unit or index base.
    """
    folder = Path(folder)
    absent = [name for name in _ORIGINS if not (folder / name).is_file()]
    if absent:
        needs = "; ".join(f"{name} ({_ORIGINS[name]})" for name in absent)
        raise UserError(f"{folder}: expected the files of BFM 2009, missing: {needs}")
    of_basel = _index_file(folder / "BFM_exp_idx.mat", "trimIndex", NUM_BASEL_VERTICES)
    of_expression = _index_file(folder / "BFM_front_idx.mat", "idx", NUM_EXPRESSION_VERTICES)
    info = read_mat(
        folder / "facemodel_info.mat",
        TOPOLOGY_SHAPES | UNUSED_SHAPES,
        otherwise="take the file of Deep3DFaceRecon again",
    )
    check_topology(folder / "facemodel_info.mat", info)
    arrays = {
        "exBase": _expression_part(folder, of_expression),
        **_basel_part(folder / "01_MorphableModel.mat", of_basel[of_expression]),
        **{key: table.astype(np.int32) for key, table in info.items()},
    }
    check_units(folder, arrays)
    return arrays


def convert_raw(folder: str | Path, path: str | Path) -> None:
    """Writes `BFM_model_front.mat` (127 MB), whole or not at all.

    Raises:
      UserError: as `read_raw`, or if `path` cannot be written.
    """
    path = Path(path)
    if path.suffix != ".mat" or not path.parent.is_dir():
        raise UserError(f"{path}: expected the name of a .mat file in an existing folder")
    arrays = read_raw(folder)
    try:
        with replacing(path) as temporary:
            scipy.io.savemat(temporary, arrays)
    except OSError as err:
        raise UserError(f"{path}: could not be written ({err})") from err


def _index_file(path: Path, key: str, largest: int) -> np.ndarray:
    """(K,) indices from 0, ascending, of a table that counts from 1."""
    size = {"trimIndex": NUM_EXPRESSION_VERTICES, "idx": NUM_VERTICES}[key]
    table = read_mat(path, {key: (size, 1)}, otherwise="take the file of Deep3DFaceRecon again")
    indices = table[key].reshape(-1)
    check_indices(path, key, indices, largest)
    indices = indices.astype("<i4")
    if (np.diff(indices) <= 0).any():
        raise UserError(f"{path}: {key}: expected ascending indices, found some that are not")
    warn_unless_known(path, key, indices, _KNOWN[key])
    return indices - 1


def _basel_part(path: Path, vertices: np.ndarray) -> dict[str, np.ndarray]:
    """Mean and modes of shape and colour at `vertices` (indices from 0 into the Basel model)."""
    size = 3 * NUM_BASEL_VERTICES
    vector, matrix, deviations = (size, 1), (size, _NUM_BASEL_MODES), (_NUM_BASEL_MODES, 1)
    shapes = {
        f"{part}{key}": shape
        for part in ("shape", "tex")
        for key, shape in (("MU", vector), ("PC", matrix), ("EV", deviations))
    }
    basel = read_mat(path, shapes, otherwise="this is not the Basel Face Model 2009")
    for key in ("shapeEV", "texEV"):
        if (basel[key] <= 0).any() or (np.diff(basel[key][:, 0]) > 0).any():
            raise UserError(
                f"{path}: {key}: expected standard deviations, positive and descending, found "
                f"{basel[key].min():.4g} to {basel[key].max():.4g}"
            )
    rows = (3 * vertices[:, None] + np.arange(3)).reshape(-1)

    def modes(part: str, count: int, unit: float) -> np.ndarray:
        columns = basel[f"{part}PC"][rows, :count].astype(np.float64)
        return (columns * basel[f"{part}EV"][:count, 0] / unit).astype(np.float32)

    def mean(part: str, unit: float) -> np.ndarray:
        values = basel[f"{part}MU"][rows, 0].astype(np.float64)
        return (values / unit).astype(np.float32).reshape(1, -1)

    return {
        "meanshape": mean("shape", _PER_DECIMETRE),
        "idBase": modes("shape", NUM_IDENTITY, _PER_DECIMETRE),
        "meantex": mean("tex", 1.0),
        "texBase": modes("tex", NUM_TEXTURE, 1.0),
    }


def _expression_part(folder: Path, vertices: np.ndarray) -> np.ndarray:
    """(3 V, 64) float32 modes in decimetres at `vertices` (from 0) of the expressions' mesh."""
    deviations = _read_deviations(folder / "std_exp.txt")
    path = folder / "Exp_Pca.bin"
    size = 3 * NUM_EXPRESSION_VERTICES
    expected = 4 + 4 * size * (1 + _NUM_EXPRESSION_MODES)
    if path.stat().st_size != expected:
        raise UserError(
            f"{path}: expected {expected} bytes, found {path.stat().st_size}: cut short, or "
            "another file"
        )
    count = int(np.fromfile(path, "<i4", 1)[0])
    if count != _NUM_EXPRESSION_MODES:
        raise UserError(
            f"{path}: expected the number {_NUM_EXPRESSION_MODES} (little-endian) at the start, "
            f"found {count}"
        )
    # After the number come the mean, which is skipped, and the modes one by one.
    stored = np.memmap(path, "<f4", "r", 4 + 4 * size, (count, NUM_EXPRESSION_VERTICES, 3))
    modes = np.asarray(stored[:NUM_EXPRESSION][:, vertices], np.float64)
    if not np.isfinite(modes).all():
        raise UserError(f"{path}: expected finite numbers, found NaN or infinity")
    modes *= deviations[:NUM_EXPRESSION, None, None] / _PER_DECIMETRE
    return np.ascontiguousarray(modes.reshape(NUM_EXPRESSION, -1).T, np.float32)


def _read_deviations(path: Path) -> np.ndarray:
    try:
        deviations = np.array(path.read_text().split(), "<f8")
    except ValueError as err:  # no text, or words that are no numbers
        raise UserError(f"{path}: expected a text file of numbers ({err})") from err
    if deviations.shape != (_NUM_EXPRESSION_MODES,) or not (deviations > 0).all():
        raise UserError(
            f"{path}: expected {_NUM_EXPRESSION_MODES} positive numbers, found "
            f"{len(deviations)}, {int((deviations > 0).sum())} of them positive"
        )
    warn_unless_known(path, "standard deviations", deviations, _KNOWN["standard deviations"])
    return deviations
