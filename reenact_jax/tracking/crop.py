"""One square crop per clip, and the pictures cut out with it.

One crop for the whole clip keeps the motion of the head in the frames and the background still.
"""

import dataclasses

import numpy as np
from PIL import Image

# The square's side in units of the median longer side of the landmarks' box, how far the square's
# centre lies above the box's (landmarks end at the hairline; hair needs room), and the margin
# that every frame's box keeps to the square's border, both in units of the side.
_SIDE = 1.9
_RAISE = 0.08
_MARGIN = 0.04


@dataclasses.dataclass(frozen=True)
class CropBox:
    """A square of whole pixels inside a frame: columns [left, left + side), rows from top."""

    left: int
    top: int
    side: int

    def to_crop(self, points: np.ndarray) -> np.ndarray:
        """Frame pixels (..., 2) -> position in the crop, [0, 1] across it."""
        return ((points - [self.left, self.top]) / self.side).astype(np.float32)


def landmark_box(landmarks: np.ndarray) -> np.ndarray:
    """(left, top, right, bottom), shape (..., 4), of points (..., L, 2)."""
    return np.concatenate([landmarks.min(axis=-2), landmarks.max(axis=-2)], axis=-1)


def clip_crop(boxes: np.ndarray, height: int, width: int) -> CropBox:
    """The square for a whole clip.

    It is centred on the median of the boxes' centres, raised a little, and grown until every
    frame's box fits; where the frame is too small for it, it is shrunk and shifted into the frame.

    Args:
      boxes: (T, 4) landmark boxes (left, top, right, bottom) in pixels, T >= 1.
      height, width: size of the frames in pixels.

    Raises:
      ValueError: if there is no box.
    """
    if boxes.ndim != 2 or boxes.shape[0] == 0 or boxes.shape[1] != 4:
        raise ValueError(f"expected boxes (T, 4) with T >= 1, found {boxes.shape}")
    low, high = boxes[:, :2], boxes[:, 2:]
    side = _SIDE * np.median((high - low).max(axis=1))
    centre = np.median((low + high) / 2, axis=0) - [0.0, _RAISE * side]
    reach = max((centre - low).max(), (high - centre).max())
    side = max(side, reach / (0.5 - _MARGIN))
    side = max(1, min(round(side), height, width))
    left, top = np.clip(np.round(centre - side / 2), 0, [width - side, height - side])
    return CropBox(int(left), int(top), int(side))


def crop_image(frame: np.ndarray, box: CropBox, image_size: int) -> np.ndarray:
    """Cuts the square out and scales it with antialiasing: uint8 (image_size, image_size, 3)."""
    cut = frame[box.top : box.top + box.side, box.left : box.left + box.side]
    if box.side == image_size:
        return cut.copy()
    resized = Image.fromarray(np.ascontiguousarray(cut)).resize(
        (image_size, image_size), Image.Resampling.LANCZOS
    )
    return np.asarray(resized)
