"""Policies for frames without a face."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from reenact_jax.tracking.missing import between, stand_ins
from tests.helpers.toy_face import toy_face

FOUND = np.array([0, 1, 0, 0, 1, 0], bool)


@pytest.mark.parametrize(
    ("policy", "kept", "before", "after", "share"),
    [
        ("skip", [1, 4], [1, 4], [1, 4], [0, 0]),
        ("hold", [0, 1, 2, 3, 4, 5], [1, 1, 1, 1, 4, 4], [1, 1, 1, 1, 4, 4], [0] * 6),
        (
            "interpolate",
            [0, 1, 2, 3, 4, 5],
            [1, 1, 1, 1, 4, 4],
            [1, 1, 4, 4, 4, 4],
            [0, 0, 1 / 3, 2 / 3, 0, 0],
        ),
    ],
)
def test_policies_name_the_frames_that_stand_in(policy, kept, before, after, share):
    places = stand_ins(FOUND, policy)
    np.testing.assert_array_equal(places.kept, kept)
    np.testing.assert_array_equal(places.before, before)
    np.testing.assert_array_equal(places.after, after)
    np.testing.assert_allclose(places.share, share, atol=1e-6)


def test_an_unknown_policy_is_refused():
    with pytest.raises(ValueError, match="on_missing: expected one of .* found 'drop'"):
        stand_ins(FOUND, "drop")


def test_between_two_poses_the_head_turns_evenly():
    model = toy_face()
    rng = np.random.default_rng(0)
    first, last = (
        model.zeros((1,)).replace(
            rotation=np.float32(rng.uniform(-0.8, 0.8, (1, 3))),
            expression=np.float32(rng.uniform(0, 1, (1, 5))),
        )
        for _ in range(2)
    )
    start, end = (Rotation.from_euler("xyz", p.rotation[0]) for p in (first, last))
    whole = (end * start.inv()).magnitude()
    for share in (0.0, 0.25, 0.5, 1.0):
        middle = between(first, last, np.float32([share]))
        turn = Rotation.from_euler("xyz", middle.rotation[0])
        assert abs((turn * start.inv()).magnitude() - share * whole) < 1e-5
        assert abs((end * turn.inv()).magnitude() - (1 - share) * whole) < 1e-5
        expected = first.expression * (1 - share) + last.expression * share
        np.testing.assert_allclose(middle.expression, expected, atol=1e-6)
    same = between(first, last, np.float32([0.0]))
    np.testing.assert_array_equal(same.rotation, first.rotation)
