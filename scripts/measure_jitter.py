"""Measures how much a generated video trembles, and how much of that its driver does not.

    python scripts/measure_jitter.py GENERATED.mp4 DRIVING.mp4

The frames of the two belong together one by one. Prints `jitter` of both and `motion_jitter_error`
(docs/metrics.md) as JSON, of MediaPipe's 68 points in pixels of a picture of 256.
"""

import argparse
import dataclasses
import json
from pathlib import Path

import numpy as np

from reenact_jax.errors import UserError, run_command
from reenact_jax.media import iterate_video
from reenact_jax.metrics.video import jitter, motion_jitter_error
from reenact_jax.tracking.anchors import MEDIAPIPE_68
from reenact_jax.tracking.landmarks import FaceLandmarker

SIZE = 256


def main(options: argparse.Namespace) -> None:
    with FaceLandmarker() as landmarker:
        generated, driving = (
            trajectory(path, landmarker) for path in (options.generated, options.driving)
        )
    if len(generated) != len(driving):
        raise UserError(
            f"expected videos of one length, found {len(generated)} frames in {options.generated} "
            f"and {len(driving)} in {options.driving}"
        )
    found = {
        "generated": jitter(generated),
        "driving": jitter(driving),
        "error": motion_jitter_error(generated, driving),
    }
    numbers = {name: dataclasses.asdict(one) for name, one in found.items()}
    print(json.dumps({"frames": len(generated), **numbers}, indent=2))


def trajectory(path: Path, landmarker: FaceLandmarker) -> np.ndarray:
    """(T, 68, 2) points in pixels of a width of 256; NaN in frames without a face."""
    points = np.full((68, 2), np.nan)
    rows, last = [points], None
    for frame in iterate_video(path):
        face = landmarker.detect(frame, last)
        last = last if face is None else face
        rows.append(points if face is None else face.points[MEDIAPIPE_68] * (SIZE / frame.shape[1]))
    return np.stack(rows)[1:]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("generated", type=Path, help="video")
    parser.add_argument("driving", type=Path, help="video")
    run_command(main, parser.parse_args())
