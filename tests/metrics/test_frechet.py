"""The Frechet distance against SciPy, closed forms, and the files of reference features."""

import numpy as np
import pytest
from scipy import linalg

from reenact_jax.errors import UserError
from reenact_jax.metrics.feature_cache import load_moments, save_moments
from reenact_jax.metrics.frechet import Moments, frechet_distance


def samples(count: int, dimensions: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    mixing = rng.normal(size=(dimensions, dimensions)) / np.sqrt(dimensions)
    return rng.normal(size=(count, dimensions)) @ mixing + rng.normal(size=dimensions)


def by_scipy(first: np.ndarray, second: np.ndarray) -> float:
    a, b = np.cov(first, rowvar=False), np.cov(second, rowvar=False)
    root = linalg.sqrtm(a @ b).real
    offset = first.mean(axis=0) - second.mean(axis=0)
    return offset @ offset + np.trace(a + b - 2 * root)


@pytest.mark.parametrize(("count", "dimensions"), [(500, 8), (300, 128), (2000, 64)])
def test_the_distance_equals_scipys(count, dimensions):
    first, second = samples(count, dimensions, 0), samples(count, dimensions, 1)
    found = frechet_distance(Moments.of(first), Moments.of(second))
    assert found.value == pytest.approx(by_scipy(first, second), rel=1e-6)
    assert found.counts == (count, count) and found.dimensions == dimensions
    assert not found.warnings


def test_with_fewer_samples_than_dimensions_the_distance_is_exact():
    first, second = samples(12, 100, 2), samples(9, 100, 3)
    # From the samples alone: the trace of the root is the nuclear norm of the product of the
    # centred samples.
    a, b = ((x - x.mean(axis=0)) / np.sqrt(len(x) - 1) for x in (first, second))
    offset = first.mean(axis=0) - second.mean(axis=0)
    expected = offset @ offset + (a**2).sum() + (b**2).sum()
    expected -= 2 * linalg.svdvals(a @ b.T).sum()
    found = frechet_distance(Moments.of(first), Moments.of(second))
    assert found.value == pytest.approx(expected, rel=1e-12)
    assert len(found.warnings) == 2 and "12 and " in found.warnings[0]
    assert "different counts" in found.warnings[1]


@pytest.mark.parametrize("count", [5, 400])
def test_a_set_is_at_no_distance_from_itself_and_a_moved_set_at_the_square_of_the_move(count):
    first = samples(count, 60, 4)
    assert frechet_distance(Moments.of(first), Moments.of(first)).value < 1e-11
    moved = Moments.of(first + np.linspace(0, 1, 60))
    expected = (np.linspace(0, 1, 60) ** 2).sum()
    assert frechet_distance(Moments.of(first), moved).value == pytest.approx(expected, rel=1e-10)


def test_directions_that_one_set_lacks_count_in_full():
    rng = np.random.default_rng(5)
    first, second = np.zeros((50, 4)), np.zeros((50, 4))
    first[:, :2], second[:, 2:] = rng.normal(size=(50, 2)), rng.normal(size=(50, 2))
    offset = first.mean(axis=0) - second.mean(axis=0)
    expected = offset @ offset + first.var(axis=0, ddof=1).sum() + second.var(axis=0, ddof=1).sum()
    found = frechet_distance(Moments.of(first), Moments.of(second)).value
    assert found == pytest.approx(expected, rel=1e-12)


def test_moments_of_batches_merge_to_those_of_the_whole():
    # A mean far from zero: sums of squares would lose six digits.
    features = samples(97, 10, 6) + 1e4
    merged = Moments.empty(10)
    for part in np.split(features, [0, 1, 20, 96]):
        merged = merged.merged(Moments.of(part))
    assert merged.count == 97
    np.testing.assert_allclose(merged.mean, features.mean(axis=0), rtol=1e-14)
    np.testing.assert_allclose(merged.covariance, np.cov(features, rowvar=False), rtol=1e-9)


def test_too_few_samples_missing_features_and_other_dimensions_are_refused():
    moments = Moments.of(samples(9, 4, 7))
    with pytest.raises(UserError, match="at least 2 samples on each side, found 9 and 1"):
        frechet_distance(moments, Moments.of(np.ones((1, 4))))
    with pytest.raises(ValueError, match=r"NaN or infinity in rows \[1\]"):
        Moments.of(np.asarray([[0.0, 1.0], [np.nan, 0.0]]))
    with pytest.raises(ValueError, match="4 dimensions, found 3"):
        moments.merged(Moments.empty(3))


def test_a_cached_reference_comes_back_to_the_bit_and_knows_what_it_is_of(tmp_path):
    path, moments = tmp_path / "new" / "reference.npz", Moments.of(samples(9, 4, 8))
    made_of = {"network": "a" * 64, "pictures": "list 1", "image_size": 256}
    save_moments(path, moments, made_of)
    loaded, provenance = load_moments(path, {"network": "a" * 64, "image_size": 256})
    assert provenance == made_of and loaded.count == 9
    np.testing.assert_array_equal(loaded.mean, moments.mean)
    np.testing.assert_array_equal(loaded.scatter, moments.scatter)
    with pytest.raises(UserError, match="expected features with image_size = 128, found 256"):
        load_moments(path, {"image_size": 128})


def test_files_that_are_no_cached_reference_are_refused(tmp_path):
    path = tmp_path / "reference.npz"
    with pytest.raises(UserError, match="reference.npz"):
        load_moments(path)
    path.write_bytes(b"no archive")
    with pytest.raises(UserError, match="delete it and score again"):
        load_moments(path)
    np.savez(path, format=1, count=3, mean=np.zeros(3), scatter=np.zeros((2, 2)), provenance="{}")
    with pytest.raises(UserError, match="do not fit together"):
        load_moments(path)
    save_moments(path, Moments.of(samples(9, 4, 9)), {})
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(UserError, match="delete it and score again"):
        load_moments(path)
