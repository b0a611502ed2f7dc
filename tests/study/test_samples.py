"""The picture of the study: which pairs it shows, and that every run has its column."""

import dataclasses

import numpy as np
import pytest

from reenact_jax.config import from_json
from reenact_jax.data.frames import open_pairs
from reenact_jax.data.truth_masks import read_truth
from reenact_jax.study.samples import middle_pairs, sample_pictures
from tests.helpers.tiny import DATASET


@pytest.fixture(scope="module")
def pairs(tiny_world):
    return open_pairs(tiny_world / "data", DATASET)


def test_it_shows_the_cross_pair_in_the_middle_of_every_bin(pairs):
    truth = read_truth(pairs.root)
    cross = [row for row in range(len(pairs)) if pairs.kind(row) == "cross"]
    degrees = np.zeros(len(truth.pose_difference))
    for place, row in enumerate(cross):
        degrees[truth.rows[pairs.header(row).pair_id]] = 40 - place  # all in one bin
    one_bin = dataclasses.replace(truth, pose_difference=degrees)
    assert middle_pairs(pairs, one_bin) == [cross[::-1][len(cross) // 2]]
    degrees[truth.rows[pairs.header(cross[0]).pair_id]] = 70
    two_bins = dataclasses.replace(truth, pose_difference=degrees)
    assert middle_pairs(pairs, two_bins)[-1] == cross[0]


def test_every_run_has_a_column(pairs, tiny_world, tiny_run):
    run = from_json(tiny_run / "config.json"), tiny_run
    one, two = (
        sample_pictures(dict.fromkeys(labels, run), tiny_world / "data")
        for labels in (["a"], ["a", "b"])
    )
    column = two.shape[1] - one.shape[1]
    assert one.shape[1] == 6 * column  # source, driver, answer, two baselines, and the run
    np.testing.assert_array_equal(one, two[:, : one.shape[1]])
