"""PIRenderer's LMDB of VoxCeleb -> prepared clips.

`ROOT/<resolution>` is the database, `ROOT/train_list.txt` and `ROOT/test_list.txt` name the clips.
Keys, numbers with seven digits: `<clip>-length` (text), `<clip>-0000012` (an encoded frame),
`<clip>-coeff_3dmm` (float32, N x 260: the 257 coefficients and the crop's s, t0, t1).
"""

import contextlib
import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from reenact_jax.data import importing, prepared, voxceleb
from reenact_jax.data.importing import Footage, ImportReport, RawClip
from reenact_jax.errors import UserError
from reenact_jax.face_model.coefficients import (
    NUM_COEFFICIENTS_WITH_CROP,
    parameters_from_cropped_coefficients,
)
from reenact_jax.face_model.morphable import MorphableModel


def find_clips(root: str | Path, resolution: int) -> list[RawClip]:
    """The clips of train_list.txt and test_list.txt, sorted by name.

    Raises:
      UserError: if there is no database or no list, or a clip is listed twice.
    """
    root = Path(root)
    database = root / str(resolution)
    if not (database / "data.mdb").is_file():
        raise UserError(
            f"{root}: expected PIRenderer's database at {database}/data.mdb, found none: give the "
            "folder that holds it, and --resolution"
        )
    clips: dict[str, RawClip] = {}
    for split in prepared.SPLITS:
        path = root / f"{split}_list.txt"
        if not path.is_file():
            raise UserError(f"{root}: expected train_list.txt and test_list.txt, missing {path}")
        for clip_id in path.read_text().split():
            if clip_id in clips:
                raise UserError(
                    f"{path}: clip {clip_id}: expected it once in train_list.txt and "
                    "test_list.txt together, found it twice: delete one of the lines"
                )
            clips[clip_id] = RawClip(clip_id, clip_id.split("#")[0], split, database)
    if not clips:
        raise UserError(f"{root}: expected the names of clips in the lists, found none")
    return sorted(clips.values(), key=lambda clip: clip.clip_id)


def import_clips(
    root: str | Path,
    prepared_root: str | Path,
    model: MorphableModel,
    *,
    resolution: int = 256,
    fitted_size: int = 256,
    keep_tested_persons: bool = False,
    num_workers: int = 1,
    progress: bool = False,
) -> ImportReport:
    """Prepares every clip of the lists. Frames keep their bytes; finished clips are kept.

    Args:
      root: the folder with the lists.
      prepared_root: folder to fill; gets a report.json.
      model: the face model that the coefficients belong to (BFM).
      resolution: of the database; also the side of the prepared frames.
      fitted_size: side in pixels of the frames from which the coefficients were regressed, in which
        the crop numbers are measured.
      keep_tested_persons: keep training clips of persons who are also tested.
      num_workers: processes that read clips.
      progress: show a progress bar.

    Raises:
      UserError: if the `lmdb` package is missing, the model has other widths than the coefficients,
        the folder is not what it should be, or the disk is full.
    """
    _import_lmdb()
    importing.check_coefficient_model(model)
    clips = find_clips(root, resolution)
    prepared.write_dataset_info(
        prepared_root, name="voxceleb", image_size=resolution, face_model=model
    )
    return importing.import_clips(
        clips,
        ReadClip(resolution, fitted_size),
        prepared_root,
        fps=voxceleb.FPS,
        tested_persons=() if keep_tested_persons else voxceleb.tested_persons(clips),
        num_workers=num_workers,
        progress=progress,
    )


@dataclasses.dataclass(frozen=True)
class ReadClip:
    """Reads a clip from the database at its path."""

    resolution: int
    fitted_size: int

    def __call__(self, clip: RawClip) -> Footage:
        where = f"{clip.path}, clip {clip.clip_id}"
        with _open(clip.path) as transaction:
            length = _text_number(_get(transaction, clip.clip_id, "length", where), where)
            frames = [_get(transaction, clip.clip_id, f"{i:07d}", where) for i in range(length)]
            raw = transaction.get(_key(clip.clip_id, "coeff_3dmm"))
        if raw is None:
            raise importing.MissingParameters(f"{where}: no coefficients")
        row_bytes = 4 * NUM_COEFFICIENTS_WITH_CROP
        if len(raw) != length * row_bytes:
            raise UserError(
                f"{where}: coeff_3dmm: expected {length} x {NUM_COEFFICIENTS_WITH_CROP} float32 "
                f"numbers, a row for each frame, found {len(raw)} bytes"
            )
        rows = np.frombuffer(raw, "<f4").reshape(length, -1)
        try:
            parameters = parameters_from_cropped_coefficients(rows, self.fitted_size)
        except (ValueError, ZeroDivisionError) as err:
            raise UserError(f"{where}: coeff_3dmm: {err}") from err
        stored = importing.stored_frames(frames, self.resolution, where)
        return Footage(stored, parameters, f"{clip.clip_id} of {clip.path.name}/data.mdb")


def _key(clip_id: str, part: str) -> bytes:
    return f"{clip_id}-{part}".encode()


def _get(transaction, clip_id: str, part: str, where: str) -> bytes:
    value = transaction.get(_key(clip_id, part))
    if value is None:
        raise UserError(f"{where}: expected the key {clip_id}-{part}, found none")
    return bytes(value)


def _text_number(value: bytes, where: str) -> int:
    if not value.isdigit():
        raise UserError(f"{where}: length: expected a number as text, found {value[:20]!r}")
    return int(value)


@contextlib.contextmanager
def _open(database: Path) -> Iterator:
    """A reading transaction."""
    lmdb = _import_lmdb()
    try:
        environment = lmdb.open(str(database), readonly=True, lock=False, readahead=False)
    except lmdb.Error as err:
        raise UserError(f"{database}: expected an LMDB database, cannot open it: {err}") from err
    with environment, environment.begin() as transaction:
        yield transaction


def _import_lmdb():
    try:
        import lmdb
    except ImportError as err:
        raise UserError(
            "PIRenderer's databases need lmdb, which is not installed: "
            "pip install 'reenact-jax[lmdb]'"
        ) from err
    return lmdb
