"""Videos whose frames are shown at given times."""

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
