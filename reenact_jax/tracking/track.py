"""From a raw video or picture to frames with fitted parameters.

The one way from pixels to FaceParameters of an open face model; dataset building, training and
inference all go through it.
"""

import contextlib
import dataclasses
import itertools
import os
from collections.abc import Callable, Iterator
from fractions import Fraction

import numpy as np

from reenact_jax import media
from reenact_jax.errors import UserError
from reenact_jax.face_model.morphable import MorphableModel
from reenact_jax.face_model.parameters import FaceParameters
from reenact_jax.tracking.anchors import NUM_DENSE
from reenact_jax.tracking.crop import CropBox, clip_crop, crop_image, landmark_box
from reenact_jax.tracking.fit import REFERENCE_SIZE, fit_clip, fit_error_px
from reenact_jax.tracking.landmarks import FaceLandmarker, Landmarks

ON_MISSING = ("drop", "hold", "fail")


class NoFaceError(UserError):
    """No face where one is needed; names the file and, within a video, the frame."""


@dataclasses.dataclass(frozen=True)
class TrackedClip:
    """A clip cropped to its face, with the fit of every frame.

    Attributes:
      frames: uint8 (T, S, S, 3) RGB.
      parameters: FaceParameters with leaves (T, K), the identity the same in all frames.
      landmarks: float32 (T, 478, 2), MediaPipe's landmarks in [0, 1] across the crop.
      frame_indices: int (T,), which frame of the video each one is.
      found: bool (T,), False where the frame before (or the first one found) stands in for a
        missing face.
      box: the square that was cut out of every frame.
      fps: frames per second of `frames` (the video's, divided by the stride).
      fit_error_px: float32 (T,), mean distance between landmarks and model in pixels of a
        256-pixel crop, whatever S is.
    """

    frames: np.ndarray
    parameters: FaceParameters
    landmarks: np.ndarray
    frame_indices: np.ndarray
    found: np.ndarray
    box: CropBox
    fps: Fraction
    fit_error_px: np.ndarray


def track_video(
    path: str | os.PathLike,
    model: MorphableModel,
    *,
    image_size: int = 256,
    stride: int = 1,
    max_frames: int | None = None,
    on_missing: str = "drop",
    landmarker: FaceLandmarker | None = None,
    progress: Callable[[int], None] | None = None,
) -> TrackedClip:
    """Landmarks, one crop and one fit for a whole video.

    The video is decoded twice, so that only landmarks and crops are kept in memory.

    Args:
      path: the video.
      model: the face model to fit.
      image_size: S, side of the cropped frames.
      stride: every how many frames one is taken.
      max_frames: at most so many frames are taken (from the start), None for all.
      on_missing: what becomes of a frame without a face: `drop` leaves it out (training data),
        `hold` keeps it with the face of the frame before (video output), `fail` raises.
      landmarker: to be used for several videos; None makes one.
      progress: called after each examined frame with the number of frames examined.

    Raises:
      NoFaceError: if no frame has a face, or, with `fail`, one has none.
      media.MediaError: if the video cannot be read.
    """
    if on_missing not in ON_MISSING:
        raise ValueError(f"on_missing: expected one of {ON_MISSING}, found {on_missing!r}")
    if stride < 1 or (max_frames is not None and max_frames < 1):
        raise ValueError(f"expected stride, max_frames >= 1, found {stride}, {max_frames}")
    info = media.probe_video(path)
    frames = itertools.islice(media.iterate_video(path, stride=stride), max_frames)
    with _borrowed(landmarker) as tracker:
        faces = _landmarks_of_video(path, tracker, frames, stride, on_missing, progress)
    present = [k for k, face in enumerate(faces) if face is not None]
    if not present:
        raise NoFaceError(f"{path}: no face found in {len(faces)} frames")
    if on_missing == "drop":
        kept = present
        standing = present
    else:
        kept = list(range(len(faces)))
        # The last frame with a face, or the first one for what comes before it.
        standing = [max((p for p in present if p <= k), default=present[0]) for k in kept]

    box, positions, parameters, error = _fit_faces(
        model, [faces[k] for k in present], info.height, info.width
    )
    of_frame = np.searchsorted(present, standing)
    return TrackedClip(
        frames=_crops_of_video(path, stride, kept, box, image_size),
        parameters=parameters[of_frame],
        landmarks=positions[of_frame],
        frame_indices=np.asarray(kept) * stride,
        found=np.asarray(kept) == np.asarray(standing),
        box=box,
        fps=info.fps / stride,
        fit_error_px=error[of_frame],
    )


def track_image(
    path: str | os.PathLike,
    model: MorphableModel,
    *,
    image_size: int = 256,
    landmarker: FaceLandmarker | None = None,
) -> TrackedClip:
    """`track_video` for a picture: a clip of one frame (fps 1).

    Raises:
      NoFaceError: if the picture has no face.
      media.MediaError: if the picture cannot be read.
    """
    image = media.read_image(path)
    with _borrowed(landmarker) as tracker:
        face = tracker.detect(image)
    if face is None:
        raise NoFaceError(f"{path}: no face found in the picture")
    box, positions, parameters, error = _fit_faces(model, [face], *image.shape[:2])
    return TrackedClip(
        frames=crop_image(image, box, image_size)[None],
        parameters=parameters,
        landmarks=positions,
        frame_indices=np.zeros(1, int),
        found=np.ones(1, bool),
        box=box,
        fps=Fraction(1),
        fit_error_px=error,
    )


def _fit_faces(
    model: MorphableModel, faces: list[Landmarks], height: int, width: int
) -> tuple[CropBox, np.ndarray, FaceParameters, np.ndarray]:
    """The crop, the landmarks in it, and the fit with its error, of the frames of one clip."""
    points = np.stack([face.points for face in faces])
    box = clip_crop(landmark_box(points[:, :NUM_DENSE]), height, width)
    positions = box.to_crop(points)
    pixels = positions * np.float32(REFERENCE_SIZE)
    parameters = fit_clip(model, pixels, [face.scores for face in faces])
    return box, positions, parameters, fit_error_px(model, parameters, pixels)


def _landmarks_of_video(
    path: str | os.PathLike,
    tracker: FaceLandmarker,
    frames: Iterator[np.ndarray],
    stride: int,
    on_missing: str,
    progress: Callable[[int], None] | None,
) -> list[Landmarks | None]:
    faces = []
    last = None
    for frame in frames:
        face = tracker.detect(frame, last)
        if face is None and on_missing == "fail":
            raise NoFaceError(f"{path}: no face found in frame {len(faces) * stride}")
        last = face or last
        faces.append(face)
        if progress is not None:
            progress(len(faces))
    return faces


def _crops_of_video(
    path: str | os.PathLike, stride: int, kept: list[int], box: CropBox, image_size: int
) -> np.ndarray:
    """Crops of the frames `kept` (ascending) among every stride-th one."""
    crops = np.empty((len(kept), image_size, image_size, 3), np.uint8)
    place = {index: k for k, index in enumerate(kept)}
    frames = media.iterate_video(path, stride=stride)
    for index, frame in enumerate(itertools.islice(frames, kept[-1] + 1)):
        if index in place:
            crops[place[index]] = crop_image(frame, box, image_size)
    return crops


def _borrowed(landmarker: FaceLandmarker | None) -> contextlib.AbstractContextManager:
    """The caller's landmarker, left open afterwards, or one of our own."""
    return FaceLandmarker() if landmarker is None else contextlib.nullcontext(landmarker)
