"""Raw videos -> prepared clips: found in a folder, tracked, written, each by one job.

What joins `tracking` and `data`; `data.workers.run_jobs` runs the jobs, in as many processes as
one likes: the files do not depend on their number.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np

from reenact_jax import media
from reenact_jax.data import importing, prepared, workers
from reenact_jax.data.storage import StorageError, storage_errors
from reenact_jax.errors import UserError
from reenact_jax.face_model.ict import load_ict_facekit
from reenact_jax.face_model.morphable import MorphableModel
from reenact_jax.tracking.choice import LARGEST
from reenact_jax.tracking.frame_source import VIDEO_SUFFIXES
from reenact_jax.tracking.landmarks import FaceLandmarker
from reenact_jax.tracking.overlay import draw_overlay
from reenact_jax.tracking.track import TrackedClip, track_video


@dataclasses.dataclass(frozen=True)
class RawVideo:
    """A video that becomes one clip."""

    clip_id: str
    path: Path
    person_id: str


@dataclasses.dataclass(frozen=True)
class ClipSummary:
    """What became of a video; `worst_px` is the fit error of its worst frame."""

    num_frames: int
    mean_px: float
    worst_px: float


@dataclasses.dataclass
class PreparationReport:
    """What became of a folder of videos (report.json).

    Attributes:
      found: number of videos.
      prepared: clips that are in the prepared folder now, those of earlier runs included; in order.
      refused: clip id -> why the video could not be used.
    """

    found: int
    prepared: list[str] = dataclasses.field(default_factory=list)
    refused: dict[str, str] = dataclasses.field(default_factory=dict)


def find_videos(folder: Path) -> list[RawVideo]:
    """The videos in a folder and its sub-folders, by clip id.

    Videos in sub-folders belong to the person whom the sub-folder names; others are of one person
    each.

    Raises:
      UserError: if there are none, or if two would be the same clip.
    """
    paths = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in VIDEO_SUFFIXES and not path.name.startswith(".")
    )
    if not paths:
        raise UserError(f"{folder}: expected videos ({', '.join(VIDEO_SUFFIXES)}), found none")
    videos: dict[str, RawVideo] = {}
    for path in paths:
        parts = path.relative_to(folder).with_suffix("").parts
        clip_id = "_".join(parts)
        if clip_id in videos:
            raise UserError(
                f"{path} and {videos[clip_id].path} would both be the clip {clip_id}: rename one"
            )
        videos[clip_id] = RawVideo(clip_id, path, parts[0])
    return list(videos.values())


@dataclasses.dataclass(frozen=True)
class PrepareVideo:
    """Prepares one video and returns what became of it.

    Attributes:
      out: prepared folder, started by `prepared.write_dataset_info`.
      face_model: ICT-FaceKit as .npz.
      landmarker: path of face_landmarker.task, None to look for it.
      image_size, stride, max_frames, on_missing, face: see `track_video`.
      test_persons: whose clips are of the test split.
      file_format: `png` or `jpg`.
      overlays: folder for pictures of the fit, None for none.
    """

    out: Path
    face_model: Path
    landmarker: Path | None = None
    image_size: int = 256
    stride: int = 1
    max_frames: int | None = None
    on_missing: str = "skip"
    face: str | int = LARGEST
    test_persons: frozenset[str] = frozenset()
    file_format: str = "png"
    overlays: Path | None = None

    def __call__(self, video: RawVideo) -> ClipSummary:
        """
        Raises:
          StorageError: if the disk is full; going on with other videos would not help.
          UserError: if the video cannot be used.
        """
        clip = self.track(video.path)
        if len(clip.frames) < 2:
            raise UserError(
                f"{video.path}: expected at least two frames with a face, found {len(clip.frames)}:"
                " a pair is two frames of one clip"
            )
        if self.overlays is not None:
            write_overlays(self.overlays, video.clip_id, clip, _face_model(self.face_model))
        prepared.write_clip(
            self.out,
            prepared.PreparedClip(
                clip_id=video.clip_id,
                person_id=video.person_id,
                split="test" if video.person_id in self.test_persons else "train",
                fps=float(clip.fps),
                frames=list(clip.frames),
                parameters=clip.parameters,
                origin=video.path.name,
            ),
            file_format=self.file_format,
        )
        error = clip.fit_error_px
        return ClipSummary(len(clip.frames), float(error.mean()), float(error.max()))

    def track(self, path: Path) -> TrackedClip:
        """The tracked clip of a video."""
        return track_video(
            path,
            _face_model(self.face_model),
            image_size=self.image_size,
            stride=self.stride,
            max_frames=self.max_frames,
            on_missing=self.on_missing,
            face=self.face,
            landmarker=_landmarker(self.landmarker),
            progress=_examined,
        )

    def missing(self, videos: Iterable[RawVideo]) -> list[RawVideo]:
        """Those that are not prepared yet."""
        return [video for video in videos if not prepared.has_clip(self.out, video.clip_id)]

    def num_frames(self, video: RawVideo) -> int:
        """About how many frames there are to look at; 1 where the file does not say."""
        try:
            total = media.probe_video(video.path).num_frames
        except UserError:  # said when the video's turn comes
            total = None
        if total is None:
            return 1
        return min(-(-total // self.stride), self.max_frames or total)


def prepare_videos(
    prepare: PrepareVideo,
    videos: Sequence[RawVideo],
    *,
    num_workers: int = 1,
    progress: bool = False,
    say: Callable[[str], object] = print,
) -> PreparationReport:
    """Prepares those videos that are not yet prepared. The report is also written to report.json.

    Args:
      prepare: does it.
      videos: all of them.
      num_workers: processes.
      progress: show a progress bar.
      say: is given a line for each video.

    Raises:
      StorageError: if the disk is full. What is complete stays, and the next run goes on.
    """
    missing = prepare.missing(videos)
    if len(missing) < len(videos):
        say(f"{len(videos) - len(missing)} of {len(videos)} clips are already there")
    report = PreparationReport(len(videos))
    for video, result in workers.run_jobs(
        prepare,
        missing,
        num_workers=num_workers,
        label="preparing",
        unit="frame",
        sizes=[prepare.num_frames(video) for video in missing],
        progress=progress,
    ):
        if isinstance(result, StorageError):
            raise result
        if isinstance(result, UserError):
            report.refused[video.clip_id] = str(result)
            say(f"{video.clip_id}: skipped: {result}")
        else:
            say(
                f"{video.clip_id}: {result.num_frames} frames, fit error {result.mean_px:.2f} px "
                f"(worst frame {result.worst_px:.2f})"
            )
    report.refused = dict(sorted(report.refused.items()))
    clip_ids = sorted(video.clip_id for video in videos)
    report.prepared = [clip_id for clip_id in clip_ids if clip_id not in report.refused]
    importing.write_report(prepare.out, dataclasses.asdict(report))
    return report


def _examined(count: int) -> None:
    # Looking for the face is about half of what a frame costs.
    if count % 2 == 0:
        workers.advance(1)


# Of a process, for all of its videos.
_face_model = functools.cache(load_ict_facekit)
_landmarker = functools.cache(FaceLandmarker)


def write_overlays(folder: Path, clip_id: str, clip: TrackedClip, model: MorphableModel) -> None:
    """CLIP.mp4, and CLIP_worst.png of the frame with the largest fit error.

    Raises:
      StorageError: if the disk is full.
    """
    draw = functools.partial(draw_overlay, model=model)
    worst = int(np.argmax(clip.fit_error_px))
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with media.VideoWriter(folder / f"{clip_id}.mp4", clip.fps) as writer:
            for k, frame in enumerate(clip.frames):
                overlay = draw(frame, parameters=clip.parameters[k], landmarks=clip.landmarks[k])
                writer.write(overlay)
                if k == worst:
                    media.write_image(folder / f"{clip_id}_worst.png", overlay)
