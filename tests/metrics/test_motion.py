"""AED, APD, landmarks and jitter: known cases beside the stored values of the twenty images."""

import jax
import numpy as np
import pytest

from reenact_jax.metrics import landmarks, motion, video


def test_the_first_variants_are_the_primary_ones():
    first, second = np.zeros((2, 64)), np.full((2, 64), 0.5)
    np.testing.assert_allclose(motion.aed(first, second), [4.0, 4.0])
    np.testing.assert_allclose(motion.apd(np.zeros((1, 3)), [[0.3, 0.0, 0.4]]), [0.5], rtol=1e-6)


def test_angles_are_compared_around_the_circle():
    first, second = np.asarray([[0.0, 3.1, 0.0]]), np.asarray([[0.0, -3.1, 0.0]])
    np.testing.assert_allclose(motion.apd(first, second), [2 * np.pi - 6.2], rtol=1e-5)


def test_a_missing_face_is_not_a_number_in_every_variant():
    pose = np.zeros((2, 6))
    pose[1, 0] = np.nan
    for name in motion.APD_VARIANTS:
        values = np.asarray(jax.jit(motion.apd, static_argnums=2)(pose, np.zeros((2, 6)), name))
        assert values[0] == 0 and np.isnan(values[1]), name
    for name in motion.AED_VARIANTS:
        values = np.asarray(motion.aed(pose, np.zeros((2, 6)), name))
        assert values[0] == 0 and np.isnan(values[1]), name


def test_wrong_shapes_are_refused():
    with pytest.raises(ValueError, match="one shape"):
        motion.aed(np.zeros((2, 64)), np.zeros((2, 53)))
    with pytest.raises(ValueError, match="poses"):
        motion.apd(np.zeros((2, 4)), np.zeros((2, 4)))
    with pytest.raises(ValueError, match="poses"):
        motion.apd(np.zeros((2, 3)), np.zeros((2, 3)), "apd_l2_6")
    with pytest.raises(ValueError, match="68, 2"):
        landmarks.apertures(np.zeros((2, 468, 2)))
    with pytest.raises(ValueError, match="one shape"):
        landmarks.landmark_distance(np.zeros((68, 2)), np.zeros((67, 2)))


def test_one_opened_lid_changes_that_aperture_alone():
    rng = np.random.default_rng(0)
    points = rng.normal(size=(68, 2)) * 20
    opened = points.copy()
    for upper, lower in ((43, 47), (44, 46)):  # of the subject's left eye
        opened[upper] = points[lower] + 2 * (points[upper] - points[lower])
    errors = np.asarray(landmarks.aperture_errors(opened, points))
    before = np.asarray(landmarks.apertures(points))
    np.testing.assert_allclose(errors, [before[0], 0, 0], rtol=1e-5, atol=1e-5)
    assert landmarks.APERTURES == ("left_eye", "right_eye", "mouth")


def test_relative_apertures_do_not_see_the_size_of_the_face():
    points = np.random.default_rng(1).normal(size=(3, 68, 2)) * 20
    np.testing.assert_allclose(
        landmarks.relative_aperture_errors(1.7 * points, points), 0, atol=1e-6
    )
    assert (np.asarray(landmarks.aperture_errors(1.7 * points, points)) > 0.5).all()


def test_jitter_sees_trembling_and_not_movement():
    times = np.arange(50)[:, None, None]
    movement = times * np.asarray([[1.5, -2.0]]) + np.zeros((50, 4, 2))
    assert video.jitter(movement).value == pytest.approx(0, abs=1e-12)
    trembling = movement + 0.5 * (-1.0) ** times * np.asarray([[1.0, 0.0]])
    # The second difference of an alternating a is 4 a.
    assert video.jitter(trembling).value == pytest.approx(2.0)
    assert video.jitter(trembling[:, 0]).value == pytest.approx(2.0)


def test_jitter_against_a_target_leaves_the_targets_own_movement_out():
    rng = np.random.default_rng(2)
    target = rng.normal(size=(40, 3)).cumsum(axis=0)
    assert video.motion_jitter_error(target + 7.0, target).value == pytest.approx(0, abs=1e-12)
    noise = rng.normal(size=(40, 3))
    expected = video.jitter(noise).value
    assert video.motion_jitter_error(target + noise, target).value == pytest.approx(expected)
    with pytest.raises(ValueError, match="one shape"):
        video.motion_jitter_error(target, target[1:])


def test_frames_without_a_face_fall_out_of_the_jitter_and_are_counted():
    trajectory = np.arange(10.0)[:, None, None] ** 2 + np.zeros((10, 2, 1))
    trajectory[4] = np.nan
    found = video.jitter(trajectory)
    assert found == video.Jitter(2.0, 5, 3)
    assert video.jitter(trajectory[:2]) == video.Jitter(None, 0, 0)
    assert video.jitter(np.full((5, 2, 2), np.nan)) == video.Jitter(None, 0, 3)
