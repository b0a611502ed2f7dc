"""What `reenact` makes of the files it is given."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from reenact_jax import media
from reenact_jax.face_model.procedural import procedural_head
from reenact_jax.inference import reenactment
from reenact_jax.inference.inputs import load_clip
from reenact_jax.tracking import track
from reenact_jax.tracking.landmarks import Landmarks

GREY_LEVELS = (20, 120, 220)


@pytest.fixture
def video_with_a_late_face(tmp_path, monkeypatch):
    """Three frames of one grey each; a stand-in for the tracker sees a face in the last two."""
    pytest.importorskip("av")
    model = procedural_head("light")
    points = np.full((478, 2), 32.0, np.float32)
    points[:, 0] += np.linspace(-12, 12, 478)
    points[:, 1] += 12 * np.sin(np.arange(478))

    class Tracker:
        def __enter__(self):
            return self

        def __exit__(self, *error):
            pass

        def detect_all(self, frame, last=None):
            return [Landmarks(points, {})] if frame.mean() > 70 else []

    monkeypatch.setattr(track, "FaceLandmarker", Tracker)
    monkeypatch.setattr(track, "fit_clip", lambda model, pixels, _: model.zeros((len(pixels),)))
    path = tmp_path / "late.mp4"
    with media.VideoWriter(path, 25) as writer:
        for level in GREY_LEVELS:
            writer.write(np.full((64, 64, 3), level, np.uint8))
    return path, model


@pytest.mark.parametrize("on_missing, levels", [("hold", GREY_LEVELS), ("skip", GREY_LEVELS[1:])])
def test_frames_before_the_first_face_are_kept_or_skipped(
    video_with_a_late_face, on_missing, levels
):
    path, model = video_with_a_late_face
    clip = load_clip(path, model, 16, on_missing=on_missing)
    np.testing.assert_allclose(clip.frames.mean(axis=(1, 2, 3)), levels, atol=4)
    assert clip.parameters.rotation.shape == (len(levels), 3)
    assert clip.fps == 25


def test_the_source_starts_where_its_face_does_and_the_driver_keeps_its_frames(monkeypatch):
    asked = {}

    def load(path, face_model, size, *, on_missing, face, smooth=False):
        asked[path.name] = (on_missing, face, smooth)
        if len(asked) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(reenactment, "load_clip", load)
    run = SimpleNamespace(config=SimpleNamespace(image_size=64), face_model=None)
    with pytest.raises(KeyboardInterrupt):
        reenactment.write_reenactment(
            run, Path("me.mp4"), Path("actor.mp4"), Path("out.mp4"), driving_face=1
        )
    # The driver is smoothed, the source is one frame.
    assert asked == {"me.mp4": ("skip", "largest", False), "actor.mp4": ("hold", 1, True)}
