"""Packed datasets, read record by record in any order, without TensorFlow."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tensorflow_datasets as tfds
from tensorflow_datasets.core import decode
from tensorflow_datasets.proto import tf_example_pb2

from reenact_jax.data import images
from reenact_jax.data.info import DatasetInfo
from reenact_jax.data.records import FRAMES, PAIRS, VERSION
from reenact_jax.errors import UserError
from reenact_jax.face_model.parameters import FIELDS, FaceParameters


@dataclasses.dataclass(frozen=True)
class ClipEntry:
    """Where a clip lies in its split: records `start` to `start + num_frames - 1`."""

    clip_id: str
    person_id: str
    start: int
    num_frames: int


class _Records(Sequence):
    """Random access to the fields of a split's records: bytes, or float32 and int64 arrays.

    The records are read by TFDS and parsed here: its general parser takes three times as long, and
    images are to be decoded where a damaged one can be named.
    """

    def __init__(self, builder: tfds.core.DatasetBuilder, split: str):
        self._raw = []
        if split in builder.info.splits:
            method = decode.DeserializeMethod.RAW_BYTES
            self._raw = builder.as_data_source(split, deserialize_method=method)

    def __len__(self) -> int:
        return len(self._raw)

    def __getitem__(self, index: int) -> dict[str, bytes | np.ndarray]:
        features = tf_example_pb2.Example.FromString(self._raw[index]).features.feature
        return {name: _field(feature) for name, feature in features.items()}


def _field(feature) -> bytes | np.ndarray:
    """The value of one tf.train.Feature."""
    kind = feature.WhichOneof("kind")
    if kind == "bytes_list":
        return feature.bytes_list.value[0]
    if kind == "int64_list":
        return np.array(feature.int64_list.value, np.int64)
    # An array of width zero has an empty list, or none.
    return np.array(feature.float_list.value, np.float32)


class FrameDataset(Sequence):
    """One split of a packed dataset, one record a frame.

    `dataset[i]` is a dict with

      image: uint8 (S, S, 3) RGB.
      parameters: FaceParameters with NumPy leaves (K,).
      clip_id, person_id: str.
      frame_index: int, position in the clip.

    Attributes:
      info: facts of the dataset.
      split: `train` or `test`.
      clips: the clips in the order of their records.
      content: hash of the prepared folder that was packed.
    """

    def __init__(self, folder: Path, split: str):
        """Use `open_frames`."""
        builder = tfds.builder_from_directory(folder)
        metadata = builder.info.metadata
        self.info = DatasetInfo.from_dict(dict(metadata["info"]))
        self.split = split
        self.content: str = metadata["content"]
        self.clips = _entries(metadata["clips"][split])
        self._starts = np.array([clip.start for clip in self.clips], np.int64)
        self._folder = folder
        self._records = _Records(builder, split)
        num_frames = sum(clip.num_frames for clip in self.clips)
        if len(self._records) != num_frames:
            raise UserError(
                f"{folder}: expected {num_frames} records in split {split}, found "
                f"{len(self._records)}: a file is missing or damaged; pack the dataset again"
            )

    def __len__(self) -> int:
        return len(self._records)

    def __getitem__(self, index: int) -> dict:
        record = self._read(index)
        return {
            "image": self._decode(record["image"], index),
            "parameters": _parameters(record),
            "clip_id": record["clip_id"].decode(),
            "person_id": record["person_id"].decode(),
            "frame_index": int(record["frame_index"][0]),
        }

    def parameters(self, index: int) -> FaceParameters:
        """Parameters of one frame, without decoding its image."""
        return _parameters(self._read(index))

    def clip_of(self, index: int) -> ClipEntry:
        """The clip that a record belongs to."""
        return self.clips[int(np.searchsorted(self._starts, index, side="right")) - 1]

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

    def _read(self, index: int) -> dict:
        if not 0 <= index < len(self):
            raise IndexError(f"expected a record in [0, {len(self)}), found {index}")
        try:
            return self._records[index]
        except Exception as err:  # the reader raises what its C++ side and protobuf raise
            raise UserError(self._name(index, err)) from err

    def _decode(self, encoded: bytes, index: int) -> np.ndarray:
        try:
            return images.decode_image(encoded)
        except ValueError as err:
            raise UserError(self._name(index, err)) from err

    def _name(self, index: int, err: Exception) -> str:
        clip = self.clip_of(index)
        return (
            f"{self._folder}: split {self.split}, clip {clip.clip_id}, frame "
            f"{index - clip.start}: the record cannot be read ({err}): pack the dataset again"
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
    """

    def __init__(self, folder: Path):
        """Use `open_pairs`."""
        builder = tfds.builder_from_directory(folder)
        metadata = builder.info.metadata
        self.info = DatasetInfo.from_dict(dict(metadata["info"]))
        self.content: str = metadata["content"]
        self.list_hash: str = metadata["pairs_hash"]
        self._folder = folder
        self._records = _Records(builder, "test")

    def __len__(self) -> int:
        return len(self._records)

    def __getitem__(self, index: int) -> dict:
        if not 0 <= index < len(self):
            raise IndexError(f"expected a pair in [0, {len(self)}), found {index}")
        try:
            record = self._records[index]
            pixels = {
                name: images.decode_image(record[name])
                for name in ("source_image", "driving_image", "target_image")
            }
        except Exception as err:  # the reader raises what its C++ side and protobuf raise
            raise UserError(
                f"{self._folder}: pair {index} cannot be read ({err}): pack the dataset again"
            ) from err
        return {
            **pixels,
            "has_target": bool(record["has_target"][0]),
            "source": _parameters(record, "source_"),
            "driving": _parameters(record, "driving_"),
            "pair_id": record["pair_id"].decode(),
            "kind": record["kind"].decode(),
            "source_clip_id": record["source_clip_id"].decode(),
            "driving_clip_id": record["driving_clip_id"].decode(),
            "source_frame_index": int(record["source_frame_index"][0]),
            "driving_frame_index": int(record["driving_frame_index"][0]),
        }


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


def _parameters(record: dict, prefix: str = "") -> FaceParameters:
    return FaceParameters(**{name: record[prefix + name] for name in FIELDS})


def _entries(clips: list) -> tuple[ClipEntry, ...]:
    entries, start = [], 0
    for clip_id, person_id, num_frames in clips:
        entries.append(ClipEntry(clip_id, person_id, start, int(num_frames)))
        start += int(num_frames)
    return tuple(entries)
