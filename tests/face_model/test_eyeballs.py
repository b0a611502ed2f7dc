"""Eyeballs turn rigidly about centres that follow the identity, by angles linear in beta."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from reenact_jax.errors import UserError
from reenact_jax.face_model.eyeballs import make_eyeballs
from reenact_jax.face_model.morphable import MorphableModel, make_model, shape

NUM_VERTICES = 80
LEFT, RIGHT = np.arange(10, 30), np.arange(50, 70)
TURN = np.array([[[0.0, 0.5], [0.0, 0.4]], [[-0.3, 0.0], [-0.2, 0.1]], [[0.0, 0.0], [0.0, 0.0]]])
IDENTITY = np.float32([0.7, -0.4])


def parts() -> dict:
    rng = np.random.default_rng(0)
    return {
        "name": "toy",
        "mean": rng.normal(size=(NUM_VERTICES, 3)),
        "identity_basis": 0.2 * rng.normal(size=(2, NUM_VERTICES, 3)),
        "expression_basis": 0.2 * rng.normal(size=(3, NUM_VERTICES, 3)),
        "triangles": np.arange(NUM_VERTICES - NUM_VERTICES % 3).reshape(-1, 3),
        "landmarks68": np.arange(68),
    }


def eyeballs(**changes):
    arrays = {
        "vertices": np.stack([LEFT, RIGHT]),
        "centre_offset": np.array([[0.0, 0.0, -0.05], [0.01, 0.0, -0.05]]),
        "turn": TURN,
    }
    return make_eyeballs(**arrays | changes)


@pytest.fixture(scope="module")
def model() -> MorphableModel:
    return make_model(**parts(), eyeballs=eyeballs())


def linear(model: MorphableModel, expression: np.ndarray) -> np.ndarray:
    return np.asarray(shape(dataclasses.replace(model, eyeballs=None), IDENTITY, expression))


@pytest.mark.parametrize("expression", [[1, 0, 0], [0, 1, 0], [0.3, 0.8, -0.5]])
def test_each_ball_turns_rigidly_by_its_angles_and_nothing_else_moves(model, expression):
    expression = np.float32(expression)
    before, after = linear(model, expression), np.asarray(shape(model, IDENTITY, expression))
    angles = np.einsum("e,ebk->bk", expression, TURN)
    for ball, vertices in enumerate((LEFT, RIGHT)):
        centre = before[vertices].mean(0) + model.eyeballs.centre_offset[ball]
        # Capital letters: rotations about the body's own axes, Ry(yaw) Rx(pitch).
        turn = Rotation.from_euler("YX", angles[ball, ::-1])
        expected = turn.apply(before[vertices] - centre) + centre
        np.testing.assert_allclose(after[vertices], expected, atol=2e-6)
    rest = np.setdiff1d(np.arange(NUM_VERTICES), np.concatenate([LEFT, RIGHT]))
    np.testing.assert_array_equal(after[rest], before[rest])


def test_without_gaze_the_shape_is_the_linear_one(model):
    expression = np.float32([0, 0, 2])
    found = shape(model, IDENTITY, expression)
    np.testing.assert_allclose(found, linear(model, expression), atol=1e-6)


def test_positive_pitch_lowers_the_gaze_and_positive_yaw_turns_it_to_image_right():
    arrays = parts()
    arrays["mean"][LEFT[0]] = arrays["mean"][LEFT].mean(0) + [0, 0, 5.0]  # a pupil far in front
    turn = np.zeros((3, 2, 2))
    turn[0, 0] = 0.2, 0.0
    turn[1, 0] = 0.0, 0.2
    arrays["expression_basis"] = np.zeros((3, NUM_VERTICES, 3))
    model = make_model(**arrays, eyeballs=eyeballs(turn=turn))
    pupil = [
        np.asarray(shape(model, np.zeros(2, np.float32), np.float32(e)))[LEFT[0]] for e in np.eye(3)
    ]
    assert pupil[0][1] < pupil[2][1] - 0.5
    assert pupil[1][0] > pupil[2][0] + 0.5


def test_shape_is_differentiable_and_batches(model):
    expressions = np.float32([[0.4, 0.2, 0.1], [0.0, -0.7, 0.0]])
    batched = jax.jit(jax.vmap(lambda e: shape(model, IDENTITY, e)))(expressions)
    for row, expression in zip(batched, expressions, strict=True):
        np.testing.assert_allclose(row, shape(model, IDENTITY, expression), atol=2e-6)
    weights = np.random.default_rng(1).normal(size=(NUM_VERTICES, 3)).astype(np.float32)
    direction = np.float32([0.5, -1.0, 0.8])

    def loss(step):
        return jnp.sum(shape(model, IDENTITY, expressions[0] + step * direction) * weights)

    step = np.float32(0.02)
    difference = (loss(step) - loss(-step)) / (2 * step)
    assert float(jax.grad(loss)(np.float32(0.0))) == pytest.approx(float(difference), rel=2e-3)


def test_the_fingerprint_knows_the_eyeballs(model):
    prints = {
        dataclasses.replace(model, eyeballs=balls).fingerprint()
        for balls in (None, eyeballs(), eyeballs(turn=2 * TURN), eyeballs(vertices=[RIGHT, LEFT]))
    }
    assert len(prints) == 4


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"vertices": LEFT}, r"eyeballs.vertices: expected shape \(2, K\), found \(20,\)"),
        ({"vertices": [LEFT, LEFT + 60]}, r"expected indices in \[0, 80\), found 10 to 89"),
        ({"vertices": [LEFT, LEFT + 5]}, "expected every vertex once"),
        ({"turn": TURN[:2]}, r"eyeballs.turn: expected shape \(3, 2, 2\), found \(2, 2, 2\)"),
        ({"centre_offset": np.zeros(3)}, r"centre_offset: expected shape \(2, 3\), found \(3,\)"),
    ],
    ids=["one ball", "index", "shared", "modes", "offset"],
)
def test_eyeballs_that_do_not_fit_are_refused(changes, message):
    with pytest.raises(UserError, match=f"toy: .*{message}"):
        make_model(**parts(), eyeballs=eyeballs(**changes))
