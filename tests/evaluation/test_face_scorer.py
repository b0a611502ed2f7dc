"""Measures of faces, with a detector and a reader that are known: who is compared with whom."""

from types import SimpleNamespace

import numpy as np
import pytest

from reenact_jax.evaluation import face_readers, measures
from reenact_jax.evaluation.face_readers import Comparison, DengReader, LandmarkReader
from reenact_jax.evaluation.face_scorer import NOISE_FLOOR, FaceScorer
from reenact_jax.evaluation.pictures import PictureBatch
from reenact_jax.evaluation.summary import UNKNOWN_ANSWER
from reenact_jax.metrics.noise_floor import SHIFTS
from reenact_jax.pretrained.network_files import Provenance
from reenact_jax.tracking.landmarks import Landmarks
from reenact_jax.tracking.picture_fit import NO_FACE

SIZE = 8


def picture(level, column=0):
    """A picture of one level; 0 has no face. The column can be seen to move."""
    image = np.full((SIZE, SIZE, 3), level, np.uint8)
    image[:, column, 1] = 255
    return image


class Detector:
    provenance = Provenance("a detector", "faces.task", "1" * 64, None, None, True)

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
        "from_source": Comparison("", "level", "source", lambda a, b: (a - b)[:, 0]),
        "from_driver": Comparison("", "level", "driving", lambda a, b: (a - b)[:, 0]),
        "from_answer": Comparison("", "level", "target", lambda a, b: (a - b)[:, 0]),
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


def test_the_detectors_file_is_among_the_weights():
    described = FaceScorer([LevelReader()], Detector()).describe()
    assert [one["file"] for one in described["weights"]] == ["faces.task"]


def test_csim_by_other_weights_than_the_papers_warns(monkeypatch):
    monkeypatch.setattr(measures, "_first", lambda *names: names[-1])
    for official in ("w600k_r50.onnx", "backbone.pth"):
        weights = Provenance("ArcFace", official, "0" * 64, None, official, True)
        monkeypatch.setattr(measures.arcface, "load_arcface", lambda path, w=weights: ({}, w))
        said = measures._csim().describe()["warnings"]
        assert any("cannot be compared" in one for one in said) == (official == "w600k_r50.onnx")


def test_deng_regresses_a_batch_at_once_and_names_what_cannot_be_aligned(monkeypatch):
    calls = []

    class Frames:
        def __init__(self, levels):
            self._levels = np.float32(levels)[:, None]

        def parameters(self):
            kinds = ("expression", "rotation", "translation")
            return SimpleNamespace(**{name: self._levels for name in kinds})

    def reconstruct(frames, points, params):
        calls.append(len(frames))
        return Frames([frame[0, 0, 0] for frame in frames])

    monkeypatch.setattr(face_readers, "reconstruct_frames", reconstruct)
    points = np.random.default_rng(0).uniform(60, 160, (478, 2)).astype(np.float32)
    faces = [Landmarks(p, {}) for p in (points, np.full_like(points, np.nan), points)]
    pictures = [np.full((224, 224, 3), level, np.uint8) for level in (1, 2, 3)]
    first, second, third = DengReader({}, []).read(pictures, faces)
    assert calls == [2] and second.startswith("no alignment")
    assert first["expression"] == [1] and third["pose"].tolist() == [3, 3]


def test_landmarks_of_one_picture_are_no_distance_apart():
    rng = np.random.default_rng(0)
    points = rng.uniform(0, 100, (68, 2)).astype(np.float32)
    moved = points + np.float32([3.0, 4.0])
    outer = np.linalg.norm(points[36] - points[45])
    for name, comparison in LandmarkReader.comparisons.items():
        expected = 5.0 / outer if name == "normalised_landmark_distance" else 0.0
        found = comparison.compare(np.stack([points, moved]), np.stack([points, points]))
        np.testing.assert_allclose(found, [0.0, expected], atol=1e-5)
