"""Clips that someone else has cropped and fitted -> prepared clips, with a report of what became
of each.

A source of clips is a list of `RawClip` and a function that reads one of them. The function may be
sent to other processes, so it is a small frozen dataclass with `__call__`.
"""

import dataclasses
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from reenact_jax.data import images, prepared, workers
from reenact_jax.data.storage import StorageError, storage_errors
from reenact_jax.data.video_metadata import ClipList, list_hash
from reenact_jax.errors import UserError
from reenact_jax.face_model.coefficients import EXPRESSION, IDENTITY, TEXTURE
from reenact_jax.face_model.morphable import MorphableModel
from reenact_jax.face_model.parameters import FaceParameters
from reenact_jax.files import write_text

# Those of the 257 coefficients.
FACE_MODEL_WIDTHS = {
    name: part.stop - part.start
    for name, part in (("identity", IDENTITY), ("expression", EXPRESSION), ("texture", TEXTURE))
}


@dataclasses.dataclass(frozen=True)
class RawClip:
    """A clip as found.

    Attributes:
      clip_id: its name.
      person_id: who is seen.
      split: `train` or `test`.
      path: the file or folder that holds it.
    """

    clip_id: str
    person_id: str
    split: str
    path: Path


@dataclasses.dataclass(frozen=True)
class Footage:
    """What a clip holds: encoded frames (PNG or JPEG) of the dataset's size, leaves (N, K)."""

    frames: list[bytes]
    parameters: FaceParameters
    origin: str


class MissingParameters(UserError):
    """Nobody has fitted this clip yet."""


@dataclasses.dataclass
class ImportReport:
    """What became of the clips; lists of clip ids, in order, except `refused`.

    Attributes:
      listed: number of clips that there should be: those of the list, or without one those found.
      list_hash: that of the list (`video_metadata.list_hash`), or without one of the ids and splits
        that were found.
      found: how many of them are there.
      unlisted: clips that are there and not on the list; they are prepared like the others.
      prepared: clips that are in the prepared folder now, those of earlier runs included.
      missing: clips of the list that were not found, except those of `left_out`.
      missing_coefficients: clips whose parameters were not found.
      left_out: training clips of persons who are also tested, whether found or left out before.
      refused: clip id -> why its files could not be used.
    """

    listed: int = 0
    list_hash: str = ""
    found: int = 0
    prepared: list[str] = dataclasses.field(default_factory=list)
    missing: list[str] = dataclasses.field(default_factory=list)
    unlisted: list[str] = dataclasses.field(default_factory=list)
    missing_coefficients: list[str] = dataclasses.field(default_factory=list)
    left_out: list[str] = dataclasses.field(default_factory=list)
    refused: dict[str, str] = dataclasses.field(default_factory=dict)

    def summary(self) -> str:
        """A few lines for people."""
        persons = sorted({clip_id.split("#")[0] for clip_id in self.left_out})
        lines = [
            f"{self.found} of {self.listed} clips found (list {self.list_hash})",
            f"{len(self.prepared)} of {self.found + len(self.unlisted)} clips prepared",
            f"{len(self.missing_coefficients)} without coefficients",
            f"{len(self.left_out)} left out of train because their persons are also tested"
            + (f" ({', '.join(persons)})" if persons else ""),
            f"{len(self.refused)} refused",
        ]
        lines += [f"  {clip_id}: {reason}" for clip_id, reason in self.refused.items()]
        return "\n".join(lines)


def check_coefficient_model(model: MorphableModel) -> None:
    """Refuses a face model that the 257 coefficients cannot belong to.

    Raises:
      UserError: if its numbers of coefficients differ.
    """
    if model.widths != FACE_MODEL_WIDTHS:
        raise UserError(
            f"expected a face model with the widths of the coefficients {FACE_MODEL_WIDTHS}, "
            f"found {model.name} with {model.widths}"
        )


def import_clips(
    clips: Sequence[RawClip],
    read: Callable[[RawClip], Footage],
    prepared_root: str | Path,
    *,
    fps: float,
    tested_persons: Iterable[str] = (),
    clip_list: ClipList | None = None,
    min_frames: int = 2,
    num_workers: int = 1,
    progress: bool = False,
) -> ImportReport:
    """Prepares every clip that can be read. Clips that are there already are kept.

    Args:
      clips: what was found, each id once.
      read: reads one clip. What it raises as UserError puts the clip on the report (as
        `missing_coefficients` or `refused`) and does not stop the others.
      prepared_root: a folder started by `prepared.write_dataset_info`. The report is also written
        to report.json in it.
      fps: frames per second of the footage.
      tested_persons: persons of whom no clip may be trained on.
      clip_list: the clips that there should be; None for those found.
      min_frames: clips of fewer frames are refused; a pair of one clip needs two.
      num_workers: processes that read clips.
      progress: show a progress bar.

    Raises:
      UserError: if the disk is full. What is complete stays, and the next run goes on.
    """
    tested = set(tested_persons)
    found = {clip.clip_id for clip in clips}
    rows = () if clip_list is None else clip_list.rows
    listed = found if clip_list is None else {row.clip_id for row in rows}
    wanted, left_out = (
        [],
        {row.clip_id for row in rows if row.partition == "train" and row.person_id in tested},
    )
    for clip in clips:
        if clip.split == "train" and clip.person_id in tested:
            left_out.add(clip.clip_id)
        else:
            wanted.append(clip)
    report = ImportReport(
        listed=len(listed),
        list_hash=_hash_of_found(clips) if clip_list is None else list_hash(rows),
        found=len(found & listed),
        missing=sorted(listed - found - left_out),
        unlisted=sorted(found - listed),
        left_out=sorted(left_out),
    )
    work = _Prepare(read, Path(prepared_root), fps, min_frames)
    results = run_all(
        work, wanted, num_workers=num_workers, label="preparing", unit="clip", progress=progress
    )
    states = {clip.clip_id: result for clip, result in results}
    for clip_id in sorted(states):
        state, reason = states[clip_id]
        if state == "refused":
            report.refused[clip_id] = reason
        else:
            getattr(report, state).append(clip_id)
    write_report(prepared_root, dataclasses.asdict(report))
    return report


def write_report(folder: str | Path, values: dict) -> None:
    """Writes report.json.

    Raises:
      UserError: if the disk is full.
    """
    path = Path(folder) / "report.json"
    with storage_errors(path):
        write_text(path, json.dumps(values, indent=2) + "\n")


def stored_frames(frames: Iterable[bytes | np.ndarray], image_size: int, where: str) -> list[bytes]:
    """Encoded frames of the dataset's size.

    Encoded frames of that size keep their bytes. Others are resized and keep their format; decoded
    ones become JPEG of quality 95.

    Args:
      frames: PNG or JPEG bytes, or uint8 (H, H, 3).
      image_size: side of the result in pixels.
      where: name of the clip for messages.

    Raises:
      UserError: if a frame is damaged or not square, or if the frames have more than one size.
    """
    stored, first_size = [], None
    for i, frame in enumerate(frames):
        try:
            is_encoded = isinstance(frame, bytes)
            if is_encoded:
                images.check_complete(frame)
            size = images.image_size(frame) if is_encoded else frame.shape[:2]
            first_size = first_size or size
            if size != first_size:
                raise ValueError(
                    f"expected {first_size[1]} x {first_size[0]} pixels as in frame 0, found "
                    f"{size[1]} x {size[0]}: a clip has one size; crop it again"
                )
            if not is_encoded:
                frame = images.encode_image(images.resize_area(frame, image_size), "jpg")
            elif size != (image_size, image_size):
                pixels = images.resize_area(images.decode_image(frame), image_size)
                frame = images.encode_image(pixels, images.image_format(frame))
        except ValueError as err:
            raise UserError(f"{where}, frame {i}: {err}") from err
        stored.append(frame)
    return stored


def run_all(
    work: Callable, items: Sequence, *, num_workers: int, label: str, unit: str, progress: bool
) -> Iterator[tuple]:
    """`workers.run_jobs` of work that reports what is wrong with an item in its result.

    Raises:
      UserError: the first one, such as a full disk: going on would not help.
    """
    jobs = workers.run_jobs(
        work, items, num_workers=num_workers, label=label, unit=unit, progress=progress
    )
    for item, result in jobs:
        if isinstance(result, UserError):
            raise result
        yield item, result


def _hash_of_found(clips: Sequence[RawClip]) -> str:
    lines = sorted(f"{clip.clip_id},{clip.split}\n" for clip in clips)
    return hashlib.sha256("".join(lines).encode()).hexdigest()[:16]


@dataclasses.dataclass(frozen=True)
class _Prepare:
    """Prepares one clip and says what became of it: a list of ImportReport, or why not."""

    read: Callable[[RawClip], Footage]
    root: Path
    fps: float
    min_frames: int

    def __call__(self, clip: RawClip) -> tuple[str, str]:
        if prepared.has_clip(self.root, clip.clip_id):
            return "prepared", ""
        try:
            footage = self.read(clip)
            if len(footage.frames) < self.min_frames:
                raise UserError(
                    f"{clip.path}: expected at least {self.min_frames} frames, found "
                    f"{len(footage.frames)}"
                )
            prepared.write_clip(
                self.root,
                prepared.PreparedClip(
                    clip_id=clip.clip_id,
                    person_id=clip.person_id,
                    split=clip.split,
                    fps=self.fps,
                    frames=footage.frames,
                    parameters=footage.parameters,
                    origin=footage.origin,
                ),
            )
        except StorageError:
            raise
        except MissingParameters:
            return "missing_coefficients", ""
        except UserError as err:
            return "refused", str(err)
        return "prepared", ""
