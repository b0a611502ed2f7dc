"""Fits of single pictures, with a detector that knows the answer."""

import numpy as np
import pytest

from reenact_jax.errors import UserError
from reenact_jax.tracking import picture_fit
from reenact_jax.tracking.landmarks import Landmarks
from tests.helpers.known_faces import project_reference, random_parameters, scores_of
from tests.helpers.toy_face import toy_face

SIZE = 64


class KnownFaces:
    """Takes the number of the face from the picture's first pixel; 255 has none."""

    def __init__(self, points, scores):
        self.points, self.scores = points, scores

    def detect(self, picture):
        number = picture[0, 0, 0]
        return None if number == 255 else Landmarks(self.points[number], self.scores[number])


@pytest.fixture(scope="module")
def known():
    model = toy_face()
    truth = random_parameters(model, 2)
    points = (project_reference(model, truth) * SIZE / 256).astype(np.float32)
    return model, truth, KnownFaces(points, scores_of(model, truth))


def pictures_of(numbers):
    pictures = np.zeros((len(numbers), SIZE, SIZE, 3), np.uint8)
    pictures[:, 0, 0, 0] = numbers
    return pictures


def test_each_picture_has_its_own_fit_and_a_missing_face_is_said(known):
    model, truth, detector = known
    fits = picture_fit.fit_pictures(pictures_of([1, 255, 0]), model, detector)
    assert fits.reasons == (None, "no face found", None)
    for row, number in ((0, 1), (2, 0)):
        np.testing.assert_allclose(
            fits.parameters.rotation[row], truth.rotation[number], atol=np.radians(1.0)
        )
        np.testing.assert_array_equal(fits.points[row], detector.points[number])
    for leaf in (fits.parameters.rotation, fits.parameters.expression, fits.points):
        assert np.isnan(leaf[1]).all()


def test_a_fit_that_fails_is_said(known, monkeypatch):
    def fails(*args, **kwargs):
        raise UserError("no pose")

    monkeypatch.setattr(picture_fit, "fit_clip", fails)
    model, _, detector = known
    fits = picture_fit.fit_pictures(pictures_of([0]), model, detector)
    assert fits.reasons == ("no pose fits the landmarks",)
    assert np.isnan(fits.parameters.rotation).all() and np.isfinite(fits.points).all()


def test_other_pictures_are_refused(known):
    model, _, detector = known
    for shape, dtype in (((1, 8, 9, 3), np.uint8), ((1, 8, 8, 3), np.float32)):
        with pytest.raises(ValueError, match="uint8 pictures"):
            picture_fit.fit_pictures(np.zeros(shape, dtype), model, detector)
