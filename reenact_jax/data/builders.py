"""The datasets, and packing one: prepared folders become ArrayRecord files that are read at random.

Importing `reenact_jax.data` registers the datasets with TFDS. What is packed is then found by name:

    tfds.data_source("voxceleb_pairs", split="train", data_dir="data")
    tfds.data_source("voxceleb_pairs/pairs", split="test", data_dir="data")

and packed by TFDS's own call, `builder_kwargs={"prepared_root": "prepared/voxceleb"}`. Where
TensorFlow is installed, `tfds.load` takes the same arguments.
"""

import fcntl
import functools
import shutil
import tempfile
from pathlib import Path

import tensorflow_datasets as tfds

from reenact_jax.data import records, sources
from reenact_jax.data.evaluation_pairs import PairCounts
from reenact_jax.data.prepared_builder import PreparedFolderBuilder
from reenact_jax.data.prepared_content import content_hash, evaluation_pairs, read_headers
from reenact_jax.data.truth_masks import collect_truth
from reenact_jax.errors import UserError


class Clips(PreparedFolderBuilder):
    """Any folder of prepared talking-head clips."""

    SOURCE = sources.CLIPS


class VoxcelebPairs(PreparedFolderBuilder):
    """VoxCeleb1, cropped as for the First Order Motion Model, with fitted parameters.

    20 self and 20 cross pairs for each test video, as the paper has them (10,280 and 10,280 for 514
    videos).
    """

    SOURCE = sources.VOXCELEB


class Celebv(PreparedFolderBuilder):
    """CelebV (ReenactGAN): five persons, 1,000 cross pairs for each of them as the source."""

    PAIR_COUNTS = PairCounts(cross_per_person=1000)
    SOURCE = sources.CELEBV


class TalkingHeads(PreparedFolderBuilder):
    """Synthetic talking heads with exact parameters and true cross-identity answers."""

    SOURCE = sources.TALKING_HEADS


BUILDERS: dict[str, type[PreparedFolderBuilder]] = {
    builder.name: builder for builder in (Clips, VoxcelebPairs, Celebv, TalkingHeads)
}


def pack(
    prepared_root: str | Path,
    data_dir: str | Path,
    name: str,
    *,
    overwrite: bool = False,
    progress: bool = False,
    num_workers: int = 1,
    beam_runner: str | None = None,
    beam_options=None,
) -> Path:
    """Packs a prepared folder into `data_dir`/`name`/{frames,pairs}/<version>.

    A run that is killed leaves nothing that can be taken for a dataset; the same call finishes the
    work, and keeps the files that were complete. What is already packed from the same content is
    kept.

    Args:
      prepared_root: the prepared folder.
      data_dir: where packed datasets live.
      name: a key of `BUILDERS`.
      overwrite: replace a dataset that was packed from other content.
      progress: show a progress bar.
      num_workers: processes that write files.
      beam_runner, beam_options: name of an Apache Beam runner and its `PipelineOptions`, to write
        the files there instead.

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
            if leftover.is_dir():
                shutil.rmtree(leftover)
            else:
                leftover.unlink()
        for collected in folder.glob(".shards-*"):
            if not collected.name.endswith(content):
                shutil.rmtree(collected)
            for half_written in collected.glob(".*"):
                half_written.unlink()
        for config, total in totals.items():
            make = functools.partial(
                BUILDERS[name],
                prepared_root=prepared_root,
                data_dir=data_dir,
                config=config,
                num_workers=num_workers,
                progress=progress,
            )
            builder = make()
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
                builder = make()
            if total:
                # Nothing is downloaded, but TFDS makes a folder for it.
                with tempfile.TemporaryDirectory() as downloads:
                    builder.download_and_prepare(
                        download_dir=downloads,
                        download_config=tfds.download.DownloadConfig(
                            beam_runner=beam_runner, beam_options=beam_options
                        ),
                    )
        collect_truth(prepared_root, folder)
    return folder
