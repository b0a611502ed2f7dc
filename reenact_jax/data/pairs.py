"""Training pairs: two frames of one clip, from (seed, epoch, index) and nothing else."""

from collections.abc import Sequence

import numpy as np

from reenact_jax.data.frames import ClipEntry
from reenact_jax.errors import UserError


def train_pairs(clips: Sequence[ClipEntry], seed: int, epoch: int) -> np.ndarray:
    """All pairs of one epoch.

    An epoch visits every clip once, in an order of its own, and draws two different frames of it,
    uniformly. Whatever worker, host or restart asks, pair `index` of an epoch is row `index`. The
    numbers come from the raw words of the counter-based Philox generator, which NumPy keeps fixed
    (its derived methods may change between versions).

    Args:
      clips: `FrameDataset.clips`.
      seed: non-negative.
      epoch: counted from 0.

    Returns:
      (number of clips, 2) int64: record numbers of source and driving frame.

    Raises:
      UserError: if a clip has a single frame.
    """
    lengths = np.array([clip.num_frames for clip in clips], np.int64)
    starts = np.array([clip.start for clip in clips], np.int64)
    if (lengths < 2).any():
        short = clips[int(np.argmax(lengths < 2))]
        raise UserError(
            f"clip {short.clip_id}: expected at least two frames, found {short.num_frames}: a pair "
            "is two different frames of one clip"
        )
    count = len(clips)
    words = np.random.Philox(key=np.array([seed, epoch], np.uint64)).random_raw(3 * count)
    order = np.argsort(words[:count], kind="stable")
    uniform = (words[count:] >> np.uint64(11)).astype(np.float64) * 2.0**-53
    lengths, starts = lengths[order], starts[order]
    source = (uniform[:count] * lengths).astype(np.int64)
    other = (uniform[count:] * (lengths - 1)).astype(np.int64)
    driving = other + (other >= source)
    return np.stack([starts + source, starts + driving], axis=-1)
