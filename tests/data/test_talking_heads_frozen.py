"""Version 1 of the synthetic world draws today what it drew when it was released."""

import json

import numpy as np
import pytest

from tests.helpers import world_summary


@pytest.fixture(scope="module")
def summaries() -> tuple[dict, dict]:
    return world_summary.summary(), json.loads(world_summary.PATH.read_text())


def test_specifications_and_pairs_are_the_released_ones(summaries):
    found, released = summaries
    for name in ("version", "hashes", "pairs"):
        assert found[name] == released[name], name


def test_people_motion_and_pictures_are_the_released_ones(summaries):
    found, released = summaries
    assert set(found["clips"]) == set(released["clips"])
    for clip_id, clip in released["clips"].items():
        for name in ("exact", "fitted"):
            for leaf, moments in clip[name].items():
                assert np.allclose(found["clips"][clip_id][name][leaf], moments, atol=2e-3), leaf
        for name, tolerance in (("mean", 1e-3), ("skin", 1e-3)):
            assert np.allclose(found["clips"][clip_id][name], clip[name], atol=tolerance), name
        # Grey levels, means over 4 x 4 pixels: rounding may move an outline by a sample.
        difference = np.abs(np.subtract(found["clips"][clip_id]["picture"], clip["picture"]))
        assert difference.mean() < 0.5 and difference.max() < 6, clip_id
