"""The fit: known parameters come back, conventions hold, and the optimum is the optimum."""

import dataclasses

import jax
import numpy as np
import pytest
from scipy.optimize import least_squares
from scipy.spatial.transform import Rotation

from reenact_jax.face_model.ict import load_ict_facekit
from reenact_jax.face_model.parameters import FaceParameters
from reenact_jax.tracking import fit
from reenact_jax.tracking.anchors import MEDIAPIPE_68, model_anchors
from reenact_jax.tracking.fit import fit_clip, fit_error_px
from reenact_jax.tracking.pose import orthographic_pose, rotation_from_vector
from reenact_jax.tracking.targets import LID_PAIRS, LIP_PAIRS
from tests.helpers.known_faces import project_reference, random_parameters, scores_of
from tests.helpers.toy_face import toy_face

MODELS = {
    "dense blendshapes": {"dense": True, "named": True},
    "68 standard deviations": {"dense": False, "named": False},
}


@pytest.mark.parametrize("kind", MODELS.values(), ids=MODELS)
def test_known_parameters_come_back(kind):
    model = toy_face(**kind)
    truth = random_parameters(model, 6)
    landmarks = project_reference(model, truth)
    fitted = fit_clip(model, landmarks, scores_of(model, truth))
    error = fit_error_px(model, fitted, landmarks)
    assert error.shape == (6,)
    # What is left is the pull of the priors, which weigh little against exact landmarks.
    assert error.max() < (0.05 if kind["dense"] else 0.2)
    difference = np.degrees(np.abs(fitted.rotation - truth.rotation))
    assert difference.max() < 0.5
    np.testing.assert_allclose(fitted.identity, np.tile(fitted.identity[0], (6, 1)))
    np.testing.assert_allclose(fitted.identity[0], truth.identity[0], atol=0.15)
    np.testing.assert_allclose(fitted.expression, truth.expression, atol=0.15)


def test_the_real_model_recovers_known_faces(shared_dir):
    model = load_ict_facekit(shared_dir / "assets" / "ict_facekit.npz")
    truth = random_parameters(model, 8)
    truth = truth.replace(identity=truth.identity * 0.7, expression=truth.expression * 0.5)
    landmarks = project_reference(model, truth)
    fitted = fit_clip(model, landmarks, scores_of(model, truth))
    # The prior pulls at 100 identity coefficients; on real faces the error is three times as large.
    assert fit_error_px(model, fitted, landmarks).max() < 0.3
    # 100 modes that overlap: angles trade against shape a little.
    assert np.degrees(np.abs(fitted.rotation - truth.rotation)).max() < 1.5


@pytest.mark.parametrize(
    ("axis", "moved"),
    [("pitch", (0, 1)), ("yaw", (1, 0)), ("roll", (-1, 0))],
)
def test_angles_have_the_documented_signs(axis, moved):
    model = toy_face()
    # Seen in the image: positive pitch lowers the nose, positive yaw takes it to the right,
    # positive roll turns the head counter-clockwise, so its top goes to the left.
    angle = 0.2
    point = np.array([0.0, 0.9, 0.0]) if axis == "roll" else np.array([0.0, 0.0, 0.9])
    order = {"pitch": "x", "yaw": "y", "roll": "z"}[axis]
    turned = Rotation.from_euler(order, angle).apply(point)
    shift = (turned - point)[:2] * [1, -1]
    assert np.dot(shift, moved) > 0.15
    rotation = np.zeros((1, 3))
    rotation[0, ["pitch", "yaw", "roll"].index(axis)] = angle
    truth = model.zeros((1,)).replace(rotation=rotation, translation=np.array([[0.1, -0.2, -4.0]]))
    fitted = fit_clip(model, project_reference(model, truth))
    np.testing.assert_allclose(fitted.rotation, rotation, atol=0.01)
    np.testing.assert_allclose(fitted.translation, truth.translation, atol=0.03)


def test_one_frame_reaches_the_optimum_of_the_stated_objective():
    model = toy_face()
    truth = random_parameters(model, 1, seed=3)
    rng = np.random.default_rng(1)
    landmarks = project_reference(model, truth) + rng.normal(0, 1.0, (1, 478, 2))
    prior = rng.uniform(0, 1, (1, 5))
    scores = [
        {"jawOpen": prior[0, 0], "eyeBlinkLeft": prior[0, 1], "eyeBlinkRight": prior[0, 2]}
        | {"cheekPuff": prior[0, 3]}
    ]
    prior[0, 4] = 0.0  # the tracker has no score of this name

    def unpack(x: np.ndarray) -> FaceParameters:
        return model.zeros((1,)).replace(
            identity=x[None, :4],
            expression=x[None, 4:9],
            rotation=x[None, 9:12],
            translation=x[None, 12:],
        )

    def terms(x: np.ndarray) -> np.ndarray:
        offsets = (project_reference(model, unpack(x)) - landmarks)[0, :468]
        lids, lips = (
            offsets[MEDIAPIPE_68[pairs[:, 0]]] - offsets[MEDIAPIPE_68[pairs[:, 1]]]
            for pairs in (np.array(LID_PAIRS), np.array(LIP_PAIRS))
        )
        return np.concatenate(
            [
                np.sqrt(68 / 468) / 1.5 * offsets.ravel(),
                lids.ravel() / 0.25,
                lips.ravel() / 0.6,
                x[:4],  # lambda_id = number of frames = 1
                np.sqrt([20, 3, 3, 20, 20]) * (x[4:9] - prior[0]),
            ]
        )

    fitted = fit_clip(model, landmarks, scores)
    found = np.concatenate(
        [fitted.identity[0], fitted.expression[0], fitted.rotation[0], fitted.translation[0]]
    )
    low = np.full(15, -np.inf)
    high = np.full(15, np.inf)
    low[4:9], high[4:9] = 0, 1
    start = np.clip(found, low + 1e-6, high - 1e-6)
    best = least_squares(terms, start, bounds=(low, high), xtol=1e-12, ftol=1e-12)
    cost = 0.5 * (terms(found) ** 2).sum()
    assert cost < best.cost * 1.001
    np.testing.assert_allclose(found, best.x, atol=0.02)


def test_expressions_stay_within_zero_and_one():
    model = toy_face()
    truth = random_parameters(model, 4)
    truth = truth.replace(expression=truth.expression * 4 - 1)  # from -1 to 2.2
    fitted = fit_clip(model, project_reference(model, truth))
    assert fitted.expression.min() == 0
    assert fitted.expression.max() == 1


def test_a_long_clip_is_fitted_in_batches_with_one_identity():
    model = toy_face()
    truth = random_parameters(model, 70)
    landmarks = project_reference(model, truth)
    fitted = fit_clip(model, landmarks, scores_of(model, truth))
    assert fitted.expression.shape == (70, 5)
    assert fit_error_px(model, fitted, landmarks).max() < 0.05
    np.testing.assert_array_equal(fitted.identity, np.tile(fitted.identity[0], (70, 1)))


def test_padding_changes_nothing(monkeypatch):
    model = toy_face()
    truth = random_parameters(model, 5)
    landmarks = project_reference(model, truth) + np.random.default_rng(0).normal(0, 1, (5, 478, 2))
    padded = fit_clip(model, landmarks)
    monkeypatch.setattr(fit, "_IDENTITY_SIZES", (5,))
    exact = fit_clip(model, landmarks)
    for field in dataclasses.fields(FaceParameters):
        np.testing.assert_allclose(
            getattr(padded, field.name), getattr(exact, field.name), atol=1e-4
        )


def test_the_crop_size_only_scales_the_pixels():
    model = toy_face()
    landmarks = project_reference(model, random_parameters(model, 2))
    full = fit_clip(model, landmarks)
    half = fit_clip(model, landmarks / 2, image_size=128)
    np.testing.assert_allclose(half.rotation, full.rotation, atol=1e-4)
    np.testing.assert_allclose(
        fit_error_px(model, half, landmarks / 2, image_size=128),
        fit_error_px(model, full, landmarks) / 2,
        atol=1e-3,
    )


@pytest.mark.parametrize(
    ("landmarks", "message"),
    [
        (np.zeros((2, 68, 2)), "expected landmarks"),
        (np.zeros((0, 478, 2)), "at least one frame"),
        (np.full((1, 478, 2), np.nan), "finite"),
    ],
    ids=["68 points", "no frame", "nan"],
)
def test_unusable_landmarks_are_refused(landmarks, message):
    with pytest.raises(ValueError, match=message):
        fit_clip(toy_face(), landmarks)


def test_scores_must_be_of_every_frame():
    model = toy_face()
    landmarks = project_reference(model, random_parameters(model, 2))
    with pytest.raises(ValueError, match="scores of 2 frames, found 1"):
        fit_clip(model, landmarks, [{}])


def test_the_first_guess_is_right_for_a_distant_face():
    rng = np.random.default_rng(0)
    points = rng.normal(size=(60, 3)) * 0.5
    turn = Rotation.from_euler("xyz", [0.2, -0.7, 0.3]).as_matrix()
    translation = np.array([3.0, -2.0, -400.0])
    x, y, z = (points @ turn.T + translation).T
    focal = 1015 / 224
    landmarks = np.stack([0.5 + focal * x / (10 - z), 0.5 - focal * y / (10 - z)], axis=-1)
    rotation, found = orthographic_pose(
        points.astype(np.float32), landmarks.astype(np.float32), np.ones(60, np.float32)
    )
    np.testing.assert_allclose(rotation, turn, atol=0.01)
    np.testing.assert_allclose(found, translation, rtol=0.01)


@pytest.mark.parametrize("length", [0.0, 1e-5, 1e-3, 0.5, 3.0])
def test_rotation_vectors_turn_as_scipy_says(length):
    vector = np.array([0.6, -0.48, 0.64]) * length
    expected = Rotation.from_rotvec(vector).as_matrix()
    np.testing.assert_allclose(rotation_from_vector(vector.astype(np.float32)), expected, atol=1e-6)
    gradient = jax.jacobian(rotation_from_vector)(vector.astype(np.float32))
    assert np.isfinite(gradient).all()


def test_weights_sum_to_68_and_the_jaw_counts_a_fifth():
    dense = model_anchors(toy_face())
    np.testing.assert_allclose(dense.weights, 68 / 468, rtol=1e-6)
    sparse = model_anchors(toy_face(dense=False))
    assert sparse.weights.sum() == pytest.approx(68, rel=1e-5)
    np.testing.assert_allclose(sparse.weights[:17], sparse.weights[17] / 5, rtol=1e-6)
    assert len(np.unique(MEDIAPIPE_68)) == 68


def test_the_table_of_68_is_the_assets(shared_dir):
    with np.load(shared_dir / "assets" / "ict_facekit.npz") as stored:
        np.testing.assert_array_equal(MEDIAPIPE_68, stored["mediapipe68_index"])


def test_every_leaf_is_a_float32_array_of_the_clips_length():
    model = toy_face()
    fitted = fit_clip(model, project_reference(model, random_parameters(model, 2)))
    for field in dataclasses.fields(FaceParameters):
        leaf = getattr(fitted, field.name)
        assert leaf.dtype == np.float32
        assert leaf.shape[0] == 2
    np.testing.assert_array_equal(fitted.lighting, 0)
    np.testing.assert_allclose(fitted.camera, np.tile([4.53125, 4.53125, 0.5, 0.5], (2, 1)))
