"""TFDS builders: prepared folders become ArrayRecord files that are read at random.

A dataset has two configs. `frames` (the default) holds one record a frame, the frames of a clip one
after the other; `pairs` holds the fixed evaluation pairs, each complete in itself. Images are
stored as the encoded bytes that the prepared folder holds, and TensorFlow is never imported: TFDS
needs it to encode arrays, and in its generator-based builder also for any split above 1 GB (the
sorting of its examples spills to TensorFlow's file layer). Builders here write shard by shard,
which streams, keeps the order, and is the unit that TFDS hands to Apache Beam.
"""

import fcntl
import hashlib
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import tensorflow_datasets as tfds
from tqdm import tqdm

from reenact_jax.data import images, prepared, records
from reenact_jax.data.evaluation_pairs import PairCounts, draw_pairs, pairs_hash
from reenact_jax.errors import UserError

# Whole clips go into a shard until it has this many frames; a shard is held in memory while it is
# written (about 150 MB of 256-pixel JPEG).
_FRAMES_PER_SHARD = 4096


class PreparedFolderBuilder(tfds.core.ShardBasedBuilder, skip_registration=True):
    """Packs a prepared folder; subclasses give it a name and a table of pairs.

    Attributes of a subclass:
      PAIR_COUNTS: evaluation pairs to draw where the prepared folder has no `pairs/`.
    """

    VERSION = tfds.core.Version(records.VERSION)
    BUILDER_CONFIGS = [
        tfds.core.BuilderConfig(name=records.FRAMES, description="one record a frame"),
        tfds.core.BuilderConfig(name=records.PAIRS, description="fixed evaluation pairs"),
    ]
    PAIR_COUNTS = PairCounts(self_per_clip=20, cross_per_clip=20)

    def __init__(self, *, prepared_root: str | Path, **kwargs):
        """
        Args:
          prepared_root: the prepared folder.
          **kwargs: `data_dir` and `config` of `tfds.core.DatasetBuilder`.
        """
        self._root = Path(prepared_root)
        self._dataset = prepared.read_dataset_info(self._root)
        self.on_example: Callable[[], None] | None = None
        super().__init__(file_format="array_record", **kwargs)

    def _info(self) -> tfds.core.DatasetInfo:
        make_features = {
            records.FRAMES: records.frame_features,
            records.PAIRS: records.pair_features,
        }
        features = make_features[self.builder_config.name](self._dataset)
        return tfds.core.DatasetInfo(
            builder=self,
            description=f"{self.__doc__} {self.builder_config.description}.",
            features=features,
            metadata=tfds.core.MetadataDict(),
            disable_shuffling=True,
        )

    def _shard_iterators_per_split(self, dl_manager) -> dict[str, list[Callable]]:
        headers = read_headers(self._root)
        if self.builder_config.name == records.FRAMES:
            return self._frame_shards(headers)
        return self._pair_shards(headers)

    def _frame_shards(self, headers: list[prepared.ClipHeader]) -> dict[str, list[Callable]]:
        clips, shards = {}, {}
        for split in prepared.SPLITS:
            own = [header for header in headers if header.split == split]
            clips[split] = [[clip.clip_id, clip.person_id, clip.num_frames] for clip in own]
            if own:
                shards[split] = [
                    records.FrameShard(self._root, ids, self.on_example)
                    for ids in _whole_clips(own)
                ]
        self._keep(clips=clips)
        return shards

    def _pair_shards(self, headers: list[prepared.ClipHeader]) -> dict[str, list[Callable]]:
        pairs = evaluation_pairs(self._root, headers, self.PAIR_COUNTS)
        self._keep(pairs_hash=pairs_hash(pairs))
        black = images.encode_image(np.zeros((self._dataset.image_size,) * 2 + (3,), np.uint8))
        return {
            "test": [
                records.PairShard(self._root, tuple(pairs[i : i + 1024]), black, self.on_example)
                for i in range(0, len(pairs), 1024)
            ]
        }

    def _log_download_bytes(self) -> None:
        """Silences TFDS's announcement of a download that does not take place."""

    def _log_download_done(self) -> None:
        """See `_log_download_bytes`."""

    def _example_writer(self) -> tfds.core.writer.ExampleWriter:
        return records.PlainWriter(self.info.file_format)

    def _keep(self, **values) -> None:
        """Stores what readers need beside the records (metadata.json)."""
        self.info.metadata.update(
            info=self._dataset.to_dict(), content=content_hash(self._root), **values
        )


# Not registered: packed datasets are read from their files alone, by us and by `tfds.data_source`,
# which would call a registered class for reading, without a prepared folder.
class Clips(PreparedFolderBuilder, skip_registration=True):
    """Any folder of prepared talking-head clips."""


class VoxcelebPairs(PreparedFolderBuilder, skip_registration=True):
    """VoxCeleb1, cropped as for the First Order Motion Model, with fitted parameters.

    20 self and 20 cross pairs for each test video, as the paper has them (10,280 and 10,280 for 514
    videos).
    """


class Celebv(PreparedFolderBuilder, skip_registration=True):
    """CelebV (ReenactGAN): five persons, 1,000 cross pairs for each of them as the source."""

    PAIR_COUNTS = PairCounts(cross_per_person=1000)


class TalkingHeads(PreparedFolderBuilder, skip_registration=True):
    """Synthetic talking heads with exact parameters and true cross-identity answers."""


BUILDERS: dict[str, type[PreparedFolderBuilder]] = {
    builder.name: builder for builder in (Clips, VoxcelebPairs, Celebv, TalkingHeads)
}


def _whole_clips(headers: list[prepared.ClipHeader]) -> Iterator[tuple[str, ...]]:
    """Cuts a list of clips into shards of whole clips."""
    shard, num_frames = [], 0
    for header in headers:
        shard.append(header.clip_id)
        num_frames += header.num_frames
        if num_frames >= _FRAMES_PER_SHARD:
            yield tuple(shard)
            shard, num_frames = [], 0
    if shard:
        yield tuple(shard)


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


def pack(
    prepared_root: str | Path,
    data_dir: str | Path,
    name: str,
    *,
    overwrite: bool = False,
    progress: bool = False,
) -> Path:
    """Packs a prepared folder into `data_dir`/`name`/{frames,pairs}/<version>.

    A run that is killed leaves nothing that can be taken for a dataset; the same call finishes the
    work. What is already packed from the same content is kept.

    Args:
      prepared_root: the prepared folder.
      data_dir: where packed datasets live.
      name: a key of `BUILDERS`.
      overwrite: replace a dataset that was packed from other content.
      progress: show a progress bar.

    Returns:
      `data_dir`/`name`.

    Raises:
      UserError: if the name is unknown, the folder is not usable, or another content has been
        packed under this name and `overwrite` is off.
    """
    if name not in BUILDERS:
        raise UserError(f"expected a dataset name among {sorted(BUILDERS)}, found {name!r}")
    headers = read_headers(prepared_root)
    content = content_hash(prepared_root)
    folder = Path(data_dir) / name
    folder.mkdir(parents=True, exist_ok=True)
    num_pairs = len(evaluation_pairs(prepared_root, headers, BUILDERS[name].PAIR_COUNTS))
    totals = {
        records.FRAMES: sum(header.num_frames for header in headers),
        records.PAIRS: num_pairs,
    }
    with open(folder / ".lock", "w") as lock:
        # Freed by the system when the process dies; so what is incomplete belongs to no one.
        fcntl.flock(lock, fcntl.LOCK_EX)
        for leftover in folder.glob("*/incomplete.*"):
            shutil.rmtree(leftover)
        for config, total in totals.items():
            builder = BUILDERS[name](prepared_root=prepared_root, data_dir=data_dir, config=config)
            target = Path(builder.data_dir)
            if target.exists():
                if builder.info.metadata.get("content") == content:
                    continue
                if not overwrite:
                    raise UserError(
                        f"{target}: expected the content of {prepared_root} ({content}), found a "
                        "dataset packed from other clips: pass --overwrite, delete it or choose "
                        "another --data-dir"
                    )
                shutil.rmtree(target)
                builder = BUILDERS[name](
                    prepared_root=prepared_root, data_dir=data_dir, config=config
                )
            if total:
                _build(builder, total, progress)
    return folder


def _build(builder: PreparedFolderBuilder, total: int, progress: bool) -> None:
    label = f"packing {builder.name}/{builder.builder_config.name}"
    with tqdm(total=total, desc=label, unit="record", disable=not progress) as bar:
        builder.on_example = bar.update
        # Nothing is downloaded, but TFDS makes a folder for it.
        with tempfile.TemporaryDirectory() as downloads:
            builder.download_and_prepare(download_dir=downloads)
