"""Clips -> Deng's coefficients: each clip by one job, in as many processes as one likes.

What joins `tracking.deng_clips` and `data.workers`; scripts/reconstruct_deng.py is its command.
"""

import dataclasses
import functools
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from reenact_jax import media
from reenact_jax.data import workers
from reenact_jax.data.storage import storage_errors
from reenact_jax.errors import UserError
from reenact_jax.face_model.load import load_face_model
from reenact_jax.face_model.morphable import MorphableModel
from reenact_jax.pretrained.rnet import load_rnet
from reenact_jax.tracking import deng, deng_clips, face_points
from reenact_jax.tracking.frame_source import FrameSource
from reenact_jax.tracking.landmarks import FaceLandmarker
from reenact_jax.tracking.overlay import draw_overlay


@dataclasses.dataclass(frozen=True)
class ReconstructedClip:
    """What became of a clip.

    Attributes:
      num_frames: rows that were written.
      num_missing: those of them whose frames show no face.
      mean_px, worst_px: distance of the face from the five points in pixels of the 224-pixel crop,
        over the clip and in its worst frame; None without the face model.
    """

    num_frames: int
    num_missing: int
    mean_px: float | None = None
    worst_px: float | None = None


@dataclasses.dataclass(frozen=True)
class ReconstructClip:
    """Reconstructs one clip and returns what became of it.

    Attributes:
      out: folder started by `deng_clips.start_output`.
      weights: of R-Net, see `load_rnet`.
      landmarks: the user's files, see `face_points.read_points`; None for MediaPipe's.
      only_clip: whether there are no other clips; then a single file of landmarks will do.
      landmarker: path of face_landmarker.task, None to look for it.
      on_missing, batch_size, with_crops: see `deng_clips.reconstruct_clip`.
      face_model: BFM_model_front.mat to check the fit with, or None.
    """

    out: Path
    weights: Path
    landmarks: Path | None = None
    only_clip: bool = False
    landmarker: Path | None = None
    on_missing: str = "hold"
    batch_size: int = 16
    with_crops: bool = True
    face_model: Path | None = None

    def open(self) -> None:
        """Reads what all clips need, so that what is missing is said once.

        Raises:
          UserError: if weights, face model or landmarker are missing or not what they should be.
        """
        _params(self.weights)
        if self.face_model is not None:
            _face_model(self.face_model)
        if self.landmarks is None:
            _landmarker(self.landmarker)

    def __call__(self, source: FrameSource) -> ReconstructedClip:
        """
        Raises:
          StorageError: if the disk is full; going on with other clips would not help.
          UserError: if the clip cannot be used.
        """
        with storage_errors(self.out):
            deng_clips.reconstruct_clip(
                source,
                self._locate,
                _params(self.weights),
                self.out,
                on_missing=self.on_missing,
                batch_size=self.batch_size,
                with_crops=self.with_crops,
                progress=workers.advance,
            )
            return self._check(source)

    def missing(self, sources: Iterable[FrameSource]) -> list[FrameSource]:
        """Those that are not reconstructed yet."""
        return [source for source in sources if not deng_clips.is_done(self.out, source.clip_id)]

    def _locate(self, source: FrameSource) -> np.ndarray:
        if self.landmarks is not None:
            return face_points.read_points(self.landmarks, source, only_clip=self.only_clip)
        return face_points.detect_points(source.frames(), _landmarker(self.landmarker))

    def _check(self, source: FrameSource) -> ReconstructedClip:
        """With the face model, how well it fits its own landmarks, and a picture of the worst."""
        with np.load(self.out / f"{source.clip_id}.npz") as arrays:
            rows = dict(arrays)
        found = ReconstructedClip(len(rows["coeff"]), int((~rows["found"]).sum()))
        if self.face_model is None:
            return found
        model = _face_model(self.face_model)
        coefficients, transforms, points = rows["coeff"], rows["transform_params"], rows["points"]
        error = deng.landmark_error_px(model, coefficients, transforms, points)
        worst = int(error.argmax())
        if self.with_crops:
            name = f"{source.stem(rows['frame_index'][worst])}.png"
            picture = draw_overlay(
                media.read_image(self.out / "crops" / source.clip_id / name),
                model,
                deng.crop_parameters(coefficients[worst]),
                _dots(deng.crop_positions(points[[worst]], transforms[[worst]])[0] / 224),
            )
            path = self.out / "checks" / f"{source.clip_id}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            media.write_image(path, picture)
        return dataclasses.replace(found, mean_px=float(error.mean()), worst_px=float(error[worst]))


def num_frames(source: FrameSource) -> int:
    """About how many frames a clip has; 1 where the file does not say."""
    if source.names:
        return len(source.names)
    try:
        return media.probe_video(source.path).num_frames or 1
    except UserError:  # said when the clip's turn comes
        return 1


# Of a process, for all of its clips.
_params = functools.cache(load_rnet)
_landmarker = functools.cache(FaceLandmarker)


@functools.cache
def _face_model(path: Path) -> MorphableModel:
    return load_face_model("bfm2009", str(path))


def _dots(points: np.ndarray) -> np.ndarray:
    """Points (L, 2) -> those around them, so that five single pixels can be seen."""
    offsets = np.stack(np.meshgrid(*[np.linspace(-0.004, 0.004, 9)] * 2), axis=-1).reshape(-1, 1, 2)
    return (points + offsets).reshape(-1, 2)
