"""Fits a morphable model to the landmarks of a clip: one identity, and per frame pose, expression.

Minimises over identity a, and per frame t over expression e_t, rotation and translation,

    sum_t ( sum_i w_i |r_ti|^2 / 1.5^2  +  sum_p |d_tp|^2 / s_p^2  +  sum_b |g_tb|^2 / 0.7^2 )
        +  T |a|^2  +  sum_t sum_k c_k (e_tk - prior_tk)^2

in pixels of a 256-pixel crop, seen by the canonical camera: r_ti from landmark i to its point on
the model, d_tp from an aperture (lids: s = 0.25, inner lips: 0.6) to the model's, g_tb from the
centre of an iris to the model's pupil, while its eye is open. For blendshapes 0 <= e <= 1, prior_t
are the tracker's own scores, c = 20 and, for the eyes, 3; other expressions have a standard normal
prior. Damped Gauss-Newton; the frames meet in the identity alone, so their unknowns are eliminated
frame by frame (Schur complement).
"""

import dataclasses
from collections.abc import Sequence

import jax
import numpy as np

from reenact_jax.errors import UserError
from reenact_jax.face_model.morphable import MorphableModel, project, to_camera
from reenact_jax.face_model.parameters import FaceParameters
from reenact_jax.face_model.rotation import euler_angles
from reenact_jax.tracking.anchors import NUM_DENSE, Anchors, anchor_points, model_anchors
from reenact_jax.tracking.prior import expression_prior, held_gaze, pupil_sight
from reenact_jax.tracking.solver import REFERENCE_SIZE, Observations, Unknowns, fit_batch
from reenact_jax.tracking.targets import Targets, model_targets

# The identity comes from at most this many frames, spread over the clip; all frames are then fitted
# to it. Batches are padded to fixed sizes, so that few programs are compiled.
_IDENTITY_SIZES = (1, 8, 32)
_FRAMES_SIZES = (8, 64)


def fit_clip(
    model: MorphableModel,
    landmarks: np.ndarray,
    scores: Sequence[dict[str, float]] | None = None,
    *,
    image_size: float = REFERENCE_SIZE,
    held_out: np.ndarray | None = None,
) -> FaceParameters:
    """Fits one identity, and pose and expression of every frame.

    Args:
      model: any morphable model: with MediaPipe's 468 points where it has them, else with its 68.
      landmarks: (T, L, 2) pixels of the square crop, L >= 468 in MediaPipe's order, T >= 1. The
        gaze is fitted where L = 478 and the model has eyeballs.
      scores: per frame the tracker's blendshape scores by name, the prior of the expression; None
        for zeros. Used for models with named expressions.
      image_size: side of the crop that `landmarks` are pixels of.
      held_out: indices of landmarks that the fit does not use, to measure it by.

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
    targets = model_targets(model, held_out)
    observed = _observations(model, targets, landmarks / np.float32(image_size), scores)
    num_frames = len(landmarks)
    largest = _IDENTITY_SIZES[-1]
    if num_frames <= largest:
        fitted = _fit_padded(targets, observed, None)
    else:
        chosen = np.linspace(0, num_frames - 1, largest).round().astype(int)
        identity = _fit_padded(targets, _rows(observed, chosen), None).identity
        fitted = _fit_frames(targets, observed, identity)
    fitted = _with_held_gaze(targets, observed, fitted)
    if not all(np.isfinite(x).all() for x in dataclasses.astuple(fitted)):
        raise UserError("no pose fits the landmarks: expected the landmarks of a face")
    return model.zeros((num_frames,)).replace(
        identity=np.tile(fitted.identity, (num_frames, 1)),
        expression=fitted.expression,
        rotation=np.asarray(euler_angles(fitted.rotation)),
        translation=fitted.translation,
    )


def distances_px(
    model: MorphableModel,
    parameters: FaceParameters,
    landmarks: np.ndarray,
    *,
    image_size: float = REFERENCE_SIZE,
) -> np.ndarray:
    """Distance between each landmark and its point on the model, (T, 468) or (T, 68) float32.

    Args:
      model: the fitted model.
      parameters: leaves (T, K).
      landmarks: (T, L, 2) as for `fit_clip`.
      image_size: side of the crop that `landmarks` are pixels of, and the unit of the result.
    """
    anchors = model_anchors(model)
    projected = np.asarray(_project_anchors(anchors, parameters)) * np.float32(image_size)
    offsets = projected - np.asarray(landmarks, np.float32)[:, anchors.selection]
    return np.linalg.norm(offsets, axis=-1)


def fit_error_px(
    model: MorphableModel,
    parameters: FaceParameters,
    landmarks: np.ndarray,
    *,
    image_size: float = REFERENCE_SIZE,
) -> np.ndarray:
    """Mean of `distances_px` per frame, (T,) float32."""
    return distances_px(model, parameters, landmarks, image_size=image_size).mean(axis=-1)


@jax.jit
def _project_anchors(anchors: Anchors, parameters: FaceParameters) -> jax.Array:
    def one(frame: FaceParameters) -> jax.Array:
        points = anchor_points(anchors, frame.identity, frame.expression)
        return project(to_camera(points, frame.rotation, frame.translation), frame.camera)

    return jax.vmap(one)(parameters)


def _observations(
    model: MorphableModel,
    targets: Targets,
    positions: np.ndarray,
    scores: Sequence[dict[str, float]] | None,
) -> Observations:
    """What is seen in positions (T, L, 2), [0, 1] across the crop; every frame counts."""
    num_frames = len(positions)
    prior, precision = expression_prior(
        model.expression_names, model.expression_basis.shape[0], scores, num_frames
    )
    sight = np.zeros((num_frames, len(targets.arm)), np.float32)
    selection = np.asarray(targets.selection)
    if len(targets.arm) and positions.shape[1] > selection.max():
        sight = pupil_sight(positions)
    # Without irises the pupils take part with weight 0, wherever they are.
    points = positions[:, np.minimum(selection, positions.shape[1] - 1)]
    return Observations(points, sight, prior, precision, np.ones(num_frames, np.float32))


def _with_held_gaze(targets: Targets, observed: Observations, fitted: Unknowns) -> Unknowns:
    """Fits frames with closed eyes again, with a gaze between those before and after."""
    hidden, gaze, precision = held_gaze(fitted.expression, observed.sight, targets.turn)
    if not observed.sight.any() or not hidden.any():
        return fitted
    held = dataclasses.replace(
        observed,
        prior=np.where(precision > 0, gaze, observed.prior),
        precision=np.maximum(precision, observed.precision),
    )
    again = _fit_frames(targets, _rows(held, hidden), fitted.identity)
    return Unknowns(
        fitted.identity,
        *(
            _replaced(getattr(fitted, name), hidden, getattr(again, name))
            for name in ("expression", "rotation", "translation")
        ),
    )


def _replaced(values: np.ndarray, rows: np.ndarray, others: np.ndarray) -> np.ndarray:
    result = values.copy()
    result[rows] = others
    return result


def _rows(observed: Observations, rows: np.ndarray) -> Observations:
    return jax.tree.map(lambda leaf: leaf[rows], observed)


def _fit_frames(targets: Targets, observed: Observations, identity: np.ndarray) -> Unknowns:
    """Every frame on its own, with a given identity."""
    small, large = _FRAMES_SIZES
    parts, start, num_frames = [], 0, len(observed.points)
    while start < num_frames:
        # A large batch takes as long half empty as full.
        size = large if num_frames - start > large // 2 else small
        part = _rows(observed, np.arange(start, min(start + size, num_frames)))
        parts.append(_fit_padded(targets, part, identity))
        start += size
    return Unknowns(
        identity,
        *(
            np.concatenate([getattr(part, name) for part in parts])
            for name in ("expression", "rotation", "translation")
        ),
    )


def _fit_padded(targets: Targets, observed: Observations, identity: np.ndarray | None) -> Unknowns:
    """`fit_batch` at the next static size; repeats of the last frame, of weight 0, fill it."""
    num_frames = len(observed.points)
    sizes = _IDENTITY_SIZES if identity is None else _FRAMES_SIZES
    size = min(size for size in sizes if size >= num_frames)
    padded = _rows(observed, np.minimum(np.arange(size), num_frames - 1))
    padded = dataclasses.replace(padded, counted=np.float32(np.arange(size) < num_frames))
    start = np.zeros(targets.identity_basis.shape[0], np.float32) if identity is None else identity
    fitted = fit_batch(targets, padded, start, free_identity=identity is None)
    fitted = jax.tree.map(np.asarray, fitted)
    return dataclasses.replace(
        fitted,
        expression=fitted.expression[:num_frames],
        rotation=fitted.rotation[:num_frames],
        translation=fitted.translation[:num_frames],
    )
