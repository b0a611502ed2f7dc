"""Measures of faces, with a detector and a reader that are known: who is compared with whom."""

import numpy as np
import pytest

from reenact_jax.evaluation.face_readers import Comparison, LandmarkReader
from reenact_jax.evaluation.face_scorer import NOISE_FLOOR, FaceScorer
from reenact_jax.evaluation.pictures import PictureBatch
from reenact_jax.evaluation.summary import UNKNOWN_ANSWER
from reenact_jax.metrics.noise_floor import SHIFTS
from reenact_jax.tracking.landmarks import Landmarks
from reenact_jax.tracking.picture_fit import NO_FACE

SIZE = 8


def picture(level, column=0):
    """A picture of one level; 0 has no face. The column can be seen to move."""
    image = np.full((SIZE, SIZE, 3), level, np.uint8)
    image[:, column, 1] = 255
    return image


class Detector:
    def __init__(self):
        self.looked_at = 0

    def detect(self, image):
        self.looked_at += 1
        level = image[0, 0, 0]
        return None if level == 0 else Landmarks(np.full((478, 2), level, np.float32), {})


class LevelReader:
    """Reads the level of a picture; cannot read 13."""

    features = {"level": 1}
    comparisons = {
        "from_source": Comparison("", "level", "source", lambda a, b: float((a - b)[0])),
        "from_driver": Comparison("", "level", "driving", lambda a, b: float((a - b)[0])),
        "from_answer": Comparison("", "level", "target", lambda a, b: float((a - b)[0])),
    }

    def describe(self):
        return {"distances": {"level": ("fd_level", "of levels")}}

    def read(self, pictures, faces):
        levels = [float(face.points[0, 0]) for face in faces]
        return [
            "unreadable" if level == 13 else {"level": np.array([level], np.float32)}
            for level in levels
        ]


@pytest.fixture
def scored():
    batch = PictureBatch(
        methods={
            "model": np.stack([picture(30), picture(0), picture(13), picture(50)]),
            "copy_source": np.stack([picture(20)] * 4),
        },
        real={
            "source": np.stack([picture(20)] * 4),
            "driving": np.stack([picture(25), picture(25), picture(25), picture(0)]),
            "target": np.stack([picture(31), picture(31), picture(31), picture(99)]),
        },
        regions={},
        has_target=np.array([True, True, True, False]),
        valid=np.ones(4, bool),
        pair_id=["a", "b", "c", "d"],
        kind=["self"] * 4,
        source=None,
        driving=None,
    )
    detector = Detector()
    return FaceScorer([LevelReader()], detector).score(batch), detector


def test_results_are_compared_with_the_picture_that_is_named(scored):
    found, _ = scored
    np.testing.assert_array_equal(found.scores["model/frame/from_source"], [10, np.nan, np.nan, 30])
    np.testing.assert_array_equal(
        found.scores["model/frame/from_driver"], [5, np.nan, np.nan, np.nan]
    )
    np.testing.assert_array_equal(
        found.scores["model/frame/from_answer"], [-1, np.nan, np.nan, np.nan]
    )
    np.testing.assert_array_equal(found.scores["copy_source/frame/from_source"], 0)


def test_what_fails_says_why_and_is_no_zero(scored):
    found, _ = scored
    assert found.reasons["model/frame/from_driver"].tolist() == [
        "",
        f"result: {NO_FACE}",
        "result: unreadable",
        f"real: {NO_FACE}",
    ]
    assert found.reasons["model/frame/from_answer"][3] == UNKNOWN_ANSWER
    np.testing.assert_array_equal(np.isnan(found.features["model/level"][:, 0]), [0, 1, 1, 0])
    assert found.features["driving/level"].shape == (4, 1)


def test_the_noise_floor_compares_a_driver_with_itself_moved(scored):
    found, _ = scored
    floor = found.scores[f"{NOISE_FLOOR}/frame/from_driver"]
    np.testing.assert_array_equal(floor, [0, 0, 0, np.nan])
    assert len(SHIFTS) >= 4


def test_a_picture_is_looked_at_once(scored):
    _, detector = scored
    # 20, 30, 0, 13, 50; 25 and, with its second column moved to others, 0 and 25 shifted; 31.
    assert detector.looked_at < 4 * 6


def test_landmarks_of_one_picture_are_no_distance_apart():
    rng = np.random.default_rng(0)
    points = rng.uniform(0, 100, (68, 2)).astype(np.float32)
    moved = points + np.float32([3.0, 4.0])
    outer = np.linalg.norm(points[36] - points[45])
    for name, comparison in LandmarkReader.comparisons.items():
        assert comparison.compare(points, points) == 0
        expected = 5.0 / outer if name == "landmark_distance" else 0.0
        np.testing.assert_allclose(comparison.compare(moved, points), expected, atol=1e-5)
