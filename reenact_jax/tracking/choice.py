"""Which of several faces a clip is about, and where it is in every frame."""

from collections.abc import Sequence

import numpy as np

from reenact_jax.errors import UserError
from reenact_jax.tracking.landmarks import Landmarks

LARGEST = "largest"

# How far a face moves at most from one frame to the next, in sides of its box, and how much that
# grows with each frame in which it is not seen.
_REACH = 1.0
_REACH_PER_GAP = 0.25


def parse_face(text: str) -> str | int:
    """`largest`, or an index, from a command line.

    Raises:
      UserError: if it is neither.
    """
    if text != LARGEST and not text.isdecimal():
        raise UserError(f"expected {LARGEST} or the index of a face (0, 1, ...), found {text!r}")
    return text if text == LARGEST else int(text)


def choose_faces(
    frames: Sequence[Sequence[Landmarks]], face: str | int = LARGEST
) -> list[Landmarks | None]:
    """Follows one face through a clip.

    Args:
      frames: the faces of every frame, in any order.
      face: `largest` for the one that covers most area over the whole clip; or an index, counting
        from 0 the faces of the first frame that shows so many, from left to right.

    Returns:
      Per frame that face, or None where it is not seen.

    Raises:
      UserError: if no frame shows as many faces as the index needs.
    """
    if face != LARGEST and (not isinstance(face, int) or face < 0):
        raise ValueError(f"face: expected {LARGEST!r} or an index from 0, found {face!r}")
    tracks = _tracks(frames)
    if not tracks:
        chosen = {}
    elif face == LARGEST:
        chosen = max(tracks, key=lambda track: sum(seen.side**2 for seen in track.values()))
    else:
        first = next((k for k, faces in enumerate(frames) if len(faces) > face), None)
        if first is None:
            most = max(len(faces) for faces in frames)
            raise UserError(
                f"expected face {face} (counted from 0, left to right), found no frame with more "
                f"than {most}: ask for a smaller index, or for the {LARGEST}"
            )
        there = [track for track in tracks if first in track]
        chosen = sorted(there, key=lambda track: track[first].centre[0])[face]
    return [chosen.get(k) for k in range(len(frames))]


def _tracks(frames: Sequence[Sequence[Landmarks]]) -> list[dict[int, Landmarks]]:
    """Faces of the same person, frame by frame: the nearest pairs are joined first."""
    tracks: list[dict[int, Landmarks]] = []
    for k, faces in enumerate(frames):
        pairs = []
        for t, track in enumerate(tracks):
            last = max(track)
            reach = _REACH + _REACH_PER_GAP * (k - last - 1)
            for f, face in enumerate(faces):
                apart = np.hypot(*(face.centre - track[last].centre))
                distance = apart / max(face.side, track[last].side)
                # A clip of one face may jump: there is nobody else to take it for.
                if distance < reach or len(tracks) == len(faces) == 1:
                    pairs.append((distance, t, f))
        joined_tracks, joined_faces = set(), set()
        for _, t, f in sorted(pairs):
            if t not in joined_tracks and f not in joined_faces:
                tracks[t][k] = faces[f]
                joined_tracks.add(t)
                joined_faces.add(f)
        tracks.extend({k: face} for f, face in enumerate(faces) if f not in joined_faces)
    return tracks
