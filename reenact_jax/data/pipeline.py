"""Batches for training and evaluation, as NumPy arrays in host memory.

Training batches are endless and made by threads (Grain). Batch k holds pairs k B to (k+1) B - 1 of
the sequence of all pairs, epoch after epoch: batches run across the ends of epochs, so every pair
is used once and no batch is short. The sequence depends on the seed alone; a host takes its own
rows of each batch, and a restart continues at the number of the next batch.
"""

import functools
from collections.abc import Iterator

import grain
import numpy as np

from reenact_jax.data import images
from reenact_jax.data.frames import FrameDataset, PairDataset
from reenact_jax.data.pairs import train_pairs
from reenact_jax.errors import UserError
from reenact_jax.face_model.parameters import FIELDS, FaceParameters
from reenact_jax.visual import from_uint8

# More batches than any run takes; the dataset is lazy.
_ENDLESS = 2**40


class TrainBatches:
    """Endless iterator of training batches; see `train_batches`.

    `get_state` and `set_state` speak of the next batch that `next` would return, whatever has been
    read ahead. The state does not depend on the number of hosts or threads.
    """

    def __init__(self, make_batch, identity: dict, start_batch: int, num_threads: int):
        self._identity = identity
        self._next_batch = start_batch
        options = grain.ReadOptions(
            num_threads=num_threads, prefetch_buffer_size=max(2, num_threads)
        )
        dataset = grain.MapDataset.range(_ENDLESS).map(make_batch)
        self._iterator = iter(dataset.to_iter_dataset(options))
        if start_batch:
            self._iterator.set_state({"next_index": start_batch})

    def __iter__(self) -> "TrainBatches":
        return self

    def __next__(self) -> dict:
        batch = next(self._iterator)
        self._next_batch += 1
        return batch

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
        self._next_batch = int(state["next_batch"])
        self._iterator.set_state({"next_index": self._next_batch})


def train_batches(
    frames: FrameDataset,
    *,
    seed: int,
    batch_size: int,
    image_size: int,
    start_batch: int = 0,
    num_threads: int = 2,
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
      num_threads: threads that read and decode.
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
    local = batch_size // process_count

    # Threads read ahead, and a batch may span many epochs of a small dataset.
    @functools.lru_cache(maxsize=16)
    def epoch_pairs(epoch: int) -> np.ndarray:
        return train_pairs(frames.clips, seed, epoch)

    epoch_pairs(0)  # raises on a clip that is too short now, not in a thread

    def make_batch(number: int) -> dict:
        first = int(number) * batch_size + process_index * local
        places = [divmod(first + row, len(frames.clips)) for row in range(local)]
        pairs = [epoch_pairs(epoch)[index] for epoch, index in places]
        batch = {}
        for column, role in enumerate(("source", "driving")):
            examples = [frames[int(pair[column])] for pair in pairs]
            batch[f"{role}_image"] = _signed([example["image"] for example in examples], image_size)
            batch[role] = _stack([example["parameters"] for example in examples])
        return batch

    identity = {"seed": seed, "batch_size": batch_size, "dataset": frames.content}
    return TrainBatches(make_batch, identity, start_batch, num_threads)


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
