"""VoxCeleb clips with Deng coefficients -> prepared clips.

The clips are those of the First Order Motion Model's recipe: folders of PNG files or MP4 videos
named `person#video#first frame#last frame`, in `train` and `test` folders or side by side. Each
comes with `<clip>.mat`: `coeff` (N, 257) and `transform_params` (N, 5) = (W, H, s, t0, t1), how the
frame was aligned for the regressor.
"""

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import scipy.io
from tqdm import tqdm

from reenact_jax import media
from reenact_jax.data import images, prepared
from reenact_jax.errors import UserError
from reenact_jax.face_model.coefficients import (
    NUM_COEFFICIENTS,
    DengCrop,
    split_coefficients,
)
from reenact_jax.face_model.morphable import MorphableModel
from reenact_jax.face_model.parameters import FaceParameters
from reenact_jax.files import write_text

# The 40 speakers that VoxCeleb1 sets aside; its clips carry 25 frames a second, whatever the
# header of a cropped MP4 says.
TEST_PERSONS = tuple(f"id{number}" for number in range(10270, 10310))
FPS = 25.0

_FACE_MODEL_WIDTHS = {"identity": 80, "expression": 64, "texture": 80}
_NUM_TRANSFORM = 5


@dataclasses.dataclass(frozen=True)
class RawClip:
    """A clip as found: its name, its split and its MP4 file or folder of PNG files."""

    clip_id: str
    split: str
    path: Path

    @property
    def person_id(self) -> str:
        return self.clip_id.split("#")[0]


@dataclasses.dataclass
class ImportReport:
    """What became of the clips; lists of clip ids, in order, except `refused`.

    Attributes:
      found: number of clips in the folder.
      prepared: clips that are in the prepared folder now, those of earlier runs included.
      missing_coefficients: clips without a .mat file.
      left_out: training clips of persons who are also tested.
      refused: clip id -> why its files could not be used.
    """

    found: int = 0
    prepared: list[str] = dataclasses.field(default_factory=list)
    missing_coefficients: list[str] = dataclasses.field(default_factory=list)
    left_out: list[str] = dataclasses.field(default_factory=list)
    refused: dict[str, str] = dataclasses.field(default_factory=dict)

    def summary(self) -> str:
        """A few lines for people."""
        persons = sorted({clip_id.split("#")[0] for clip_id in self.left_out})
        lines = [
            f"{len(self.prepared)} of {self.found} clips prepared",
            f"{len(self.missing_coefficients)} without coefficients",
            f"{len(self.left_out)} left out of train because their persons are also tested"
            + (f" ({', '.join(persons)})" if persons else ""),
            f"{len(self.refused)} refused",
        ]
        lines += [f"  {clip_id}: {reason}" for clip_id, reason in self.refused.items()]
        return "\n".join(lines)


def find_clips(videos: str | Path) -> list[RawClip]:
    """All clips of a folder, sorted by name.

    With `train` or `test` folders inside, those decide the split; otherwise the persons id10270 to
    id10309 are the test set.

    Raises:
      UserError: if there are no clips, a name has no person and video in it, or a name occurs
        twice.
    """
    videos = Path(videos)
    splits = [split for split in prepared.SPLITS if (videos / split).is_dir()]
    clips: dict[str, RawClip] = {}
    for split in splits or [""]:
        for path in sorted((videos / split).glob("*")):
            if not (path.is_dir() or path.suffix.lower() == ".mp4"):
                continue
            clip_id = path.name if path.is_dir() else path.stem
            if clip_id.count("#") < 1:
                raise UserError(
                    f"{path}: expected a name like id10010#Fi21gDronE4#001686#002204, found "
                    f"{clip_id}: the part before the first # is the person"
                )
            person = clip_id.split("#")[0]
            own_split = split or ("test" if person in TEST_PERSONS else "train")
            if clip_id in clips:
                raise UserError(
                    f"clip {clip_id}: expected it once, found {clips[clip_id].path} and {path}"
                )
            clips[clip_id] = RawClip(clip_id, own_split, path)
    if not clips:
        raise UserError(
            f"{videos}: expected clips (folders of PNG files, or .mp4), side by side or in "
            "train/ and test/; found none"
        )
    return sorted(clips.values(), key=lambda clip: clip.clip_id)


def read_coefficients(path: str | Path) -> FaceParameters:
    """A `.mat` file of PIRenderer's scripts -> FaceParameters, leaves (N, K).

    Raises:
      UserError: if the file is damaged, or a key is missing or has another shape.
    """
    try:
        arrays = scipy.io.loadmat(path, variable_names=["coeff", "transform_params"])
    except Exception as err:  # scipy raises whatever a damaged file leads its reader to
        raise UserError(
            f"{path}: expected a MATLAB file, found one that cannot be read: {err}"
        ) from err
    expected = {"coeff": NUM_COEFFICIENTS, "transform_params": _NUM_TRANSFORM}
    for key, width in expected.items():
        if key not in arrays:
            raise UserError(f"{path}: expected the keys {list(expected)}, missing {key}")
        shape = arrays[key].shape
        if len(shape) != 2 or shape[1] != width:
            raise UserError(f"{path}: {key}: expected shape (N, {width}), found {shape}")
    coefficients, transforms = arrays["coeff"], arrays["transform_params"].astype(np.float64)
    if len(coefficients) != len(transforms):
        raise UserError(
            f"{path}: expected as many rows in coeff as in transform_params, found "
            f"{len(coefficients)} and {len(transforms)}"
        )
    try:
        cameras = [_crop(row).camera() for row in transforms]
    except (ValueError, ZeroDivisionError) as err:
        raise UserError(f"{path}: transform_params: {err}") from err
    camera = np.stack(cameras) if cameras else np.zeros((0, 4), np.float32)
    return split_coefficients(coefficients.astype(np.float32), camera)


def _crop(row: np.ndarray) -> DengCrop:
    width, height, scale, t0, t1 = row
    return DengCrop(int(width), int(height), float(scale), float(t0), float(t1))


def import_clips(
    videos: str | Path,
    coefficients: str | Path,
    prepared_root: str | Path,
    model: MorphableModel,
    *,
    image_size: int = 256,
    keep_tested_persons: bool = False,
    progress: bool = False,
) -> ImportReport:
    """Prepares every clip that has coefficients. Clips that are there already are kept.

    Frames of PNG files keep their bytes if they have the right size; decoded video is stored as
    JPEG of quality 95. The report is also written to `prepared_root`/report.json.

    Args:
      videos: folder of clips, see `find_clips`.
      coefficients: folder of `<clip>.mat`, side by side or in folders named like the splits.
      prepared_root: folder to fill.
      model: the face model that the coefficients belong to (BFM).
      image_size: side of the prepared frames.
      keep_tested_persons: keep training clips of persons who are also tested (in the published
        lists id10282 and id10306).
      progress: show a progress bar.

    Raises:
      UserError: if the face model has other widths than the coefficients, or the folders are not
        what they should be. A clip that cannot be used does not stop the others; the report says
        why.
    """
    if model.widths != _FACE_MODEL_WIDTHS:
        raise UserError(
            f"expected a face model with the widths of the coefficients {_FACE_MODEL_WIDTHS}, "
            f"found {model.name} with {model.widths}"
        )
    clips = find_clips(videos)
    prepared.write_dataset_info(
        prepared_root, name="voxceleb", image_size=image_size, face_model=model
    )
    report = ImportReport(found=len(clips))
    tested = {clip.person_id for clip in clips if clip.split == "test"}
    for clip in tqdm(clips, desc="preparing", unit="clip", disable=not progress):
        matrix = _coefficient_file(Path(coefficients), clip)
        if clip.split == "train" and clip.person_id in tested and not keep_tested_persons:
            report.left_out.append(clip.clip_id)
        elif prepared.has_clip(prepared_root, clip.clip_id):
            report.prepared.append(clip.clip_id)
        elif matrix is None:
            report.missing_coefficients.append(clip.clip_id)
        else:
            try:
                _import_clip(clip, matrix, prepared_root, image_size)
                report.prepared.append(clip.clip_id)
            except (UserError, media.MediaError) as err:
                report.refused[clip.clip_id] = str(err)
    write_text(
        Path(prepared_root) / "report.json",
        json.dumps(dataclasses.asdict(report), indent=2) + "\n",
    )
    return report


def _coefficient_file(folder: Path, clip: RawClip) -> Path | None:
    for path in (folder / f"{clip.clip_id}.mat", folder / clip.split / f"{clip.clip_id}.mat"):
        if path.exists():
            return path
    return None


def _import_clip(clip: RawClip, matrix: Path, prepared_root: str | Path, image_size: int) -> None:
    parameters = read_coefficients(matrix)
    frames = list(_encoded_frames(clip, image_size))
    if len(frames) != len(parameters.rotation):
        raise UserError(
            f"{clip.path}: expected a row of coefficients for each frame, found {len(frames)} "
            f"frames and {len(parameters.rotation)} rows in {matrix}"
        )
    if len(frames) < 2:
        raise UserError(f"{clip.path}: expected at least two frames, found {len(frames)}")
    prepared.write_clip(
        prepared_root,
        prepared.PreparedClip(
            clip_id=clip.clip_id,
            person_id=clip.person_id,
            split=clip.split,
            fps=FPS,
            frames=frames,
            parameters=parameters,
            origin=f"{clip.path.name} with {matrix.name}",
        ),
        file_format="jpg",
    )


def _encoded_frames(clip: RawClip, image_size: int) -> Iterator[bytes]:
    if clip.path.is_dir():
        paths = sorted(clip.path.glob("*.png")) or sorted(clip.path.glob("*.jpg"))
        for path in paths:
            encoded = path.read_bytes()
            try:
                size = images.image_size(encoded)
                if size != (image_size, image_size):
                    pixels = images.resize_area(images.decode_image(encoded), image_size)
                    encoded = images.encode_image(pixels, images.image_format(encoded))
            except ValueError as err:
                raise UserError(f"{path}: {err}") from err
            yield encoded
        return
    for pixels in media.iterate_video(clip.path):
        try:
            yield images.encode_image(images.resize_area(pixels, image_size), "jpg")
        except ValueError as err:
            raise UserError(f"{clip.path}: {err}") from err
