"""ICT-FaceKit (light, MIT licence) from its .npz, as a `MorphableModel` in decimetres.

The file holds the release's face, head-and-neck skin and scleras in a centimetre-like unit, x
right, y up, z out of the face; 100 identity modes ~ N(0, 1) and 53 named expression weights in
[0, 1].
"""

import os
import zipfile
import zlib
from pathlib import Path

import numpy as np

from reenact_jax.errors import UserError
from reenact_jax.face_model.morphable import DenseLandmarks, MorphableModel, make_model

NAME = "ict_facekit"

_DECIMETRES_PER_UNIT = 0.1

# Where the origin of our model frame lies in the release's frame (decimetres). The release puts
# its origin inside the head; this point makes eyes, nose tip and mouth corners of the mean face
# coincide, on average, with the five-point template of Deep3DFaceRecon, so that translations and
# the canonical camera mean the same for both models.
ORIGIN = (0.0, 0.05, 0.77)

_HEAD_AND_NECK = "head_neck"
_NUM_MEDIAPIPE = 468

# Name -> shape; a letter stands for a size that must agree wherever it appears.
_LAYOUT = {
    "neutral": ("V", 3),
    "identity_basis": ("I", "V", 3),
    "expression_basis": ("E", "V", 3),
    "expression_names": ("E",),
    "triangles": ("F", 3),
    "triangle_part": ("F",),
    "part_names": ("P",),
    "landmarks68": (68,),
    "mirror_vertex": ("V",),
    "mediapipe468_vertices": (_NUM_MEDIAPIPE, 3),
    "mediapipe468_bary": (_NUM_MEDIAPIPE, 3),
}


def load_ict_facekit(path: str | os.PathLike) -> MorphableModel:
    """Reads the .npz form of ICT-FaceKit.

    The model has no albedo (`texture_mean` is None): colours are sampled from the source image.
    Its guidance region is the face and the eyeballs, without head and neck.

    Args:
      path: the .npz; keys and shapes as in docs/tracking.md.

    Raises:
      UserError: if the file is missing, is no .npz, or a key or shape is not as expected.
    """
    arrays = _read_arrays(Path(path))
    part_names = [str(name) for name in arrays["part_names"]]
    if _HEAD_AND_NECK not in part_names:
        raise UserError(f"{path}: expected a part named {_HEAD_AND_NECK}, found {part_names}")
    in_region = arrays["triangle_part"] != part_names.index(_HEAD_AND_NECK)
    scale = np.float32(_DECIMETRES_PER_UNIT)
    landmark_vertices = arrays["mediapipe468_vertices"]
    if landmark_vertices.min() < 0 or landmark_vertices.max() >= len(arrays["neutral"]):
        raise UserError(f"{path}: mediapipe468_vertices: expected indices of vertices")
    return make_model(
        name=NAME,
        mean=arrays["neutral"] * scale - np.float32(ORIGIN),
        identity_basis=arrays["identity_basis"].astype(np.float32) * scale,
        expression_basis=arrays["expression_basis"].astype(np.float32) * scale,
        triangles=arrays["triangles"],
        region_triangles=arrays["triangles"][in_region],
        landmarks68=arrays["landmarks68"],
        mirror_vertex=arrays["mirror_vertex"],
        dense_landmarks=DenseLandmarks(
            landmark_vertices.astype(np.int32), arrays["mediapipe468_bary"].astype(np.float32)
        ),
        expression_names=tuple(str(name) for name in arrays["expression_names"]),
    )


def _read_arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays of `_LAYOUT`, their shapes checked against it and against each other."""
    if not path.is_file():
        raise UserError(
            f"{path}: no such file; expected ICT-FaceKit as .npz (see docs/tracking.md)"
        )
    if not zipfile.is_zipfile(path):
        # np.load would take it for a pickle and say so, which helps nobody.
        raise UserError(f"{path}: expected an .npz archive, found another kind of file")
    with np.load(path, allow_pickle=False) as stored:
        missing = [name for name in _LAYOUT if name not in stored.files]
        if missing:
            raise UserError(
                f"{path}: expected the keys {', '.join(_LAYOUT)}; missing: {', '.join(missing)}"
            )
        try:
            arrays = {name: stored[name] for name in _LAYOUT}
        except (ValueError, EOFError, zipfile.BadZipFile, zlib.error) as err:
            raise UserError(f"{path}: damaged or pickled array ({err})") from err
    sizes: dict[str | int, int] = {}
    for name, layout in _LAYOUT.items():
        found = arrays[name].shape
        # Letters that were met before are known sizes by now; new ones fit anything.
        expected = tuple(sizes.get(size, size) for size in layout)
        fits = len(found) == len(expected) and all(
            isinstance(e, str) or e == f for e, f in zip(expected, found, strict=True)
        )
        if not fits:
            raise UserError(f"{path}: {name}: expected shape {expected}, found {found}")
        sizes |= {n: f for n, f in zip(layout, found, strict=True) if isinstance(n, str)}
    return arrays
