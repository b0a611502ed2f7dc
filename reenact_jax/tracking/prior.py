"""What is known of a clip's expressions before they are fitted, and where an eye can be seen."""

import re
from collections.abc import Sequence

import numpy as np

from reenact_jax.tracking.anchors import MEDIAPIPE_68
from reenact_jax.tracking.targets import LID_PAIRS

# Prior of blendshape weights around the tracker's scores, and of coefficients that are standard
# deviations already. The scores of the eyes do not rise in proportion to what is seen; lids and
# pupils are measured by their own terms.
_BLENDSHAPE_PRECISION = 20.0
_EYE_PRECISION = 3.0
_NORMAL_PRECISION = 1.0
# Gaze behind closed lids.
_HELD_PRECISION = 500.0

# Openness (see `eye_openness`) at which MediaPipe's pupil begins to be seen, and is fully trusted.
# It scores half a blink at 0.1; the narrowest open eyes of the training clips have 0.14.
_HIDDEN_OPENNESS = 0.09
_SEEN_OPENNESS = 0.13

_EYE_CORNERS = ((42, 45), (36, 39))


def eye_openness(landmarks: np.ndarray) -> np.ndarray:
    """The eye aspect ratio: distance of the lids over width, (T, 2), the subject's left eye first.

    Args:
      landmarks: (T, L, 2) MediaPipe's points, in units of one length in both directions.
    """
    points = landmarks[:, MEDIAPIPE_68]

    def distances(pairs) -> np.ndarray:
        first, second = np.asarray(pairs).T
        return np.linalg.norm(points[:, first] - points[:, second], axis=-1)

    gaps = distances(LID_PAIRS).reshape(-1, 2, 2).mean(axis=-1)[:, ::-1]
    return gaps / np.maximum(distances(_EYE_CORNERS), 1e-6)


def pupil_sight(landmarks: np.ndarray) -> np.ndarray:
    """How far each pupil can be trusted, (T, 2) in [0, 1]: 0 behind closed lids."""
    openness = eye_openness(landmarks)
    sight = (openness - _HIDDEN_OPENNESS) / (_SEEN_OPENNESS - _HIDDEN_OPENNESS)
    return np.clip(sight, 0.0, 1.0).astype(np.float32)


def expression_prior(
    names: Sequence[str],
    num_modes: int,
    scores: Sequence[dict[str, float]] | None,
    num_frames: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and precision, (T, E) float32 each, of the expression of every frame.

    Args:
      names: of the blendshapes (`eyeBlink_L`, ...), or none for standard deviations.
      num_modes: E.
      scores: per frame the tracker's scores by its own names (`eyeBlinkLeft`, ...), or None.
      num_frames: T.
    """
    mean = np.zeros((num_frames, num_modes), np.float32)
    if not names:
        return mean, np.full_like(mean, _NORMAL_PRECISION)
    precision = np.full_like(mean, _BLENDSHAPE_PRECISION)
    for k, name in enumerate(names):
        if name.startswith("eye"):
            precision[:, k] = _EYE_PRECISION
        full = re.sub("_([LR])$", lambda side: {"L": "Left", "R": "Right"}[side[1]], name)
        # The tracker has one score for some pairs, such as cheekPuff.
        for candidate in (full, re.sub("(Left|Right)$", "", full)):
            if scores is not None and candidate in scores[0]:
                mean[:, k] = [frame[candidate] for frame in scores]
                break
    return np.clip(mean, 0.0, 1.0), precision


def held_gaze(
    expression: np.ndarray, sight: np.ndarray, turn: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where the eyes look while they cannot be seen: between where they looked before and after.

    Args:
      expression: (T, E) as fitted.
      sight: (T, 2), see `pupil_sight`.
      turn: (E, 2, 2), `Eyeballs.turn`.

    Returns:
      hidden: bool (T,), frames with an eye that is not seen, of a clip in which it is seen.
      mean, precision: (T, E), priors that hold the gaze of these eyes; where the precision is 0
        they say nothing.
    """
    mean = expression.copy()
    precision = np.zeros_like(expression)
    frames = np.arange(len(expression))
    hidden = sight < 0.5
    for ball in range(hidden.shape[1]):
        shut, seen = frames[hidden[:, ball]], frames[~hidden[:, ball]]
        if len(seen) == 0:
            hidden[:, ball] = False
            continue
        for mode in np.flatnonzero(turn[:, ball].any(axis=-1)):
            mean[shut, mode] = np.interp(shut, seen, expression[seen, mode])
            precision[shut, mode] = _HELD_PRECISION
    return hidden.any(axis=1), mean, precision
