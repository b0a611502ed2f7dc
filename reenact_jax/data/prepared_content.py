"""What a prepared folder will be packed into: its clips in order, its pairs, the hash of both."""

import hashlib
from pathlib import Path

from reenact_jax.data import prepared
from reenact_jax.data.evaluation_pairs import PairCounts, draw_pairs
from reenact_jax.errors import UserError


def read_headers(root: str | Path) -> list[prepared.ClipHeader]:
    """All clips of a prepared folder in the order in which they are packed.

    Raises:
      UserError: if the folder is not a prepared one, has no clips, or has a clip to train on of a
        single frame.
    """
    prepared.read_dataset_info(root)
    headers = [prepared.read_clip_header(root, clip_id) for clip_id in prepared.list_clips(root)]
    if not headers:
        raise UserError(f"{root}: expected prepared clips, found none: prepare some first")
    for header in headers:
        if header.split == "train" and header.num_frames < 2:
            raise UserError(
                f"{root}: clip {header.clip_id}: expected at least two frames in a clip to train "
                f"on, found {header.num_frames}: a pair is two frames of one clip; delete the clip"
            )
    return headers


def evaluation_pairs(
    root: str | Path, headers: list[prepared.ClipHeader], counts: PairCounts
) -> list[prepared.PreparedPair]:
    """The folder's own pairs, or drawn ones where it has none (possibly an empty list)."""
    own = [prepared.read_pair(root, pair_id) for pair_id in prepared.list_pairs(root)]
    return own or draw_pairs([clip for clip in headers if clip.split == "test"], counts)


def content_hash(root: str | Path) -> str:
    """Hash (16 hex digits) of a prepared folder: its facts, clips, parameters and pairs.

    Pixels are left out; they change with the clips, the parameters or the specification.
    """
    root = Path(root)
    digest = hashlib.sha256(repr(prepared.read_dataset_info(root)).encode())
    for clip_id in prepared.list_clips(root):
        for name in ("clip.json", "parameters.npz"):
            digest.update((root / "clips" / clip_id / name).read_bytes())
    for pair_id in prepared.list_pairs(root):
        digest.update((root / "pairs" / pair_id / "pair.json").read_bytes())
    return digest.hexdigest()[:16]
