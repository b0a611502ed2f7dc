"""Reading and writing of pictures and videos. Frames are uint8 RGB (H, W, 3), upright.

Files are written under a temporary name in the same folder and renamed when they are complete, so
that nothing half-written is ever left. PyAV is imported by the video functions alone.
"""

import contextlib
import dataclasses
import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from reenact_jax.errors import UserError
from reenact_jax.files import replacing

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")

_JPEG_QUALITY = 95
# x264's constant rate factor: 18 is close to visually lossless.
_VIDEO_QUALITY = 18

# Share of the announced frames that a whole video has at least.
_WHOLE = 0.9


class MediaError(UserError):
    """A picture or video that cannot be read or written; names the file and the reason."""

    def __init__(self, path: str | os.PathLike, reason: str):
        super().__init__(f"{path}: {reason}")
        self.path = Path(path)
        self.reason = reason


class MediaWriteError(MediaError):
    """The file cannot be written, because the disk is full for one: not the input's fault."""

    def __init__(self, path: str | os.PathLike, err: Exception):
        super().__init__(path, f"cannot be written ({_reason(err)})")


@dataclasses.dataclass(frozen=True)
class VideoInfo:
    """What is known of a video before it is decoded.

    Attributes:
      fps: average frame rate, rational.
      height, width: of the upright frames (after rotation), pixels.
      rotation: degrees counter-clockwise by which the stored frames are turned: 0, 90, 180, 270.
      num_frames: number of frames that the container announces, or None if it does not.
    """

    fps: Fraction
    height: int
    width: int
    rotation: int
    num_frames: int | None


def is_image(path: str | os.PathLike) -> bool:
    """True if the file's name says picture rather than video."""
    return Path(path).suffix.lower() in IMAGE_SUFFIXES


def read_image(path: str | os.PathLike) -> np.ndarray:
    """Reads a picture as uint8 RGB (H, W, 3), turned upright by its EXIF orientation.

    Raises:
      MediaError: if the file is missing or is not a complete picture.
    """
    _check_file(path)
    try:
        with Image.open(path) as image:
            upright = ImageOps.exif_transpose(image)
            return np.asarray(upright.convert("RGB"))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as err:
        # Pillow raises SyntaxError for some malformed PNG and JPEG headers.
        raise MediaError(path, f"not a readable picture ({_reason(err)})") from err


def write_image(path: str | os.PathLike, image: np.ndarray) -> None:
    """Writes uint8 RGB (H, W, 3) in the format of the file's suffix; replaces an old file.

    Raises:
      ValueError: if the array is not uint8 (H, W, 3).
      MediaError: if the suffix is unknown.
      MediaWriteError: if the file cannot be written.
    """
    _check_frame(image)
    if not is_image(path):
        raise MediaError(path, f"expected one of the suffixes {', '.join(IMAGE_SUFFIXES)}")
    is_jpeg = Path(path).suffix.lower() in (".jpg", ".jpeg")
    options = {"quality": _JPEG_QUALITY, "subsampling": 0} if is_jpeg else {}
    try:
        with replacing(path) as temporary:
            Image.fromarray(image).save(temporary, **options)
    except OSError as err:
        raise MediaWriteError(path, err) from err


def probe_video(path: str | os.PathLike) -> VideoInfo:
    """Reads a video's rate, upright size, rotation and announced number of frames.

    The first frame is decoded, because the rotation is attached to frames.

    Raises:
      MediaError: if the file is missing, is not a video, or has no frame.
      UserError: if PyAV is not installed.
    """
    with _open_video(path) as (container, stream):
        frame = next(_decode(path, container, stream), None)
        if frame is None:
            raise MediaError(path, "the video has no frames")
        rotation = frame.rotation % 360
        height, width = frame.height, frame.width
        if rotation in (90, 270):
            height, width = width, height
        rate = stream.average_rate or stream.guessed_rate
        if not rate:
            raise MediaError(path, "the container does not say the frame rate")
        return VideoInfo(Fraction(rate), height, width, rotation, stream.frames or None)


def iterate_video(path: str | os.PathLike, *, stride: int = 1) -> Iterator[np.ndarray]:
    """Yields the frames of a video one by one as uint8 RGB (H, W, 3), display rotation applied.

    Args:
      path: the video.
      stride: yields frames 0, stride, 2 stride, ...; the others are decoded but not converted.

    Raises:
      MediaError: if the file is missing, is not a video, has no frame, or has a damaged frame or
        breaks off (the frame's index is named).
      UserError: if PyAV is not installed.
    """
    return (frame for _, frame in iterate_timed_video(path, stride=stride))


def iterate_timed_video(
    path: str | os.PathLike, *, stride: int = 1
) -> Iterator[tuple[float, np.ndarray]]:
    """`iterate_video` that yields (seconds, frame): when each frame is shown, from any origin."""
    num_frames = 0
    with _open_video(path) as (container, stream):
        rate = stream.average_rate or stream.guessed_rate or 25
        for frame in _decode(path, container, stream):
            num_frames += 1
            if (num_frames - 1) % stride:
                continue
            # Raw streams have no timestamps.
            seconds = frame.time if frame.time is not None else float((num_frames - 1) / rate)
            # Copied by rot90's turn only where there is one; most videos have none.
            upright = np.rot90(frame.to_ndarray(format="rgb24"), frame.rotation // 90)
            yield seconds, np.ascontiguousarray(upright)
        announced = stream.frames
    if num_frames == 0:
        raise MediaError(path, "the video has no frames")
    # Players leave out a few frames at cuts; a file that was not copied whole lacks many.
    if num_frames < _WHOLE * announced:
        raise MediaError(
            path, f"the video breaks off after {num_frames} of {announced} frames: copy it again"
        )


def constant_rate(seconds: np.ndarray, fps: Fraction) -> tuple[np.ndarray, Fraction]:
    """Which frame to show at each tick of a constant frame rate.

    Where no frame is half an interval off its place, every frame is shown once at the given rate.
    Otherwise the rate is variable: the frames' median interval becomes the tick, and each tick
    shows the frame nearest in time, so that the video keeps its duration.

    Args:
      seconds: (T,) ascending times of the frames, T >= 1.
      fps: their average rate.

    Returns:
      (N,) indices of frames, ascending, some of them repeated or left out where the rate varies;
      and the rate of the ticks.
    """
    seconds = np.asarray(seconds, float) - seconds[0]
    frames = np.arange(len(seconds))
    if len(seconds) < 3 or np.abs(seconds - frames / float(fps)).max() <= 0.5 / float(fps):
        return frames, Fraction(fps)
    rate = _usual_rate(1.0 / np.median(np.diff(seconds)))
    ticks = np.arange(int(seconds[-1] * rate + 0.5) + 1) / float(rate)
    later = np.clip(np.searchsorted(seconds, ticks), 1, len(seconds) - 1)
    nearer = ticks - seconds[later - 1] <= seconds[later] - ticks
    return np.where(nearer, later - 1, later), rate


def _usual_rate(rate: float) -> Fraction:
    """The usual frame rate within 1 % of a measured one; else the measured one."""
    usual = [Fraction(n) for n in (10, 12, 15, 20, 24, 25, 30, 50, 60, 120)]
    usual += [Fraction(n * 1000, 1001) for n in (24, 30, 60)]
    nearest = min(usual, key=lambda candidate: abs(candidate - rate))
    if abs(nearest - rate) <= 0.01 * rate:
        return nearest
    return Fraction(rate).limit_denominator(1001)


class VideoWriter:
    """Context manager that writes H.264 (yuv420p) MP4 with an exact rational frame rate.

    The file appears under its name when the `with` block ends without an exception; otherwise
    nothing is left behind.
    """

    def __init__(self, path: str | os.PathLike, fps: Fraction | int):
        """
        Args:
          path: file to write; its suffix must be .mp4.
          fps: frames per second; 30000/1001 stays what it is.
        """
        if Path(path).suffix.lower() != ".mp4":
            raise MediaError(path, "expected the suffix .mp4")
        self._path = Path(path)
        self._fps = Fraction(fps)
        self._stack = contextlib.ExitStack()
        self._container = None
        self._stream = None
        self._shape = None

    def __enter__(self) -> "VideoWriter":
        av = _import_av()
        try:
            temporary = self._stack.enter_context(replacing(self._path))
            self._container = av.open(str(temporary), "w", format="mp4")
        except OSError as err:
            self._stack.close()
            raise MediaWriteError(self._path, err) from err
        return self

    def write(self, frame: np.ndarray) -> None:
        """Appends uint8 RGB (H, W, 3) with even H and W, the same for all frames.

        Raises:
          ValueError: if the array is of another type or shape.
          MediaWriteError: if the file cannot be written.
        """
        _check_frame(frame)
        if self._stream is None:
            self._start(frame.shape)
        if frame.shape != self._shape:
            raise ValueError(f"expected frames of shape {self._shape}, found {frame.shape}")
        av = _import_av()
        video_frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
        try:
            self._container.mux(self._stream.encode(video_frame))
        except OSError as err:  # a full disk, for one
            raise MediaWriteError(self._path, err) from err

    def _start(self, shape: tuple[int, int, int]) -> None:
        if shape[0] % 2 or shape[1] % 2:
            # yuv420p stores one colour for 2 x 2 pixels.
            raise ValueError(f"expected frames of even height and width, found {shape[:2]}")
        self._shape = shape
        self._stream = self._container.add_stream("libx264", rate=self._fps)
        self._stream.height, self._stream.width = shape[:2]
        self._stream.pix_fmt = "yuv420p"
        self._stream.options = {"crf": str(_VIDEO_QUALITY)}

    def __exit__(self, kind, error, traceback) -> None:
        # The container is closed first, then the stack renames (or, on an error, deletes) the file.
        if error is not None:
            with contextlib.suppress(OSError, ValueError):
                self._container.close()
            self._stack.__exit__(kind, error, traceback)
            return
        try:
            with self._stack:
                if self._stream is None:
                    raise MediaError(self._path, "no frame was written")
                self._container.mux(self._stream.encode(None))
                self._container.close()
        except OSError as err:
            raise MediaWriteError(self._path, err) from err


def _check_file(path: str | os.PathLike) -> None:
    if not Path(path).exists():
        raise MediaError(path, "no such file")
    if not Path(path).is_file():
        raise MediaError(path, "expected a file, found a folder")


def _check_frame(image: np.ndarray) -> None:
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(f"expected uint8 (H, W, 3), found {image.dtype} {image.shape}")


def _reason(err: BaseException) -> str:
    # An OSError's text repeats the path, and FFmpeg's numbers mean nothing to a user.
    return getattr(err, "strerror", None) or str(err)


def _import_av():
    try:
        import av
    except ImportError as err:
        raise UserError(
            "videos need PyAV, which is not installed: pip install 'reenact-jax[video]'"
        ) from err
    return av


@contextlib.contextmanager
def _open_video(path: str | os.PathLike):
    """(container, video stream) of a file."""
    av = _import_av()
    _check_file(path)
    try:
        container = av.open(str(path))
    except (av.error.FFmpegError, ValueError) as err:
        raise MediaError(path, f"not a readable video ({_reason(err)})") from err
    with container:
        if not container.streams.video:
            raise MediaError(path, "the file has no video stream")
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        yield container, stream


def _decode(path: str | os.PathLike, container, stream) -> Iterator:
    """Decoded frames; a damaged one becomes a MediaError that names its index."""
    av = _import_av()
    index = 0
    try:
        for frame in container.decode(stream):
            # The decoder invents what is missing of such a frame.
            if frame.is_corrupt:
                raise MediaError(path, f"frame {index} is damaged: copy or encode the video again")
            yield frame
            index += 1
    except av.error.FFmpegError as err:
        raise MediaError(path, f"frame {index} cannot be decoded ({_reason(err)})") from err
