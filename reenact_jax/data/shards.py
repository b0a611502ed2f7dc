"""The files of a packed dataset, each written whole or not at all, by whoever is asked to.

A shard is one job: it knows its clips and its file, and needs nothing else. So shards are written
in this process, by several (`workers`), or by an Apache Beam engine (`beam_pack`), and a run that
was stopped goes on with the shards that are missing.
"""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import tensorflow_datasets as tfds
from array_record.python.array_record_module import ArrayRecordReader, ArrayRecordWriter
from tensorflow_datasets.core import example_serializer

from reenact_jax.data.workers import run_jobs
from reenact_jax.errors import UserError
from reenact_jax.files import replacing

# JPEG and PNG bytes do not shrink further; reading a single record takes a third of the time.
_WRITER_OPTIONS = "group_size:1,uncompressed"


@dataclasses.dataclass(frozen=True)
class Shard:
    """One file of a packed dataset, yet to be written.

    Attributes:
      path: the ArrayRecord file.
      num_records: how many records it will have.
      features: layout of a record.
      examples: makes the records as (key, example), in their order.
    """

    path: Path
    num_records: int
    features: tfds.features.FeaturesDict
    examples: Callable[[], Iterator[tuple[str, dict]]]


def write_shard(shard: Shard) -> None:
    """Writes one shard, unless it is there.

    Raises:
      UserError: if a clip cannot be read, if the number of records is another one than was said, or
        if the file cannot be written (a full disk).
    """
    if is_written(shard):
        return
    serializer = example_serializer.ExampleSerializer(shard.features.get_serialized_info())
    shard.path.parent.mkdir(parents=True, exist_ok=True)
    count = 0
    with replacing(shard.path) as temporary:
        try:
            writer = ArrayRecordWriter(str(temporary), _WRITER_OPTIONS)
        except RuntimeError as err:
            raise _cannot_write(shard.path, err) from err
        for _, example in shard.examples():
            message = serializer.get_tf_example(shard.features.encode_example(example))
            # Without this, protobuf orders the fields by the addresses they happen to have.
            record = message.SerializeToString(deterministic=True)
            try:
                writer.write(record)
            except RuntimeError as err:
                raise _cannot_write(shard.path, err) from err
            count += 1
        try:
            writer.close()  # this is where what is left reaches the disk
        except RuntimeError as err:
            raise _cannot_write(shard.path, err) from err
        if count != shard.num_records:
            raise UserError(
                f"{shard.path}: expected {shard.num_records} records, found {count}: the prepared "
                "folder has changed; run this again"
            )


def is_written(shard: Shard) -> bool:
    """Whether the shard's file is there and has the right number of records."""
    if not shard.path.exists():
        return False
    reader = ArrayRecordReader(str(shard.path))
    return reader.num_records() == shard.num_records


def write_here(
    shards: Sequence[Shard], *, num_workers: int = 1, label: str = "", progress: bool = False
) -> None:
    """Writes shards by processes of this machine.

    Raises:
      UserError: that of the first shard that could not be written.
    """
    missing = [shard for shard in shards if not is_written(shard)]
    results = run_jobs(
        write_shard,
        missing,
        num_workers=num_workers,
        label=label,
        unit="record",
        sizes=[shard.num_records for shard in missing],
        progress=progress,
    )
    for _, result in results:
        if isinstance(result, UserError):
            raise result


def put_in_place(shards: Sequence[Shard], folder: Path) -> int:
    """Moves written shards into a folder of the same file system.

    Returns:
      Their size in bytes.
    """
    size = 0
    for shard in shards:
        size += shard.path.stat().st_size
        shard.path.rename(folder / shard.path.name)
    return size


def _cannot_write(path: Path, err: Exception) -> UserError:
    return UserError(f"{path} cannot be written ({err}): make room and run this again")
