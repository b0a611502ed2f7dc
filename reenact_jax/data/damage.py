"""What takes the place of damaged frames in training, if the run is to go on without them."""

import functools

import numpy as np

from reenact_jax.data.frames import ClipEntry, FrameDataset
from reenact_jax.data.pairs import train_pairs
from reenact_jax.data.record_files import DamagedRecord
from reenact_jax.errors import UserError

# Policies for a damaged record: end the run, or take another frame of the clip.
STOP = "stop"
SKIP = "skip"
POLICIES = (STOP, SKIP)


class PairReader:
    """Reads the frames of training pairs.

    With the policy `skip`, the next readable frame of the clip, after the last comes the first,
    takes the place of a damaged one, unless it is the other frame of the pair. If a clip has not
    two readable frames, the pair after this one in the epoch's table takes its place. So what is
    read follows from seed, epoch, index and the files, whoever reads it and whatever was read
    before.
    """

    def __init__(self, frames: FrameDataset, seed: int, on_damage: str):
        if on_damage not in POLICIES:
            raise ValueError(f"expected on_damage in {POLICIES}, found {on_damage!r}")
        self._frames = frames
        self._on_damage = on_damage
        self._tables = _EpochTables(frames.clips, seed)
        self._tables(0)  # raises on a clip that is too short now, not in a thread

    def read(self, epoch: int, index: int, damaged: dict[int, str]) -> tuple[dict, dict]:
        """Source and driving frame of one pair, as of `FrameDataset`.

        Args:
          epoch, index: of the pair; index in [0, number of clips).
          damaged: is given record number -> message of the damaged ones that were met.

        Raises:
          DamagedRecord: if a frame is damaged and the policy is `stop`.
          UserError: if no clip has two readable frames.
        """
        table = self._tables(epoch)
        for row in range(index, index + len(table)):
            source, driving = (int(record) for record in table[row % len(table)])
            clip = self._frames.clip_of(source)
            first = self._readable(clip, source, driving, damaged)
            if first is None:
                continue
            second = self._readable(clip, driving, first[0], damaged)
            if second is not None:
                return first[1], second[1]
        raise UserError(
            "expected a clip with two readable frames, found none: " + next(iter(damaged.values()))
        )

    def _readable(
        self, clip: ClipEntry, record: int, other: int, damaged: dict[int, str]
    ) -> tuple[int, dict] | None:
        """(number, frame) of this record or of the one that takes its place."""
        for step in range(clip.num_frames):
            candidate = clip.start + (record - clip.start + step) % clip.num_frames
            if candidate == other or candidate in damaged:
                continue
            try:
                return candidate, self._frames[candidate]
            except DamagedRecord as err:
                if self._on_damage == STOP:
                    raise
                damaged[candidate] = str(err)
        return None


class _EpochTables:
    """`train_pairs` of the epochs that are being read; other processes make their own."""

    def __init__(self, clips: tuple[ClipEntry, ...], seed: int):
        self._arguments = clips, seed
        # Threads read ahead, and a batch may span many epochs of a small dataset.
        self._cached = functools.lru_cache(maxsize=16)(self._make)

    def __call__(self, epoch: int) -> np.ndarray:
        return self._cached(epoch)

    def __reduce__(self):
        return _EpochTables, self._arguments

    def _make(self, epoch: int) -> np.ndarray:
        return train_pairs(*self._arguments, epoch)
