"""Wrong guidance: by as much as was asked for, and the same for every run."""

import numpy as np
import pytest

from reenact_jax.data.frames import open_pairs
from reenact_jax.face_model.parameters import FIELDS
from reenact_jax.study.scoring import ChangedPairs
from reenact_jax.study.tolerance import (
    Noise,
    SmallerModel,
    WrongPerson,
    landmark_error,
    noise_for,
)
from tests.helpers.tiny import DATASET


@pytest.fixture(scope="module")
def pairs(tiny_world):
    return open_pairs(tiny_world / "data", DATASET)


@pytest.mark.parametrize("error_px", [0.5, 2.0])
def test_noise_moves_landmarks_by_what_was_asked_for(pairs, error_px):
    noise = noise_for(pairs, error_px, "light")
    assert landmark_error(pairs, noise, "light") == pytest.approx(error_px, rel=0.02)


def test_noise_is_the_same_every_time_and_constant_in_a_clip(pairs):
    pair = next(pair for pair in pairs if pair["kind"] == "self")
    first, again = (Noise(1.0)(pair) for _ in range(2))
    for role in ("source", "driving"):
        for name in FIELDS:
            np.testing.assert_array_equal(getattr(first[role], name), getattr(again[role], name))
    # Both frames of a self pair are of one clip.
    np.testing.assert_array_equal(first["source"].identity, first["driving"].identity)
    assert not np.array_equal(
        first["source"].rotation - pair["source"].rotation,
        first["driving"].rotation - pair["driving"].rotation,
    )
    assert first["source"].expression.min() >= 0 and first["source"].expression.max() <= 1


@pytest.mark.parametrize("stranger", [False, True])
def test_a_wrong_person_keeps_motion_and_light(pairs, stranger):
    pair = pairs[0]
    wrong = WrongPerson(stranger)(pair)
    assert wrong["driving"] is pair["driving"]
    for name in FIELDS:
        same = np.array_equal(getattr(wrong["source"], name), getattr(pair["source"], name))
        assert same == (name not in ("identity", "texture"))
    assert wrong["source"].identity.any() == stranger
    assert landmark_error(pairs, WrongPerson(stranger), "light") > 1


def test_a_smaller_model_lacks_modes_and_keeps_the_others(pairs):
    pair = pairs[0]
    smaller = SmallerModel("light")(pair)
    for name, most in (("identity", 28), ("texture", 16)):
        kept, whole = getattr(smaller["source"], name), getattr(pair["source"], name)
        np.testing.assert_array_equal(kept[kept != 0], whole[kept != 0])
        assert 0 < np.count_nonzero(kept) <= min(most, len(whole))
    np.testing.assert_array_equal(smaller["driving"].rotation, pair["driving"].rotation)


def test_changed_pairs_have_other_parameters_and_another_content(pairs):
    changed, other = (ChangedPairs(pairs, WrongPerson(stranger)) for stranger in (False, True))
    assert not changed[1]["source"].identity.any()
    assert [changed.kind(row) for row in range(4)] == [pair["kind"] for pair in changed]
    assert changed.list_hash == pairs.list_hash
    assert len({pairs.content, changed.content, other.content}) == 3
