"""Whole clips: policies for missing faces on made-up videos, and the real clips where they are."""

import dataclasses
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from reenact_jax import media
from reenact_jax.data import prepared
from reenact_jax.errors import UserError
from reenact_jax.face_model.ict import load_ict_facekit
from reenact_jax.face_model.morphable import MorphableModel
from reenact_jax.tracking import measure
from reenact_jax.tracking.crop import clip_crop, landmark_box
from reenact_jax.tracking.fit import fit_clip, fit_error_px
from reenact_jax.tracking.landmarks import FaceLandmarker, Landmarks
from reenact_jax.tracking.overlay import draw_overlay
from reenact_jax.tracking.smoothing import smooth_parameters
from reenact_jax.tracking.track import NoFaceError, track_image, track_video
from tests.helpers.timed_video import display_clockwise, write_timed_video
from tests.helpers.toy_face import toy_face

pytest.importorskip("av")

ROOT = Path(__file__).parents[2]
CLIPS = ("d0", "d6", "d10", "d12", "d13", "d14", "d19", "d20", "s18", "s29")


@dataclasses.dataclass
class FakeLandmarker:
    """Finds a toy face at each bright square of a frame; none in dark frames."""

    model: MorphableModel

    def detect_all(self, frame: np.ndarray, last: Landmarks | None = None) -> list[Landmarks]:
        squares, count = ndimage.label(frame[..., 1] > 128)
        return [self._face_at(np.argwhere(squares == k + 1)) for k in range(count)]

    def _face_at(self, bright: np.ndarray) -> Landmarks:
        dense = self.model.dense_landmarks
        points = (self.model.mean[dense.vertices] * dense.weights[..., None]).sum(1)
        centre = bright.mean(axis=0)[::-1] + 0.5
        pixels = centre + points[:, :2] * [20, -20]
        return Landmarks(np.float32(np.concatenate([pixels, np.zeros((10, 2)) + centre])), {})


def square_frame(*centres: tuple[int, int]) -> np.ndarray:
    frame = np.full((120, 160, 3), 30, np.uint8)
    for x, y in centres:
        frame[y - 4 : y + 4, x - 4 : x + 4] = 250
    return frame


def square_video(path: Path, centres: list[tuple[int, int] | None]) -> Path:
    """A grey-green video (120 x 160) with a bright square at each centre (x, y)."""
    with media.VideoWriter(path, Fraction(30000, 1001)) as writer:
        for centre in centres:
            writer.write(square_frame() if centre is None else square_frame(centre))
    return path


MISSING = [None, (60, 60), None, (70, 60), None]


def test_frames_without_a_face_are_skipped(tmp_path):
    model = toy_face()
    path = square_video(tmp_path / "a.mp4", MISSING)
    clip = track_video(path, model, image_size=64, landmarker=FakeLandmarker(model))
    np.testing.assert_array_equal(clip.frame_indices, [1, 3])
    assert clip.frames.shape == (2, 64, 64, 3)
    assert clip.found.all()
    assert clip.fps == Fraction(30000, 1001)
    assert clip.fit_error_px.shape == (2,)


def test_frames_without_a_face_hold_the_last_one(tmp_path):
    model = toy_face()
    path = square_video(tmp_path / "a.mp4", MISSING)
    landmarker = FakeLandmarker(model)
    clip = track_video(path, model, image_size=64, on_missing="hold", landmarker=landmarker)
    np.testing.assert_array_equal(clip.frame_indices, range(5))
    np.testing.assert_array_equal(clip.found, [False, True, False, True, False])
    x = clip.parameters.translation[:, 0]
    assert x[0] == x[1] == x[2]
    assert x[3] == x[4] > x[2]
    # The frames themselves go on: the third one is dark.
    assert clip.frames[1].max() > 200 > clip.frames[2].max()


def test_frames_without_a_face_lie_between_their_neighbours(tmp_path):
    model = toy_face()
    centres = [None, (60, 60), None, None, (72, 60), None]
    path = square_video(tmp_path / "a.mp4", centres)
    landmarker = FakeLandmarker(model)
    options = {"image_size": 64, "on_missing": "interpolate", "landmarker": landmarker}
    clip = track_video(path, model, **options)
    np.testing.assert_array_equal(clip.found, [False, True, False, False, True, False])
    x = clip.parameters.translation[:, 0]
    np.testing.assert_allclose(x[[2, 3]], x[1] + (x[4] - x[1]) * np.array([1, 2]) / 3, atol=1e-6)
    assert x[0] == x[1] < x[4] == x[5]
    shift = clip.landmarks[:, :, 0].mean(axis=1)
    np.testing.assert_allclose(np.diff(shift[1:5]), (shift[4] - shift[1]) / 3, atol=1e-5)


def test_the_chosen_face_is_followed(tmp_path):
    model = toy_face()
    with media.VideoWriter(tmp_path / "two.mp4", 25) as writer:
        for k in range(4):
            writer.write(square_frame((45 + k, 60), (115 + 2 * k, 62)))
    landmarker = FakeLandmarker(model)
    for face, start, speed in ((0, 45, 1), (1, 115, 2)):
        clip = track_video(
            tmp_path / "two.mp4", model, image_size=64, face=face, landmarker=landmarker
        )
        x = clip.box.left + clip.landmarks[:, -1, 0] * clip.box.side
        np.testing.assert_allclose(x, start + speed * np.arange(4), atol=0.6)
    with pytest.raises(UserError, match="face 2"):
        track_video(tmp_path / "two.mp4", model, face=2, landmarker=landmarker)


def test_a_variable_frame_rate_becomes_constant(tmp_path):
    model = toy_face()
    # 25 frames a second, but the third picture stands three times as long, and two share a tick.
    milliseconds = [0, 40, 80, 200, 240, 280, 295, 320, 360]
    frames = [square_frame((60 + 2 * k, 60)) for k in range(len(milliseconds))]
    path = write_timed_video(tmp_path / "phone.mp4", frames, milliseconds)
    landmarker = FakeLandmarker(model)
    clip = track_video(path, model, image_size=64, on_missing="hold", landmarker=landmarker)
    assert clip.fps == 25
    np.testing.assert_array_equal(
        clip.frame_indices, [0, 1, 2, 2, 3, 3, 4, 5, 7, 8][: len(clip.frames)]
    )
    assert len(clip.frames) == 10  # 0.36 s, and the last picture
    x = clip.box.left + clip.landmarks[:, -1, 0] * clip.box.side
    np.testing.assert_allclose(x, 60 + 2 * clip.frame_indices, atol=0.6)
    for k in (2, 3):
        np.testing.assert_array_equal(clip.frames[k], clip.frames[2])


def test_jitter_is_removed_on_demand_alone(tmp_path):
    model = toy_face()

    class Jittery(FakeLandmarker):
        def _face_at(self, bright):
            face = super()._face_at(bright)
            return Landmarks(face.points + np.float32(rng.normal(0, 0.05, 2)), {})

    path = square_video(tmp_path / "a.mp4", [(60, 60)] * 20)
    x = []
    for smooth in (False, True):
        rng = np.random.default_rng(0)
        clip = track_video(path, model, image_size=64, smooth=smooth, landmarker=Jittery(model))
        x.append(clip.parameters.translation[:, 0])
    raw, smoothed = x
    assert np.abs(np.diff(smoothed, 2)).mean() < 0.4 * np.abs(np.diff(raw, 2)).mean()
    np.testing.assert_allclose(smoothed.mean(), raw.mean(), atol=3e-4)


def test_a_video_that_breaks_off_is_an_error_and_leaves_nothing(tmp_path):
    model = toy_face()
    path = square_video(tmp_path / "a.mp4", [(60, 60)] * 4)
    path.write_bytes(path.read_bytes()[:900])
    with pytest.raises(media.MediaError, match=r"a\.mp4"):
        track_video(path, model, landmarker=FakeLandmarker(model))
    assert [p.name for p in tmp_path.iterdir()] == ["a.mp4"]


def test_a_missing_face_can_be_an_error_that_names_the_frame(tmp_path):
    model = toy_face()
    path = square_video(tmp_path / "a.mp4", [(60, 60), (60, 60), None, (60, 60), None])
    options = {"on_missing": "fail", "landmarker": FakeLandmarker(model)}
    with pytest.raises(NoFaceError, match=r"a\.mp4: no face found in frame 2"):
        track_video(path, model, **options)
    with pytest.raises(NoFaceError, match="frame 4"):
        track_video(path, model, stride=4, **options)


@pytest.mark.parametrize("policy", ["skip", "hold", "interpolate", "fail"])
def test_a_video_without_any_face_is_an_error(tmp_path, policy):
    model = toy_face()
    path = square_video(tmp_path / "dark.mp4", [None] * 3)
    with pytest.raises(NoFaceError, match=r"dark\.mp4: no face found"):
        track_video(path, model, on_missing=policy, landmarker=FakeLandmarker(model))


def test_a_picture_without_a_face_is_an_error(tmp_path):
    model = toy_face()
    media.write_image(tmp_path / "wall.png", np.zeros((90, 90, 3), np.uint8))
    with pytest.raises(NoFaceError, match=r"wall\.png: no face found in the picture"):
        track_image(tmp_path / "wall.png", model, landmarker=FakeLandmarker(model))


def test_stride_and_max_frames_choose_frames_and_keep_time(tmp_path):
    model = toy_face()
    path = square_video(tmp_path / "a.mp4", [(60 + k, 60) for k in range(9)])
    seen = []
    clip = track_video(
        path,
        model,
        stride=2,
        max_frames=3,
        image_size=32,
        landmarker=FakeLandmarker(model),
        progress=seen.append,
    )
    np.testing.assert_array_equal(clip.frame_indices, [0, 2, 4])
    assert clip.fps == Fraction(15000, 1001)
    assert seen == [1, 2, 3]


def test_crops_and_parameters_belong_to_the_same_frame(tmp_path):
    model = toy_face()
    centres = [(50, 50), (80, 60), (60, 70)]
    path = square_video(tmp_path / "a.mp4", centres)
    clip = track_video(path, model, image_size=64, landmarker=FakeLandmarker(model))
    for k, (x, y) in enumerate(centres):
        bright = np.argwhere(clip.frames[k, ..., 1] > 140).mean(axis=0)[::-1] + 0.5
        expected = (np.array([x, y]) - [clip.box.left, clip.box.top]) / clip.box.side * 64
        np.testing.assert_allclose(bright, expected, atol=1.0)
        np.testing.assert_allclose(clip.landmarks[k, -1] * 64, expected, atol=1.0)


def test_wrong_options_are_refused(tmp_path):
    model = toy_face()
    with pytest.raises(ValueError, match="on_missing"):
        track_video("a.mp4", model, on_missing="guess")
    with pytest.raises(ValueError, match="stride"):
        track_video("a.mp4", model, stride=0)


def test_an_overlay_marks_the_face_and_nothing_else():
    model = toy_face()
    parameters = model.zeros().replace(translation=np.float32([0, 0, -3]))
    frame = np.full((256, 256, 3), 90, np.uint8)
    drawn = draw_overlay(frame, model, parameters)
    assert drawn.shape == (768, 768, 3)
    touched = np.argwhere((drawn != 90).any(-1)) / 3
    # 1.5 x 1.8 decimetres at a distance of 13, with 1160 pixels of focal length.
    np.testing.assert_allclose(touched.min(0), 128 - 1160 * np.array([0.9, 0.75]) / 13, atol=6)
    np.testing.assert_allclose(touched.max(0), 128 + 1160 * np.array([0.9, 0.75]) / 13, atol=6)


@pytest.fixture(scope="module")
def landmarker(shared_dir) -> Iterator[FaceLandmarker]:
    pytest.importorskip("mediapipe")
    with FaceLandmarker(shared_dir / "assets" / "face_landmarker.task") as landmarker:
        yield landmarker


@pytest.fixture(scope="module")
def ict(shared_dir) -> MorphableModel:
    return load_ict_facekit(shared_dir / "assets" / "ict_facekit.npz")


@pytest.mark.parametrize("name", ["d0", "d12", "s29"])
def test_the_first_frames_of_real_clips_fit(shared_dir, landmarker, ict, name):
    path = shared_dir / "clips" / f"{name}.mp4"
    clip = track_video(path, ict, image_size=64, max_frames=8, landmarker=landmarker)
    assert clip.frames.shape == (8, 64, 64, 3)
    assert clip.found.all()
    assert clip.fit_error_px.mean() < 1.3
    np.testing.assert_allclose(
        fit_error_px(ict, clip.parameters, clip.landmarks * 256), clip.fit_error_px, atol=1e-3
    )


@pytest.mark.slow
def test_whole_real_clips_reach_the_required_numbers(shared_dir, landmarker, ict):
    held_out = {}
    for name in CLIPS:
        path = shared_dir / "clips" / f"{name}.mp4"
        points, scores, last = [], [], None
        for frame in media.iterate_video(path):
            last = landmarker.detect(frame, last)
            points.append(last.points)
            scores.append(last.scores)
        info, points = media.probe_video(path), np.stack(points)
        box = clip_crop(landmark_box(points[:, :468]), info.height, info.width)
        pixels = box.to_crop(points) * np.float32(256)
        held_out[name] = measure.held_out_error_px(ict, pixels, scores)
        parameters = fit_clip(ict, pixels, scores)
        seen, fitted = measure.apertures_px(ict, parameters, pixels)
        moving = [k for k in range(3) if measure.excursion(seen[:, k]) > 1]
        ratios = [measure.amplitude(seen[:, k], fitted[:, k]) for k in moving]
        pupils = measure.pupil_errors_px(ict, parameters, pixels).mean()
        print(f"{name}: {held_out[name]:.3f} px held out, {np.round(ratios, 2)}, {pupils:.2f} px")
        assert len(moving) >= 2
        assert 0.9 <= min(ratios) <= max(ratios) <= 1.1
        assert pupils < 0.7
        smoothed = smooth_parameters(parameters, info.fps)
        assert measure.jitter_degrees(smoothed) < 0.9 * measure.jitter_degrees(parameters)
    assert np.mean(list(held_out.values())) <= 0.85
    assert max(held_out.values()) <= 1.15


@pytest.mark.parametrize("clockwise", [90, 180, 270])
def test_a_phone_video_is_tracked_upright(shared_dir, landmarker, ict, tmp_path, clockwise):
    frame = next(media.iterate_video(shared_dir / "clips" / "d13.mp4"))
    with media.VideoWriter(tmp_path / "phone.mp4", 30) as writer:
        writer.write(np.ascontiguousarray(np.rot90(frame, clockwise // 90)))
    display_clockwise(tmp_path / "phone.mp4", clockwise)
    turned = track_video(tmp_path / "phone.mp4", ict, landmarker=landmarker)
    media.write_image(tmp_path / "plain.png", frame)
    plain = track_image(tmp_path / "plain.png", ict, landmarker=landmarker)
    # The video is lossy: half a pixel of a 256-pixel crop, and as much of the crop's place.
    distance = np.linalg.norm(turned.landmarks - plain.landmarks, axis=-1).mean() * 256
    assert distance < 1.0
    roll = np.degrees(turned.parameters.rotation[0, 2] - plain.parameters.rotation[0, 2])
    assert abs(roll) < 1.0


def test_a_small_face_is_found_by_a_second_look(shared_dir, landmarker):
    frame = next(media.iterate_video(shared_dir / "clips" / "d0.mp4"))
    large = landmarker.detect(frame)
    scale = 90 / np.ptp(large.points[:468], axis=0).max()
    side = round(frame.shape[0] * scale)
    small = np.asarray(Image.fromarray(frame).resize((side, side), Image.Resampling.LANCZOS))
    canvas = np.full((1080, 720, 3), 128, np.uint8)
    canvas[400 : 400 + side, 450 : 450 + side] = small
    # The premise: 90 pixels in a tall frame are too few for the first look.
    assert landmarker._detect_in(canvas, 0, 0, 1080, 720) == []
    found = landmarker.detect(canvas)
    assert found is not None
    expected = large.points * (side / frame.shape[0]) + [450, 400]
    assert np.linalg.norm(found.points - expected, axis=-1).mean() < 3


def test_a_picture_is_tracked_like_a_clip_of_one_frame(shared_dir, landmarker, ict, tmp_path):
    frame = next(media.iterate_video(shared_dir / "clips" / "d0.mp4"))
    media.write_image(tmp_path / "face.png", frame)
    clip = track_image(tmp_path / "face.png", ict, landmarker=landmarker)
    assert clip.frames.shape == (1, 256, 256, 3)
    assert clip.fit_error_px[0] < 1.3
    yaw, scores = clip.parameters.rotation[0, 1], clip.parameters.expression[0]
    assert abs(np.degrees(yaw) + 2.5) < 2  # data: -3 to -2 degrees over this clip
    assert 0 <= scores.min() <= scores.max() <= 1


def test_the_script_prepares_good_videos_names_bad_ones_and_continues(shared_dir, tmp_path):
    pytest.importorskip("mediapipe")
    videos = tmp_path / "videos"
    videos.mkdir()
    shutil.copy(shared_dir / "clips" / "d0.mp4", videos)
    (videos / "broken.mp4").write_bytes(b"not a video")
    command = [sys.executable, str(ROOT / "scripts" / "prepare_clips.py"), str(videos)]
    command += ["--face-model", str(shared_dir / "assets" / "ict_facekit.npz")]
    command += ["--landmarker", str(shared_dir / "assets" / "face_landmarker.task")]
    command += ["--out", str(tmp_path / "out"), "--overlays", str(tmp_path / "overlays")]
    command += ["--test", "d0", "--image-size", "64", "--max-frames", "3"]
    first = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=environment())
    assert first.returncode == 1
    assert "d0: 3 frames, fit error" in first.stdout
    assert "broken.mp4: not a readable video" in first.stderr
    assert "Traceback" not in first.stderr
    assert prepared.list_clips(tmp_path / "out") == ["d0"]
    assert [p.name for p in (tmp_path / "out" / "clips").iterdir()] == ["d0"]
    clip = prepared.read_clip(tmp_path / "out", "d0")
    assert (clip.person_id, clip.split, len(clip.frames)) == ("d0", "test", 3)
    assert media.probe_video(tmp_path / "overlays" / "d0.mp4").num_frames == 3

    (videos / "broken.mp4").unlink()
    again = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=environment())
    assert again.returncode == 0
    assert "1 of 1 clips are already there" in again.stdout


def environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(ROOT)}
