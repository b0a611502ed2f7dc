"""ICT-FaceKit (light, MIT licence) from its .npz, as a `MorphableModel` in decimetres.

The file holds the release's face, head-and-neck skin and scleras in a centimetre-like unit, x
right, y up, z out of the face; 100 identity modes ~ N(0, 1) and 53 named expression weights in
[0, 1].
"""

import math
import os
import zipfile
import zlib
from pathlib import Path

import numpy as np

from reenact_jax.errors import UserError
from reenact_jax.face_model.eyeballs import Eyeballs, gaze_turn, make_eyeballs
from reenact_jax.face_model.morphable import DenseLandmarks, MorphableModel, make_model

NAME = "ict_facekit"

_DECIMETRES_PER_UNIT = 0.1

# Where the origin of our model frame lies in the release's frame (decimetres). The release puts
# its origin inside the head; this point makes eyes, nose tip and mouth corners of the mean face
# coincide, on average, with the five-point template of Deep3DFaceRecon, so that translations and
# the canonical camera mean the same for both models.
ORIGIN = (0.0, 0.05, 0.77)

# Radians that an eyeLook mode turns the eye by at weight 1; the release's own move the lids alone.
# Measured on real video: MediaPipe's scores of these names against the gaze that its iris points
# show on a fitted head (scripts/measure_gaze.py).
GAZE = {"down": math.radians(20), "up": math.radians(15), "sideways": math.radians(28)}
# The centre of a sphere through the neutral left eyeball (radius 0.155, the bulging cornea left
# aside), seen from the mean of its vertices, in decimetres. The right eye is its mirror image.
CENTRE_OFFSET = (-0.0078, -0.0013, -0.0512)

_HEAD_AND_NECK = "head_neck"
_EYEBALLS = ("eyeball_left", "eyeball_right")
_NUM_MEDIAPIPE = 468

# Name -> shape; a letter stands for a size that must agree wherever it appears.
_LAYOUT = {
    "neutral": ("V", 3),
    "identity_basis": ("I", "V", 3),
    "expression_basis": ("E", "V", 3),
    "expression_names": ("E",),
    "triangles": ("F", 3),
    "triangle_part": ("F",),
    "vertex_part": ("V",),
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
      path: the .npz; keys and shapes as in docs/face_models.md.

    Raises:
      UserError: if the file is missing, is no .npz, or a key or shape is not as expected.
    """
    arrays = _read_arrays(Path(path))
    part_names = [str(name) for name in arrays["part_names"]]
    for expected in (_HEAD_AND_NECK, *_EYEBALLS):
        if expected not in part_names:
            raise UserError(f"{path}: expected a part named {expected}, found {part_names}")
    in_region = arrays["triangle_part"] != part_names.index(_HEAD_AND_NECK)
    names = tuple(str(name) for name in arrays["expression_names"])
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
        eyeballs=_eyeballs(arrays, part_names, names, path),
        expression_names=names,
    )


def _eyeballs(
    arrays: dict[str, np.ndarray], part_names: list[str], names: tuple[str, ...], path: Path
) -> Eyeballs:
    left, right = (
        np.flatnonzero(arrays["vertex_part"] == part_names.index(ball)) for ball in _EYEBALLS
    )
    if len(left) != len(right):
        raise UserError(
            f"{path}: vertex_part: expected two eyeballs of one size, found {len(left)} and "
            f"{len(right)} vertices"
        )
    offset = np.array(CENTRE_OFFSET)
    return make_eyeballs(
        vertices=np.stack([left, right]),
        centre_offset=np.stack([offset, offset * [-1, 1, 1]]),
        turn=gaze_turn(names, **GAZE),
    )


def _read_arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays of `_LAYOUT`, their shapes checked against it and against each other."""
    if path.is_dir():
        raise UserError(
            f"{path}: expected ICT-FaceKit as .npz, found a folder: convert a download of the "
            f"release by python scripts/convert_ict.py {path} ict_facekit.npz"
        )
    if not path.is_file():
        raise UserError(
            f"{path}: no such file; expected ICT-FaceKit as .npz (see docs/face_models.md)"
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
