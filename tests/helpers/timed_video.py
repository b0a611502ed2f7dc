"""Videos as phones make them: frames at uneven times, turned when they are shown."""

import struct
from fractions import Fraction
from pathlib import Path

import numpy as np


def write_timed_video(path: Path, frames: list[np.ndarray], milliseconds: list[int]) -> Path:
    """H.264 of frames uint8 (H, W, 3), the times of which need not be even."""
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=1000)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.options = {"crf": "12"}
        stream.codec_context.time_base = Fraction(1, 1000)
        for frame, time in zip(frames, milliseconds, strict=True):
            picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
            picture.pts, picture.time_base = time, Fraction(1, 1000)
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return path


def display_clockwise(path: Path, degrees: int) -> None:
    """Overwrites the display matrix in the track header of an MP4 (ISO 14496-12, 8.3.2)."""
    cos, sin = {90: (0, 1), 180: (-1, 0), 270: (0, -1)}[degrees]
    one = 1 << 16
    # (x, y) -> (a x + c y, b x + d y) with y down: cos, sin is a clockwise turn on the screen.
    matrix = (cos * one, sin * one, 0, -sin * one, cos * one, 0, 0, 0, 1 << 30)
    data = bytearray(path.read_bytes())
    start = data.index(b"tkhd") + 4
    assert data[start] == 0  # version 0: the matrix lies 40 bytes behind the type
    struct.pack_into(">9i", data, start + 40, *matrix)
    path.write_bytes(data)
