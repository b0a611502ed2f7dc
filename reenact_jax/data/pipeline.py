"""Batches for training and evaluation, as NumPy arrays in host memory.

Training batches are endless and made by threads or processes (Grain). Batch k holds pairs k B to
(k+1) B - 1 of the sequence of all pairs, epoch after epoch: batches run across the ends of epochs,
so every pair is used once and no batch is short. The sequence depends on the seed alone; a host
takes its own rows of each batch, and a restart continues at the number of the next batch.
"""

import dataclasses
import logging
from collections.abc import Iterator

import grain
import numpy as np
from absl import flags

from reenact_jax.data import images
from reenact_jax.data.damage import STOP, PairReader
from reenact_jax.data.frames import FrameDataset, PairDataset
from reenact_jax.errors import UserError
from reenact_jax.face_model.parameters import FIELDS, FaceParameters
from reenact_jax.visual import from_uint8

logger = logging.getLogger(__name__)

# More batches than any run takes; the dataset is lazy.
_ENDLESS = 2**40

# So many damaged records are logged one by one, then every hundredth.
_LOGGED_ONE_BY_ONE = 20


class TrainBatches:
    """Endless iterator of training batches; see `train_batches`.

    `get_state` and `set_state` speak of the next batch that `next` would return, whatever has been
    read ahead. The state does not depend on the number of hosts, threads or processes.

    Attributes:
      damaged: numbers of the damaged records that were met and passed over on this host.
    """

    def __init__(self, make: "_MakeBatch", identity: dict, start_batch: int, options: dict):
        self._make = make
        self._identity = identity
        self._options = options
        self.damaged: set[int] = set()
        self._start(start_batch)

    def __iter__(self) -> "TrainBatches":
        return self

    def __next__(self) -> dict:
        made = next(self._iterator)
        if made.error is not None:
            raise made.error
        self._next_batch += 1
        # Logged here, in the order of the batches, and not where it was met ahead of time.
        for record, message in made.damaged.items():
            self._log(record, message)
        return made.batch

    def get_state(self) -> dict:
        """What to store beside a checkpoint; fit for JSON."""
        return {**self._identity, "next_batch": self._next_batch}

    def set_state(self, state: dict) -> None:
        """Continues where a state was taken.

        Raises:
          UserError: if the state belongs to another seed, batch size or dataset.
        """
        for name, value in self._identity.items():
            if state.get(name) != value:
                raise UserError(
                    f"data position: expected {name} {value!r} as in this run, found "
                    f"{state.get(name)!r} in the stored state: the pairs would not be the same; "
                    "go on with what the run was started with, or choose another --workdir"
                )
        self._iterator.close()
        self._start(int(state["next_batch"]))

    def close(self) -> None:
        """Ends threads and processes; without it they end with the iterator."""
        self._iterator.close()

    def _start(self, number: int) -> None:
        self._next_batch = number
        threads, workers = self._options["num_threads"], self._options["num_workers"]
        if workers and not flags.FLAGS.is_parsed():
            flags.FLAGS.mark_as_parsed()  # Grain asks for a flag of its own when it starts workers
        dataset = grain.MapDataset.range(number, _ENDLESS).map(self._make)
        reading = grain.ReadOptions(num_threads=threads, prefetch_buffer_size=max(2, threads))
        # Without workers this is the dataset itself.
        processes = grain.MultiprocessingOptions(num_workers=workers, per_worker_buffer_size=2)
        self._iterator = iter(dataset.to_iter_dataset(reading).mp_prefetch(processes))

    def _log(self, record: int, message: str) -> None:
        if record in self.damaged:
            return
        self.damaged.add(record)
        count = len(self.damaged)
        if count <= _LOGGED_ONE_BY_ONE or count % 100 == 0:
            logger.warning("%s; another frame takes its place (%d damaged so far)", message, count)


@dataclasses.dataclass(frozen=True)
class _Made:
    """A batch, or the error that ended it; errors that are values reach this process as they are.

    Attributes:
      damaged: record number -> message of what was passed over.
    """

    batch: dict | None
    damaged: dict[int, str]
    error: UserError | None = None


@dataclasses.dataclass(frozen=True)
class _MakeBatch:
    """Number -> this host's rows of the batch. A class, so that it can be sent to processes."""

    reader: PairReader
    num_clips: int
    batch_size: int
    image_size: int
    process_index: int
    process_count: int

    def __call__(self, number: int) -> _Made:
        local = self.batch_size // self.process_count
        first = int(number) * self.batch_size + self.process_index * local
        damaged: dict[int, str] = {}
        try:
            pairs = [
                self.reader.read(*divmod(first + row, self.num_clips), damaged)
                for row in range(local)
            ]
        except UserError as err:
            return _Made(None, damaged, err)
        batch = {}
        for role, examples in zip(("source", "driving"), zip(*pairs, strict=True), strict=True):
            batch[f"{role}_image"] = _signed(
                [example["image"] for example in examples], self.image_size
            )
            batch[role] = _stack([example["parameters"] for example in examples])
        return _Made(batch, damaged)


def train_batches(
    frames: FrameDataset,
    *,
    seed: int,
    batch_size: int,
    image_size: int,
    start_batch: int = 0,
    num_threads: int = 2,
    num_workers: int = 0,
    on_damage: str = STOP,
    process_index: int = 0,
    process_count: int = 1,
) -> TrainBatches:
    """Endless training batches.

    Args:
      frames: the training split.
      seed: of the pairs.
      batch_size: global batch size B, over all hosts.
      image_size: side S of the images; stored ones of another size are resized (`resize_area`).
      start_batch: number of the first batch.
      num_threads: threads that read and decode, in this process or in each worker.
      num_workers: processes that make batches; 0 = this one.
      on_damage: what a damaged record does: `stop` ends the run with a DamagedRecord that names it,
        `skip` logs it and takes another frame of the clip (`damage.PairReader`).
      process_index, process_count: this host takes rows [p b, (p+1) b) of each batch, b = B /
        process_count.

    Returns:
      An iterator of dicts with `source_image` and `driving_image` float32 (b, S, S, 3) in [-1, 1],
      `source` and `driving` FaceParameters with NumPy leaves (b, K).

    Raises:
      ValueError: if the batch size does not divide by the number of hosts.
    """
    if batch_size % process_count:
        raise ValueError(
            f"expected a global batch size divisible by {process_count} processes, found "
            f"{batch_size}"
        )
    make = _MakeBatch(
        PairReader(frames, seed, on_damage),
        len(frames.clips),
        batch_size,
        image_size,
        process_index,
        process_count,
    )
    identity = {"seed": seed, "batch_size": batch_size, "dataset": frames.content}
    options = {"num_threads": num_threads, "num_workers": num_workers}
    return TrainBatches(make, identity, start_batch, options)


def pair_batches(
    pairs: PairDataset,
    *,
    batch_size: int,
    image_size: int,
    process_index: int = 0,
    process_count: int = 1,
) -> Iterator[dict]:
    """The evaluation pairs once, in order, in batches of one size.

    A host takes every process_count-th batch. The last batch is filled up with copies of the last
    pair, marked by `valid`.

    Args:
      pairs: the evaluation pairs.
      batch_size: pairs a batch.
      image_size: side S of the images.
      process_index, process_count: which share of the batches to read.

    Yields:
      Dicts as of `train_batches`, and `target_image` float32 (B, S, S, 3), `has_target` and `valid`
      bool (B,), `kind` and `pair_id` lists of str.
    """
    for number, start in enumerate(range(0, len(pairs), batch_size)):
        if number % process_count != process_index:
            continue
        rows = np.arange(start, start + batch_size)
        examples = [pairs[int(row)] for row in rows[rows < len(pairs)]]
        examples += [examples[-1]] * (batch_size - len(examples))
        batch = {
            name: _signed([example[name] for example in examples], image_size)
            for name in ("source_image", "driving_image", "target_image")
        }
        for role in ("source", "driving"):
            batch[role] = _stack([example[role] for example in examples])
        batch["has_target"] = np.array([example["has_target"] for example in examples])
        batch["valid"] = rows < len(pairs)
        for name in ("kind", "pair_id"):
            batch[name] = [example[name] for example in examples]
        yield batch


def _signed(pixels: list[np.ndarray], size: int) -> np.ndarray:
    """uint8 images -> float32 (n, size, size, 3) in [-1, 1]."""
    return from_uint8(np.stack([images.resize_area(image, size) for image in pixels]))


def _stack(parameters: list[FaceParameters]) -> FaceParameters:
    return FaceParameters(
        **{name: np.stack([getattr(one, name) for one in parameters]) for name in FIELDS}
    )
