"""What all datasets have in common: a TFDS builder that packs a prepared folder.

A dataset has two configs. `frames` (the default) holds one record a frame, the frames of a clip one
after the other; `pairs` holds the fixed evaluation pairs, each complete in itself. Images are
stored as the encoded bytes that the prepared folder holds, and TensorFlow is never imported: TFDS
needs it to encode arrays, and in its generator-based builder also for any split above 1 GB (the
sorting of its examples spills to TensorFlow's file layer). Builders here write shard by shard,
which streams, keeps the order, and is one job for another process or an Apache Beam engine.
"""

import functools
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import tensorflow_datasets as tfds

from reenact_jax.data import images, prepared, records, sources
from reenact_jax.data.beam_pack import write_with_beam
from reenact_jax.data.evaluation_pairs import PairCounts, pairs_hash
from reenact_jax.data.frames import open_frames
from reenact_jax.data.info import DatasetInfo
from reenact_jax.data.pairs import train_pairs
from reenact_jax.data.prepared_content import content_hash, evaluation_pairs, read_headers
from reenact_jax.data.shards import Shard, put_in_place, write_here
from reenact_jax.errors import UserError

# Whole clips go into a shard until it has this many frames (about 150 MB of 256-pixel JPEG).
_FRAMES_PER_SHARD = 4096


class PreparedFolderBuilder(tfds.core.ShardBasedBuilder, skip_registration=True):
    """Packs a prepared folder of talking-head clips; the base of all datasets.

    Attributes of a subclass, whose docstring becomes the description:
      PAIR_COUNTS: evaluation pairs to draw where the prepared folder has no `pairs/`.
      SOURCE: where the footage comes from.
    """

    VERSION = tfds.core.Version(records.VERSION)
    BUILDER_CONFIGS = [
        tfds.core.BuilderConfig(name=records.FRAMES, description="one record a frame"),
        tfds.core.BuilderConfig(name=records.PAIRS, description="fixed evaluation pairs"),
    ]
    PAIR_COUNTS = PairCounts(self_per_clip=20, cross_per_clip=20)
    SOURCE = sources.CLIPS

    def __init__(
        self,
        *,
        prepared_root: str | Path | None = None,
        num_workers: int = 1,
        progress: bool = False,
        **kwargs,
    ):
        """
        Args:
          prepared_root: the prepared folder; None to read what has been packed.
          num_workers: processes that write files, unless `DownloadConfig` names a Beam engine.
          progress: show a progress bar.
          **kwargs: `data_dir` and `config` of `tfds.core.DatasetBuilder`.

        Raises:
          UserError: if the prepared folder is none, or nothing is packed and no folder is given.
        """
        # Other processes, and other machines, are to see it under this path.
        self._root = None if prepared_root is None else Path(prepared_root).absolute()
        self._num_workers = num_workers
        self._progress = progress
        super().__init__(**{**kwargs, "file_format": "array_record"})

    @functools.cached_property
    def _dataset(self) -> DatasetInfo:
        """Facts of the prepared folder, or where none is given those of what has been packed."""
        if self._root is not None:
            return prepared.read_dataset_info(self._root)
        if not tfds.core.dataset_info.dataset_info_path(self.data_path).exists():
            raise UserError(
                f"dataset {self.name}: expected it at {self.data_path}, found nothing. Build it "
                f"with\n  python scripts/pack.py PREPARED_FOLDER --name {self.name} --data-dir "
                f"{self._data_dir_root}\nor give TFDS the folder of prepared clips: "
                'builder_kwargs={"prepared_root": "PREPARED_FOLDER"} (docs/data.md)'
            )
        stored = tfds.core.MetadataDict()
        stored.load_metadata(self.data_path)
        return DatasetInfo.from_dict(stored["info"])

    def train_pairs(self, seed: int, epoch: int) -> np.ndarray:
        """The pairs of one epoch of training, see `pairs.train_pairs`.

        Returns:
          (number of training clips, 2) int64: numbers of the records of source and driving frame in
          split `train` of config `frames`.

        Raises:
          UserError: if that config is not packed.
        """
        frames = open_frames(self._data_dir_root, self.name, "train")
        return train_pairs(frames.clips, seed, epoch)

    def _info(self) -> tfds.core.DatasetInfo:
        make_features = {
            records.FRAMES: records.frame_features,
            records.PAIRS: records.pair_features,
        }
        features = make_features[self.builder_config.name](self._dataset)
        return tfds.core.DatasetInfo(
            builder=self,
            description=f"{self.__doc__}\n\nConfig: {self.builder_config.description}.",
            features=features,
            citation=self.SOURCE.citation,
            license=self.SOURCE.license,
            homepage=self.SOURCE.homepage,
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
                    records.FrameShard(
                        self._root,
                        tuple(clip.clip_id for clip in clips),
                        sum(clip.num_frames for clip in clips),
                    )
                    for clips in _whole_clips(own)
                ]
        self._keep(clips=clips)
        return shards

    def _pair_shards(self, headers: list[prepared.ClipHeader]) -> dict[str, list[Callable]]:
        pairs = evaluation_pairs(self._root, headers, self.PAIR_COUNTS)
        self._keep(pairs_hash=pairs_hash(pairs))
        black = images.encode_image(np.zeros((self._dataset.image_size,) * 2 + (3,), np.uint8))
        return {
            "test": [
                records.PairShard(self._root, tuple(pairs[i : i + 1024]), black)
                for i in range(0, len(pairs), 1024)
            ]
        }

    def _download_and_prepare(self, dl_manager, download_config=None) -> None:
        """Fills the folder that TFDS has made, which it gives its name afterwards.

        Files are first collected beside it, so that a run that was stopped goes on where it was.
        """
        config = download_config or tfds.download.DownloadConfig()
        examples = self._shard_iterators_per_split(dl_manager)
        target = Path(self.data_path).absolute()
        collected = target.parents[1] / collecting_folder(
            self.builder_config.name, self.info.metadata["content"]
        )
        shards = {
            split: [
                Shard(
                    collected
                    / template.sharded_filepath(shard_index=i, num_shards=len(makers)).name,
                    maker.num_records,
                    self.info.features,
                    maker,
                )
                for i, maker in enumerate(makers)
            ]
            for split, makers in examples.items()
            for template in [self._get_filename_template(split)]
        }
        write = functools.partial(
            write_here, num_workers=self._num_workers, progress=self._progress
        )
        if config.beam_runner or config.beam_options:
            write = functools.partial(
                write_with_beam, runner=config.beam_runner, options=config.beam_options
            )
        every = [shard for own in shards.values() for shard in own]
        write(every, label=f"packing {self.name}/{self.builder_config.name}")
        self.info.set_splits(
            tfds.core.splits.SplitDict(
                [
                    tfds.core.SplitInfo(
                        name=split,
                        shard_lengths=[shard.num_records for shard in own],
                        num_bytes=put_in_place(own, target),
                        filename_template=self._get_filename_template(split),
                    )
                    for split, own in shards.items()
                ]
            )
        )
        collected.rmdir()

    def _as_dataset(self, split, decoders=None, read_config=None, shuffle_files=False):
        """The records of a split in order, as a `tf.data.Dataset`: what `tfds.load` returns.

        TFDS reads ArrayRecord files as a data source alone, without TensorFlow. This is for those
        who have TensorFlow; nothing here uses it.
        """
        del read_config, shuffle_files  # records lie in one order, and are read one by one
        tf = tfds.core.utils.lazy_imports_utils.tensorflow
        raw = tfds.decode.DeserializeMethod.RAW_BYTES
        source = self.as_data_source(split, deserialize_method=raw)
        encoded = tf.data.Dataset.from_generator(
            lambda: (source[i] for i in range(len(source))),
            output_signature=tf.TensorSpec((), tf.string),
        )
        features = self.info.features
        parser = tfds.core.example_parser.ExampleParser(features.get_serialized_info())
        return encoded.map(
            lambda record: features.decode_example(parser.parse_example(record), decoders=decoders)
        )

    def _log_download_bytes(self) -> None:
        """Silences TFDS's announcement of a download that does not take place."""

    def _log_download_done(self) -> None:
        """See `_log_download_bytes`."""

    def _keep(self, **values) -> None:
        """Stores what readers need beside the records (metadata.json)."""
        self.info.metadata.update(
            info=self._dataset.to_dict(), content=content_hash(self._root), **values
        )


def _whole_clips(headers: list[prepared.ClipHeader]) -> Iterator[list[prepared.ClipHeader]]:
    """Cuts a list of clips into shards of whole clips."""
    shard: list[prepared.ClipHeader] = []
    for header in headers:
        shard.append(header)
        if sum(clip.num_frames for clip in shard) >= _FRAMES_PER_SHARD:
            yield shard
            shard = []
    if shard:
        yield shard


def collecting_folder(config: str, content: str) -> str:
    """Name of the folder in which the files of a dataset to be are collected."""
    return f".shards-{config}-{content}"
