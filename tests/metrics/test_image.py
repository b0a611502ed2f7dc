"""Image metrics against SciPy and hand-made numbers."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage

from reenact_jax.metrics import image as metrics


@pytest.fixture
def pair():
    rng = np.random.default_rng(0)
    target = ndimage.gaussian_filter(rng.uniform(size=(2, 40, 33, 3)), (0, 2, 2, 0))
    target = (target - target.min()) / np.ptp(target)
    prediction = np.clip(target + rng.normal(0, 0.1, target.shape), 0, 1)
    return prediction.astype(np.float32), target.astype(np.float32)


def test_psnr_of_a_constant_error_is_known():
    target = jnp.zeros((1, 4, 4, 3))
    # An error of 0.1 everywhere: -10 log10(0.01) = 20 dB.
    np.testing.assert_allclose(metrics.psnr(target + 0.1, target), [20.0], rtol=1e-5)


def test_masked_psnr_sees_the_mask_alone(pair):
    prediction, target = pair
    mask = np.zeros((2, 40, 33, 1), np.float32)
    mask[:, 10:20, 5:25] = 1
    wrong_outside = np.where(mask > 0, prediction, 0.0)
    expected = metrics.psnr(prediction[:, 10:20, 5:25], target[:, 10:20, 5:25])
    np.testing.assert_allclose(metrics.psnr(wrong_outside, target, mask), expected, rtol=1e-5)


def test_psnr_of_an_empty_mask_is_not_a_number(pair):
    prediction, target = pair
    assert np.isnan(metrics.psnr(prediction, target, np.zeros((2, 40, 33, 1)))).all()


def test_l1_is_the_mean_absolute_difference(pair):
    prediction, target = pair
    expected = np.abs(prediction - target).reshape(2, -1).mean(axis=1)
    np.testing.assert_allclose(metrics.l1(prediction, target), expected, rtol=1e-5)


def test_ssim_equals_scipys_gaussian_windows(pair):
    prediction, target = (image.astype(np.float64) for image in pair)

    def smooth(x):
        return ndimage.gaussian_filter(x, (0, 1.5, 1.5, 0), truncate=3.5)

    mean_p, mean_t = smooth(prediction), smooth(target)
    var_p, var_t = smooth(prediction**2) - mean_p**2, smooth(target**2) - mean_t**2
    covariance = smooth(prediction * target) - mean_p * mean_t
    c1, c2 = 0.01**2, 0.03**2
    similarity = (2 * mean_p * mean_t + c1) * (2 * covariance + c2)
    similarity /= (mean_p**2 + mean_t**2 + c1) * (var_p + var_t + c2)
    # Five pixels at each border have incomplete windows and do not count.
    expected = similarity[:, 5:-5, 5:-5].mean(axis=(1, 2, 3))
    np.testing.assert_allclose(metrics.ssim(*pair), expected, atol=2e-5)


def test_ssim_of_equal_images_is_one(pair):
    np.testing.assert_allclose(metrics.ssim(pair[1], pair[1]), 1.0, atol=1e-6)


def test_different_shapes_are_refused(pair):
    with pytest.raises(ValueError, match="one shape"):
        metrics.l1(pair[0], pair[1][:, 1:])


def test_masked_l1_and_ssim_see_the_mask_alone(pair):
    prediction, target = pair
    mask = np.zeros((2, 40, 33, 1), np.float32)
    mask[:, 10:20, 8:25] = 1
    expected = metrics.l1(prediction[:, 10:20, 8:25], target[:, 10:20, 8:25])
    np.testing.assert_allclose(metrics.l1(prediction, target, mask), expected, rtol=1e-5)
    # Windows reach five pixels out of the mask, and no further.
    wrong_far = prediction.copy()
    wrong_far[:, :5], wrong_far[:, 25:] = 0, 0
    wrong_far[:, :, :3], wrong_far[:, :, 30:] = 0, 0
    expected = metrics.ssim(prediction[:, 5:25, 3:30], target[:, 5:25, 3:30])
    np.testing.assert_allclose(metrics.ssim(wrong_far, target, mask), expected, atol=1e-5)


def test_a_mask_of_another_shape_is_refused(pair):
    with pytest.raises(ValueError, match="expected a mask"):
        metrics.l1(*pair, np.ones((2, 40, 33)))
