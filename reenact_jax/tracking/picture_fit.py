"""Landmarks and a fitted face of single pictures: what the open AED and APD compare.

Every picture is measured on its own, whichever video or method it comes from, by one detector and
one fit, in its own pixels: no crop is taken, so nothing of a crop gets into the pose. A picture
without a face is reported, never filled in.
"""

import dataclasses

import jax
import numpy as np

from reenact_jax.errors import UserError
from reenact_jax.face_model.morphable import MorphableModel
from reenact_jax.face_model.parameters import FaceParameters
from reenact_jax.tracking.fit import fit_clip
from reenact_jax.tracking.landmarks import NUM_LANDMARKS, FaceLandmarker

NO_FACE = "no face found"
NO_FIT = "no pose fits the landmarks"


@dataclasses.dataclass(frozen=True)
class PictureFits:
    """Of N pictures.

    Attributes:
      parameters: FaceParameters with NumPy leaves (N, K), in the canonical camera of the whole
        picture; rows of NaN where there is no fit.
      points: float32 (N, 478, 2), MediaPipe's landmarks in pixels of the picture; rows of NaN
        where there is no face.
      reasons: N texts, None where there is a fit.
    """

    parameters: FaceParameters
    points: np.ndarray
    reasons: tuple[str | None, ...]


def fit_pictures(
    pictures: np.ndarray, model: MorphableModel, landmarker: FaceLandmarker
) -> PictureFits:
    """Finds the largest face of each picture and fits the model to it, identity included.

    Args:
      pictures: uint8 (N, S, S, 3) RGB.
      model: any morphable model.
      landmarker: to find the faces with.

    Raises:
      ValueError: for pictures of another shape or type.
    """
    if pictures.ndim != 4 or pictures.shape[1] != pictures.shape[2] or pictures.dtype != np.uint8:
        raise ValueError(
            f"expected uint8 pictures (N, S, S, 3), found {pictures.dtype} {pictures.shape}"
        )
    size = pictures.shape[1]
    points = np.full((len(pictures), NUM_LANDMARKS, 2), np.nan, np.float32)
    parameters = jax.tree.map(
        lambda leaf: np.full(np.shape(leaf), np.nan, np.float32), model.zeros((len(pictures),))
    )
    reasons: list[str | None] = []
    for k, picture in enumerate(pictures):
        face = landmarker.detect(picture)
        if face is None:
            reasons.append(NO_FACE)
            continue
        points[k] = face.points
        try:
            fitted = fit_clip(model, points[k : k + 1], [face.scores], image_size=size)
        except UserError:
            reasons.append(NO_FIT)
            continue
        reasons.append(None)
        for leaf, one in zip(jax.tree.leaves(parameters), jax.tree.leaves(fitted), strict=True):
            leaf[k] = one[0]
    return PictureFits(parameters, points, tuple(reasons))
