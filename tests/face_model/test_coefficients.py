"""The layout of the 257 coefficients and the placement of a Deng crop in its frame."""

import numpy as np
import pytest

from reenact_jax.face_model.coefficients import (
    DengCrop,
    join_coefficients,
    parameters_from_cropped_coefficients,
    split_coefficients,
)
from reenact_jax.face_model.parameters import CANONICAL_CAMERA, FIELDS
from tests.helpers import paper_files

CAMERA = np.float32(CANONICAL_CAMERA)


def test_each_number_of_the_vector_has_its_documented_meaning():
    vector = np.arange(257, dtype=np.float32)
    parameters = split_coefficients(vector, CAMERA)
    # identity 80 | expression 64 | texture 80 | angles 3 | light 27 | translation 3
    np.testing.assert_array_equal(parameters.identity, np.arange(0, 80))
    np.testing.assert_array_equal(parameters.expression, np.arange(80, 144))
    np.testing.assert_array_equal(parameters.texture, np.arange(144, 224))
    np.testing.assert_array_equal(parameters.rotation, [224, 225, 226])
    np.testing.assert_array_equal(parameters.lighting, np.arange(227, 254))
    np.testing.assert_array_equal(parameters.translation, [254, 255, 256])


def test_splitting_and_joining_are_inverse():
    vectors = np.random.default_rng(0).normal(size=(2, 5, 257)).astype(np.float32)
    cameras = np.broadcast_to(CAMERA, (2, 5, 4))
    parameters = split_coefficients(vectors, cameras)
    assert all(getattr(parameters, name).shape[:2] == (2, 5) for name in FIELDS)
    np.testing.assert_array_equal(join_coefficients(parameters), vectors)


@pytest.mark.parametrize("width", [256, 258, 260, 262])
def test_vectors_of_another_length_are_refused(width):
    with pytest.raises(ValueError, match=f"expected 257 .* found {width}"):
        split_coefficients(np.zeros((3, width), np.float32), CAMERA)


def random_crops(count, seed=0):
    rng = np.random.default_rng(seed)
    for _ in range(count):
        size = int(rng.integers(200, 700))
        scale = rng.uniform(0.3, 1.6) * 256 / size
        t0, t1 = rng.uniform(0.2, 0.8, 2) * size
        yield size, float(scale), float(t0), float(t1)


def test_the_placement_truncates_towards_zero_on_both_sides():
    # Worked by hand: w = int(256 * 0.9) = int(230.4) = 230; left = int(115 - 112 + (100 - 128) *
    # 0.9) = int(-22.2) = -22, not -23; up = int(3 + (128 - 150.5) * 0.9) = int(-17.25) = -17.
    assert DengCrop(256, 256, 0.9, 100.0, 150.5).placement() == (230, 230, -22, -17)
    # left = int(115 - 112 + 28 * 0.9) = int(28.2); up = int(3 + 22.5 * 0.9) = int(23.25).
    assert DengCrop(256, 256, 0.9, 156.0, 105.5).placement() == (230, 230, 28, 23)


def test_the_camera_undoes_resizing_and_cropping():
    rng = np.random.default_rng(1)
    for size, scale, t0, t1 in random_crops(50):
        world = rng.uniform(-0.8, 0.8, (20, 3))
        crop_pixels = paper_files.reference_crop_pixels(world)
        expected = paper_files.reference_frame_pixels(
            crop_pixels, np.array([size, size, scale, t0, t1])
        )
        fx, fy, cx, cy = size * DengCrop(size, size, scale, t0, t1).camera().astype(np.float64)
        depth = 10 - world[:, 2]
        found = np.stack([cx + fx * world[:, 0] / depth, cy - fy * world[:, 1] / depth], axis=-1)
        # float32 intrinsics of a frame of 700 pixels
        np.testing.assert_allclose(found, expected, atol=3e-4)


def test_the_template_s_origin_lands_on_its_image_point():
    for size, scale, t0, t1 in random_crops(50, seed=2):
        camera = DengCrop(size, size, scale, t0, t1).camera()
        # The crop puts (t0, size - t1) at its centre, to within the truncations of at most one
        # resized pixel, and of the resized size.
        tolerance = 2.0 / scale + 1e-3
        assert abs(size * camera[2] - t0) < tolerance
        assert abs(size * camera[3] - (size - t1)) < tolerance


def test_a_frame_that_is_not_square_is_refused():
    with pytest.raises(ValueError, match="expected a square frame, found 320 x 240"):
        DengCrop(320, 240, 1.0, 160, 120).camera()


def test_crop_numbers_behind_the_coefficients_give_the_cameras():
    vectors = np.random.default_rng(3).normal(size=(4, 260)).astype(np.float32)
    vectors[:, 257:] = [[1.0, 128, 128], [0.9, 100, 150], [1.2, 140, 120], [0.8, 128, 128]]
    parameters = parameters_from_cropped_coefficients(vectors, frame_size=256)
    np.testing.assert_array_equal(join_coefficients(parameters), vectors[:, :257])
    for camera, (scale, t0, t1) in zip(parameters.camera, vectors[:, 257:], strict=True):
        expected = DengCrop(256, 256, float(scale), float(t0), float(t1)).camera()
        np.testing.assert_array_equal(camera, expected)


@pytest.mark.parametrize("shape", [(260,), (4, 257), (4, 262)])
def test_arrays_without_crop_numbers_are_refused(shape):
    with pytest.raises(ValueError, match=r"expected an array \(N, 260\)"):
        parameters_from_cropped_coefficients(np.zeros(shape, np.float32))


def test_no_frames_give_no_parameters():
    parameters = parameters_from_cropped_coefficients(np.zeros((0, 260), np.float32))
    assert parameters.camera.shape == (0, 4) and parameters.identity.shape == (0, 80)
