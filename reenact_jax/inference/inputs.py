"""What a person hands to `reenact` (picture, video, prepared clip) as frames and parameters."""

import dataclasses
from fractions import Fraction
from pathlib import Path

import numpy as np

from reenact_jax import media
from reenact_jax.data import images, prepared
from reenact_jax.data.info import check_face_model
from reenact_jax.errors import UserError
from reenact_jax.face_model.morphable import MorphableModel
from reenact_jax.face_model.parameters import FaceParameters


@dataclasses.dataclass(frozen=True)
class Clip:
    """Frames with fitted parameters.

    Attributes:
      frames: uint8 (N, S, S, 3) RGB, cropped to the face.
      parameters: leaves (N, K).
      fps: frames per second; 1 for a picture.
    """

    frames: np.ndarray
    parameters: FaceParameters
    fps: Fraction


def load_clip(
    path: Path,
    face_model: MorphableModel,
    image_size: int,
    *,
    on_missing: str = "hold",
    face: str | int = "largest",
    smooth: bool = False,
) -> Clip:
    """Reads a prepared clip (a folder), or tracks the face in a picture or video.

    Args:
      path: picture, video or prepared clip.
      face_model: the model to fit, or that of the prepared clip.
      image_size: side of the frames.
      on_missing: frames of a video without a face: `hold` keeps them with the fit of the frame
        before (a driver, whose frames all count), `skip` leaves them out (a source); more in
        `tracking.track.track_video`.
      face: which face of several is tracked, see `tracking.choice.choose_faces`.
      smooth: remove the jitter of fits.

    Raises:
      UserError: if the file is missing, cannot be decoded, shows no face, or if the prepared clip
        belongs to another face model.
    """
    if path.is_dir():
        clip = _load_prepared(path, face_model, image_size)
        if smooth:
            from reenact_jax.tracking.smoothing import smooth_parameters

            clip = dataclasses.replace(
                clip, parameters=smooth_parameters(clip.parameters, clip.fps)
            )
        return clip
    if not path.exists():
        raise UserError(f"{path} is not there: expected a picture, a video or a prepared clip")
    # The tracker's libraries are slow to load and part of an extra.
    from reenact_jax.tracking.track import track_image, track_video

    if media.is_image(path):
        tracked = track_image(path, face_model, image_size=image_size, face=face)
    else:
        tracked = track_video(
            path,
            face_model,
            image_size=image_size,
            on_missing=on_missing,
            face=face,
            smooth=smooth,
        )
    return Clip(tracked.frames, tracked.parameters, tracked.fps)


def _load_prepared(path: Path, face_model: MorphableModel, image_size: int) -> Clip:
    path = path.resolve()
    if not (path / "clip.json").is_file():
        raise UserError(f"{path}: expected a prepared clip, found no clip.json in this folder")
    root = path.parent.parent
    check_face_model(prepared.read_dataset_info(root), face_model)
    clip = prepared.read_clip(root, path.name)
    frames = [images.resize_area(images.decode_image(f), image_size) for f in clip.frames]
    fps = Fraction(clip.fps).limit_denominator(1001)
    return Clip(np.stack(frames), clip.parameters, fps)
