"""The crop of a clip by its rule: centre, raise, side, growth, and frames that are too small."""

import numpy as np
import pytest

from reenact_jax.tracking.crop import CropBox, clip_crop, crop_image, landmark_box


def box_at(x: float, y: float, width: float, height: float) -> list[float]:
    return [x - width / 2, y - height / 2, x + width / 2, y + height / 2]


def test_the_square_has_1_9_longer_sides_and_is_raised_by_8_percent():
    box = clip_crop(np.array([box_at(500, 600, 80, 100)]), 1200, 1000)
    assert box.side == 190
    assert box.left == 500 - 95
    assert box.top == round(600 - 0.08 * 190 - 95)


def test_one_wild_frame_moves_the_medians_little_but_grows_the_square():
    boxes = np.array([box_at(500, 600, 80, 100)] * 4 + [box_at(700, 600, 80, 100)])
    box = clip_crop(boxes, 2000, 2000)
    centre_x = box.left + box.side / 2
    assert abs(centre_x - 500) <= 0.5
    # The far box ends 240 pixels right of the centre and keeps 4 % of the side to the border.
    assert box.side == round(240 / (0.5 - 0.04))
    assert box.left + box.side - 740 >= 0.04 * box.side - 1


def test_every_box_fits_with_its_margin():
    rng = np.random.default_rng(0)
    for _ in range(50):
        centres = rng.uniform(800, 1200, (6, 2))
        boxes = np.array([box_at(*c, *rng.uniform(50, 200, 2)) for c in centres])
        box = clip_crop(boxes, 3000, 3000)
        margin = 0.04 * box.side - 1.5  # whole pixels
        assert (boxes[:, :2] - [box.left, box.top] >= margin).all()
        assert ([box.left + box.side, box.top + box.side] - boxes[:, 2:] >= margin).all()


@pytest.mark.parametrize(
    ("centre", "corner"),
    [((20, 300), (0, None)), ((620, 300), (640 - 190, None)), ((300, 10), (None, 0))],
    ids=["left", "right", "top"],
)
def test_the_square_is_shifted_into_the_frame(centre, corner):
    box = clip_crop(np.array([box_at(*centre, 100, 100)]), 640, 640)
    assert box.side == 190
    for found, expected in zip((box.left, box.top), corner, strict=True):
        if expected is not None:
            assert found == expected
    assert 0 <= box.left <= 450
    assert 0 <= box.top <= 450


def test_the_square_is_shrunk_to_the_shorter_side_of_the_frame():
    assert clip_crop(np.array([box_at(640, 200, 300, 300)]), 360, 1280) == CropBox(460, 0, 360)


def test_no_box_is_an_error():
    with pytest.raises(ValueError, match="T >= 1"):
        clip_crop(np.zeros((0, 4)), 100, 100)


def test_points_and_pixels_go_to_the_same_place():
    # A bright disc: its centre of mass in the crop is where `to_crop` sends its centre.
    rows, columns = np.mgrid[0:200, 0:300] + 0.5
    disc = np.hypot(columns - 170, rows - 90) < 12
    frame = np.repeat((disc * 255).astype(np.uint8)[..., None], 3, axis=-1)
    box = CropBox(left=100, top=30, side=140)
    crop = crop_image(frame, box, 64)[..., 0].astype(float)
    assert crop.shape == (64, 64)
    grid = (np.arange(64) + 0.5) / 64
    mean = np.array([(crop.sum(0) @ grid), (crop.sum(1) @ grid)]) / crop.sum()
    np.testing.assert_allclose(mean, box.to_crop(np.array([170, 90])), atol=0.002)


def test_crops_of_the_same_size_are_copied_and_shrunken_ones_do_not_alias():
    rng = np.random.default_rng(0)
    frame = rng.integers(0, 255, (100, 120, 3), np.uint8)
    box = CropBox(10, 5, 64)
    np.testing.assert_array_equal(crop_image(frame, box, 64), frame[5:69, 10:74])
    stripes = np.zeros((128, 128, 3), np.uint8)
    stripes[:, ::2] = 255  # finer than the small picture can show: grey, not moire
    assert crop_image(stripes, CropBox(0, 0, 128), 48)[4:-4, 4:-4].std() < 8


def test_landmark_boxes_keep_leading_axes():
    points = np.random.default_rng(0).normal(size=(3, 7, 2))
    boxes = landmark_box(points)
    assert boxes.shape == (3, 4)
    np.testing.assert_array_equal(boxes[1, :2], points[1].min(0))
    np.testing.assert_array_equal(boxes[1, 2:], points[1].max(0))
