"""One frame, aligned in several ways: the coefficients differ, the motion descriptor does not."""

import jax
import numpy as np
import pytest
import scipy.optimize

from reenact_jax.face_model.coefficients import DengCrop, split_coefficients
from reenact_jax.face_model.parameters import CANONICAL_CAMERA, motion_descriptor
from reenact_jax.tracking.alignment import align, five_points
from tests.helpers import paper_files

SIZE = 256
described_motion = jax.jit(motion_descriptor)


def head() -> np.ndarray:
    """68 points of a face, decimetres, y up."""
    vertices, _ = paper_files.face_surface()
    return vertices[paper_files.landmark_vertices(vertices)]


def pixels(points, pose, camera):
    """(L, 2) pixels of the frame; in float64, apart from the code under test."""
    x, y, z = pose[:3]
    rx = np.array([[1, 0, 0], [0, np.cos(x), -np.sin(x)], [0, np.sin(x), np.cos(x)]])
    ry = np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
    rz = np.array([[np.cos(z), -np.sin(z), 0], [np.sin(z), np.cos(z), 0], [0, 0, 1]])
    posed = points @ (rz @ ry @ rx).T + pose[3:]
    depth = 10 - posed[:, 2]
    fx, fy, cx, cy = camera
    return SIZE * np.stack([cx + fx * posed[:, 0] / depth, cy - fy * posed[:, 1] / depth], -1)


def fitted_pose(points, seen, camera):
    """The pose (6,) that a perfect regressor would give: least squares of the pixels."""

    def residuals(pose):
        return (pixels(points, pose, camera) - seen).ravel()

    fit = scipy.optimize.least_squares(residuals, np.zeros(6), xtol=1e-12, ftol=1e-12)
    assert np.sqrt((fit.fun**2).mean()) < 0.3  # the head is seen from another distance
    return fit.x


def descriptor(pose, camera):
    vector = np.zeros(257, np.float32)
    vector[224:227], vector[254:257] = pose[:3], pose[3:]
    found = np.asarray(described_motion(split_coefficients(vector, np.float32(camera))))
    assert not found[:64].any()
    return found[64:]


POSES = {
    "left above": (0.1, 0.3, 0.05, -0.35, 0.25, 0.3),
    "right below, far": (0.0, -0.4, 0.1, 0.4, -0.3, -1.0),
    "in the middle": (-0.2, 0.1, -0.1, 0.0, 0.0, 0.4),
}


@pytest.mark.parametrize("pose", POSES.values(), ids=POSES)
def test_the_same_frame_cropped_two_ways_gives_the_same_descriptor(pose):
    points = head()
    seen = pixels(points, pose, CANONICAL_CAMERA)
    rng = np.random.default_rng(0)
    raw, described = [], []
    for _ in range(4):
        # Detectors disagree: every landmark by a pixel, all of them by up to eight.
        five = five_points(seen) + rng.uniform(-8, 8, 2) + rng.normal(0, 1, (5, 2))
        camera = align(five, SIZE, SIZE).camera().astype(float)
        fit = fitted_pose(points, seen, camera)
        raw.append(fit)
        described.append(descriptor(fit, camera))
    raw, described = np.array(raw), np.array(described)
    print("\nlargest minus smallest of four croppings, angles (rad) and translation (dm):")
    for name, poses in (("coefficients", raw), ("descriptor", described)):
        print(f"{name:>14}", np.ptp(poses, axis=0).round(4))
    # Across the image: 0.002 dm is a fifth of a pixel; the coefficients are pixels apart.
    assert np.ptp(raw[:, 3:5], axis=0).min() > 0.04
    assert np.ptp(described[:, 3:5], axis=0).max() < 0.002
    # Angles: a hundredth of a radian from where the crop lies, a thousandth without it.
    assert np.ptp(raw[:, :3], axis=0).max() > 0.01
    assert np.ptp(described[:, :3], axis=0).max() < 0.002
    assert np.ptp(described[:, 5]) < 0.015 < 0.1 < np.ptp(raw[:, 5])
    # The pose that made the frame, to what a change of perspective leaves: a fit through a longer
    # lens from further away is not the same picture.
    np.testing.assert_allclose(described[:, :3], np.tile(pose[:3], (4, 1)), atol=0.015)
    np.testing.assert_allclose(described[:, 3:5], np.tile(pose[3:5], (4, 1)), atol=0.012)
    np.testing.assert_allclose(described[:, 5], np.full(4, pose[5]), atol=0.1)


def test_a_shifted_crop_of_the_same_scale_differs_by_its_parallax_alone():
    points = head()
    pose = np.array(POSES["left above"])
    seen = pixels(points, pose, CANONICAL_CAMERA)
    x, y = seen.mean(axis=0)
    described, raw = [], []
    for shift in (0, 10):
        camera = DengCrop(SIZE, SIZE, 1.0, x + shift, SIZE - y).camera().astype(float)
        raw.append(fitted_pose(points, seen, camera))
        described.append(descriptor(raw[-1], camera))
    # Ten pixels of 1015 turn the ray, and the fitted head, by a hundredth of a radian.
    assert abs(raw[1][1] - raw[0][1]) == pytest.approx(10 / 1015, rel=0.1)
    np.testing.assert_allclose(described[1], described[0], atol=1e-3)


def test_in_the_fixed_camera_the_descriptor_is_the_pose():
    for pose in POSES.values():
        np.testing.assert_allclose(descriptor(pose, CANONICAL_CAMERA), pose, atol=1e-5)
