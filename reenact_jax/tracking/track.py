"""From a raw video or picture to frames with fitted parameters.

The one way from pixels to FaceParameters of an open face model; dataset building, training and
inference all go through it.
"""

import contextlib
import dataclasses
import itertools
import os
from collections.abc import Callable
from fractions import Fraction

import jax
import numpy as np

from reenact_jax import media
from reenact_jax.errors import UserError
from reenact_jax.face_model.morphable import MorphableModel
from reenact_jax.face_model.parameters import FaceParameters
from reenact_jax.tracking.anchors import NUM_DENSE
from reenact_jax.tracking.choice import LARGEST, choose_faces
from reenact_jax.tracking.crop import CropBox, clip_crop, crop_image, landmark_box
from reenact_jax.tracking.fit import REFERENCE_SIZE, fit_clip, fit_error_px
from reenact_jax.tracking.landmarks import FaceLandmarker, Landmarks
from reenact_jax.tracking.missing import between, stand_ins
from reenact_jax.tracking.smoothing import smooth_parameters


class NoFaceError(UserError):
    """No face where one is needed; names the file and, within a video, the frame."""


@dataclasses.dataclass(frozen=True)
class TrackedClip:
    """A clip cropped to its face, with the fit of every frame.

    Attributes:
      frames: uint8 (T, S, S, 3) RGB.
      parameters: FaceParameters with leaves (T, K), the identity the same in all frames.
      landmarks: float32 (T, 478, 2), MediaPipe's landmarks in [0, 1] across the crop.
      frame_indices: int (T,), which frame of the video each one is; where the video's frame rate
        varies, frames may be repeated or left out so that `fps` is constant.
      found: bool (T,), False where another frame's face stands in for a missing one.
      box: the square that was cut out of every frame.
      fps: frames per second of `frames` (the video's, divided by the stride).
      fit_error_px: float32 (T,), mean distance between landmarks and model in pixels of a
        256-pixel crop, whatever S is; before smoothing.
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
    on_missing: str = "skip",
    face: str | int = LARGEST,
    smooth: bool = False,
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
      on_missing: what becomes of a frame without the face: `skip` leaves it out (training data),
        `hold` keeps it with the face of the frame before, `interpolate` with a face between those
        before and after (video output), `fail` raises.
      face: which face of several, see `choose_faces`.
      smooth: removes jitter, see `smooth_parameters`; off for training data.
      landmarker: to be used for several videos; None makes one.
      progress: called after each examined frame with the number of frames examined.

    Raises:
      NoFaceError: if no frame has the face, or, with `fail`, one has not.
      media.MediaError: if the video cannot be read.
    """
    if stride < 1 or (max_frames is not None and max_frames < 1):
        raise ValueError(f"expected stride, max_frames >= 1, found {stride}, {max_frames}")
    stand_ins(np.ones(1, bool), on_missing)  # an unknown policy is refused before the work
    info = media.probe_video(path)
    seconds, seen = [], []
    with _borrowed(landmarker) as tracker:
        last = None
        frames = media.iterate_timed_video(path, stride=stride)
        for time, frame in itertools.islice(frames, max_frames):
            seconds.append(time)
            seen.append(tracker.detect_all(frame, last))
            last = max(seen[-1], key=lambda found: found.side, default=last)
            if progress is not None:
                progress(len(seen))
    faces = choose_faces(seen, face)
    # The video's frame that each of our frames shows, at a constant rate.
    shown, fps = media.constant_rate(np.asarray(seconds), info.fps / stride)
    found = np.asarray([faces[index] is not None for index in shown])
    if not found.any():
        raise NoFaceError(f"{path}: no face found in {len(faces)} frames")
    if on_missing == "fail" and not found.all():
        index = int(shown[np.argmin(found)]) * stride
        raise NoFaceError(f"{path}: no face found in frame {index}")
    places = stand_ins(found, on_missing)

    fitted = np.unique(shown[found])
    box, positions, parameters, error = _fit_faces(
        model, [faces[index] for index in fitted], info.height, info.width
    )
    before, after = (np.searchsorted(fitted, shown[rows]) for rows in (places.before, places.after))
    share = places.share
    parameters = between(parameters[before], parameters[after], share)
    positions = positions[before] + share[:, None, None] * (positions[after] - positions[before])
    if smooth:
        parameters = _smooth_runs(parameters, places.kept, fps)
    kept = shown[places.kept]
    return TrackedClip(
        frames=_crops_of_video(path, stride, kept, box, image_size),
        parameters=parameters,
        landmarks=positions,
        frame_indices=kept * stride,
        found=found[places.kept],
        box=box,
        fps=fps,
        fit_error_px=error[before],
    )


def track_image(
    path: str | os.PathLike,
    model: MorphableModel,
    *,
    image_size: int = 256,
    face: str | int = LARGEST,
    landmarker: FaceLandmarker | None = None,
) -> TrackedClip:
    """`track_video` for a picture: a clip of one frame (fps 1).

    Raises:
      NoFaceError: if the picture has no face.
      media.MediaError: if the picture cannot be read.
    """
    image = media.read_image(path)
    with _borrowed(landmarker) as tracker:
        (chosen,) = choose_faces([tracker.detect_all(image)], face)
    if chosen is None:
        raise NoFaceError(f"{path}: no face found in the picture")
    box, positions, parameters, error = _fit_faces(model, [chosen], *image.shape[:2])
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


def _smooth_runs(parameters: FaceParameters, kept: np.ndarray, fps: Fraction) -> FaceParameters:
    """Smooths every run of consecutive frames by itself."""
    ends = [*(np.flatnonzero(np.diff(kept) != 1) + 1), len(kept)]
    starts = [0, *ends[:-1]]
    runs = [
        smooth_parameters(parameters[start:end], fps)
        for start, end in zip(starts, ends, strict=True)
    ]
    return jax.tree.map(lambda *leaves: np.concatenate(leaves), *runs)


def _crops_of_video(
    path: str | os.PathLike, stride: int, kept: np.ndarray, box: CropBox, image_size: int
) -> np.ndarray:
    """Crops of the frames `kept` (ascending, some repeated) among every stride-th one."""
    crops = np.empty((len(kept), image_size, image_size, 3), np.uint8)
    frames = media.iterate_video(path, stride=stride)
    for index, frame in enumerate(itertools.islice(frames, int(kept[-1]) + 1)):
        places = np.flatnonzero(kept == index)
        if len(places):
            crops[places] = crop_image(frame, box, image_size)
    return crops


def _borrowed(landmarker: FaceLandmarker | None) -> contextlib.AbstractContextManager:
    """The caller's landmarker, left open afterwards, or one of our own."""
    return FaceLandmarker() if landmarker is None else contextlib.nullcontext(landmarker)
