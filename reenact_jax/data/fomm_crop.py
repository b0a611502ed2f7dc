"""The First Order Motion Model's cropping recipe, as pure functions on boxes.

One box a frame goes in, clips with one fixed box each come out: consecutive frames whose boxes
still overlap the first one form a tube, the tube's box is the union of theirs, and the enlarged
union is what is cut out of every frame of the tube.

A box is (left, top, right, bottom) in pixels of the frame, right and bottom not included.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

Box = tuple[float, float, float, float]

# Numbers of the published recipe for VoxCeleb.
MIN_OVERLAP = 0.25
MAX_FRAMES = 1024
MIN_FRAMES = 64
MIN_SIDE = 256
INCREASE = 0.1


@dataclasses.dataclass(frozen=True)
class Tube:
    """Frames `start` to `end` - 1 of a video, whose faces the box holds."""

    start: int
    end: int
    box: Box


@dataclasses.dataclass(frozen=True)
class Crop:
    """A tube that is kept: its frames and the box to cut out, in whole pixels."""

    start: int
    end: int
    box: tuple[int, int, int, int]


def overlap(one: Box, other: Box) -> float:
    """Intersection over union of two boxes, 0 to 1; 0 where both are empty."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    shared = max(width, 0.0) * max(height, 0.0)
    total = _area(one) + _area(other) - shared
    return shared / total if total > 0 else 0.0


def best_match(annotated: Box, detected: Sequence[Box]) -> Box | None:
    """Of the faces found in a frame, the one that overlaps its annotation most; None of none."""
    return max(detected, key=lambda box: overlap(annotated, box), default=None)


def union(one: Box, other: Box) -> Box:
    """The smallest box around two."""
    return (
        min(one[0], other[0]),
        min(one[1], other[1]),
        max(one[2], other[2]),
        max(one[3], other[3]),
    )


def tubes(
    boxes: Sequence[Box], *, min_overlap: float = MIN_OVERLAP, max_frames: int = MAX_FRAMES
) -> list[Tube]:
    """Cuts a video into tubes.

    A new tube starts at the frame whose box overlaps the first box of the tube by less than
    `min_overlap`, and after `max_frames` frames. Comparing with the first box rather than with the
    last keeps a slow drift from growing a tube without end.

    Args:
      boxes: one box a frame, of consecutive frames.
      min_overlap: intersection over union in [0, 1].
      max_frames: at least 1.

    Returns:
      Tubes that follow on each other and together hold every frame.
    """
    found, start, box = [], 0, None
    for i, own in enumerate(boxes):
        if box is not None and (
            overlap(boxes[start], own) < min_overlap or i - start >= max_frames
        ):
            found.append(Tube(start, i, box))
            start, box = i, None
        box = own if box is None else union(box, own)
    if box is not None:
        found.append(Tube(start, len(boxes), box))
    return found


def enlarge(box: Box, increase: float = INCREASE) -> tuple[int, int, int, int]:
    """The box that is cut out around a tube's: nearly square, in whole pixels.

    Each side grows at both ends by the larger of `increase` times itself and what brings it to
    (1 + 2 increase) times the other side. So the longer side grows by `increase` at both ends and
    the shorter one to the same length. Coordinates are truncated towards zero, as published.
    """
    left, top, right, bottom = box
    width, height = right - left, bottom - top
    grown = 1 + 2 * increase
    more_width = max(increase, (grown * height - width) / (2 * width))
    more_height = max(increase, (grown * width - height) / (2 * height))
    return (
        int(left - more_width * width),
        int(top - more_height * height),
        int(right + more_width * width),
        int(bottom + more_height * height),
    )


def crops(
    boxes: Sequence[Box],
    frame_width: int,
    frame_height: int,
    *,
    min_overlap: float = MIN_OVERLAP,
    max_frames: int = MAX_FRAMES,
    min_frames: int = MIN_FRAMES,
    min_side: float = MIN_SIDE,
    increase: float = INCREASE,
) -> list[Crop]:
    """The clips of a video by the whole recipe.

    Left out are tubes of fewer than `min_frames` frames, tubes whose box is smaller than `min_side`
    in both directions, and tubes whose enlarged box leaves the frame.

    Args:
      boxes: the face's box in each of the consecutive frames.
      frame_width, frame_height: of the frames, in pixels.
      min_overlap, max_frames: see `tubes`.
      min_frames, min_side: frames and pixels that a tube needs.
      increase: see `enlarge`.

    Raises:
      ValueError: if a box is empty or not finite.
    """
    table = np.asarray(boxes, np.float64).reshape(-1, 4)
    bad = ~np.isfinite(table).all(1) | (table[:, 2:] <= table[:, :2]).any(1)
    if bad.any():
        first = int(np.argmax(bad))
        raise ValueError(f"expected boxes with left < right, top < bottom, found {boxes[first]}")
    kept = []
    for tube in tubes(boxes, min_overlap=min_overlap, max_frames=max_frames):
        left, top, right, bottom = tube.box
        if tube.end - tube.start < min_frames or max(right - left, bottom - top) < min_side:
            continue
        box = enlarge(tube.box, increase)
        if box[0] >= 0 and box[1] >= 0 and box[2] <= frame_width and box[3] <= frame_height:
            kept.append(Crop(tube.start, tube.end, box))
    return kept


def _area(box: Box) -> float:
    return max(box[2] - box[0], 0.0) * max(box[3] - box[1], 0.0)
