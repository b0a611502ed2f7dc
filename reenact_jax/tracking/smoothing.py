"""Smoothing of fitted parameters over time, without delay.

Each value is compared with a parabola fitted to its surroundings (Savitzky-Golay). What departs
from it by no more than the tracker's jitter is taken for jitter and removed; what departs by more,
such as a blink, is motion and stays. The filter is symmetric in time, so nothing is shifted.
"""

from fractions import Fraction

import numpy as np
from scipy.ndimage import maximum_filter1d
from scipy.signal import savgol_filter
from scipy.spatial.transform import Rotation

from reenact_jax.face_model.parameters import FaceParameters

_WINDOW_SECONDS = 0.3
_DEGREE = 2

# Departures of this size are halved; smaller ones go, larger ones stay. About three times what
# is left of the parabola in the calm stretches of ten clips (docs/tracking.md).
_ROTATION_NOISE = 0.008
_TRANSLATION_NOISE = (0.01, 0.01, 0.1)
_EXPRESSION_NOISE = 0.04


def smooth_parameters(parameters: FaceParameters, fps: Fraction | float) -> FaceParameters:
    """Removes jitter of pose and expression from consecutive frames.

    Rotations are smoothed as rotation vectors about their mean. Blendshapes stay within the range
    that they had.

    Args:
      parameters: NumPy leaves (T, K) of frames at even intervals.
      fps: frames per second.

    Returns:
      The same with other rotation, translation and expression.
    """
    num_frames = len(parameters.rotation)
    window = 2 * round(_WINDOW_SECONDS * float(fps) / 2) + 1
    window = min(window, num_frames - (num_frames + 1) % 2)
    if window <= _DEGREE + 1:
        return parameters
    turns = Rotation.from_euler("xyz", parameters.rotation)
    mean = turns.mean()
    vectors = _smooth((turns * mean.inv()).as_rotvec(), window, _ROTATION_NOISE)
    expression = np.asarray(parameters.expression)
    smoothed = _smooth(expression, window, _EXPRESSION_NOISE)
    smoothed = np.clip(smoothed, expression.min(axis=0), expression.max(axis=0))
    return parameters.replace(
        rotation=np.float32((Rotation.from_rotvec(vectors) * mean).as_euler("xyz")),
        translation=np.float32(_smooth(parameters.translation, window, _TRANSLATION_NOISE)),
        expression=np.float32(smoothed),
    )


def _smooth(values: np.ndarray, window: int, noise: float | tuple[float, ...]) -> np.ndarray:
    """(T, C) without departures of the size of `noise`."""
    values = np.asarray(values, np.float64)
    calm = savgol_filter(values, window, _DEGREE, axis=0, mode="interp")
    rest = values - calm
    # An event's flanks belong to it.
    size = maximum_filter1d(np.abs(rest), 3, axis=0, mode="nearest") ** 2
    return calm + rest * size / (size + np.square(noise))
