"""The five-point alignment of Deep3DFaceRecon: which 224 x 224 pixels its regressor sees.

Only scale and translation are removed, the roll stays. Points are given here as everywhere in the
project, in edge coordinates (the centre of pixel (r, c) is (c + 0.5, r + 0.5)). The published code
works in index coordinates, with y upwards as H - 1 - y, and then treats its result as if it were
edge coordinates. `align` does the same, because the placement decides what the regressor sees: the
crop's centre is meant for the template's origin, and lies half a pixel of the frame left of it and
half a pixel below it.
"""

import numpy as np
from PIL import Image

from reenact_jax.errors import UserError
from reenact_jax.face_model.coefficients import DengCrop
from reenact_jax.tracking.anchors import MEDIAPIPE_68

CROP_SIZE = 224

# The five points of a mean face, decimetres, x to the image's right, y up, z out of the face: eye
# at the image's left, eye at its right, tip of the nose, corner of the mouth left, and right.
TEMPLATE = np.asarray(
    [
        [-0.3115, 0.2904, 0.1338],
        [0.3098, 0.2897, 0.1318],
        [0.0033, -0.0462, 0.5524],
        [-0.2522, -0.3813, 0.2241],
        [0.2485, -0.3813, 0.2224],
    ]
)
# Resized pixels per decimetre: 1015 pixels of focal length at a distance of 10 decimetres.
_PIXELS_PER_DECIMETRE = 102.0

# Solves the weak-perspective camera (2 x 3 and a translation) of five image points.
_SOLVE = np.linalg.pinv(np.concatenate([TEMPLATE, np.ones((5, 1))], axis=1))


class AlignmentError(UserError):
    """Landmarks that cannot be those of a face in their frame."""


def five_points(landmarks: np.ndarray) -> np.ndarray:
    """The alignment's five points of a face's landmarks.

    Args:
      landmarks: (..., L, 2) with L = 5 (already them, in the order of `TEMPLATE`), 68 (iBUG), or
        468 or 478 (MediaPipe).

    Returns:
      (..., 5, 2) float64: an eye is the mean of its two corners (iBUG 36 and 39, 42 and 45;
      MediaPipe 33 and 133, 362 and 263), then the nose's tip (30; 4) and the mouth's corners (48
      and 54; 61 and 291).

    Raises:
      ValueError: for another number of landmarks.
    """
    landmarks = np.asarray(landmarks, np.float64)
    count = landmarks.shape[-2]
    if count == 5:
        return landmarks
    if count in (468, 478):
        landmarks = landmarks[..., MEDIAPIPE_68, :]
    elif count != 68:
        raise ValueError(f"expected 5, 68, 468 or 478 landmarks, found {count}")
    left_eye = landmarks[..., [36, 39], :].mean(axis=-2)
    right_eye = landmarks[..., [42, 45], :].mean(axis=-2)
    nose, left_mouth, right_mouth = (landmarks[..., i, :] for i in (30, 48, 54))
    return np.stack([left_eye, right_eye, nose, left_mouth, right_mouth], axis=-2)


def align(points: np.ndarray, height: int, width: int) -> DengCrop:
    """Where the regressor's crop lies in a frame.

    The least-squares weak-perspective camera of the five points gives the scale (the mean of its
    two rows' lengths) and the image point of the template's origin.

    Args:
      points: (5, 2), pixels of the frame, x right, y down, edge coordinates.
      height, width: of the frame in pixels.

    Raises:
      AlignmentError: if the points are not finite, or have no extent, or the crop that they ask for
        does not touch the frame.
    """
    points = np.asarray(points, np.float64)
    if points.shape != (5, 2):
        raise ValueError(f"expected points (5, 2), found {points.shape}")
    rows, origin = _weak_perspective(points, height)
    size = np.linalg.norm(rows, axis=1).mean()
    # Smaller than a pixel from eye to eye is no face; the comparison is false for NaN too.
    if not (np.isfinite(points).all() and size > 1.0):
        raise AlignmentError(
            f"expected the five points of a face, found {points.round(2).tolist()}"
        )
    crop = DengCrop(width, height, float(_PIXELS_PER_DECIMETRE / size), *map(float, origin))
    resized_width, resized_height, left, up = crop.placement()
    inside = -CROP_SIZE < left < resized_width and -CROP_SIZE < up < resized_height
    if not inside:
        raise AlignmentError(
            f"expected a face inside the frame of {width} x {height} pixels, found its points at "
            f"{points.round(1).tolist()}"
        )
    return crop


def is_mirrored(points: np.ndarray) -> bool:
    """Whether five points (5, 2) look like a face seen from behind: the order is another one."""
    rows, _ = _weak_perspective(np.asarray(points, np.float64), 0)
    return bool(np.cross(*rows)[2] < 0)


def crop_aligned(frame: np.ndarray, crop: DengCrop) -> np.ndarray:
    """Cuts the regressor's input out of a frame.

    Equal to resizing the whole frame with Pillow's bicubic filter and cutting 224 x 224 pixels out
    of it, black where the frame ends; only the part that is needed is resized.

    Args:
      frame: uint8 (H, W, 3).
      crop: of this frame, as `align` gives it.

    Returns:
      uint8 (224, 224, 3).
    """
    height, width = frame.shape[:2]
    if (height, width) != (crop.height, crop.width):
        raise ValueError(
            f"expected a frame of {crop.width} x {crop.height}, found {width} x {height}"
        )
    resized_width, resized_height, left, up = crop.placement()
    right, down = min(left + CROP_SIZE, resized_width), min(up + CROP_SIZE, resized_height)
    first_column, first_row = max(left, 0), max(up, 0)
    scale_x, scale_y = resized_width / width, resized_height / height
    box = (
        first_column / scale_x,
        first_row / scale_y,
        min(right / scale_x, width),
        min(down / scale_y, height),
    )
    part = Image.fromarray(frame).resize(
        (right - first_column, down - first_row), Image.Resampling.BICUBIC, box=box
    )
    pixels = np.zeros((CROP_SIZE, CROP_SIZE, 3), np.uint8)
    pixels[first_row - up : down - up, first_column - left : right - left] = np.asarray(part)
    return pixels


def _weak_perspective(points: np.ndarray, height: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows (2, 3) and translation (2,) in the published coordinates: indices, y upwards."""
    published = np.stack([points[:, 0] - 0.5, height - 1 - (points[:, 1] - 0.5)], axis=-1)
    solved = _SOLVE @ published
    return solved[:3].T, solved[3]
