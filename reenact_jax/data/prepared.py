"""Prepared clips: cropped frames and fitted parameters in plain files.

This is the one interface between what makes clips (trackers, importers, the synthetic world) and
the packed dataset. A prepared folder holds

    dataset.json                  name, image size, face model, hash of the specification
    clips/<clip_id>/clip.json     person, split, number of frames, frame rate, origin
    clips/<clip_id>/parameters.npz    one float32 array (N, K) per field of FaceParameters
    clips/<clip_id>/frames/000000.png (or .jpg) ...
    pairs/<pair_id>/pair.json     optional: a fixed evaluation pair
    pairs/<pair_id>/target.png    optional: its true answer

A clip is written under a hidden name and renamed when it is complete, so a folder that can be
listed can be read.
"""

import dataclasses
import json
import zipfile
from pathlib import Path

import numpy as np

from reenact_jax.data import images
from reenact_jax.data.info import DatasetInfo, FaceModelInfo
from reenact_jax.data.storage import NewFolder, list_complete, storage_errors
from reenact_jax.errors import UserError
from reenact_jax.face_model.morphable import MorphableModel
from reenact_jax.face_model.parameters import FIELDS, FaceParameters
from reenact_jax.files import write_text

SPLITS = ("train", "test")
PAIR_KINDS = ("self", "cross")


@dataclasses.dataclass(frozen=True)
class ClipHeader:
    """A clip without its frames (clip.json)."""

    clip_id: str
    person_id: str
    split: str
    num_frames: int
    fps: float
    origin: str


@dataclasses.dataclass(frozen=True)
class PreparedClip:
    """One clip of one person.

    Attributes:
      clip_id: name of the clip, unique in the dataset, fit for a folder name.
      person_id: who is seen.
      split: `train` or `test`.
      fps: frames per second of the footage.
      frames: one entry a frame: encoded PNG or JPEG bytes, or uint8 (S, S, 3) RGB.
      parameters: leaves (N, K), N = number of frames.
      origin: where the clip comes from, free text.
    """

    clip_id: str
    person_id: str
    split: str
    fps: float
    frames: list[bytes | np.ndarray]
    parameters: FaceParameters
    origin: str = ""


@dataclasses.dataclass(frozen=True)
class PreparedPair:
    """A fixed evaluation pair.

    Attributes:
      pair_id: name of the pair, unique in the dataset, fit for a folder name.
      kind: `self` (both frames of one person) or `cross`.
      source, driving: (clip_id, frame index).
      target: the true answer as encoded bytes or uint8 (S, S, 3), or None where nobody knows it.
    """

    pair_id: str
    kind: str
    source: tuple[str, int]
    driving: tuple[str, int]
    target: bytes | np.ndarray | None = None


def write_dataset_info(
    root: str | Path,
    *,
    name: str,
    image_size: int,
    face_model: MorphableModel | FaceModelInfo,
    specification: str = "",
) -> DatasetInfo:
    """Starts a prepared folder, or continues one that says the same.

    Raises:
      UserError: if the folder was started with another name, size, face model or specification.
      StorageError: if it cannot be written to.
    """
    if isinstance(face_model, MorphableModel):
        face_model = FaceModelInfo.of(face_model)
    info = DatasetInfo(name, image_size, face_model, specification)
    path = Path(root) / "dataset.json"
    if path.exists():
        found = read_dataset_info(root)
        for field in dataclasses.fields(DatasetInfo):
            old, new = getattr(found, field.name), getattr(info, field.name)
            if old != new:
                raise UserError(
                    f"{root}: expected {field.name} {new}, found {old} from an earlier run: choose "
                    "another folder or delete this one"
                )
        return found
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        _write_json(path, info.to_dict())
    return info


def read_dataset_info(root: str | Path) -> DatasetInfo:
    """dataset.json of a prepared folder.

    Raises:
      UserError: if the folder is no prepared folder.
    """
    path = Path(root) / "dataset.json"
    if not path.exists():
        raise UserError(
            f"expected a prepared folder, found no {path}: prepare the clips first (docs/data.md)"
        )
    return DatasetInfo.from_dict(_read_json(path))


def list_clips(root: str | Path) -> list[str]:
    """Ids of the complete clips, sorted."""
    return list_complete(Path(root) / "clips", "clip.json")


def has_clip(root: str | Path, clip_id: str) -> bool:
    """Whether the clip is there and complete."""
    return (Path(root) / "clips" / clip_id / "clip.json").exists()


def write_clip(root: str | Path, clip: PreparedClip, *, file_format: str = "png") -> None:
    """Writes one clip, whole or not at all; replaces a clip of the same id.

    Args:
      root: a prepared folder, started by `write_dataset_info`.
      clip: the clip. Encoded frames are written as they are.
      file_format: `png` or `jpg` (quality 95), for frames given as arrays.

    Raises:
      UserError: if the clip does not fit the dataset (image size, widths of the parameters), if
        the numbers of frames and parameters differ, if an encoded frame was cut off, or if a
        parameter is not finite.
      StorageError: if the disk is full.
    """
    info = read_dataset_info(root)
    where = f"clip {clip.clip_id}"
    _check_name(clip.clip_id, "clip_id")
    _check_choice(clip.split, SPLITS, f"{where}: split")
    num_frames = len(clip.frames)
    if num_frames == 0:
        raise UserError(f"{where}: expected at least one frame, found none")
    parameters = _checked_parameters(clip.parameters, info, num_frames, where)
    header = ClipHeader(
        clip.clip_id, clip.person_id, clip.split, num_frames, float(clip.fps), clip.origin
    )
    path = Path(root) / "clips" / clip.clip_id
    with storage_errors(path), NewFolder(path) as folder:
        (folder / "frames").mkdir()
        for i in range(num_frames):
            encoded = _encoded(clip.frames[i], info, file_format, f"{where}, frame {i}")
            name = f"{i:06d}.{images.image_format(encoded)}"
            (folder / "frames" / name).write_bytes(encoded)
        np.savez(folder / "parameters.npz", **parameters)
        _write_json(folder / "clip.json", dataclasses.asdict(header))


def read_clip_header(root: str | Path, clip_id: str) -> ClipHeader:
    """clip.json of one clip.

    Raises:
      UserError: if the clip is not there.
    """
    path = Path(root) / "clips" / clip_id / "clip.json"
    if not path.exists():
        raise UserError(f"{root}: no clip {clip_id} (looked for {path})")
    return ClipHeader(**_read_json(path))


def read_clip(root: str | Path, clip_id: str) -> PreparedClip:
    """One clip, its frames as encoded bytes and its parameters as NumPy leaves (N, K).

    Raises:
      UserError: if the clip is not there.
      UserError: if files are missing or do not fit together.
    """
    info = read_dataset_info(root)
    header = read_clip_header(root, clip_id)
    folder = Path(root) / "clips" / clip_id
    paths = sorted((folder / "frames").iterdir())
    expected = [f"{i:06d}" for i in range(header.num_frames)]
    if [path.stem for path in paths] != expected:
        raise UserError(
            f"clip {clip_id}: expected frames 000000 to {expected[-1]}, found {len(paths)} files "
            f"in {folder / 'frames'}: prepare this clip again"
        )
    parameters = _read_parameters(folder)
    checked = _checked_parameters(parameters, info, header.num_frames, f"clip {clip_id}")
    return PreparedClip(
        clip_id=header.clip_id,
        person_id=header.person_id,
        split=header.split,
        fps=header.fps,
        frames=[path.read_bytes() for path in paths],
        parameters=FaceParameters(**checked),
        origin=header.origin,
    )


def read_frame(root: str | Path, clip_id: str, index: int) -> tuple[bytes, FaceParameters]:
    """One frame of a clip: encoded bytes and parameters with NumPy leaves (K,).

    Raises:
      UserError: if the clip or the frame is not there.
    """
    header = read_clip_header(root, clip_id)
    if not 0 <= index < header.num_frames:
        raise UserError(
            f"clip {clip_id}: expected a frame in [0, {header.num_frames}), found {index}"
        )
    folder = Path(root) / "clips" / clip_id
    paths = list((folder / "frames").glob(f"{index:06d}.*"))
    if not paths:
        raise UserError(f"clip {clip_id}: frame {index} is missing: prepare this clip again")
    return paths[0].read_bytes(), _read_parameters(folder)[index]


def list_pairs(root: str | Path) -> list[str]:
    """Ids of the evaluation pairs, sorted; empty if the folder has none."""
    return list_complete(Path(root) / "pairs", "pair.json")


def write_pair(root: str | Path, pair: PreparedPair) -> None:
    """Writes one evaluation pair, whole or not at all; replaces a pair of the same id.

    Raises:
      UserError: if the kind is unknown, a frame is not in the dataset or the target has another
        size than its frames.
    """
    info = read_dataset_info(root)
    where = f"pair {pair.pair_id}"
    _check_name(pair.pair_id, "pair_id")
    _check_choice(pair.kind, PAIR_KINDS, f"{where}: kind")
    for role, (clip_id, frame) in (("source", pair.source), ("driving", pair.driving)):
        header = read_clip_header(root, clip_id)
        if not 0 <= frame < header.num_frames:
            raise UserError(
                f"{where}: {role}: expected a frame in [0, {header.num_frames}) of clip {clip_id}, "
                f"found {frame}"
            )
    path = Path(root) / "pairs" / pair.pair_id
    with storage_errors(path), NewFolder(path) as folder:
        if pair.target is not None:
            encoded = _encoded(pair.target, info, "png", f"{where}, target")
            (folder / f"target.{images.image_format(encoded)}").write_bytes(encoded)
        values = {name: getattr(pair, name) for name in ("pair_id", "kind", "source", "driving")}
        _write_json(folder / "pair.json", values)


def read_pair(root: str | Path, pair_id: str) -> PreparedPair:
    """One evaluation pair; its target, if there is one, as encoded bytes."""
    folder = Path(root) / "pairs" / pair_id
    values = _read_json(folder / "pair.json")
    targets = sorted(folder.glob("target.*"))
    return PreparedPair(
        pair_id=values["pair_id"],
        kind=values["kind"],
        source=(values["source"][0], int(values["source"][1])),
        driving=(values["driving"][0], int(values["driving"][1])),
        target=targets[0].read_bytes() if targets else None,
    )


def _read_parameters(folder: Path) -> FaceParameters:
    path = folder / "parameters.npz"
    try:
        with np.load(path) as arrays:
            return FaceParameters(**{name: arrays[name] for name in FIELDS})
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as err:
        raise UserError(
            f"{path}: expected arrays {', '.join(FIELDS)}: {err}: prepare this clip again"
        ) from err


def _check_name(name: str, what: str) -> None:
    if not name or name.startswith(".") or "/" in name or "\\" in name:
        raise UserError(f"expected a {what} that can name a folder, found {name!r}")


def _check_choice(value: str, choices: tuple[str, ...], what: str) -> None:
    if value not in choices:
        raise UserError(f"{what}: expected one of {choices}, found {value!r}")


def _checked_parameters(
    parameters: FaceParameters, info: DatasetInfo, num_frames: int, where: str
) -> dict[str, np.ndarray]:
    arrays = {}
    for name, width in info.face_model.field_widths.items():
        array = np.asarray(getattr(parameters, name), np.float32)
        if array.shape != (num_frames, width):
            raise UserError(
                f"{where}: {name}: expected shape {(num_frames, width)} ({num_frames} frames, face "
                f"model {info.face_model.name}), found {array.shape}"
            )
        if not np.isfinite(array).all():
            frame = int(np.argwhere(~np.isfinite(array))[0, 0])
            raise UserError(
                f"{where}: {name}: expected finite numbers, found NaN or infinity in frame {frame}"
            )
        arrays[name] = array
    return arrays


def _encoded(frame: bytes | np.ndarray, info: DatasetInfo, file_format: str, where: str) -> bytes:
    try:
        if isinstance(frame, bytes):
            images.check_complete(frame)
            encoded = frame
        else:
            encoded = images.encode_image(np.asarray(frame), file_format)
        height, width = images.image_size(encoded)
    except ValueError as err:
        raise UserError(f"{where}: {err}") from err
    if (height, width) != (info.image_size, info.image_size):
        raise UserError(
            f"{where}: expected {info.image_size} x {info.image_size} pixels as in dataset "
            f"{info.name}, found {width} x {height}: crop and resize it first"
        )
    return encoded


def _write_json(path: Path, values: dict) -> None:
    write_text(path, json.dumps(values, indent=2) + "\n")


def _read_json(path: Path) -> dict:
    try:
        return json.loads(path.read_text())
    except json.JSONDecodeError as err:
        raise UserError(f"{path}: expected JSON, found a damaged file: {err}") from err
