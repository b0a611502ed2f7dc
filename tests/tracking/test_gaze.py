"""Gaze from the irises: known directions come back, closed eyes keep looking."""

import numpy as np
import pytest

from reenact_jax.face_model.eyeballs import gaze_angles
from reenact_jax.face_model.ict import load_ict_facekit
from reenact_jax.face_model.morphable import MorphableModel
from reenact_jax.face_model.procedural import procedural_head
from reenact_jax.tracking.anchors import MEDIAPIPE_68
from reenact_jax.tracking.fit import fit_clip
from reenact_jax.tracking.prior import eye_openness, held_gaze, pupil_sight
from tests.helpers.known_faces import project_reference, random_parameters
from tests.helpers.toy_face import toy_face


def looking(model: MorphableModel, num_frames: int, *, identity: float):
    """Random faces with gaze in all directions, the head turned up to 15 degrees."""
    rng = np.random.default_rng(5)
    truth = random_parameters(model, num_frames, seed=1)
    gaze = np.asarray(model.eyeballs.turn).any(axis=(1, 2))
    eyes = np.array([name.startswith("eye") for name in model.expression_names])
    expression = truth.expression * np.where(eyes, 0.0, 0.3)
    expression[:, gaze] = rng.uniform(0, 0.9, (num_frames, gaze.sum()))
    # Nobody looks up and down, or in and out, at once.
    names = model.expression_names
    for way, other in (("Up", "Down"), ("In", "Out")):
        for side in "LR":
            first, second = (names.index(f"eyeLook{w}_{side}") for w in (way, other))
            up = rng.random(num_frames) < 0.5
            expression[up, first] = 0
            expression[~up, second] = 0
    translation = rng.uniform([-0.2, -0.2, -4], [0.2, 0.2, -3], (num_frames, 3))
    return truth.replace(
        identity=np.float32(truth.identity * identity),
        expression=np.float32(expression),
        rotation=np.float32(truth.rotation * 0.3),
        translation=np.float32(translation),
    )


def directions(model: MorphableModel, expression: np.ndarray) -> np.ndarray:
    """(T, 2, 2) pitch and yaw of each eye in degrees."""
    return np.degrees([np.asarray(gaze_angles(model.eyeballs, row)) for row in expression])


def with_open_eyes(landmarks: np.ndarray) -> np.ndarray:
    assert (pupil_sight(landmarks) > 0.9).all(), "the test's eyes are not open"
    return landmarks


@pytest.fixture(params=["procedural", "ict"])
def model(request) -> MorphableModel:
    if request.param == "procedural":
        return procedural_head("light")
    shared = request.getfixturevalue("shared_dir")
    return load_ict_facekit(shared / "assets" / "ict_facekit.npz")


def test_known_gaze_comes_back_within_two_degrees(model):
    truth = looking(model, 8, identity=0.5)
    fitted = fit_clip(model, with_open_eyes(project_reference(model, truth)))
    error = directions(model, fitted.expression) - directions(model, truth.expression)
    # Without the tracker's scores the prior says straight ahead.
    assert np.abs(error).mean() < 1.0
    assert np.abs(error).max() < 2.5
    assert np.abs(directions(model, truth.expression)).max() > 15


def test_without_irises_the_gaze_is_left_to_the_prior():
    model = toy_face(eyeballs=True)
    truth = looking(model, 2, identity=1.0)
    landmarks = project_reference(model, truth)[:, :468]
    fitted = fit_clip(model, landmarks)
    gaze = model.eyeballs.turn.any(axis=(1, 2))
    np.testing.assert_allclose(fitted.expression[:, gaze], 0, atol=1e-4)


def eye(openness: float, x: float) -> np.ndarray:
    """Six points of an eye of width 1: outer corner, two above, inner corner, two below."""
    half = openness / 2
    return np.array(
        [[x, 0], [x + 0.3, -half], [x + 0.7, -half], [x + 1, 0], [x + 0.7, half], [x + 0.3, half]]
    )


def face_with_eyes(left: float, right: float) -> np.ndarray:
    landmarks = np.zeros((478, 2))
    landmarks[MEDIAPIPE_68[36:42]] = eye(right, 0)
    landmarks[MEDIAPIPE_68[42:48]] = eye(left, 2)
    return landmarks


def test_openness_is_height_over_width_the_left_eye_first():
    openness = eye_openness(np.stack([face_with_eyes(0.3, 0.1), face_with_eyes(0.0, 0.4)]))
    np.testing.assert_allclose(openness, [[0.3, 0.1], [0.0, 0.4]], atol=1e-12)
    sight = pupil_sight(np.stack([face_with_eyes(0.3, 0.05)]))
    np.testing.assert_array_equal(sight, [[1, 0]])


def test_gaze_behind_closed_lids_lies_between_before_and_after():
    turn = np.zeros((3, 2, 2))
    turn[0, 0] = turn[1, 1] = 0.3  # one mode for each eye, and one for something else
    expression = np.array([[0.2, 0.1, 0.5], [0.9, 0.2, 0.6], [0.8, 0.3, 0.7], [0.5, 0.4, 0.8]])
    sight = np.array([[1, 1], [0, 1], [0.3, 1], [1, 0]], float)
    hidden, mean, precision = held_gaze(expression, sight, turn)
    np.testing.assert_array_equal(hidden, [False, True, True, True])
    np.testing.assert_allclose(mean[:, 0], [0.2, 0.3, 0.4, 0.5])
    np.testing.assert_allclose(mean[:, 1], [0.1, 0.2, 0.3, 0.3])  # at the end: as before
    np.testing.assert_array_equal(precision[:, 0] > 0, [False, True, True, False])
    np.testing.assert_array_equal(precision[:, 1] > 0, [False, False, False, True])
    np.testing.assert_array_equal(precision[:, 2], 0)
    assert not held_gaze(expression, np.zeros((4, 2)), turn)[0].any()


def test_a_blink_does_not_move_the_gaze():
    model = toy_face(eyeballs=True)
    truth = looking(model, 5, identity=1.0)
    truth = truth.replace(expression=np.repeat(truth.expression[:1], 5, axis=0))
    landmarks = project_reference(model, truth)
    # The toy's eyes are anywhere; only whether they are open counts here, and where irises jump to.
    for k in range(5):
        eyes = face_with_eyes(0.3, 0.3) if k != 2 else face_with_eyes(0.01, 0.01)
        at = MEDIAPIPE_68[36:48]
        landmarks[k, at] = eyes[at] * 20 + 100
    landmarks[2, [468, 473]] += 9.0
    gaze = model.eyeballs.turn.any(axis=(1, 2))
    fitted = fit_clip(model, landmarks).expression[:, gaze]
    np.testing.assert_allclose(fitted[2], (fitted[1] + fitted[3]) / 2, atol=0.05)
