"""The five points of every frame: out of text files, or found by MediaPipe.

Points are (N, 5, 2) in pixels of the frame, edge coordinates, NaN in frames without a face.
"""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from reenact_jax.errors import UserError
from reenact_jax.tracking.alignment import AlignmentError, five_points, is_mirrored
from reenact_jax.tracking.frame_source import FrameSource
from reenact_jax.tracking.landmarks import FaceLandmarker

ON_MISSING = ("hold", "skip", "fail")

_COUNTS = (5, 68, 468, 478)


def detect_points(frames: Iterable[np.ndarray], landmarker: FaceLandmarker) -> np.ndarray:
    """MediaPipe's points of the frames uint8 (H, W, 3) of one clip."""
    points = []
    last = None
    for frame in frames:
        face = landmarker.detect(frame, last)
        last = face or last
        points.append(np.full((5, 2), np.nan) if face is None else five_points(face.points))
    return np.asarray(points).reshape(-1, 5, 2)


def read_points(path: Path, source: FrameSource, *, only_clip: bool) -> np.ndarray:
    """The points of a clip out of the user's files.

    Args:
      path: a file with the landmarks of all frames (if this is the only clip); or a folder with
        CLIP.txt, or with CLIP/FRAME.txt, or (if this is the only clip) with FRAME.txt.
      source: the clip.
      only_clip: whether there are no others.

    Raises:
      UserError: if there is none of these, or as `read_clip_points` and `read_frame_points`.
    """
    if path.is_file():
        if not only_clip:
            raise UserError(
                f"{path}: expected a folder with the landmarks of each clip, found a file"
            )
        return read_clip_points(path, source.num_frames())
    whole = path / f"{source.clip_id}.txt"
    if whole.is_file():
        return read_clip_points(whole, source.num_frames())
    folder = path / source.clip_id
    if not folder.is_dir() and only_clip:
        folder = path
    if not folder.is_dir():
        raise UserError(f"expected landmarks in {whole} or {folder}/, found neither")
    stems = [source.stem(index) for index in range(source.num_frames())]
    return read_frame_points(folder, stems)


def read_clip_points(path: str | os.PathLike, num_frames: int) -> np.ndarray:
    """The landmarks of a whole clip in one text file: all numbers x y x y ... frame by frame.

    Raises:
      UserError: if the file is no table of numbers, or does not hold 5 or 68 (or MediaPipe's 468
        or 478) points for each of `num_frames` frames.
    """
    numbers = _read_numbers(Path(path))
    counts = [count for count in _COUNTS if numbers.size == num_frames * count * 2]
    if not counts:
        raise UserError(
            f"{path}: expected 5, 68, 468 or 478 points (x and y) for each of {num_frames} frames, "
            f"found {numbers.size} numbers"
        )
    return _checked(numbers.reshape(num_frames, counts[0], 2), path)


def read_frame_points(folder: str | os.PathLike, stems: Sequence[str]) -> np.ndarray:
    """The landmarks of single frames, NAME.txt for the frame NAME, as Deep3DFaceRecon has them.

    A frame without a file has no face.

    Raises:
      UserError: if there is a file for none of the frames, or one does not hold 5 or 68 points.
    """
    points = np.full((len(stems), 5, 2), np.nan)
    for k, stem in enumerate(stems):
        path = Path(folder) / f"{stem}.txt"
        if path.is_file():
            points[k] = read_clip_points(path, 1)[0]
    if np.isnan(points).all():
        raise UserError(
            f"{folder}: expected landmarks in files named like the frames ({stems[0]}.txt, ...), "
            "found none"
        )
    return points


def stand_in(points: np.ndarray, on_missing: str) -> tuple[np.ndarray, np.ndarray]:
    """Points for frames without a face, by policy.

    Args:
      points: (N, 5, 2), NaN where there is no face.
      on_missing: `hold` takes those of the frame before (or, at the start, the first that there
        are): the row is then about the place where the face was; `skip` leaves the frame out;
        `fail` raises.

    Returns:
      The points without gaps (M, 5, 2), and the frames (M,) that they belong to, ascending.

    Raises:
      AlignmentError: if no frame has a face, or, with `fail`, one has none.
    """
    if on_missing not in ON_MISSING:
        raise ValueError(f"on_missing: expected one of {ON_MISSING}, found {on_missing!r}")
    present = np.flatnonzero(np.isfinite(points).all(axis=(1, 2)))
    if len(present) == 0:
        raise AlignmentError(f"no face found in {len(points)} frames")
    if len(present) < len(points) and on_missing == "fail":
        missing = np.setdiff1d(np.arange(len(points)), present)
        raise AlignmentError(f"no face found in frame {missing[0]}")
    if on_missing == "skip":
        return points[present], present
    every = np.arange(len(points))
    latest = np.searchsorted(present, every, side="right") - 1
    return points[present[np.maximum(latest, 0)]], every


def _read_numbers(path: Path) -> np.ndarray:
    try:
        text = path.read_text()
        return np.asarray(text.replace(",", " ").split(), np.float64)
    except (OSError, ValueError) as err:
        raise UserError(f"{path}: expected landmarks as numbers: {err}") from err


def _checked(landmarks: np.ndarray, path: str | os.PathLike) -> np.ndarray:
    """(N, L, 2) in index coordinates, -1 everywhere where there is no face -> five points."""
    # Files of detectors count pixel centres from 0.
    points = five_points(landmarks) + 0.5
    points[(landmarks == -1).all(axis=(1, 2))] = np.nan
    faces = points[np.isfinite(points).all(axis=(1, 2))]
    if len(faces) and np.mean([is_mirrored(face) for face in faces]) > 0.5:
        raise UserError(
            f"{path}: expected the points in the order eye at the image's left, eye at its right, "
            "nose, mouth left, mouth right, y downwards; found a face from behind: is the order "
            "another one, or y upwards?"
        )
    return points
