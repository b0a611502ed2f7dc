"""Clips as people keep them: videos, and folders of numbered pictures."""

import dataclasses
import hashlib
import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from reenact_jax import media
from reenact_jax.errors import UserError

VIDEO_SUFFIXES = (".mp4", ".mov", ".m4v", ".avi", ".mkv", ".webm")


@dataclasses.dataclass(frozen=True)
class FrameSource:
    """A video, or a folder of pictures.

    Attributes:
      clip_id: name of the clip; may contain slashes.
      path: the video or the folder.
      names: the pictures' file names in order; empty for a video.
    """

    clip_id: str
    path: Path
    names: tuple[str, ...] = ()

    def frames(self) -> Iterator[np.ndarray]:
        """All frames, uint8 (H, W, 3)."""
        if not self.names:
            return media.iterate_video(self.path)
        return (media.read_image(self.path / name) for name in self.names)

    def chosen(self, indices: np.ndarray) -> Iterator[np.ndarray]:
        """The frames of ascending indices; pictures that are not among them are not read."""
        if self.names:
            return (media.read_image(self.path / self.names[index]) for index in indices)
        chosen = set(indices.tolist())
        return (frame for k, frame in enumerate(self.frames()) if k in chosen)

    def num_frames(self) -> int:
        """Counted; containers of videos may announce another number."""
        return len(self.names) or sum(1 for _ in media.iterate_video(self.path))

    def stem(self, index: int) -> str:
        """Name of a frame's files."""
        return Path(self.names[index]).stem if self.names else f"{index:06d}"

    def fingerprint(self) -> str:
        """Changes when a file is exchanged."""
        paths = [self.path / name for name in self.names] or [self.path]
        digest = hashlib.sha256()
        for path in paths:
            status = path.stat()
            digest.update(f"{path.name}:{status.st_size}:{status.st_mtime_ns}\n".encode())
        return digest.hexdigest()


def find_sources(path: str | os.PathLike) -> list[FrameSource]:
    """A video, a folder of frames, or every such one in a folder and its sub-folders.

    Raises:
      UserError: if there is none.
    """
    path = Path(path)
    if path.is_file():
        return [FrameSource(path.stem, path)]
    if not path.is_dir():
        raise UserError(f"{path}: expected a video or a folder, found nothing there")
    pictures = _pictures(path)
    if pictures:
        return [FrameSource(path.resolve().name, path, pictures)]
    sources = []
    for folder, folders, files in os.walk(path):
        folder = Path(folder)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        pictures = _pictures(folder)
        if pictures:
            sources.append(FrameSource(folder.relative_to(path).as_posix(), folder, pictures))
            folders.clear()
            continue
        for name in sorted(files):
            if Path(name).suffix.lower() in VIDEO_SUFFIXES and not name.startswith("."):
                video = folder / name
                clip_id = video.relative_to(path).with_suffix("").as_posix()
                sources.append(FrameSource(clip_id, video))
    if not sources:
        raise UserError(f"{path}: expected frames or videos ({', '.join(VIDEO_SUFFIXES)}), none")
    clips = [source.clip_id for source in sources]
    twice = next((clip for clip in clips if clips.count(clip) > 1), None)
    if twice is not None:
        raise UserError(f"{path}: expected one video or folder called {twice}, found two")
    return sources


def _pictures(folder: Path) -> tuple[str, ...]:
    entries = (entry.name for entry in os.scandir(folder) if not entry.name.startswith("."))
    names = sorted(name for name in entries if media.is_image(name))
    stems = [Path(name).stem for name in names]
    twice = next((a for a, b in itertools.pairwise(stems) if a == b), None)
    if twice is not None:
        raise UserError(f"{folder}: expected one picture called {twice}, found two")
    return tuple(names)
