"""Which face of several is followed, and how far."""

import numpy as np
import pytest

from reenact_jax.errors import UserError
from reenact_jax.tracking.choice import choose_faces, parse_face
from reenact_jax.tracking.landmarks import Landmarks


def face(x: float, y: float = 100, side: float = 40) -> Landmarks:
    corners = np.float32([[x - side / 2, y - side / 2], [x + side / 2, y + side / 2]])
    return Landmarks(corners, {})


def centres(chosen: list[Landmarks | None]) -> list[float | None]:
    return [None if seen is None else float(seen.centre[0]) for seen in chosen]


def test_the_largest_face_is_followed_whatever_the_order_of_detection():
    frames = [[face(100), face(200, side=60)], [face(205, side=60), face(103)]]
    assert centres(choose_faces(frames)) == [200, 205]
    assert centres(choose_faces(frames, 0)) == [100, 103]
    assert centres(choose_faces(frames, 1)) == [200, 205]


def test_a_face_that_is_large_for_a_moment_does_not_take_over():
    frames = [[face(300)], [face(302), face(60, side=70)], *[[face(304 + k)] for k in range(6)]]
    assert centres(choose_faces(frames)) == [300, 302, 304, 305, 306, 307, 308, 309]


def test_two_faces_that_pass_each_other_keep_their_places():
    steps = np.arange(0, 101, 10)
    frames = [[face(100 + s, 80), face(200 - s, 130, 44)] for s in steps]
    assert centres(choose_faces(frames, 0)) == [100 + s for s in steps]
    assert centres(choose_faces(frames, 1)) == [200 - s for s in steps]


def test_another_person_is_no_stand_in_for_one_who_is_gone():
    frames = [[face(100, side=60), face(300)], [face(301)], [face(302)], [face(104, side=60)]]
    assert centres(choose_faces(frames)) == [100, None, None, 104]


def test_the_only_face_of_a_clip_may_jump():
    assert centres(choose_faces([[face(50)], [], [face(900)]])) == [50, None, 900]


def test_frames_without_any_face_are_none():
    assert choose_faces([[], []]) == [None, None]
    assert choose_faces([]) == []


def test_an_index_counts_in_the_first_frame_that_shows_so_many():
    frames = [[face(300)], [face(301), face(100)]]
    assert centres(choose_faces(frames, 1)) == [300, 301]
    assert centres(choose_faces(frames, 0)) == [300, 301]  # the first frame shows one face
    with pytest.raises(UserError, match="expected face 2 .* more than 2"):
        choose_faces(frames, 2)


def test_only_a_word_and_whole_numbers_choose_a_face():
    assert parse_face("largest") == "largest"
    assert parse_face("2") == 2
    for text in ("-1", "smallest", "1.5", ""):
        with pytest.raises(UserError, match="largest"):
            parse_face(text)
    for wrong in (-1, "all"):
        with pytest.raises(ValueError, match="expected"):
            choose_faces([[face(1)]], wrong)
