"""CelebV (ReenactGAN) with Deng coefficients -> prepared clips, all of them for testing.

`ROOT/<person>/Image/<name>_<serial number>.jpg` are the frames of one long video of a person. Runs
of consecutive serial numbers become clips of at most 1,024 frames, named
`person#first serial#last serial`. `<person>.mat` (or `<person>/Image.mat`, as
scripts/reconstruct_deng.py writes it) has a row for each picture, in the order of the sorted file
names: `coeff` (N, 257) and `transform_params` (N, 5).
"""

import dataclasses
import functools
import re
from pathlib import Path

from reenact_jax.data import importing, prepared
from reenact_jax.data.importing import Footage, ImportReport, RawClip
from reenact_jax.data.voxceleb import read_coefficients
from reenact_jax.errors import UserError
from reenact_jax.face_model.morphable import MorphableModel
from reenact_jax.face_model.parameters import FIELDS, FaceParameters

PERSONS = ("Donald_Trump", "Emmanuel_Macron", "Jack_Ma", "Kathleen", "Theresa_May")
# Nobody states the rate; its clips are used for single frames.
FPS = 25.0
MAX_FRAMES = 1024

_PICTURE = re.compile(r".*_(\d+)\.(?:jpg|jpeg|png)", re.IGNORECASE)


@dataclasses.dataclass(frozen=True)
class PersonFrames:
    """The pictures of one person.

    Attributes:
      folder: `ROOT/<person>/Image`.
      names: file names by serial number.
      rows: serial number -> row of the person's coefficients.
    """

    folder: Path
    names: dict[int, str]
    rows: dict[int, int]


def find_frames(folder: Path) -> PersonFrames:
    """The numbered pictures of one person's folder `Image`.

    Raises:
      UserError: if there are none, a name has no number, or a number occurs twice.
    """
    names: dict[int, str] = {}
    rows: dict[int, int] = {}
    pictures = (path for path in folder.iterdir() if path.suffix.lower() in (".jpg", ".png"))
    for row, name in enumerate(sorted(path.name for path in pictures)):
        match = _PICTURE.fullmatch(name)
        if match is None:
            raise UserError(f"{folder}: expected names like P_1_0000000001.jpg, found {name}")
        serial = int(match.group(1))
        if serial in names:
            raise UserError(f"{folder}: expected frame {serial} once: {names[serial]} and {name}")
        names[serial], rows[serial] = name, row
    if not names:
        raise UserError(f"{folder}: expected pictures, found none")
    return PersonFrames(folder, names, rows)


def find_clips(root: str | Path) -> list[RawClip]:
    """The clips of all persons, sorted by name.

    Raises:
      UserError: if no person has a folder, or a folder is not what it should be.
    """
    root = Path(root)
    clips = []
    for person in PERSONS:
        folder = root / person / "Image"
        if not folder.is_dir():
            continue
        for first, last in runs(sorted(find_frames(folder).names)):
            clips.append(RawClip(f"{person}#{first:010d}#{last:010d}", person, "test", folder))
    if not clips:
        raise UserError(
            f"{root}: expected CelebV's folders {', '.join(f'{p}/Image' for p in PERSONS)}, found "
            "none of them"
        )
    return clips


def runs(serials: list[int], max_frames: int = MAX_FRAMES) -> list[tuple[int, int]]:
    """First and last of the runs of consecutive numbers (ascending), cut at `max_frames`."""
    found: list[tuple[int, int]] = []
    for serial in serials:
        if found and serial == found[-1][1] + 1 and serial - found[-1][0] < max_frames:
            found[-1] = (found[-1][0], serial)
        else:
            found.append((serial, serial))
    return found


def import_clips(
    root: str | Path,
    coefficients: str | Path,
    prepared_root: str | Path,
    model: MorphableModel,
    *,
    image_size: int = 256,
    num_workers: int = 1,
    progress: bool = False,
) -> ImportReport:
    """Prepares the frames of every person who has coefficients; see `voxceleb.import_clips`.

    Raises:
      UserError: as `voxceleb.import_clips`.
    """
    importing.check_coefficient_model(model)
    clips = find_clips(root)
    prepared.write_dataset_info(
        prepared_root, name="celebv", image_size=image_size, face_model=model
    )
    return importing.import_clips(
        clips,
        ReadClip(Path(coefficients), image_size),
        prepared_root,
        fps=FPS,
        min_frames=1,  # a frame between two gaps can still be one of a cross pair
        num_workers=num_workers,
        progress=progress,
    )


@dataclasses.dataclass(frozen=True)
class ReadClip:
    """Reads a clip and its rows of the person's `.mat` file."""

    coefficients: Path
    image_size: int

    def __call__(self, clip: RawClip) -> Footage:
        matrix = self._coefficient_file(clip)
        every, found = _read_person(matrix, clip.path)
        if len(every.rotation) != len(found.names):
            raise UserError(
                f"{matrix}: expected a row for each of the {len(found.names)} pictures in "
                f"{clip.path}, found {len(every.rotation)}"
            )
        first, last = (int(part) for part in clip.clip_id.split("#")[1:])
        serials = range(first, last + 1)
        rows = [found.rows[serial] for serial in serials]
        parameters = FaceParameters(**{name: getattr(every, name)[rows] for name in FIELDS})
        encoded = ((clip.path / found.names[serial]).read_bytes() for serial in serials)
        frames = importing.stored_frames(encoded, self.image_size, str(clip.path))
        return Footage(frames, parameters, f"{clip.person_id} with {matrix.name}")

    def _coefficient_file(self, clip: RawClip) -> Path:
        person = clip.person_id
        for path in (
            self.coefficients / f"{person}.mat",
            self.coefficients / person / "Image.mat",
        ):
            if path.exists():
                return path
        raise importing.MissingParameters(f"{self.coefficients}: no {person}.mat")


# The clips of a person come one after the other and share these.
@functools.lru_cache(maxsize=1)
def _read_person(matrix: Path, folder: Path) -> tuple[FaceParameters, PersonFrames]:
    return read_coefficients(matrix), find_frames(folder)
