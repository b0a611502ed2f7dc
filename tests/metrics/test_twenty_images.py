"""Every metric that needs no weights against stored values of other programs."""

import json

import jax
import numpy as np
import pytest

from reenact_jax.metrics import image, landmarks, motion, video
from reenact_jax.metrics.frechet import Moments, frechet_distance
from tests.helpers import twenty_images


@pytest.fixture(scope="module")
def data():
    return twenty_images.twenty_images()


@pytest.fixture(scope="module")
def stored():
    return json.loads(twenty_images.STORED.read_text())


@pytest.mark.parametrize("name", ["l1", "psnr", "ssim", "ssim_uniform7"])
def test_image_metrics_equal_the_stored_values(data, stored, name):
    metric = jax.jit(getattr(image, name))
    np.testing.assert_allclose(metric(data.prediction, data.target), stored[name], atol=1e-5)
    masked = np.asarray(metric(data.prediction, data.target, data.mask))
    # The last mask is empty: no number, rather than a zero.
    assert stored[f"{name}_masked"][-1] is None and np.isnan(masked[-1])
    np.testing.assert_allclose(masked[:-1], stored[f"{name}_masked"][:-1], atol=2e-5)


@pytest.mark.parametrize("name", [*motion.AED_VARIANTS, *motion.APD_VARIANTS])
def test_motion_metrics_equal_the_stored_values(data, stored, name):
    function, columns = (
        (motion.aed, slice(0, 64)) if name.startswith("aed") else (motion.apd, slice(64, 70))
    )
    values = function(data.prediction_motion[:, columns], data.target_motion[:, columns], name)
    np.testing.assert_allclose(values, stored[name], rtol=2e-5)


def test_landmark_metrics_equal_the_stored_values(data, stored):
    pair = data.prediction68, data.target68
    for values, name in (
        (landmarks.landmark_distance(*pair), "landmark_distance"),
        (landmarks.normalised_landmark_distance(*pair), "landmark_distance_normalised"),
        (landmarks.aperture_errors(*pair), "apertures"),
        (landmarks.relative_aperture_errors(*pair), "relative"),
    ):
        np.testing.assert_allclose(values, stored[name], rtol=1e-4, atol=1e-5)
    assert video.jitter(data.prediction68).value == pytest.approx(stored["jitter"], rel=1e-9)


def test_frechet_distance_equals_the_stored_value(data, stored):
    first, second = (
        Moments.of(twenty_images.pixel_features(images))
        for images in (data.prediction, data.target)
    )
    distance = frechet_distance(first, second)
    assert distance.value == pytest.approx(stored["frechet_pixels"], abs=1e-9)
    assert len(distance.warnings) == 1  # twenty samples of 48 numbers


def test_the_stored_values_are_those_of_the_other_programs(data, stored):
    pytest.importorskip("skimage", reason="scikit-image is not installed")
    live = twenty_images.independent_values(data)
    assert live.keys() == stored.keys()
    for name, values in live.items():
        expected, found = (np.asarray(x, np.float64) for x in (stored[name], values))
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-9, err_msg=name)
