"""Clips in, files of the regressor's coefficients and crops out; continued where it was stopped.

For a clip CLIP, which may have folders in its name, the output folder gets

    CLIP.npz           coeff (N, 257), transform_params (N, 5), and for each row frame_index, found,
                       points (5, 2); written last: a clip that has it is complete
    CLIP.mat           coeff and transform_params, as `data.voxceleb` and PIRenderer's scripts read
    crops/CLIP/*.png   what the regressor saw

and reconstruction.json says with which weights. What is done of an unfinished clip waits in
`.incomplete/CLIP`, in blocks of frames.
"""

import dataclasses
import itertools
import json
import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import scipy.io

from reenact_jax import media
from reenact_jax.errors import UserError
from reenact_jax.files import replacing, write_text
from reenact_jax.tracking.alignment import AlignmentError
from reenact_jax.tracking.deng import reconstruct_frames
from reenact_jax.tracking.face_points import stand_in
from reenact_jax.tracking.frame_source import FrameSource

# Frames between two writes: how much work a stop loses, and how many crops are in memory.
_BLOCK = 128


def start_output(out: Path, settings: dict[str, str]) -> None:
    """Writes reconstruction.json, or checks that an earlier run had the same settings.

    Raises:
      UserError: if it had others, or the folder cannot be written.
    """
    path = out / "reconstruction.json"
    if path.exists():
        found = json.loads(path.read_text())
        for name in settings:
            if found.get(name) != settings[name]:
                raise UserError(
                    f"{out}: expected {name} {settings[name]}, found {found.get(name)} of an "
                    "earlier run: choose another folder or delete this one"
                )
        return
    try:
        write_text(path, json.dumps(settings, indent=2) + "\n")
    except OSError as err:
        raise UserError(f"{out}: cannot be written ({err.strerror})") from err


def is_done(out: Path, clip_id: str) -> bool:
    """Whether the clip's files are complete."""
    return (out / f"{clip_id}.npz").is_file()


def reconstruct_clip(
    source: FrameSource,
    locate: Callable[[FrameSource], np.ndarray],
    params: dict,
    out: Path,
    *,
    on_missing: str,
    batch_size: int,
    with_crops: bool = True,
    progress: Callable[[int], object] | None = None,
) -> None:
    """Reconstructs one clip and writes its files, whole or not at all.

    Args:
      source: the clip.
      locate: gives the points (N, 5, 2) of its frames, NaN where there is no face.
      params: as of `pretrained.rnet.load_rnet`.
      out: the output folder.
      on_missing: `hold`, `skip` or `fail`, see `face_points.stand_in`.
      batch_size: crops a call of the network.
      with_crops: whether to write the crops.
      progress: called after every block with the number of rows that are done since the last call.

    Raises:
      UserError: if the clip cannot be read or has no face.
      OSError, MediaWriteError: if its files cannot be written. What is done of it is kept.
    """
    partial = out / ".incomplete" / source.clip_id
    try:
        _continue(partial, source.fingerprint())
        found = _load(partial / "points.npz")
        if found is None:
            found = {"points": locate(source)}
            _save(partial / "points.npz", found)
        standing, indices = stand_in(found["points"], on_missing)
        run = _Run(source, indices, standing, params, batch_size, partial, with_crops)
        rows = {
            **_reconstruct_blocks(run, progress),
            "frame_index": indices.astype(np.int32),
            "found": np.isfinite(found["points"]).all(axis=(1, 2))[indices],
            "points": standing.astype(np.float32),
        }
        _publish(partial, out, source.clip_id, rows)
    except media.MediaWriteError:
        raise
    except UserError as err:
        # The input is wrong: what was made of it is of no use.
        shutil.rmtree(partial, ignore_errors=True)
        _remove_empty(partial.parent, out)
        if isinstance(err, AlignmentError):
            raise UserError(f"{source.path}: {err}") from err
        raise


@dataclasses.dataclass(frozen=True)
class _Run:
    """A clip's rows: which frames, where the faces are, and how they are worked on."""

    source: FrameSource
    indices: np.ndarray
    points: np.ndarray
    params: dict
    batch_size: int
    partial: Path
    with_crops: bool


def _reconstruct_blocks(
    run: _Run, progress: Callable[[int], object] | None
) -> dict[str, np.ndarray]:
    """coeff and transform_params of all rows; blocks that are there already are kept."""
    total = len(run.indices)
    paths = [run.partial / f"block{start:08d}.npz" for start in range(0, total, _BLOCK)]
    blocks = list(itertools.takewhile(lambda block: block is not None, map(_load, paths)))
    if progress is not None and blocks:
        progress(min(len(blocks) * _BLOCK, total))
    frames = run.source.chosen(run.indices[len(blocks) * _BLOCK :])
    for path in paths[len(blocks) :]:
        rows = slice(len(blocks) * _BLOCK, (len(blocks) + 1) * _BLOCK)
        indices = run.indices[rows]
        found = reconstruct_frames(
            itertools.islice(frames, len(indices)),
            run.points[rows],
            run.params,
            batch_size=run.batch_size,
            frame_indices=indices,
        )
        if run.with_crops:
            (run.partial / "crops").mkdir(exist_ok=True)
            for index, crop in zip(indices, found.crops, strict=True):
                media.write_image(run.partial / "crops" / f"{run.source.stem(index)}.png", crop)
        arrays = {"coeff": found.coefficients, "transform_params": found.transforms}
        _save(path, arrays)
        blocks.append(arrays)
        if progress is not None:
            progress(len(indices))
    return {key: np.concatenate([block[key] for block in blocks]) for key in blocks[0]}


def _continue(partial: Path, fingerprint: str) -> None:
    """Empties a folder of unfinished work unless it is about the same files."""
    mark = partial / "source"
    if not mark.is_file() or mark.read_text() != fingerprint:
        shutil.rmtree(partial, ignore_errors=True)
        write_text(mark, fingerprint)


def _load(path: Path) -> dict[str, np.ndarray] | None:
    """Arrays of a file, None if it is not there or not whole (the machine died)."""
    try:
        with np.load(path) as arrays:
            return dict(arrays)
    except (FileNotFoundError, ValueError, EOFError, zipfile.BadZipFile):
        return None


def _save(path: Path, arrays: dict[str, np.ndarray]) -> None:
    with replacing(path) as temporary:
        np.savez(temporary, **arrays)


def _publish(partial: Path, out: Path, clip_id: str, arrays: dict[str, np.ndarray]) -> None:
    final = out / f"{clip_id}.npz"
    final.parent.mkdir(parents=True, exist_ok=True)
    # Not there without crops, and where a run was stopped between here and the last step.
    if (partial / "crops").is_dir():
        crops = out / "crops" / clip_id
        crops.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(crops, ignore_errors=True)
        os.replace(partial / "crops", crops)
    with replacing(out / f"{clip_id}.mat") as temporary:
        scipy.io.savemat(temporary, {key: arrays[key] for key in ("coeff", "transform_params")})
    _save(final, arrays)
    shutil.rmtree(partial)
    _remove_empty(partial.parent, out)


def _remove_empty(folder: Path, out: Path) -> None:
    """Removes folders between `out` and `folder`, from the inside, as long as they are empty."""
    while folder != out and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent
