"""Failures stay visible: in scores, summaries, intervals."""

import numpy as np
import pytest
from scipy import stats

from reenact_jax.metrics.bootstrap import bootstrap_mean
from reenact_jax.metrics.noise_floor import noise_floor, shift_images
from reenact_jax.metrics.scores import Scores, concatenate, merge_reasons, summarise


def test_a_failed_pair_is_counted_and_does_not_enter_the_mean():
    scores = Scores.of([1.0, 0.0, 3.0, np.inf], [None, "no face found", None, None])
    summary = summarise(scores)
    assert (summary.mean, summary.median, summary.count) == (2.0, 2.0, 2)
    assert summary.failures == {"no face found": 1, "not finite": 1}
    # The pair's 0.0 is gone, not only marked.
    np.testing.assert_array_equal(scores.values, [1.0, np.nan, 3.0, np.nan])
    assert summary.standard_deviation == pytest.approx(np.sqrt(2))


def test_without_any_value_there_is_no_mean():
    summary = summarise(Scores.of([np.nan, np.nan], ["a", "a"]))
    assert summary.mean is None and summary.median is None and summary.standard_deviation is None
    assert summary.count == 0 and summary.failures == {"a": 2}
    assert summarise(concatenate([])).count == 0


def test_parts_are_joined_and_chosen_with_their_reasons():
    joined = concatenate([Scores.of([1.0]), Scores.of([2.0, 3.0], ["x", None])])
    assert joined.reasons == (None, "x", None) and len(joined) == 3
    chosen = joined[np.asarray([True, True, False])]
    assert chosen.reasons == (None, "x") and np.isnan(chosen.values[1])


def test_reasons_say_which_picture_failed():
    merged = merge_reasons(["a", None, None, "a"], [None, "b", None, "b"], ("made", "true"))
    assert merged == ("made: a", "true: b", None, "made: a")


def test_shapes_that_do_not_belong_together_are_refused():
    with pytest.raises(ValueError, match="expected 2 reasons, found 1"):
        Scores.of([1.0, 2.0], [None])
    with pytest.raises(ValueError, match="found \\(1, 1\\)"):
        Scores.of([[1.0]])


def test_the_interval_covers_the_true_mean_as_often_as_it_says():
    # Forty people with effects of their own: pairs of one person agree.
    covered = 0
    for trial in range(200):
        rng = np.random.default_rng(trial)
        people = np.repeat(np.arange(40), 10)
        values = 5.0 + rng.normal(0, 1, 40)[people] + rng.normal(0, 0.3, 400)
        interval = bootstrap_mean(Scores.of(values), people, seed=trial, num_resamples=400)
        covered += interval.low <= 5.0 <= interval.high
    # 95 percent, less what percentile intervals of forty people lack; three deviations of room.
    assert 0.88 <= covered / 200 <= 0.99


def test_the_interval_of_equal_clusters_is_that_of_their_means():
    rng = np.random.default_rng(1)
    people = np.repeat([f"p{k}" for k in range(30)], 4)
    values = rng.normal(size=120)
    interval = bootstrap_mean(Scores.of(values), people, num_resamples=20000)
    means = values.reshape(30, 4).mean(axis=1)
    expected = stats.bootstrap(
        (means,), np.mean, method="percentile", n_resamples=20000, rng=np.random.default_rng(2)
    ).confidence_interval
    assert interval.low == pytest.approx(expected.low, abs=0.01)
    assert interval.high == pytest.approx(expected.high, abs=0.01)
    assert interval.mean == pytest.approx(values.mean()) and interval.clusters == 30


def test_the_seed_decides_the_interval():
    scores = Scores.of(np.random.default_rng(0).normal(size=40))
    people = np.arange(40) // 4
    first, again, other = (bootstrap_mean(scores, people, seed=seed) for seed in (3, 3, 4))
    assert first == again and first != other


def test_differences_of_two_methods_are_paired():
    rng = np.random.default_rng(5)
    people = np.repeat(np.arange(12), 5)
    hard = rng.normal(0, 10, 60)  # how hard each pair is, for both methods
    first, second = Scores.of(hard + 1.0 + rng.normal(0, 0.1, 60)), Scores.of(hard)
    interval = bootstrap_mean(Scores.of(first.values - second.values), people)
    assert 0.9 < interval.low < interval.mean < interval.high < 1.1
    single = bootstrap_mean(first, people)
    assert single.high - single.low > 20 * (interval.high - interval.low)


def test_one_person_gives_a_mean_and_no_interval():
    interval = bootstrap_mean(Scores.of([1.0, 2.0]), ["a", "a"])
    assert (interval.mean, interval.low, interval.high, interval.clusters) == (1.5, None, None, 1)
    nobody = bootstrap_mean(Scores.of([np.nan]), ["a"])
    assert nobody.mean is None and nobody.low is None and nobody.missing == 1


def test_pictures_are_moved_by_whole_pixels_and_their_border_is_repeated():
    images = np.arange(2 * 3 * 4 * 1).reshape(2, 3, 4, 1)
    moved = shift_images(images, 1, -1)
    np.testing.assert_array_equal(moved[:, :-1, 1:], images[:, 1:, :-1])
    np.testing.assert_array_equal(moved[:, -1, 1:], images[:, -1, :-1])
    np.testing.assert_array_equal(moved[:, :-1, 0], images[:, 1:, 0])


def test_the_noise_floor_compares_moved_pictures_with_the_pictures():
    rng = np.random.default_rng(0)
    images = np.zeros((3, 9, 9, 1))
    images[np.arange(3), rng.integers(3, 6, 3), rng.integers(3, 6, 3)] = 1
    images[2] = 0  # nothing to be found

    def fit(pictures):
        """Place of the bright pixel; NaN without one."""
        found = [np.argwhere(p[..., 0] == 1) for p in pictures]
        return np.asarray([f[0] if len(f) else [np.nan, np.nan] for f in found])

    def compare(first, second):
        offset = np.linalg.norm(first - second, axis=1)
        return Scores.of(offset, not_finite="nothing found")

    floors = noise_floor(fit, compare, images, shifts=((1, 0), (0, 2)))
    np.testing.assert_allclose(floors[1, 0].values, [1, 1, np.nan])
    np.testing.assert_allclose(floors[0, 2].values, [2, 2, np.nan])
    assert floors[0, 2].failures == {"nothing found": 1}
