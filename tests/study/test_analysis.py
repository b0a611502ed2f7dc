"""Means, differences and slopes with intervals over people and seeds."""

import numpy as np
import pytest

from reenact_jax.study import analysis

PEOPLE = np.repeat(["anna", "bert", "carl", "dora", "emil"], [3, 1, 4, 1, 5])


def test_the_mean_is_over_pairs_then_seeds_and_passes_over_what_is_missing():
    values = np.stack([np.arange(14.0), np.arange(14.0) + 1])
    values[0, 13] = np.nan
    expected = (np.arange(13).mean() + np.arange(1, 15).mean()) / 2
    assert analysis.mean(values, PEOPLE).value == pytest.approx(expected)


def test_equal_numbers_have_an_interval_of_no_width():
    estimate = analysis.mean(np.full((3, 14), 0.25), PEOPLE)
    assert (estimate.low, estimate.high) == pytest.approx((0.25, 0.25))
    assert estimate.excludes_zero
    assert estimate.text(2, signed=True) == "+0.25 [+0.25, +0.25]"


def test_the_interval_covers_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(0)
    people = np.repeat(np.arange(20), 5)
    covered = 0
    for _ in range(200):
        of_person = rng.normal(size=20)[people]
        of_seed = rng.normal(scale=0.2, size=(5, 1))
        values = of_person[None] + of_seed + rng.normal(size=(5, 100))
        estimate = analysis.mean(values, people)
        covered += estimate.low <= 0 <= estimate.high
    # 95 % up to a bootstrap's known optimism with 20 people (a few %), and chance (1.5 %).
    assert 0.88 <= covered / 200 <= 0.99


def test_pairs_of_one_person_do_not_make_it_more_certain():
    rng = np.random.default_rng(1)
    of_person = rng.normal(size=20)
    few, many = (
        analysis.mean(np.repeat(of_person, n)[None], np.repeat(np.arange(20), n)) for n in (1, 50)
    )
    assert (few.low, few.high) == pytest.approx((many.low, many.high))


def test_seeds_that_differ_widen_the_interval():
    same = np.zeros((3, 14))
    differing = same + np.array([[-1.0], [0.0], [1.0]])
    assert analysis.mean(same, PEOPLE).high == 0
    estimate = analysis.mean(differing, PEOPLE)
    assert estimate.low < -0.5 and estimate.high > 0.5


def test_the_slope_is_that_of_least_squares():
    rng = np.random.default_rng(2)
    degrees = rng.uniform(0, 90, 14)
    values = 0.02 * degrees + rng.normal(size=(2, 14))
    values[1, 4] = np.nan
    there = np.isfinite(values)
    x = np.broadcast_to(degrees / 10, values.shape)[there]
    expected = np.polyfit(x, values[there], 1)[0]
    estimate = analysis.slope(values, degrees, PEOPLE)
    assert estimate.value == pytest.approx(expected)
    assert estimate.low < expected < estimate.high


def test_a_region_that_no_pair_has_gives_no_number():
    no_bin = np.zeros(14, bool)
    for values, people in (
        (np.full((1, 14), np.nan), PEOPLE),
        (np.ones((2, 14))[:, no_bin], PEOPLE[no_bin]),
    ):
        estimate = analysis.mean(values, people)
        assert np.isnan([estimate.value, estimate.low, estimate.high]).all()
