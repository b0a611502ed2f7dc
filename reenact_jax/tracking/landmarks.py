"""MediaPipe's face landmarks of single frames.

MediaPipe is imported when a tracker is made and not before: importing it takes seconds and it is an
extra. Its model file is not part of it; `find_asset` says where it is looked for.
"""

import dataclasses
import hashlib
import os
from pathlib import Path

import numpy as np

from reenact_jax.errors import UserError
from reenact_jax.pretrained import registry
from reenact_jax.pretrained.network_files import provenance

ASSET = registry.BY_NAME["face_landmarker.task"]

NUM_LANDMARKS = 478

# Faces looked for in one picture.
_MAX_FACES = 4

# The detector sees the frame at 128 pixels. Where it finds nothing it looks again into squares:
# around the last known face with this much room, and with these sides (of the frame's shorter
# side) at overlapping places.
_ROOM = 3.0
_SECOND_LOOK_SIDES = (1.0, 0.5)


@dataclasses.dataclass(frozen=True)
class Landmarks:
    """One face in one frame.

    Attributes:
      points: float32 (478, 2), pixels of the frame, x right and y down; 468 to 477 are the irises.
      scores: blendshape scores in [0, 1] by MediaPipe's names (`jawOpen`, `eyeBlinkLeft`, ...).
    """

    points: np.ndarray
    scores: dict[str, float]

    @property
    def centre(self) -> np.ndarray:
        """(2,) middle of the points' box."""
        return (self.points.min(axis=0) + self.points.max(axis=0)) / 2

    @property
    def side(self) -> float:
        """The longer side of the points' box."""
        return float(np.ptp(self.points, axis=0).max())


def find_asset(path: str | os.PathLike | None = None) -> Path:
    """The face landmarker's model file, its hash checked.

    Args:
      path: the file, or None to look into the folders $REENACT_ASSETS and ./assets.

    Raises:
      UserError: if it is nowhere, or is another file than the one tested with.
    """
    if path is None:
        tried = [folder / ASSET.name for folder in registry.folders()]
    else:
        tried = [Path(path)]
    found = next((candidate for candidate in tried if candidate.is_file()), None)
    if found is None:
        raise UserError(
            f"expected MediaPipe's {ASSET.name}, found none at "
            f"{', '.join(str(candidate) for candidate in tried)}: "
            f"python -m reenact_jax.assets fetch {ASSET.name}, or download it from {ASSET.url} "
            "and set REENACT_ASSETS to its folder"
        )
    digest = hashlib.sha256(found.read_bytes()).hexdigest()
    if digest != ASSET.sha256:
        raise UserError(
            f"{found}: expected sha256 {ASSET.sha256}, found {digest}: the file is damaged or of "
            f"another version; download {ASSET.url}"
        )
    return found


class FaceLandmarker:
    """Finds faces in pictures. A context manager; pictures are treated independently.

    Attributes:
      provenance: of the model file.
    """

    def __init__(self, asset: str | os.PathLike | None = None):
        """
        Args:
          asset: path of face_landmarker.task, or None to look for it (`find_asset`).

        Raises:
          UserError: if the model file is missing or is not the expected one, or if MediaPipe is
            not installed.
        """
        asset = find_asset(asset)
        self.provenance = provenance("MediaPipe's face landmarker", (ASSET.name,), asset)
        try:
            import mediapipe
            from mediapipe.tasks.python.core.base_options import BaseOptions
            from mediapipe.tasks.python.vision import FaceLandmarker, FaceLandmarkerOptions
        except ImportError as err:
            raise UserError(
                "tracking needs MediaPipe, which is not installed: "
                "pip install 'reenact-jax[tracking]'"
            ) from err
        self._mediapipe = mediapipe
        options = FaceLandmarkerOptions(
            base_options=BaseOptions(model_asset_path=str(asset)),
            output_face_blendshapes=True,
            num_faces=_MAX_FACES,
        )
        self._landmarker = FaceLandmarker.create_from_options(options)

    def __enter__(self) -> "FaceLandmarker":
        return self

    def __exit__(self, kind, error, traceback) -> None:
        self.close()

    def close(self) -> None:
        """Frees MediaPipe's threads; calling it again does nothing."""
        if self._landmarker is not None:
            self._landmarker.close()
            self._landmarker = None

    def detect(self, frame: np.ndarray, last: Landmarks | None = None) -> Landmarks | None:
        """One face of a picture: the nearest to the last one, or the largest without a last one.

        Args and what is done for small faces: see `detect_all`.
        """
        found = self.detect_all(frame, last)
        if last is None:
            return max(found, key=lambda face: face.side, default=None)
        return min(
            found, key=lambda face: float(np.hypot(*(face.centre - last.centre))), default=None
        )

    def detect_all(self, frame: np.ndarray, last: Landmarks | None = None) -> list[Landmarks]:
        """Looks for faces in uint8 RGB (H, W, 3).

        Where the whole frame shows none, square parts of it are looked into, until one shows any:
        that finds faces too small for the detector.

        Args:
          frame: the picture.
          last: a face found last in this clip, if any: where to look again first.

        Returns:
          At most four faces.
        """
        found = self._detect_in(frame, 0, 0, *frame.shape[:2])
        for left, top, side in [] if found else _second_looks(*frame.shape[:2], last):
            found = self._detect_in(frame, left, top, side, side)
            if found:
                break
        return found

    def _detect_in(
        self, frame: np.ndarray, left: int, top: int, height: int, width: int
    ) -> list[Landmarks]:
        part = np.ascontiguousarray(frame[top : top + height, left : left + width])
        image = self._mediapipe.Image(image_format=self._mediapipe.ImageFormat.SRGB, data=part)
        result = self._landmarker.detect(image)
        faces = []
        for points, scores in zip(result.face_landmarks, result.face_blendshapes, strict=True):
            points = np.asarray([[point.x, point.y] for point in points], np.float32)
            points = points * np.float32([width, height]) + np.float32([left, top])
            faces.append(Landmarks(points, {item.category_name: item.score for item in scores}))
        return faces


def _second_looks(height: int, width: int, last: Landmarks | None) -> list[tuple[int, int, int]]:
    """Squares (left, top, side) inside the frame, the likeliest first."""
    squares = []
    shorter = min(height, width)
    if last is not None:
        side = int(min(max(_ROOM * last.side, 16), shorter))
        left, top = np.clip(last.centre - side / 2, 0, [width - side, height - side])
        squares.append((int(left), int(top), side))
    for fraction in _SECOND_LOOK_SIDES:
        side = int(shorter * fraction)
        if side == height == width or side < 16:
            continue  # the whole frame was looked at already
        # Neighbouring squares overlap by at least half, so a face is whole in one of them.
        rows = np.linspace(0, height - side, 1 + -(-2 * (height - side) // side))
        columns = np.linspace(0, width - side, 1 + -(-2 * (width - side) // side))
        places = [(int(x), int(y), side) for y in rows for x in columns]
        # From the middle outwards.
        centre = np.asarray([width - side, height - side]) / 2
        places.sort(key=lambda place, c=centre: np.hypot(place[0] - c[0], place[1] - c[1]))
        squares.extend(places)
    return squares
