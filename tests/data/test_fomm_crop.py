"""The cropping recipe on synthetic boxes, each answer worked out by hand."""

import pytest

from reenact_jax.data.fomm_crop import Crop, Tube, best_match, crops, enlarge, overlap, tubes

FACE = (400.0, 100.0, 700.0, 400.0)


def shifted(box, dx, dy=0.0):
    return (box[0] + dx, box[1] + dy, box[2] + dx, box[3] + dy)


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        ((0, 0, 10, 10), 1.0),
        ((5, 0, 15, 10), 1 / 3),  # 50 shared of 150
        ((2, 2, 4, 4), 0.04),
        ((10, 0, 20, 10), 0.0),
        ((30, 30, 20, 20), 0.0),
    ],
)
def test_overlap_is_shared_area_over_total_area(other, expected):
    assert overlap((0, 0, 10, 10), other) == pytest.approx(expected)
    assert overlap(other, (0, 0, 10, 10)) == pytest.approx(expected)


def test_of_several_faces_the_annotated_one_is_taken():
    faces = [(0, 0, 50, 50), (410, 90, 690, 410), (700, 100, 900, 300)]
    assert best_match(FACE, faces) == faces[1]
    assert best_match(FACE, []) is None


def test_a_still_face_is_one_tube_and_its_box_the_union():
    boxes = [shifted(FACE, dx, dy) for dx, dy in ((0, 0), (10, -5), (-20, 7))]
    assert tubes(boxes) == [Tube(0, 3, (380.0, 95.0, 710.0, 407.0))]


def test_a_tube_ends_where_the_face_has_left_its_first_place():
    # Shifted by d of 300 pixels, two boxes overlap by (300 - d) / (300 + d): 0.25 at d = 180.
    boxes = [shifted(FACE, dx) for dx in (0, 90, 179, 181, 182)]
    assert [(tube.start, tube.end) for tube in tubes(boxes)] == [(0, 3), (3, 5)]
    # Each step is small; only the distance from the first frame of the tube counts.
    drift = [shifted(FACE, 20 * i) for i in range(20)]
    assert [(tube.start, tube.end) for tube in tubes(drift)] == [(0, 10), (10, 20)]


def test_long_tubes_are_cut_at_the_limit():
    assert [(tube.start, tube.end) for tube in tubes([FACE] * 2500)] == [
        (0, 1024),
        (1024, 2048),
        (2048, 2500),
    ]
    assert tubes([]) == []


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        # A square grows by 10 % at each end.
        ((400, 100, 700, 400), (370, 70, 730, 430)),
        # Height 400 -> 480; width 200 grows to 480: by 140 at each end.
        ((500, 100, 700, 500), (360, 60, 840, 540)),
        # Width 500 -> 600; height 400 grows to 600: by 100 at each end.
        ((100, 200, 600, 600), (50, 100, 650, 700)),
    ],
)
def test_boxes_grow_to_a_square_around_the_same_centre(box, expected):
    # The shares are binary fractions, so a whole number may be truncated to the one before.
    assert enlarge(box) == pytest.approx(expected, abs=1)
    left, top, right, bottom = enlarge(box)
    assert abs((right - left) - (bottom - top)) <= 1


def test_pixels_are_truncated_towards_zero():
    assert enlarge((10.0, 10.0, 31.0, 31.0)) == (7, 7, 33, 33)
    assert enlarge((1.0, 1.0, 31.0, 31.0))[0] == -2


def test_the_recipe_keeps_long_large_clips_inside_the_frame():
    short = [shifted(FACE, 400)] * 63
    boxes = [FACE] * 64 + short + [FACE] * 70
    assert crops(boxes, 1280, 720) == [
        Crop(0, 64, enlarge(FACE)),
        Crop(127, 197, enlarge(FACE)),
    ]


@pytest.mark.parametrize(
    ("box", "kept"),
    [
        ((400, 100, 655, 355), 0),  # 255 pixels
        ((400, 100, 600, 356), 1),  # 256 in one direction do
        ((25, 100, 325, 400), 0),  # grows over the left edge
        ((950, 100, 1251, 400), 0),  # over the right one
        ((400, 29, 700, 329), 0),  # over the upper one
        ((400, 400, 700, 700), 0),  # over the lower one
    ],
)
def test_small_faces_and_faces_at_the_edge_are_left_out(box, kept):
    assert len(crops([box] * 64, 1280, 720)) == kept


def test_an_empty_box_is_an_error():
    with pytest.raises(ValueError, match=r"left < right, top < bottom, found \(5, 5, 5, 9\)"):
        crops([FACE, (5, 5, 5, 9)], 1280, 720)
