"""Smoothing: jitter goes, blinks and turns stay, nothing is delayed."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from reenact_jax.face_model.parameters import FaceParameters
from reenact_jax.tracking.smoothing import smooth_parameters
from tests.helpers.toy_face import toy_face


def still(num_frames: int) -> FaceParameters:
    return toy_face().zeros((num_frames,))


def jitter(values: np.ndarray) -> float:
    """Root mean square of second differences."""
    return float(np.sqrt((np.diff(values.astype(float), 2, axis=0) ** 2).mean()))


# Frames of a blink that takes 4 frames from open to open, and of a slower one.
BLINKS = {
    "sharp": [0.5, 1.0, 0.5],
    "round": [0.35, 0.9, 0.9, 0.35],
    "small": [0.15, 0.3, 0.15],
    "slow": [0.2, 0.5, 0.8, 1, 1, 0.8, 0.5, 0.2],
}


@pytest.mark.parametrize("blink", BLINKS.values(), ids=BLINKS)
@pytest.mark.parametrize("fps", [25, 30])
def test_a_blink_keeps_nine_tenths_of_its_height_and_its_frame(blink, fps):
    clip = still(60)
    expression = np.full((60, 5), 0.05, np.float32)
    expression[30 : 30 + len(blink), 1] += np.float32(blink)
    smoothed = smooth_parameters(clip.replace(expression=expression), fps).expression
    height = smoothed[:, 1].max() - 0.05
    assert height > 0.9 * max(blink)
    top = np.flatnonzero(expression[:, 1] == expression[:, 1].max())
    assert smoothed[:, 1].argmax() in top
    np.testing.assert_allclose(smoothed[:20], 0.05, atol=1e-3)
    np.testing.assert_allclose(smoothed[:, 0], 0.05, atol=1e-6)


def test_jitter_of_the_trackers_size_falls_below_a_half():
    rng = np.random.default_rng(0)
    clip = still(100)
    noisy = clip.replace(
        rotation=np.float32(rng.normal(0, 0.002, (100, 3))),
        translation=np.float32([0, 0, -4] + rng.normal(0, 1, (100, 3)) * [0.001, 0.001, 0.015]),
        expression=np.float32(0.5 + rng.normal(0, 0.008, (100, 5))),
    )
    smoothed = smooth_parameters(noisy, 30)
    for name in ("rotation", "translation", "expression"):
        assert jitter(getattr(smoothed, name)) < 0.5 * jitter(getattr(noisy, name)), name


def test_a_steady_turn_passes_unchanged_even_across_the_half_circle():
    clip = still(40)
    turns = Rotation.from_euler("z", np.linspace(2.9, 3.4, 40)[:, None])  # roll beyond 180 degrees
    turning = clip.replace(rotation=np.float32(turns.as_euler("xyz")))
    smoothed = Rotation.from_euler("xyz", smooth_parameters(turning, 30).rotation)
    assert np.degrees((smoothed * turns.inv()).magnitude()).max() < 0.05


def test_backwards_in_time_gives_the_same_backwards():
    rng = np.random.default_rng(1)
    walk = np.cumsum(rng.normal(0, 0.01, (50, 5)), axis=0) + 0.5
    clip = still(50).replace(expression=np.float32(walk))
    forth = smooth_parameters(clip, 25).expression
    back = smooth_parameters(clip[::-1], 25).expression[::-1]
    np.testing.assert_allclose(forth, back, atol=1e-6)


def test_expressions_stay_in_their_range():
    rng = np.random.default_rng(2)
    values = np.float32(rng.uniform(0, 1, (50, 5)) > 0.5)
    smoothed = smooth_parameters(still(50).replace(expression=values), 30).expression
    assert smoothed.min() >= 0
    assert smoothed.max() <= 1


@pytest.mark.parametrize("num_frames", [1, 2, 3])
def test_clips_of_a_few_frames_are_left_alone(num_frames):
    clip = still(num_frames).replace(
        translation=np.float32(np.random.default_rng(0).normal(size=(num_frames, 3)))
    )
    smoothed = smooth_parameters(clip, 30)
    np.testing.assert_array_equal(smoothed.translation, clip.translation)


def test_leaves_keep_their_type_and_the_rest_its_value():
    clip = still(12)
    smoothed = smooth_parameters(clip, 30)
    for name in ("rotation", "translation", "expression"):
        assert getattr(smoothed, name).dtype == np.float32
    assert smoothed.identity is clip.identity
    assert smoothed.camera is clip.camera
