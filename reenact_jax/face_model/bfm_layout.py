"""Sizes, units and topology of `BFM_model_front.mat`, and the checks that both its forms pass."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from reenact_jax.errors import UserError
from reenact_jax.face_model.matlab_files import check_indices, warn_unless_known

NAME = "bfm2009"
NUM_VERTICES = 35_709
NUM_TRIANGLES = 70_789
NUM_IDENTITY = 80
NUM_EXPRESSION = 64
NUM_TEXTURE = 80

_NUM_COORDINATES = 3 * NUM_VERTICES
# Triangles listed for each vertex, filled up with an index one behind the last triangle.
_TRIANGLES_PER_VERTEX = 8

TOPOLOGY_SHAPES = {
    "tri": (NUM_TRIANGLES, 3),
    "point_buf": (NUM_VERTICES, _TRIANGLES_PER_VERTEX),
    "keypoints": (1, 68),
}
FRONT_SHAPES = {
    "meanshape": (1, _NUM_COORDINATES),
    "idBase": (_NUM_COORDINATES, NUM_IDENTITY),
    "exBase": (_NUM_COORDINATES, NUM_EXPRESSION),
    "meantex": (1, _NUM_COORDINATES),
    "texBase": (_NUM_COORDINATES, NUM_TEXTURE),
    **TOPOLOGY_SHAPES,
}
# Parts of `BFM_model_front.mat` that the training of the regressor used and nothing here reads.
UNUSED_SHAPES = {
    "frontmask2_idx": (27_660, 1),
    "tri_mask2": (54_681, 3),
    "skinmask": (1, NUM_VERTICES),
}

# sha256 of the published tables as little-endian int32 (facemodel_info.mat of Deep3DFaceRecon).
_KNOWN_TOPOLOGY = {
    "tri": "bc1133b73ed5599a82eb4e00a0be3f2c924935a0e5717e982d4179ff05f739b1",
    "point_buf": "7894b5074423ee56f38afe99c52bedde0a7aa9a8ae3afda8039f2e657eecb22e",
    "keypoints": "dd2eac1853e3516e6c47939f50ea564bd614f19f41968ff2984745c6274bd84d",
}
# The face is about 1.5 dm wide and 2 dm high.
_SPAN = (0.8, 4.0)
# Largest colour of the mean face, which the files give from 0 to 255.
_BRIGHTEST = (30.0, 256.0)
# Root mean square, over the vertices, of what one standard deviation of the first mode does. The
# first modes of the published files do some millimetres and some tens of grey levels.
_MODE_SIZES = {
    "idBase": (3e-4, 2.0, "decimetres"),
    "exBase": (3e-4, 2.0, "decimetres"),
    "texBase": (0.3, 120.0, "grey levels of 255"),
}


def check_topology(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Index bases and ranges of `TOPOLOGY_SHAPES`; warns where the numbers are not the published.

    Raises:
      UserError: if an index is out of range or a table does not count from 1.
    """
    check_indices(path, "tri", arrays["tri"], NUM_VERTICES)
    check_indices(path, "point_buf", arrays["point_buf"], NUM_TRIANGLES + 1)
    check_indices(path, "keypoints", arrays["keypoints"], NUM_VERTICES, uses_first=False)
    for key, sha256 in _KNOWN_TOPOLOGY.items():
        warn_unless_known(path, key, arrays[key].astype("<i4"), sha256)


def check_units(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Raises UserError unless lengths are decimetres and colours go from 0 to 255."""
    span = np.ptp(arrays["meanshape"].reshape(-1, 3)[:, 1])
    if not _SPAN[0] < span < _SPAN[1]:
        raise UserError(
            f"{path}: meanshape: expected a face {_SPAN[0]} to {_SPAN[1]} dm high, found "
            f"{span:.4g} dm: another unit?"
        )
    darkest, brightest = arrays["meantex"].min(), arrays["meantex"].max()
    if darkest < 0 or not _BRIGHTEST[0] < brightest < _BRIGHTEST[1]:
        raise UserError(
            f"{path}: meantex: expected colours from 0 to 255, found {darkest:.4g} to "
            f"{brightest:.4g}"
        )
    for key, (low, high, unit) in _MODE_SIZES.items():
        size = np.sqrt(3 * np.mean(np.square(arrays[key][:, 0], dtype=np.float64)))
        if not low < size < high:
            raise UserError(
                f"{path}: {key}: expected a first mode of {low} to {high} {unit} per standard "
                f"deviation, found {size:.4g}: another unit, or not multiplied as documented?"
            )
