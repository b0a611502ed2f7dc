"""How good a clip's fit is, measured against MediaPipe's points.

Pixels are of a 256-pixel crop. Agreement with MediaPipe is not agreement with the truth.
"""

from collections.abc import Sequence

import jax
import numpy as np

from reenact_jax.face_model.morphable import MorphableModel, project, to_camera
from reenact_jax.face_model.parameters import FaceParameters
from reenact_jax.tracking.anchors import NUM_DENSE
from reenact_jax.tracking.fit import REFERENCE_SIZE, distances_px, fit_clip
from reenact_jax.tracking.prior import pupil_sight
from reenact_jax.tracking.targets import LID_PAIRS, Targets, model_targets, target_points

# Every landmark is held out of one of this many fits, drawn once and for all.
NUM_FOLDS = 4
_FOLD_SEED = 0


def held_out_folds() -> list[np.ndarray]:
    """Four disjoint sets of 117 landmarks that are MediaPipe's 468 together."""
    order = np.random.default_rng(_FOLD_SEED).permutation(NUM_DENSE)
    return [np.sort(order[k::NUM_FOLDS]) for k in range(NUM_FOLDS)]


def held_out_error_px(
    model: MorphableModel, landmarks: np.ndarray, scores: Sequence[dict[str, float]]
) -> float:
    """Mean distance of landmarks from a model that was fitted to the others (four fits).

    Args:
      model: with dense landmarks.
      landmarks: (T, 478, 2) pixels of a 256-pixel crop.
      scores: of every frame.
    """
    errors = []
    for fold in held_out_folds():
        fitted = fit_clip(model, landmarks, scores, held_out=fold)
        errors.append(distances_px(model, fitted, landmarks)[:, fold].mean())
    return float(np.mean(errors))


def apertures_px(
    model: MorphableModel, parameters: FaceParameters, landmarks: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Openings of left eye, right eye and mouth, MediaPipe's and the model's, (T, 3) each.

    The mean distance over the pairs of `targets.LID_PAIRS` and `LIP_PAIRS`.

    Args:
      model: the fitted model.
      parameters: leaves (T, K).
      landmarks: (T, L, 2) pixels of a 256-pixel crop.
    """
    targets = model_targets(model)
    projected = np.asarray(_project_targets(targets, parameters)) * REFERENCE_SIZE
    selection = np.minimum(np.asarray(targets.selection), landmarks.shape[1] - 1)

    def openings(points: np.ndarray) -> np.ndarray:
        first, second = np.asarray(targets.pairs).T
        gaps = np.linalg.norm(points[:, first] - points[:, second], axis=-1)
        half = len(LID_PAIRS) // 2
        # The pairs begin with the subject's right eye.
        parts = (gaps[:, half : 2 * half], gaps[:, :half], gaps[:, 2 * half :])
        return np.stack([part.mean(axis=1) for part in parts], axis=1)

    return openings(landmarks[:, selection]), openings(projected)


def pupil_errors_px(
    model: MorphableModel, parameters: FaceParameters, landmarks: np.ndarray
) -> np.ndarray:
    """Distances between irises and the model's pupils in open eyes, (N,).

    Args: as for `apertures_px`, L = 478 and a model with eyeballs.
    """
    targets = model_targets(model)
    projected = np.asarray(_project_targets(targets, parameters))[:, -2:] * REFERENCE_SIZE
    offsets = projected - landmarks[:, np.asarray(targets.selection)[-2:]]
    return np.linalg.norm(offsets, axis=-1)[pupil_sight(landmarks) == 1]


def project_pupils(model: MorphableModel, parameters: FaceParameters) -> np.ndarray:
    """The pupils of one frame (leaves (K,)), (B, 2) in [0, 1] across the image."""
    targets = model_targets(model)
    projected = _project_targets(targets, jax.tree.map(lambda leaf: leaf[None], parameters))
    return np.asarray(projected)[0, len(targets.weights) - len(targets.arm) :]


def amplitude(observed: np.ndarray, fitted: np.ndarray) -> float:
    """How far `fitted` (T,) moves when `observed` moves by one: the slope of least squares."""
    centred = observed - observed.mean()
    return float(centred @ (fitted - fitted.mean()) / (centred @ centred))


def excursion(values: np.ndarray) -> float:
    """Distance between the 2nd and the 98th percentile of (T,)."""
    low, high = np.percentile(values, [2, 98])
    return float(high - low)


def jitter_degrees(parameters: FaceParameters) -> float:
    """Median over frames of the second difference of the three angles, degrees.

    Slow movements have next to none, so this is what trembles in a video.
    """
    angles = np.degrees(np.unwrap(np.asarray(parameters.rotation, np.float64), axis=0))
    return float(np.median(np.linalg.norm(np.diff(angles, 2, axis=0), axis=1)))


@jax.jit
def _project_targets(targets: Targets, parameters: FaceParameters) -> jax.Array:
    def one(frame: FaceParameters) -> jax.Array:
        points, _ = target_points(targets, frame.identity, frame.expression)
        return project(to_camera(points, frame.rotation, frame.translation), frame.camera)

    return jax.vmap(one)(parameters)
