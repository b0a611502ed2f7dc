"""One split of a packed dataset, record by record, each checked as it is read.

The records are serialized tf.train.Example messages in ArrayRecord files. TFDS finds the files and
reads the bytes; they are taken apart here. A damaged record is an error that names it, and never a
wrong value: ArrayRecord keeps a hash of every record's bytes and refuses those that do not match.
"""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tensorflow_datasets as tfds
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from tensorflow_datasets.core import decode

from reenact_jax.errors import UserError


class DamagedRecord(UserError):
    """A record cannot be read, or does not hold what its place says."""


class Record:
    """The fields of one record; a field that is missing or of another kind is a ValueError."""

    def __init__(self, serialized: bytes):
        self._fields = _EXAMPLE.FromString(serialized).features.feature

    def content(self, name: str) -> bytes:
        """A field of bytes."""
        return self._values(name, "bytes_list")

    def text(self, name: str) -> str:
        """A field of UTF-8 text."""
        return self.content(name).decode()

    def integer(self, name: str) -> int:
        """A single integer, non-negative."""
        number, shift = 0, 0
        for byte in self._values(name, "int64_list"):  # base 128, the lowest digits first
            number |= (byte & 127) << shift
            shift += 7
        return number

    def floats(self, widths: dict[str, int], prefix: str = "") -> dict[str, np.ndarray]:
        """Field names and their widths -> (width,) float32 each, finite, read-only.

        All fields at once, because each step in Python costs as much as a hundredth of the decoding
        of an image.
        """
        parts = [self._fields[prefix + name].float_list.value for name in widths]
        values = np.frombuffer(b"".join(parts), "<f4")
        # NaN and infinity survive a sum, which is faster than a test of each number.
        if not math.isfinite(np.add.reduce(values, dtype=np.float64)):
            raise ValueError("expected finite numbers")
        arrays, start = {}, 0
        for (name, width), part in zip(widths.items(), parts, strict=True):
            if len(part) != 4 * width:
                raise ValueError(f"expected {width} numbers in {name}, found {len(part) / 4:g}")
            arrays[name] = values[start : start + width]
            start += width
        return arrays

    def _values(self, name: str, kind: str) -> bytes:
        # A field that is missing, or of another kind, reads as no bytes.
        values = getattr(self._fields[name], kind).value
        if not values:
            raise ValueError(f"expected a field {name} ({kind})")
        return values


def _example_class() -> type:
    """Message class that reads a tf.train.Example, with packed numbers left as bytes.

    On the wire, a packed list of numbers and a string of bytes are the same thing: a length and so
    many bytes. Declared as bytes, the numbers of a field need no loop: they become an array in one
    step. Field numbers are those of tensorflow/core/example/{example,feature}.proto.
    """
    field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(
        name="reenact_jax/record.proto", package="reenact_jax", syntax="proto3"
    )
    values = file.message_type.add(name="Values")
    values.field.add(name="value", number=1, type=field.TYPE_BYTES, label=field.LABEL_OPTIONAL)
    feature = file.message_type.add(name="Feature")
    feature.oneof_decl.add(name="kind")
    for number, kind in enumerate(("bytes_list", "float_list", "int64_list"), start=1):
        feature.field.add(
            name=kind,
            number=number,
            type=field.TYPE_MESSAGE,
            label=field.LABEL_OPTIONAL,
            type_name=".reenact_jax.Values",
            oneof_index=0,
        )
    features = file.message_type.add(name="Features")
    entry = features.nested_type.add(name="FeatureEntry")
    entry.options.map_entry = True
    entry.field.add(name="key", number=1, type=field.TYPE_STRING, label=field.LABEL_OPTIONAL)
    entry.field.add(
        name="value",
        number=2,
        type=field.TYPE_MESSAGE,
        label=field.LABEL_OPTIONAL,
        type_name=".reenact_jax.Feature",
    )
    features.field.add(
        name="feature",
        number=1,
        type=field.TYPE_MESSAGE,
        label=field.LABEL_REPEATED,
        type_name=".reenact_jax.Features.FeatureEntry",
    )
    example = file.message_type.add(name="Example")
    example.field.add(
        name="features",
        number=1,
        type=field.TYPE_MESSAGE,
        label=field.LABEL_OPTIONAL,
        type_name=".reenact_jax.Features",
    )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("reenact_jax.Example"))


_EXAMPLE = _example_class()


class RecordFiles(Sequence):
    """The records of one split, by number; threads may share it, and it can be sent to a process.

    Raises:
      UserError: if a file of the split is missing.
    """

    def __init__(self, builder: tfds.core.DatasetBuilder, split: str):
        self._paths: list[Path] = []
        self._ends = np.zeros(0, np.int64)
        if split not in builder.info.splits:
            return
        info = builder.info.splits[split]
        self._paths = [Path(path) for path in info.filepaths]
        self._ends = np.cumsum(info.shard_lengths)
        for path in self._paths:
            if not path.is_file():
                raise UserError(f"{path} is missing: pack the dataset again")
        method = decode.DeserializeMethod.RAW_BYTES
        # The source itself: what TFDS puts around it passes bytes through.
        self._source = builder.as_data_source(split, deserialize_method=method).data_source

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    def __getitem__(self, index: int) -> Record:
        """Raises whatever the reader and protobuf raise for a damaged record."""
        return Record(self._source[index])

    def place(self, index: int) -> tuple[Path, int]:
        """File of a record, and its number in the file."""
        which = int(np.searchsorted(self._ends, index, side="right"))
        before = int(self._ends[which - 1]) if which else 0
        return self._paths[which], index - before
