"""The five-point alignment against the published algorithm written out, and against Pillow."""

import math

import numpy as np
import pytest
from PIL import Image

from reenact_jax.face_model.coefficients import DengCrop, split_coefficients
from reenact_jax.face_model.morphable import project, to_camera
from reenact_jax.face_model.parameters import CANONICAL_CAMERA
from reenact_jax.tracking import alignment
from tests.helpers import paper_files

# The published template, right eye of the subject first.
TEMPLATE = [
    (-0.3115, 0.2904, 0.1338),
    (0.3098, 0.2897, 0.1318),
    (0.0033, -0.0462, 0.5524),
    (-0.2522, -0.3813, 0.2241),
    (0.2485, -0.3813, 0.2224),
]


def published_alignment(points, width, height):
    """(s, t0, t1) of five points in index coordinates: one system of ten equations."""
    system, right = [], []
    for (x, y, z), (u, v) in zip(TEMPLATE, points, strict=True):
        system += [[x, y, z, 1, 0, 0, 0, 0], [0, 0, 0, 0, x, y, z, 1]]
        right += [u, height - 1 - v]
    k = np.linalg.lstsq(np.array(system), np.array(right), rcond=None)[0]
    scale = (math.sqrt(sum(k[:3] ** 2)) + math.sqrt(sum(k[4:7] ** 2))) / 2
    return 102 / scale, k[3], k[7]


def random_points(rng, width, height):
    """Five points of a turned face somewhere in the frame, edge coordinates, with noise."""
    angles = rng.uniform(-0.5, 0.5, 3)
    cosine, sine = np.cos(angles), np.sin(angles)
    turn = np.array([[cosine[2], -sine[2]], [sine[2], cosine[2]]])
    flat = np.asarray(TEMPLATE)[:, :2] * [cosine[1], cosine[0]] @ turn.T
    size = rng.uniform(0.15, 0.6) * min(width, height)
    centre = rng.uniform(0.3, 0.7, 2) * [width, height]
    return centre + size * flat * [1, -1] + rng.normal(0, 2, (5, 2))


@pytest.mark.parametrize("seed", range(20))
def test_scale_and_translation_solve_the_published_least_squares(seed):
    rng = np.random.default_rng(seed)
    width, height = (256, 256) if seed % 2 else (int(rng.integers(200, 2000)), 480)
    points = random_points(rng, width, height)
    crop = alignment.align(points, height, width)
    expected = published_alignment(points - 0.5, width, height)
    np.testing.assert_allclose([crop.scale, crop.t0, crop.t1], expected, rtol=1e-9)
    assert (crop.width, crop.height) == (width, height)


def test_points_on_the_template_need_no_scaling():
    # 102 pixels a decimetre, origin at index (112, 111), which is where 112 - 102 y with y = 0
    # lies when row r is 223 - r from below.
    template = np.asarray(TEMPLATE)
    index = np.stack([112 + 102 * template[:, 0], 111 - 102 * template[:, 1]], axis=-1)
    crop = alignment.align(index + 0.5, 224, 224)
    np.testing.assert_allclose([crop.scale, crop.t0, crop.t1], [1, 112, 112], atol=1e-9)
    # Truncation may take the scale below 1 to 223 pixels; the rest is exact.
    assert crop.placement()[0] in (223, 224) and abs(crop.placement()[2]) <= 1


def crop_positions(points, crop):
    """Edge coordinates in the frame -> in the crop."""
    width, height, left, up = crop.placement()
    return points * [width / crop.width, height / crop.height] - [left, up]


@pytest.mark.parametrize("seed", range(10))
def test_faces_land_where_the_published_crops_have_them(seed):
    """The five points' published means over real faces, to the resizing and its truncations."""
    means = np.array([(81.3, 85.7), (141.3, 85.3), (109.1, 121.3), (84.6, 150.8), (138.5, 149.8)])
    rng = np.random.default_rng(seed)
    size, scale = int(rng.integers(150, 900)), rng.uniform(0.4, 3)
    shift = rng.uniform(0, 50, 2)
    points = means / scale + shift
    crop = alignment.align(points, size, size)
    found = crop_positions(points, crop)
    # Each mean was taken over aligned faces, so that they are aligned but for a pixel or two.
    np.testing.assert_allclose(found, means, atol=4)


def test_a_turned_head_stays_turned():
    template = np.asarray(TEMPLATE)[:, :2] * [1, -1]
    turn = np.array([[np.cos(0.4), -np.sin(0.4)], [np.sin(0.4), np.cos(0.4)]])
    points = 128 + 80 * template @ turn.T
    left, right = crop_positions(points, alignment.align(points, 256, 256))[:2]
    assert math.atan2(*(right - left)[::-1]) == pytest.approx(0.4, abs=0.01)


def test_the_five_points_of_68_and_of_mediapipe():
    rng = np.random.default_rng(0)
    ibug = rng.uniform(0, 200, (3, 68, 2))
    five = alignment.five_points(ibug)
    assert five.shape == (3, 5, 2)
    np.testing.assert_allclose(five[:, 0], (ibug[:, 36] + ibug[:, 39]) / 2)
    np.testing.assert_allclose(five[:, 1], (ibug[:, 42] + ibug[:, 45]) / 2)
    np.testing.assert_allclose(five[:, 2:], ibug[:, [30, 48, 54]])
    dense = rng.uniform(0, 200, (478, 2)).astype(np.float32)
    five = alignment.five_points(dense)
    np.testing.assert_allclose(five[0], (dense[33] + dense[133]) / 2, rtol=1e-6)
    np.testing.assert_allclose(five[1], (dense[362] + dense[263]) / 2, rtol=1e-6)
    np.testing.assert_allclose(five[2:], dense[[4, 61, 291]])
    np.testing.assert_array_equal(alignment.five_points(dense[:468]), five)
    np.testing.assert_array_equal(alignment.five_points(five), five)
    with pytest.raises(ValueError, match="expected 5, 68, 468 or 478 landmarks, found 98"):
        alignment.five_points(np.zeros((98, 2)))


PLACEMENTS = {
    "smaller": DengCrop(640, 480, 0.61, 300.3, 250.2),
    "larger": DengCrop(256, 256, 1.37, 120.8, 130.1),
    "same size": DengCrop(256, 256, 1.0, 120.8, 130.1),
    "over the upper left edge": DengCrop(256, 256, 0.9, 60.0, 220.0),
    "over the lower right edge": DengCrop(256, 300, 1.1, 240.0, 30.0),
    "frame inside the crop": DengCrop(400, 300, 0.4, 190.0, 160.0),
}


@pytest.mark.parametrize("crop", PLACEMENTS.values(), ids=PLACEMENTS)
def test_the_crop_is_pillow_s_resized_frame_cut_out(crop):
    rng = np.random.default_rng(1)
    frame = rng.integers(0, 256, (crop.height, crop.width, 3), np.uint8)
    width, height, left, up = crop.placement()
    whole = Image.fromarray(frame).resize((width, height), Image.Resampling.BICUBIC)
    expected = np.asarray(whole.crop((left, up, left + 224, up + 224)), int)
    found = alignment.crop_aligned(frame, crop).astype(int)
    # Pillow takes the part's place in float32; a value on the brink of rounding moves by one.
    assert np.abs(found - expected).max() <= 1
    assert (found == expected).mean() > 0.99
    assert (expected == 0).all(axis=-1).any() == ("edge" in _name(crop) or "inside" in _name(crop))


def _name(crop):
    return next(name for name, other in PLACEMENTS.items() if other is crop)


@pytest.mark.parametrize("crop", [PLACEMENTS["smaller"], PLACEMENTS["larger"]], ids=str)
def test_resizing_keeps_edge_coordinates(crop):
    """On a ramp whose value is the index coordinate, a value says where a pixel was read."""
    x, y = np.meshgrid(np.arange(crop.width), np.arange(crop.height))
    frame = np.stack([x % 256, y % 256, np.zeros_like(x)], axis=-1).astype(np.uint8)
    pixels = alignment.crop_aligned(frame, crop).astype(float)
    width, height, left, up = crop.placement()
    centre = np.arange(224) + 0.5
    # (pixel + left + 1/2) / scale is the edge coordinate read, half a pixel less its index.
    expected_x = (centre + left) * crop.width / width - 0.5
    expected_y = (centre + up) * crop.height / height - 0.5
    for found, expected in ((pixels[112, :, 0], expected_x), (pixels[:, 112, 1], expected_y)):
        # Not next to the ramp's end, its start over, and the frame's border.
        smooth = (expected % 256 > 6) & (expected % 256 < 250) & (expected < len(x) - 6)
        assert smooth.sum() > 100
        difference = found[smooth] - expected[smooth] % 256
        assert np.abs(difference).max() < 0.6  # a rounded value
        assert abs(difference.mean()) < 0.06  # half a pixel would be 0.5


@pytest.mark.parametrize("seed", range(5))
def test_coefficients_of_the_crop_project_straight_into_the_frame(seed):
    """Landmarks -> alignment -> camera: the mesh lands in the 256 frame where the crop shows it."""
    rng = np.random.default_rng(seed)
    points = random_points(rng, 256, 256)
    crop = alignment.align(points, 256, 256)
    world = rng.uniform(-0.9, 0.9, (50, 3))
    vector = np.zeros(257, np.float32)
    vector[224:227] = rng.normal(0, 0.3, 3)
    vector[254:257] = rng.normal(0, 0.1, 3)
    in_crop = 224 * np.asarray(_project(world, split_coefficients(vector, _CANONICAL)))
    in_frame = 256 * np.asarray(_project(world, split_coefficients(vector, crop.camera())))
    transform = np.array([crop.width, crop.height, crop.scale, crop.t0, crop.t1])
    expected = paper_files.reference_frame_pixels(in_crop.astype(float), transform)
    np.testing.assert_allclose(in_frame, expected, atol=1e-3)
    # And back: what the crop shows of the frame is there.
    np.testing.assert_allclose(crop_positions(in_frame, crop), in_crop, atol=1e-3)


_CANONICAL = np.float32(CANONICAL_CAMERA)


def _project(points, parameters):
    placed = to_camera(np.float32(points), parameters.rotation, parameters.translation)
    return project(placed, parameters.camera)


@pytest.mark.parametrize(
    ("points", "message"),
    [
        (np.full((5, 2), 100.0), "expected the five points of a face"),
        (np.full((5, 2), np.nan), "expected the five points of a face"),
        (-np.ones((5, 2)), "expected the five points of a face"),
        (1e4 + 50 * np.asarray(TEMPLATE)[:, :2] * [1, -1], "inside the frame of 256 x 256"),
        (np.zeros((4, 2)), r"expected points \(5, 2\), found \(4, 2\)"),
    ],
    ids=["one place", "nan", "not found", "outside", "four"],
)
def test_points_that_are_no_face_are_refused(points, message):
    with pytest.raises(ValueError, match=message):
        alignment.align(points, 256, 256)


def test_exchanged_eyes_look_like_a_face_from_behind():
    rng = np.random.default_rng(5)
    for _ in range(10):
        points = random_points(rng, 256, 256)
        assert not alignment.is_mirrored(points)
        assert alignment.is_mirrored(points[[1, 0, 2, 4, 3]])


def test_a_frame_of_another_size_is_refused():
    with pytest.raises(ValueError, match="expected a frame of 256 x 256, found 256 x 255"):
        crop = DengCrop(256, 256, 1.0, 128.0, 128.0)
        alignment.crop_aligned(np.zeros((255, 256, 3), np.uint8), crop)
