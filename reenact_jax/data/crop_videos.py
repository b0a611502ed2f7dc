"""Raw videos and a clip list -> folders of cropped frames, as the First Order Motion Model has
them: `OUT/{train,test}/person#video#first#end/0000000.png`.

A video is decoded once for all of its clips. A clip's folder appears under its name when every
frame is in it.
"""

import contextlib
import dataclasses
import shutil
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image

from reenact_jax import media
from reenact_jax.data import images, importing
from reenact_jax.data.storage import NewFolder, StorageError, storage_errors
from reenact_jax.data.video_metadata import ClipList, ClipRow, list_hash
from reenact_jax.errors import UserError

VIDEO_SUFFIXES = (".mp4", ".mkv", ".webm")

# The list was made from re-encoded utterances, whose last frames can lie beyond the video's.
_MISSING_AT_END = 5


@dataclasses.dataclass
class CropReport:
    """What became of a clip list.

    Attributes:
      list_hash: of the list.
      clips_listed, videos_listed, persons_listed: how many there should be.
      clips_written, videos_found, persons_found: how many there are; persons with a clip.
      rows_repeated: rows of the list that name a clip again.
      left_out: training clips of persons who are also tested; not cut out.
      moved_to_test: clips that the list has in both partitions.
      missing_videos: videos that are not in the folder.
      refused: clip or video -> why it could not be cut out.
    """

    list_hash: str = ""
    clips_listed: int = 0
    clips_written: int = 0
    videos_listed: int = 0
    videos_found: int = 0
    persons_listed: int = 0
    persons_found: int = 0
    rows_repeated: int = 0
    left_out: list[str] = dataclasses.field(default_factory=list)
    moved_to_test: list[str] = dataclasses.field(default_factory=list)
    missing_videos: list[str] = dataclasses.field(default_factory=list)
    refused: dict[str, str] = dataclasses.field(default_factory=dict)

    def summary(self) -> str:
        """A few lines for people."""
        moved = f" ({', '.join(self.moved_to_test)})" if self.moved_to_test else ""
        lines = [
            f"list {self.list_hash}: {self.rows_repeated} rows repeat another",
            f"{self.videos_found} of {self.videos_listed} videos found",
            f"{self.clips_written} of {self.clips_listed} clips written",
            f"{self.persons_found} of {self.persons_listed} persons have a clip",
            f"{len(self.moved_to_test)} clips are listed in both partitions and are tested" + moved,
            f"{len(self.left_out)} left out of train because their persons are also tested",
            f"{len(self.refused)} refused",
        ]
        lines += [f"  {name}: {reason}" for name, reason in self.refused.items()]
        return "\n".join(lines)


def crop_videos(
    videos: str | Path,
    clip_list: ClipList,
    out: str | Path,
    *,
    image_size: int = 256,
    file_format: str = "png",
    keep_tested_persons: bool = False,
    num_workers: int = 1,
    progress: bool = False,
) -> CropReport:
    """Cuts the clips of a list out of the videos at hand. Clips that are there already are kept.

    The report is also written to `out`/report.json.

    Args:
      videos: folder with `<video_id>.mp4` (or .mkv, .webm).
      clip_list: what to cut out.
      out: folder to fill.
      image_size: side of the frames in pixels; boxes are resized to a square.
      file_format: `png` or `jpg` (quality 95).
      keep_tested_persons: also cut out training clips of persons who are tested.
      num_workers: videos that are cut at the same time.
      progress: show a progress bar.

    Raises:
      UserError: if none of the videos is there, or the disk is full. A video that cannot be used
        does not stop the others; the report says why.
    """
    videos, out = Path(videos), Path(out)
    tested = {row.person_id for row in clip_list.rows if row.partition == "test"}
    report = CropReport(
        list_hash=list_hash(clip_list.rows),
        clips_listed=len(clip_list.rows),
        rows_repeated=clip_list.num_repeated,
        persons_listed=len({row.person_id for row in clip_list.rows}),
        moved_to_test=list(clip_list.in_both),
    )
    of_video: dict[str, list[ClipRow]] = {}
    for row in clip_list.rows:
        of_video.setdefault(row.video_id, [])
        if row.partition == "train" and row.person_id in tested and not keep_tested_persons:
            report.left_out.append(row.clip_id)
        else:
            of_video[row.video_id].append(row)
    work = []
    for video_id, rows in of_video.items():
        path = _video_file(videos, video_id)
        if path is None:
            report.missing_videos.append(video_id)
        else:
            work.append((path, tuple(rows)))
    report.videos_listed, report.videos_found = len(of_video), len(work)
    if not work:
        raise UserError(
            f"{videos}: expected videos called like {next(iter(of_video))}.mp4, found none of the "
            f"{len(of_video)} in the list"
        )
    cut = _CutVideo(out, image_size, file_format)
    persons = set()
    results = importing.run_all(
        cut, work, num_workers=num_workers, label="cropping", unit="video", progress=progress
    )
    for (_, rows), refused in results:
        report.refused |= refused
        written = [row for row in rows if row.clip_id not in refused]
        report.clips_written += len(written)
        persons |= {row.person_id for row in written}
    report.refused = dict(sorted(report.refused.items()))
    report.persons_found = len(persons)
    importing.write_report(out, dataclasses.asdict(report))
    return report


def frame_range(row: ClipRow, fps: Fraction) -> range:
    """Frames i of a video of `fps` with start / list rate <= i / fps < end / list rate."""
    first, end = (
        -(-Fraction(number) * fps // Fraction(row.fps)) for number in (row.start, row.end)
    )
    return range(int(first), int(end))


def scaled_box(row: ClipRow, width: int, height: int) -> tuple[int, int, int, int]:
    """The row's box in a frame of another size, truncated to pixels and kept inside the frame.

    Raises:
      UserError: if nothing of it is left.
    """
    across, down = width / row.width, height / row.height
    left, top = int(row.box[0] * across), int(row.box[1] * down)
    right, bottom = min(int(row.box[2] * across), width), min(int(row.box[3] * down), height)
    if not (left < right and top < bottom):
        raise UserError(
            f"expected a box of some pixels, found {row.box} of {row.width} x {row.height} in a "
            f"video of {width} x {height}"
        )
    return left, top, right, bottom


def crop_frame(frame: np.ndarray, box: tuple[int, int, int, int], image_size: int) -> np.ndarray:
    """The box of a frame (H, W, 3) uint8, resized to a square without aliasing."""
    image = Image.fromarray(frame).crop(box)
    return np.asarray(image.resize((image_size, image_size), Image.Resampling.BILINEAR))


@dataclasses.dataclass(frozen=True)
class _CutVideo:
    """Cuts one video; returns clip id -> reason for the clips that could not be cut out."""

    out: Path
    image_size: int
    file_format: str

    def __call__(self, item: tuple[Path, Sequence[ClipRow]]) -> dict[str, str]:
        path, rows = item
        rows = [row for row in rows if not self._folder(row).is_dir()]
        if not rows:
            return {}
        try:
            with storage_errors(self.out):
                return self._cut(path, rows)
        except StorageError:
            raise
        except UserError as err:
            return {row.clip_id: str(err) for row in rows}

    def _folder(self, row: ClipRow) -> Path:
        return self.out / row.partition / row.clip_id

    def _cut(self, path: Path, rows: list[ClipRow]) -> dict[str, str]:
        info = media.probe_video(path)
        refused, jobs = {}, []
        for row in rows:
            try:
                box = scaled_box(row, info.width, info.height)
                jobs.append((row, frame_range(row, info.fps), box))
            except UserError as err:
                refused[row.clip_id] = f"{path}: {err}"
        with contextlib.ExitStack() as stack:
            # Closed in order, all or none: a video that turns out to be damaged leaves nothing.
            folders = {
                row.clip_id: stack.enter_context(NewFolder(self._folder(row))) for row, _, _ in jobs
            }
            num_frames = 0
            for i, frame in _constant_rate_frames(path, info):
                num_frames = i + 1
                for row, chosen, box in jobs:
                    if i in chosen:
                        pixels = crop_frame(frame, box, self.image_size)
                        encoded = images.encode_image(pixels, self.file_format)
                        name = f"{i - chosen.start:07d}.{self.file_format}"
                        (folders[row.clip_id] / name).write_bytes(encoded)
            for row, chosen, _ in jobs:
                if chosen.stop > num_frames + _MISSING_AT_END or len(chosen) < 2:
                    refused[row.clip_id] = (
                        f"{path}: expected at least two frames, from {chosen.start} to "
                        f"{chosen.stop - 1}, found a video of {num_frames}: it is not the listed "
                        "one, or not the whole of it"
                    )
                    shutil.rmtree(folders[row.clip_id])
        return refused


def _constant_rate_frames(path: Path, info: media.VideoInfo) -> Iterator[tuple[int, np.ndarray]]:
    """(number, frame) of a video; refuses a variable frame rate.

    Raises:
      UserError: at the end of the video, where the rate is known.
    """
    times = []
    for i, (seconds, frame) in enumerate(media.iterate_timed_video(path)):
        times.append(seconds)
        yield i, frame
    shown, rate = media.constant_rate(np.array(times), info.fps)
    if rate != info.fps or not np.array_equal(shown, np.arange(len(times))):
        raise UserError(
            f"{path}: expected a constant frame rate, found one that varies around "
            f"{float(info.fps):.3g} frames/s, so that frame numbers do not say when: convert it "
            f"first (ffmpeg -i {path.name} -vf fps=25 CONVERTED.mp4)"
        )


def _video_file(folder: Path, video_id: str) -> Path | None:
    paths = (folder / f"{video_id}{suffix}" for suffix in VIDEO_SUFFIXES)
    return next((path for path in paths if path.is_file()), None)
