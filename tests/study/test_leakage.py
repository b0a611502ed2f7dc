"""Two drivers, one motion."""

import dataclasses

import numpy as np
import pytest

from reenact_jax.config import from_json
from reenact_jax.data.frames import open_pairs
from reenact_jax.data.talking_heads.guidance_conditions import landmark_distance, project_landmarks
from reenact_jax.data.truth_masks import read_truth
from reenact_jax.errors import UserError
from reenact_jax.inference.run import load_run
from reenact_jax.study.leakage import FITS, TwoDrivers, _performance, leakage, two_drivers
from tests.helpers.tiny import DATASET, WORLD


@pytest.fixture(scope="module")
def performances():
    """The first test clip's motion, by its own person and by another."""
    return [_performance(WORLD, "person0003-00", person) for person in (3, 1)]


def test_both_perform_the_same_motion_with_their_own_faces(performances):
    first, second = (one["exact"] for one in performances)
    for name in ("expression", "rotation", "translation", "camera"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
    assert not np.array_equal(first.identity, second.identity)


def test_tracked_performances_lie_on_their_own_landmarks(performances):
    for one in performances:
        # The person's face lies up to 2 px outside the model.
        points = [project_landmarks(WORLD.head, one[fit]) for fit in ("exact", "tracked")]
        assert landmark_distance(*points) < 3
    first, second = (one["tracked"].expression for one in performances)
    assert not np.array_equal(first, second)


def test_with_exact_parameters_nothing_of_the_driver_is_left(tiny_world, tiny_run, performances):
    pairs = open_pairs(tiny_world / "data", DATASET)
    run = load_run(from_json(tiny_run / "config.json"), tiny_run)
    cases = [
        TwoDrivers(pair, {fit: tuple(one[fit][1] for one in performances) for fit in FITS})
        for pair in pairs
        if pair["kind"] == "cross"
    ]
    found = leakage(run, cases, read_truth(pairs.root))
    assert found["exact/frame/apart"].shape == (2,)
    assert (found["exact/frame/apart"] == 0).all() and (found["exact/face/apart"] == 0).all()
    assert (found["tracked/frame/apart"] > 0).all()
    assert (found["frame/moved"] > 0).all()


def test_pairs_of_another_world_are_refused(tiny_world):
    pairs = open_pairs(tiny_world / "data", DATASET)
    with pytest.raises(UserError, match="expected the exact parameters of the world"):
        two_drivers(dataclasses.replace(WORLD, seed=1), pairs, 2)
