"""Fits a morphable model to the landmarks of a clip: one identity, and per frame pose, expression.

Minimises over identity a, and per frame t over expression e_t, rotation and translation,

    sum_t sum_i w_i |r_ti|^2 / sigma^2  +  lambda_id |a|^2  +  lambda_ex sum_t |e_t - prior_t|^2

with r_ti the distance in pixels of a 256-pixel crop between landmark i and its point on the model,
seen by the canonical camera. For blendshapes 0 <= e <= 1 and prior_t are the tracker's own scores;
other expressions have a standard normal prior. Damped Gauss-Newton; the frames meet in the identity
alone, so their unknowns are eliminated frame by frame (Schur complement).
"""

import dataclasses
import re
from collections.abc import Sequence

import jax
import numpy as np

from reenact_jax.errors import UserError
from reenact_jax.face_model.morphable import MorphableModel, project, to_camera
from reenact_jax.face_model.parameters import FaceParameters
from reenact_jax.face_model.rotation import euler_angles
from reenact_jax.tracking.anchors import NUM_DENSE, Anchors, anchor_points, model_anchors
from reenact_jax.tracking.solver import REFERENCE_SIZE, Unknowns, fit_batch

# The identity comes from at most this many frames, spread over the clip; all frames are then fitted
# to it. Batches are padded to one of these sizes, so that few programs are compiled.
_BATCH_SIZES = (1, 8, 32, 64)


def fit_clip(
    model: MorphableModel,
    landmarks: np.ndarray,
    scores: Sequence[dict[str, float]] | None = None,
    *,
    image_size: float = REFERENCE_SIZE,
) -> FaceParameters:
    """Fits one identity, and pose and expression of every frame.

    Args:
      model: any morphable model: with MediaPipe's 468 points where it has them, else with its 68.
      landmarks: (T, L, 2) pixels of the square crop, L >= 468 in MediaPipe's order, T >= 1.
      scores: per frame the tracker's blendshape scores by name, the prior of the expression; None
        for zeros. Used for models with named expressions.
      image_size: side of the crop that `landmarks` are pixels of.

    Returns:
      FaceParameters with NumPy leaves (T, K): the identity repeated, texture and lighting zero,
      the canonical camera.

    Raises:
      ValueError: if the landmarks have another shape or are not finite.
      UserError: if no pose fits them.
    """
    landmarks = np.asarray(landmarks, np.float32)
    if landmarks.ndim != 3 or landmarks.shape[1] < NUM_DENSE or landmarks.shape[2] != 2:
        raise ValueError(f"expected landmarks (T, >= {NUM_DENSE}, 2), found {landmarks.shape}")
    if len(landmarks) == 0:
        raise ValueError("expected landmarks of at least one frame, found none")
    if not np.isfinite(landmarks).all():
        raise ValueError("expected finite landmarks, found NaN or infinity")
    if scores is not None and len(scores) != len(landmarks):
        raise ValueError(f"expected scores of {len(landmarks)} frames, found {len(scores)}")
    num_frames = len(landmarks)
    anchors = model_anchors(model)
    observed = landmarks[:, anchors.selection] / np.float32(image_size)
    prior = _expression_prior(model, anchors, scores, num_frames)

    largest = _BATCH_SIZES[-1]
    chosen = np.unique(np.linspace(0, num_frames - 1, min(num_frames, largest)).round().astype(int))
    first = _fit_padded(anchors, observed[chosen], prior[chosen], None)
    if num_frames <= largest:
        parts = [first]
    else:
        parts = [
            _fit_padded(anchors, observed[i : i + largest], prior[i : i + largest], first.identity)
            for i in range(0, num_frames, largest)
        ]
    expression, rotation, translation = (
        np.concatenate([getattr(part, name) for part in parts])
        for name in ("expression", "rotation", "translation")
    )
    if not all(np.isfinite(x).all() for x in (first.identity, expression, rotation, translation)):
        raise UserError("no pose fits the landmarks: expected the landmarks of a face")
    return model.zeros((num_frames,)).replace(
        identity=np.tile(first.identity, (num_frames, 1)),
        expression=expression,
        rotation=np.asarray(euler_angles(rotation)),
        translation=translation,
    )


def fit_error_px(
    model: MorphableModel,
    parameters: FaceParameters,
    landmarks: np.ndarray,
    *,
    image_size: float = REFERENCE_SIZE,
) -> np.ndarray:
    """Mean distance between landmarks and model per frame, (T,) float32, in pixels of the crop.

    Args:
      model: the fitted model.
      parameters: leaves (T, K).
      landmarks: (T, L, 2) as for `fit_clip`.
      image_size: side of the crop that `landmarks` are pixels of.
    """
    anchors = model_anchors(model)
    projected = np.asarray(_project_anchors(anchors, parameters)) * np.float32(image_size)
    offsets = projected - np.asarray(landmarks, np.float32)[:, anchors.selection]
    return np.linalg.norm(offsets, axis=-1).mean(axis=-1)


@jax.jit
def _project_anchors(anchors: Anchors, parameters: FaceParameters) -> jax.Array:
    def one(frame: FaceParameters) -> jax.Array:
        points = anchor_points(anchors, frame.identity, frame.expression)
        return project(to_camera(points, frame.rotation, frame.translation), frame.camera)

    return jax.vmap(one)(parameters)


def _expression_prior(
    model: MorphableModel,
    anchors: Anchors,
    scores: Sequence[dict[str, float]] | None,
    num_frames: int,
) -> np.ndarray:
    """(T, E): the tracker's scores where a mode has one, else 0."""
    prior = np.zeros((num_frames, model.expression_basis.shape[0]), np.float32)
    if scores is None or not anchors.blendshapes:
        return prior
    for k, name in enumerate(model.expression_names):
        full = re.sub("_([LR])$", lambda side: {"L": "Left", "R": "Right"}[side[1]], name)
        # The tracker has one score for some pairs, such as cheekPuff.
        for candidate in (full, re.sub("(Left|Right)$", "", full)):
            if candidate in scores[0]:
                prior[:, k] = [frame[candidate] for frame in scores]
                break
    return np.clip(prior, 0.0, 1.0)


def _fit_padded(
    anchors: Anchors, observed: np.ndarray, prior: np.ndarray, identity: np.ndarray | None
) -> Unknowns:
    """`fit_batch` at the next static size; repeats of the last frame, of weight 0, fill it."""
    num_frames = len(observed)
    size = min(size for size in _BATCH_SIZES if size >= num_frames)
    padding = np.minimum(np.arange(size), num_frames - 1)
    counted = np.float32(np.arange(size) < num_frames)
    start = np.zeros(anchors.identity_basis.shape[0], np.float32) if identity is None else identity
    fitted = fit_batch(
        anchors, observed[padding], prior[padding], counted, start, free_identity=identity is None
    )
    fitted = jax.tree.map(np.asarray, fitted)
    return dataclasses.replace(
        fitted,
        expression=fitted.expression[:num_frames],
        rotation=fitted.rotation[:num_frames],
        translation=fitted.translation[:num_frames],
    )
