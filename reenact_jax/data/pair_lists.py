"""Lists of evaluation pairs as CSV files, and the pairs of such a list read from a packed dataset.

A row is one pair: `pair_id,kind,source,driving,pose_difference,pose_bin`, source and driving as
`clip/frame`. DaGAN's lists (two paths of frames in a row) are read too.
"""

import csv
import dataclasses
import io
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from reenact_jax.data.evaluation_pairs import pairs_hash
from reenact_jax.data.frames import (
    ClipEntry,
    FrameDataset,
    PairDataset,
    has_pairs,
    open_frames,
    open_pairs,
)
from reenact_jax.data.pose_difference import BIN_NAMES, pose_bin, pose_difference
from reenact_jax.data.prepared import PAIR_KINDS, PreparedPair
from reenact_jax.data.storage import storage_errors
from reenact_jax.errors import UserError
from reenact_jax.files import write_text

_COLUMNS = ("pair_id", "kind", "source", "driving")
_POSE_COLUMNS = ("pose_difference", "pose_bin")
# CelebV's frames: <person>/Image/<name>_<serial number of the frame>.jpg
_CELEBV_FRAME = re.compile(r".*_(\d+)$")


@dataclasses.dataclass(frozen=True)
class PairList:
    """Pairs with the difference of their poses.

    Attributes:
      pairs: without targets.
      degrees: pose difference of each pair, see `pose_difference`; (N,) float64.
    """

    pairs: tuple[PreparedPair, ...]
    degrees: np.ndarray

    @property
    def hash(self) -> str:
        """Hash (16 hex digits) of the pairs in order; that of a packed list of the same pairs."""
        return pairs_hash(self.pairs)

    def summary(self) -> str:
        """How many pairs of each kind there are in each bin, as a Markdown table."""
        bins = pose_bin(self.degrees)
        lines = ["| degrees | " + " | ".join(BIN_NAMES) + " | all |"]
        lines.append("|---" * (len(BIN_NAMES) + 2) + "|")
        for kind in PAIR_KINDS:
            own = [int(b) for pair, b in zip(self.pairs, bins, strict=True) if pair.kind == kind]
            counts = Counter(own)
            cells = [str(counts[number]) for number in range(len(BIN_NAMES))]
            lines.append(f"| {kind} | " + " | ".join([*cells, str(len(own))]) + " |")
        return "\n".join(lines)


def measure_pairs(pairs: Sequence[PreparedPair], frames: FrameDataset) -> PairList:
    """Looks up the pose difference of every pair.

    Raises:
      UserError: if a frame is not in the split.
    """
    records = _find_records(pairs, frames)
    turns = {index: frames.parameters(index).rotation for index in sorted(set(records.flat))}
    angles = np.array([turns[index] for index in records.flat], np.float32)
    source, driving = np.moveaxis(angles.reshape(-1, 2, 3), 1, 0)
    return PairList(tuple(pairs), pose_difference(source, driving))


def write_pair_list(path: str | Path, pair_list: PairList) -> None:
    """Writes a list, whole or not at all.

    Raises:
      UserError: if the disk is full.
    """
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*_COLUMNS, *_POSE_COLUMNS])
    for pair, degrees in zip(pair_list.pairs, pair_list.degrees, strict=True):
        places = [f"{clip_id}/{frame:06d}" for clip_id, frame in (pair.source, pair.driving)]
        name = BIN_NAMES[int(pose_bin(degrees))]
        writer.writerow([pair.pair_id, pair.kind, *places, f"{degrees:.2f}", name])
    with storage_errors(path):
        write_text(Path(path), out.getvalue())


def read_pair_list(path: str | Path) -> list[PreparedPair]:
    """The pairs of a list of `write_pair_list`, in its order. Other columns are not read.

    Raises:
      UserError: if the file is missing, lacks a column or is empty, if a cell is not what its
        column needs (the line is named), or if a pair's id occurs twice.
    """
    rows = _read_rows(path)
    header = rows[0][1] if rows else []
    missing = [name for name in _COLUMNS if name not in header]
    if missing:
        raise UserError(
            f"{path}: expected the columns {', '.join(_COLUMNS)}, missing {', '.join(missing)}: "
            "scripts/draw_pairs.py writes such lists and reads DaGAN's"
        )
    pairs: dict[str, PreparedPair] = {}
    for line, cells in rows[1:]:
        where = f"{path}, line {line}"
        if len(cells) != len(header):
            raise UserError(f"{where}: expected {len(header)} cells, found {len(cells)}")
        row = dict(zip(header, cells, strict=True))
        if row["kind"] not in PAIR_KINDS:
            raise UserError(f"{where}: kind: expected one of {PAIR_KINDS}, found {row['kind']!r}")
        if row["pair_id"] in pairs:
            raise UserError(f"{where}: expected pair {row['pair_id']} once, found it twice")
        places = [_place(row[role], where, role) for role in ("source", "driving")]
        pairs[row["pair_id"]] = PreparedPair(row["pair_id"], row["kind"], *places)
    if not pairs:
        raise UserError(f"{path}: expected a row for each pair, found none")
    return list(pairs.values())


def read_dagan_list(
    path: str | Path, clips: Iterable[ClipEntry]
) -> tuple[list[PreparedPair], list[str]]:
    """A list of DaGAN's form: a header, then rows of two paths, source and driving frame.

    Only the ends of the paths count: `<clip>.mp4/<frame number>.png` for VoxCeleb, and
    `<person>/Image/<name>_<serial number>.jpg` for CelebV. Pairs of two frames of one clip become
    self pairs, all others cross pairs. A third column (a frame nearest in pose) is not read.

    Args:
      path: the list.
      clips: the clips at hand, `FrameDataset.clips`.

    Returns:
      The pairs whose frames are at hand, in the order of the list, and the paths that are not.

    Raises:
      UserError: if the file is missing or a row is of another form.
    """
    lengths = {clip.clip_id: clip.num_frames for clip in clips}
    of_person: dict[str, list[str]] = {}
    for clip in clips:
        of_person.setdefault(clip.person_id, []).append(clip.clip_id)
    pairs, missing = [], {}
    for number, (line, cells) in enumerate(_read_rows(path)[1:]):
        where = f"{path}, line {line}"
        if len(cells) < 2:
            raise UserError(f"{where}: expected two paths, found {cells}")
        places = [_find_frame(cell, lengths, of_person, where) for cell in cells[:2]]
        absent = [cell for cell, place in zip(cells, places, strict=False) if place is None]
        missing.update(dict.fromkeys(absent))
        if not absent:
            kind = "self" if places[0][0] == places[1][0] else "cross"
            pairs.append(PreparedPair(f"{kind}-{number:05d}", kind, *places))
    return pairs, list(missing)


class ListedPairs(Sequence):
    """The pairs of a list, read from the frames of a packed dataset.

    Its elements and attributes are those of `PairDataset`; a self pair's target is its driving
    frame, and cross pairs have none.
    """

    def __init__(self, pairs: Sequence[PreparedPair], frames: FrameDataset):
        """
        Raises:
          UserError: if a frame is not in the split.
        """
        self.info = frames.info
        self.content = frames.content
        self.root = frames.root
        self.list_hash = pairs_hash(pairs)
        self._pairs = tuple(pairs)
        self._frames = frames
        self._records = _find_records(pairs, frames)

    def __len__(self) -> int:
        return len(self._pairs)

    def kind(self, index: int) -> str:
        """`kind` of one pair."""
        return self._pairs[index].kind

    def header(self, index: int) -> PreparedPair:
        """Which frames one pair consists of."""
        return self._pairs[index]

    def __getitem__(self, index: int) -> dict:
        if not 0 <= index < len(self):
            raise IndexError(f"expected a pair in [0, {len(self)}), found {index}")
        pair = self._pairs[index]
        source, driving = (self._frames[int(record)] for record in self._records[index])
        has_target = pair.kind == "self"
        image = driving["image"]
        return {
            "source_image": source["image"],
            "driving_image": image,
            "target_image": image if has_target else np.zeros_like(image),
            "has_target": has_target,
            "source": source["parameters"],
            "driving": driving["parameters"],
            "pair_id": pair.pair_id,
            "kind": pair.kind,
            "source_clip_id": pair.source[0],
            "driving_clip_id": pair.driving[0],
            "source_frame_index": pair.source[1],
            "driving_frame_index": pair.driving[1],
        }


def open_listed_pairs(
    path: str | Path, data_dir: str | Path, name: str
) -> ListedPairs | PairDataset:
    """The pairs of a CSV list over the test split of a packed dataset.

    A list of just the packed pairs gives those, with the answers that they may have.

    Raises:
      UserError: if the list or the dataset is not usable, or they do not belong together.
    """
    listed = ListedPairs(read_pair_list(path), open_frames(data_dir, name, "test"))
    if has_pairs(data_dir, name):
        packed = open_pairs(data_dir, name)
        if packed.list_hash == listed.list_hash:
            return packed
    return listed


def _find_records(pairs: Sequence[PreparedPair], frames: FrameDataset) -> np.ndarray:
    """(N, 2) int64 record numbers of source and driving frames."""
    clips = {clip.clip_id: clip for clip in frames.clips}
    records = np.zeros((len(pairs), 2), np.int64)
    for row, pair in enumerate(pairs):
        for column, (clip_id, frame) in enumerate((pair.source, pair.driving)):
            clip = clips.get(clip_id)
            if clip is None or not 0 <= frame < clip.num_frames:
                raise UserError(
                    f"pair {pair.pair_id}: expected a frame of the {len(clips)} clips in split "
                    f"{frames.split} of dataset {frames.info.name}, found {clip_id}/{frame:06d}, "
                    "which is not there: the list belongs to other data"
                )
            records[row, column] = clip.start + frame
    return records


def _read_rows(path: str | Path) -> list[tuple[int, list[str]]]:
    """(line number, cells) of the rows that are not empty."""
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as err:
        raise UserError(f"{path}: expected a CSV list of pairs, cannot read it: {err}") from err
    reader = csv.reader(io.StringIO(text, newline=""))
    return [(reader.line_num, cells) for cells in reader if cells]


def _place(cell: str, where: str, role: str) -> tuple[str, int]:
    clip_id, slash, frame = cell.rpartition("/")
    if not (clip_id and slash and frame.isdecimal()):
        raise UserError(f"{where}: {role}: expected clip/frame number, found {cell!r}")
    return clip_id, int(frame)


def _find_frame(
    cell: str, lengths: dict[str, int], of_person: dict[str, list[str]], where: str
) -> tuple[str, int] | None:
    """(clip, frame index) of a path in DaGAN's lists, None if it is not at hand."""
    parts = cell.strip().split("/")
    stem = parts[-1].rsplit(".", 1)[0]
    serial = _CELEBV_FRAME.fullmatch(stem)
    if len(parts) >= 2 and stem.isdecimal():
        clip_id = parts[-2].removesuffix(".mp4")
        return (clip_id, int(stem)) if int(stem) < lengths.get(clip_id, 0) else None
    if len(parts) >= 3 and parts[-2] == "Image" and serial:
        number = int(serial.group(1))
        for clip_id in of_person.get(parts[-3], []):
            first = int(clip_id.split("#")[1])
            if first <= number < first + lengths[clip_id]:
                return clip_id, number - first
        return None
    raise UserError(
        f"{where}: expected a path that ends in CLIP.mp4/NUMBER.png or PERSON/Image/"
        f"NAME_NUMBER.jpg, found {cell!r}"
    )
