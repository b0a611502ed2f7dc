"""VoxCeleb clips with Deng coefficients -> prepared clips.

The clips are those of the First Order Motion Model's recipe: folders of PNG files or MP4 videos
named `person#video#first frame#end frame` (folders possibly with `.mp4` at the end of their
names), in `train` and `test` folders or side by side. Each comes with `<clip>.mat`: `coeff`
(N, 257) and `transform_params` (N, 5) = (W, H, s, t0, t1), how the frame was aligned for the
regressor.
"""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import scipy.io

from reenact_jax import media
from reenact_jax.data import importing, prepared
from reenact_jax.data.importing import Footage, ImportReport, RawClip
from reenact_jax.data.video_metadata import ClipList
from reenact_jax.errors import UserError
from reenact_jax.face_model.coefficients import (
    NUM_COEFFICIENTS,
    DengCrop,
    split_coefficients,
)
from reenact_jax.face_model.morphable import MorphableModel
from reenact_jax.face_model.parameters import FaceParameters

# The 40 speakers that VoxCeleb1 sets aside. Its list counts 25 frames a second; a clip has the rate
# of its video (25 to 30), which neither folders of frames nor the header of a cropped MP4 tell.
TEST_PERSONS = tuple(f"id{number}" for number in range(10270, 10310))
FPS = 25.0

_NUM_TRANSFORM = 5


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
            is_hidden = path.name.startswith(".")  # what a killed run has left
            if is_hidden or not (path.is_dir() or path.suffix.lower() == ".mp4"):
                continue
            clip_id = path.name.removesuffix(".mp4") if path.is_dir() else path.stem
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
            clips[clip_id] = RawClip(clip_id, person, own_split, path)
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


def tested_persons(clips: list[RawClip], clip_list: ClipList | None = None) -> set[str]:
    """Persons of whom no clip may be trained on: the rule's, and those who are tested.

    Those are the persons of the test clips that are here, and of those that a list names.
    """
    rows = () if clip_list is None else clip_list.rows
    here = {clip.person_id for clip in clips if clip.split == "test"}
    return {*TEST_PERSONS, *here, *(row.person_id for row in rows if row.partition == "test")}


def import_clips(
    videos: str | Path,
    coefficients: str | Path,
    prepared_root: str | Path,
    model: MorphableModel,
    *,
    image_size: int = 256,
    keep_tested_persons: bool = False,
    clip_list: ClipList | None = None,
    num_workers: int = 1,
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
        list id10282 and id10306).
      clip_list: the clips that there should be, for the report.
      num_workers: processes that read clips.
      progress: show a progress bar.

    Raises:
      UserError: if the face model has other widths than the coefficients, the folders are not what
        they should be, or the disk is full. A clip that cannot be used does not stop the others;
        the report says why.
    """
    importing.check_coefficient_model(model)
    clips = find_clips(videos)
    prepared.write_dataset_info(
        prepared_root, name="voxceleb", image_size=image_size, face_model=model
    )
    return importing.import_clips(
        clips,
        ReadClip(Path(coefficients), image_size),
        prepared_root,
        fps=FPS,
        tested_persons=() if keep_tested_persons else tested_persons(clips, clip_list),
        clip_list=clip_list,
        num_workers=num_workers,
        progress=progress,
    )


@dataclasses.dataclass(frozen=True)
class ReadClip:
    """Reads a clip and its `.mat` file from the folder `coefficients`."""

    coefficients: Path
    image_size: int

    def __call__(self, clip: RawClip) -> Footage:
        matrix = self._coefficient_file(clip)
        parameters = read_coefficients(matrix)
        frames = importing.stored_frames(_frames(clip.path), self.image_size, str(clip.path))
        if len(frames) != len(parameters.rotation):
            raise UserError(
                f"{clip.path}: expected a row of coefficients for each frame, found {len(frames)} "
                f"frames and {len(parameters.rotation)} rows in {matrix}"
            )
        return Footage(frames, parameters, f"{clip.path.name} with {matrix.name}")

    def _coefficient_file(self, clip: RawClip) -> Path:
        # scripts/reconstruct_deng.py names its files after the folders.
        for name in (f"{clip.clip_id}.mat", f"{clip.path.name}.mat"):
            for path in (self.coefficients / name, self.coefficients / clip.split / name):
                if path.exists():
                    return path
        raise importing.MissingParameters(f"{self.coefficients}: no {clip.clip_id}.mat")


def _frames(path: Path) -> Iterator[bytes | np.ndarray]:
    if not path.is_dir():
        yield from media.iterate_video(path)
        return
    for picture in sorted(path.glob("*.png")) or sorted(path.glob("*.jpg")):
        yield picture.read_bytes()
