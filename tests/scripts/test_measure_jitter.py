"""scripts/measure_jitter.py, with a detector that is known."""

import argparse
import json
from pathlib import Path

import numpy as np
import pytest

from reenact_jax.errors import UserError
from reenact_jax.tracking.landmarks import Landmarks
from scripts import measure_jitter

# Where the face is in each frame, in shares of the width; None where there is none.
VIDEOS = {
    "steady": [0.10, 0.11, 0.12, 0.13, 0.14, 0.15],
    "trembling": [0.10, 0.12, 0.12, 0.14, 0.14, None],
}


class Detector:
    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def detect(self, frame, last=None):
        place = float(frame[0, 0, 0])
        return None if place < 0 else Landmarks(np.full((478, 2), place * frame.shape[1]), {})


@pytest.fixture(autouse=True)
def known(monkeypatch):
    def frames(path):
        for place in VIDEOS[Path(path).stem]:
            yield np.full((64, 64, 3), -1.0 if place is None else place)

    monkeypatch.setattr(measure_jitter, "FaceLandmarker", Detector)
    monkeypatch.setattr(measure_jitter, "iterate_video", frames)


def measure(generated, driving):
    measure_jitter.main(argparse.Namespace(generated=Path(generated), driving=Path(driving)))


def test_trembling_is_told_from_the_drivers_movement(capsys):
    measure("trembling.mp4", "steady.mp4")
    found = json.loads(capsys.readouterr().out)
    assert found["frames"] == 6
    assert found["driving"]["value"] == pytest.approx(0, abs=1e-9)
    # Second differences of 0.02 in x and y, of a width of 256.
    assert found["error"]["value"] == pytest.approx(0.02 * 256 * np.sqrt(2))
    assert (found["error"]["count"], found["error"]["missing"]) == (3, 1)


def test_videos_of_different_lengths_are_refused(monkeypatch):
    monkeypatch.setitem(VIDEOS, "short", [0.1, 0.1])
    with pytest.raises(UserError, match="found 2 frames in short.mp4 and 6 in steady.mp4"):
        measure("short.mp4", "steady.mp4")
