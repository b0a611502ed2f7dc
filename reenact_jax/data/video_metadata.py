"""The list that says which clips to cut out of which videos (CSV, as published for VoxCeleb).

A row is one clip: its video, the range of frames (counted at the list's own frame rate), the box to
cut out (in pixels of the list's own frame size), the split and the person.

The published list has its irregularities: 20,075 rows name 19,764 clips, 299 of them two or three
times, three of those once for training and once for testing; and 866 boxes reach below the frame.
"""

import csv
import dataclasses
import hashlib
import io
from collections.abc import Sequence
from pathlib import Path

from reenact_jax.data.prepared import SPLITS
from reenact_jax.errors import UserError
from reenact_jax.files import write_text

COLUMNS = (
    "video_id",
    "start",
    "end",
    "bbox",
    "fps",
    "width",
    "height",
    "partition",
    "person_id",
)


@dataclasses.dataclass(frozen=True)
class ClipRow:
    """One clip of the list.

    Attributes:
      video_id: name of the video's file without suffix.
      start, end: first frame and frame after the last, counted at `fps`.
      box: left, top, right, bottom in pixels of a frame of `width` x `height`; right and bottom may
        lie beyond it.
      fps: frames per second in which the list counts.
      width, height: frame size in which the list measures.
      partition: `train` or `test`.
      person_id: who is seen.
    """

    video_id: str
    start: int
    end: int
    box: tuple[int, int, int, int]
    fps: float
    width: int
    height: int
    partition: str
    person_id: str

    @property
    def clip_id(self) -> str:
        """`person#video#first frame#end frame`, the numbers with six digits."""
        return f"{self.person_id}#{self.video_id}#{self.start:06d}#{self.end:06d}"


@dataclasses.dataclass(frozen=True)
class ClipList:
    """The clips of a list, each once.

    Attributes:
      rows: in the order of the file.
      num_repeated: rows beyond the first of a clip.
      in_both: clips that the file names in both partitions; `rows` has them in `test`.
    """

    rows: tuple[ClipRow, ...]
    num_repeated: int = 0
    in_both: tuple[str, ...] = ()


def read_metadata(path: str | Path) -> ClipList:
    """Reads a list; further columns are ignored.

    Raises:
      UserError: if the file is missing, lacks a column or has no rows; if a cell is not what its
        column needs (the line is named); if two rows say different things of one clip.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as err:
        raise UserError(f"{path}: expected a CSV list of clips, cannot read it: {err}") from err
    reader = csv.DictReader(io.StringIO(text, newline=""))
    missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
    if missing:
        raise UserError(
            f"{path}: expected the columns {', '.join(COLUMNS)}; missing {', '.join(missing)}"
        )
    rows: dict[str, ClipRow] = {}
    lines: dict[str, int] = {}
    num_repeated, in_both = 0, []
    for cells in reader:
        where = f"{path}, line {reader.line_num}"
        row = _row(cells, where)
        known = rows.setdefault(row.clip_id, row)
        first_line = lines.setdefault(row.clip_id, reader.line_num)
        if known is row:
            continue
        num_repeated += 1
        if known != dataclasses.replace(row, partition=known.partition):
            raise UserError(
                f"{where}: clip {row.clip_id}: expected the same as in line {first_line}, found "
                "another box, rate or size: delete one of the two"
            )
        if known.partition != row.partition and row.clip_id not in in_both:
            in_both.append(row.clip_id)
            rows[row.clip_id] = dataclasses.replace(row, partition="test")
    if not rows:
        raise UserError(f"{path}: expected a row for each clip, found none")
    return ClipList(tuple(rows.values()), num_repeated, tuple(in_both))


def write_metadata(path: str | Path, rows: Sequence[ClipRow]) -> None:
    """Writes a list that `read_metadata` reads."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        box = "-".join(map(str, row.box))
        fps = int(row.fps) if row.fps == int(row.fps) else row.fps
        writer.writerow(
            [row.video_id, row.start, row.end, box, fps, row.width, row.height]
            + [row.partition, row.person_id]
        )
    write_text(Path(path), out.getvalue())


def list_hash(rows: Sequence[ClipRow]) -> str:
    """Hash (16 hex digits) of a list, whatever the order of its rows and columns."""
    digest = hashlib.sha256()
    for row in sorted(rows, key=lambda row: row.clip_id):
        digest.update(f"{row}\n".encode())
    return digest.hexdigest()[:16]


def _row(cells: dict[str, str], where: str) -> ClipRow:
    empty = [name for name in COLUMNS if not (cells[name] or "").strip()]
    if empty:
        raise UserError(f"{where}: {', '.join(empty)}: expected a value, found none")
    cells = {name: cells[name].strip() for name in COLUMNS}
    try:
        box = tuple(int(part) for part in cells["bbox"].split("-"))
        start, end = int(cells["start"]), int(cells["end"])
        width, height, fps = int(cells["width"]), int(cells["height"]), float(cells["fps"])
    except ValueError as err:
        raise UserError(
            f"{where}: expected whole numbers, and bbox as left-top-right-bottom: {err}"
        ) from err
    if len(box) != 4 or not (box[0] < min(box[2], width) and box[1] < min(box[3], height)):
        raise UserError(
            f"{where}: bbox: expected left-top-right-bottom in a frame of {width} x {height}, "
            f"found {cells['bbox']}"
        )
    if not (0 <= start < end and fps > 0):
        raise UserError(
            f"{where}: expected 0 <= start < end and fps > 0, found {start}, {end}, {fps:g}"
        )
    if cells["partition"] not in SPLITS:
        raise UserError(
            f"{where}: partition: expected {' or '.join(SPLITS)}, found {cells['partition']!r}"
        )
    for name in ("video_id", "person_id"):
        # These become file names.
        if "/" in cells[name] or "\\" in cells[name] or cells[name].startswith("."):
            raise UserError(f"{where}: {name}: expected a name, found {cells[name]!r}")
    return ClipRow(
        video_id=cells["video_id"],
        start=start,
        end=end,
        box=box,
        fps=fps,
        width=width,
        height=height,
        partition=cells["partition"],
        person_id=cells["person_id"],
    )
