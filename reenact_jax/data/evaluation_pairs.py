"""The fixed evaluation pairs of a dataset whose prepared folder does not bring its own."""

import dataclasses
import hashlib
from collections.abc import Sequence

import numpy as np

from reenact_jax.data.prepared import ClipHeader, PreparedPair

PAIR_SEED = 2022


@dataclasses.dataclass(frozen=True)
class PairCounts:
    """How many pairs are drawn from the test clips.

    Attributes:
      self_per_clip: pairs of two different frames of one clip, for every clip.
      cross_per_clip: pairs whose source is a frame of this clip and whose driver is another person.
      cross_per_person: pairs whose source is a frame of this person and whose driver is another.
    """

    self_per_clip: int = 0
    cross_per_clip: int = 0
    cross_per_person: int = 0


def draw_pairs(
    clips: Sequence[ClipHeader], counts: PairCounts, seed: int = PAIR_SEED
) -> list[PreparedPair]:
    """Draws the pairs; the same clips, counts and seed always give the same list.

    Frames are uniform over the source's clip; the driver's frame is uniform over all frames of the
    other persons. A self pair never repeats within its clip, so short clips give fewer. Cross pairs
    need two persons; with one there are none.

    Args:
      clips: the test clips, in any order.
      counts: how many pairs.
      seed: of NumPy's Philox generator.

    Returns:
      Self pairs (their target is the driving frame, left None here) and cross pairs without an
      answer, sorted by their ids.
    """
    clips = sorted(clips, key=lambda clip: clip.clip_id)
    pairs = []
    for clip in clips:
        for number, frames in enumerate(_self_frames(clip, counts.self_per_clip, seed)):
            source, driving = ((clip.clip_id, int(frame)) for frame in frames)
            pairs.append(PreparedPair(f"self-{clip.clip_id}-{number:04d}", "self", source, driving))
        pairs += _cross_pairs([clip], clips, counts.cross_per_clip, clip.clip_id, seed)
    for person in sorted({clip.person_id for clip in clips}):
        own = [clip for clip in clips if clip.person_id == person]
        pairs += _cross_pairs(own, clips, counts.cross_per_person, person, seed)
    return sorted(pairs, key=lambda pair: pair.pair_id)


def pairs_hash(pairs: Sequence[PreparedPair]) -> str:
    """Hash (16 hex digits) of a list of pairs: kinds, clips and frames in order."""
    digest = hashlib.sha256()
    for pair in pairs:
        digest.update(f"{pair.pair_id},{pair.kind},{pair.source},{pair.driving}\n".encode())
    return digest.hexdigest()[:16]


def _generator(seed: int, *parts: str) -> np.random.Generator:
    # Every clip has a stream of its own, so that one more clip leaves the others' frames alone.
    digest = hashlib.sha256("\n".join(parts).encode()).digest()
    return np.random.Generator(np.random.Philox([seed, int.from_bytes(digest[:8], "little")]))


def _self_frames(clip: ClipHeader, count: int, seed: int) -> np.ndarray:
    """(n, 2) different ordered pairs of different frames, n = min(count, all there are)."""
    length = clip.num_frames
    possible = length * (length - 1)
    generator = _generator(seed, "self", clip.clip_id)
    chosen = generator.choice(possible, size=min(count, possible), replace=False)
    source, rest = np.divmod(chosen, max(length - 1, 1))
    return np.stack([source, rest + (rest >= source)], axis=-1)


def _cross_pairs(
    own: Sequence[ClipHeader], clips: Sequence[ClipHeader], count: int, name: str, seed: int
) -> list[PreparedPair]:
    others = [clip for clip in clips if clip.person_id != own[0].person_id]
    if not others or count == 0:
        return []
    generator = _generator(seed, "cross", name)
    pairs = []
    for number in range(count):
        source, driving = _random_frame(generator, own), _random_frame(generator, others)
        pairs.append(PreparedPair(f"cross-{name}-{number:04d}", "cross", source, driving))
    return pairs


def _random_frame(generator: np.random.Generator, clips: Sequence[ClipHeader]) -> tuple[str, int]:
    """One frame, uniform over all frames of the clips."""
    ends = np.cumsum([clip.num_frames for clip in clips])
    number = int(generator.integers(ends[-1]))
    which = int(np.searchsorted(ends, number, side="right"))
    return clips[which].clip_id, number - int(ends[which] - clips[which].num_frames)
