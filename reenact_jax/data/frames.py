"""Packed datasets, read record by record in any order, without TensorFlow."""

import bisect
import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tensorflow_datasets as tfds

from reenact_jax.data import images
from reenact_jax.data.info import DatasetInfo
from reenact_jax.data.prepared import PreparedPair
from reenact_jax.data.record_files import DamagedRecord, Record, RecordFiles
from reenact_jax.data.records import FRAMES, PAIRS, VERSION
from reenact_jax.errors import UserError
from reenact_jax.face_model.parameters import FaceParameters


@dataclasses.dataclass(frozen=True)
class ClipEntry:
    """Where a clip lies in its split: records `start` to `start + num_frames - 1`."""

    clip_id: str
    person_id: str
    start: int
    num_frames: int


class FrameDataset(Sequence):
    """One split of a packed dataset, one record a frame.

    `dataset[i]` is a dict with

      image: uint8 (S, S, 3) RGB.
      parameters: FaceParameters with NumPy leaves (K,).
      clip_id, person_id: str.
      frame_index: int, position in the clip.

    Every record is checked as it is read. A damaged one, or one that is not the frame that belongs
    in its place, is a DamagedRecord error that names file, clip and frame.

    Attributes:
      info: facts of the dataset.
      split: `train` or `test`.
      clips: the clips in the order of their records.
      content: hash of the prepared folder that was packed.
      root: folder of the packed dataset, `data/NAME`.
    """

    def __init__(self, folder: Path, split: str):
        """Use `open_frames`."""
        builder = tfds.builder_from_directory(folder)
        metadata = builder.info.metadata
        self.info = DatasetInfo.from_dict(dict(metadata["info"]))
        self.root = folder.parents[1]
        self.split = split
        self.content: str = metadata["content"]
        self.clips = _entries(metadata["clips"][split])
        self._starts = [clip.start for clip in self.clips]
        self._folder = folder
        self._widths = self.info.face_model.field_widths
        self._records = RecordFiles(builder, split)
        num_frames = sum(clip.num_frames for clip in self.clips)
        if len(self._records) != num_frames:
            raise UserError(
                f"{folder}: expected {num_frames} records in split {split}, found "
                f"{len(self._records)}: a file is missing or damaged; pack the dataset again"
            )

    def __len__(self) -> int:
        return len(self._records)

    def __getitem__(self, index: int) -> dict:
        clip = self._clip_at(index)
        try:
            record = self._read(index, clip)
            pixels = _decode(record, "image", self.info.image_size)
            parameters = _parameters(record, self._widths)
        except Exception as err:  # the reader raises what its C++ side and protobuf raise
            raise self._damaged(index, clip, err) from err
        return {
            "image": pixels,
            "parameters": parameters,
            "clip_id": clip.clip_id,
            "person_id": clip.person_id,
            "frame_index": index - clip.start,
        }

    @property
    def codec(self) -> str:
        """How frames are stored, `png` or `jpg`: that of the first one."""
        return images.image_format(self._records[0].content("image"))

    def parameters(self, index: int) -> FaceParameters:
        """Parameters of one frame, without decoding its image."""
        clip = self._clip_at(index)
        try:
            return _parameters(self._read(index, clip), self._widths)
        except Exception as err:
            raise self._damaged(index, clip, err) from err

    def clip_of(self, index: int) -> ClipEntry:
        """The clip that a record belongs to."""
        return self.clips[bisect.bisect_right(self._starts, index) - 1]

    def find_clip(self, clip_id: str) -> ClipEntry:
        """The clip of this id.

        Raises:
          UserError: if the split has no such clip.
        """
        for clip in self.clips:
            if clip.clip_id == clip_id:
                return clip
        raise UserError(
            f"{self._folder}: no clip {clip_id} in split {self.split}, which has "
            f"{len(self.clips)} clips"
        )

    def _clip_at(self, index: int) -> ClipEntry:
        if not 0 <= index < len(self):
            raise IndexError(f"expected a record in [0, {len(self)}), found {index}")
        return self.clip_of(index)

    def _read(self, index: int, clip: ClipEntry) -> Record:
        record = self._records[index]
        found = record.text("clip_id"), record.integer("frame_index")
        if found != (clip.clip_id, index - clip.start):
            raise ValueError(f"found frame {found[1]} of clip {found[0]} in its place")
        return record

    def _damaged(self, index: int, clip: ClipEntry, err: Exception) -> DamagedRecord:
        path, number = self._records.place(index)
        return DamagedRecord(
            f"{path}: record {number} (split {self.split}, clip {clip.clip_id}, frame "
            f"{index - clip.start}) cannot be read ({err}): pack the dataset again"
        )


class PairDataset(Sequence):
    """The fixed evaluation pairs of a packed dataset.

    `dataset[i]` is a dict with

      source_image, driving_image, target_image: uint8 (S, S, 3) RGB; the target is black where
        there is none.
      has_target: bool.
      source, driving: FaceParameters with NumPy leaves (K,).
      pair_id, kind (`self` or `cross`), source_clip_id, driving_clip_id: str.
      source_frame_index, driving_frame_index: int.

    Attributes:
      info: facts of the dataset.
      content: hash of the prepared folder that was packed.
      list_hash: hash of the list of pairs.
      root: folder of the packed dataset, `data/NAME`.
    """

    def __init__(self, folder: Path):
        """Use `open_pairs`."""
        builder = tfds.builder_from_directory(folder)
        metadata = builder.info.metadata
        self.info = DatasetInfo.from_dict(dict(metadata["info"]))
        self.root = folder.parents[1]
        self.content: str = metadata["content"]
        self.list_hash: str = metadata["pairs_hash"]
        self._folder = folder
        self._widths = self.info.face_model.field_widths
        self._records = RecordFiles(builder, "test")

    def __len__(self) -> int:
        return len(self._records)

    def kind(self, index: int) -> str:
        """`kind` of one pair, without decoding its images."""
        return self._records[index].text("kind")

    def header(self, index: int) -> PreparedPair:
        """Which frames one pair consists of, without decoding its images; without a target."""
        record = self._records[index]
        places = (
            (record.text(f"{role}_clip_id"), record.integer(f"{role}_frame_index"))
            for role in ("source", "driving")
        )
        return PreparedPair(record.text("pair_id"), record.text("kind"), *places)

    def __getitem__(self, index: int) -> dict:
        if not 0 <= index < len(self):
            raise IndexError(f"expected a pair in [0, {len(self)}), found {index}")
        try:
            record = self._records[index]
            return {
                **{
                    name: _decode(record, name, self.info.image_size)
                    for name in ("source_image", "driving_image", "target_image")
                },
                "has_target": bool(record.integer("has_target")),
                "source": _parameters(record, self._widths, "source_"),
                "driving": _parameters(record, self._widths, "driving_"),
                "pair_id": record.text("pair_id"),
                "kind": record.text("kind"),
                "source_clip_id": record.text("source_clip_id"),
                "driving_clip_id": record.text("driving_clip_id"),
                "source_frame_index": record.integer("source_frame_index"),
                "driving_frame_index": record.integer("driving_frame_index"),
            }
        except Exception as err:  # the reader raises what its C++ side and protobuf raise
            path, number = self._records.place(index)
            raise DamagedRecord(
                f"{path}: record {number} (pair {index}) cannot be read ({err}): pack the dataset "
                "again"
            ) from err


def open_frames(data_dir: str | Path, name: str, split: str) -> FrameDataset:
    """Opens one split of a packed dataset.

    Args:
      data_dir: where packed datasets live.
      name: the dataset's name (a key of `builders.BUILDERS`).
      split: `train` or `test`.

    Raises:
      UserError: if it is not there; says how to build it, and which config runs without it.
    """
    folder = _existing(data_dir, name, FRAMES)
    dataset = FrameDataset(folder, split)
    if not dataset.clips:
        raise UserError(
            f"{folder}: expected clips in split {split}, found none: prepare some with "
            f'"split": "{split}" and pack the dataset again'
        )
    return dataset


def has_pairs(data_dir: str | Path, name: str) -> bool:
    """Whether a packed dataset has evaluation pairs; without test clips it has none."""
    return (Path(data_dir) / name / PAIRS / VERSION).is_dir()


def open_pairs(data_dir: str | Path, name: str) -> PairDataset:
    """Opens the evaluation pairs of a packed dataset.

    Raises:
      UserError: if they are not there; says how to build them.
    """
    return PairDataset(_existing(data_dir, name, PAIRS))


def _existing(data_dir: str | Path, name: str, config: str) -> Path:
    folder = Path(data_dir) / name / config / VERSION
    if folder.is_dir():
        return folder
    if config == PAIRS and (Path(data_dir) / name / FRAMES / VERSION).is_dir():
        raise UserError(
            f"dataset {name}: expected evaluation pairs at {folder}, found none: there are no test "
            "clips to draw them from, or packing was interrupted; run scripts/pack.py again"
        )
    raise UserError(
        f"dataset {name}: expected it at {folder}, found nothing. Build it with\n"
        f"  python scripts/pack.py PREPARED_FOLDER --name {name} --data-dir {data_dir}\n"
        "from a folder of prepared clips (docs/data.md says how to get one). "
        "configs/demo.py runs without any download."
    )


def _decode(record: Record, name: str, size: int) -> np.ndarray:
    pixels = images.decode_image(record.content(name))
    if pixels.shape != (size, size, 3):
        raise ValueError(f"expected {name} of {size} x {size} pixels, found shape {pixels.shape}")
    return pixels


def _parameters(record: Record, widths: dict[str, int], prefix: str = "") -> FaceParameters:
    return FaceParameters(**record.floats(widths, prefix))


def _entries(clips: list) -> tuple[ClipEntry, ...]:
    entries, start = [], 0
    for clip_id, person_id, num_frames in clips:
        entries.append(ClipEntry(clip_id, person_id, start, int(num_frames)))
        start += int(num_frames)
    return tuple(entries)
