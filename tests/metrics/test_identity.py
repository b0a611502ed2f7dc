"""Alignment against an independent solve and a known picture; CSIM, failures, separation."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy import optimize
from scipy.spatial.transform import Rotation

from reenact_jax.errors import UserError
from reenact_jax.metrics.identity import Embeddings, cosine_similarity, csim, embed_faces
from reenact_jax.metrics.separation import area_under_curve, separation
from reenact_jax.metrics.similarity import (
    ARCFACE,
    DLIB,
    align,
    align_faces,
    dlib_points,
    fit_similarity,
)


def moved(points: np.ndarray, degrees: float, scale: float, shift) -> np.ndarray:
    turn = Rotation.from_euler("z", degrees, degrees=True).as_matrix()[:2, :2]
    return scale * points @ turn.T + np.asarray(shift)


def test_the_similarity_is_that_of_an_independent_solve():
    rng = np.random.default_rng(0)
    source = rng.uniform(60, 190, (5, 2))
    target = moved(source, 25, 0.4, (9, -3)) + rng.normal(0, 2, (5, 2))

    def miss(x):
        return (moved(source, x[0], x[1], x[2:]) - target).ravel()

    solved = optimize.least_squares(miss, [0, 1, 0, 0], xtol=1e-14, ftol=1e-14, gtol=1e-14).x
    found = np.asarray(fit_similarity(jnp.asarray(source, jnp.float32), jnp.asarray(target)))
    expected = moved(np.asarray([[0, 0], [1, 0], [0, 1]]), solved[0], solved[1], solved[2:])
    np.testing.assert_allclose(found[:, 2], expected[0], atol=2e-3)
    np.testing.assert_allclose(found[:, :2].T, expected[1:] - expected[0], atol=2e-5)


def test_the_similarity_never_mirrors():
    source = np.random.default_rng(1).normal(size=(3, 5, 2)).astype(np.float32)
    found = np.asarray(fit_similarity(source, source * [-1, 1]))
    assert (np.linalg.det(found[:, :, :2]) > 0).all()


@pytest.mark.parametrize("template", [ARCFACE, DLIB], ids=["arcface", "dlib"])
def test_an_aligned_picture_shows_what_lies_at_its_places(template):
    # A picture whose value is its own place: red is x, green is y, in edge coordinates.
    size, degrees, scale, shift = 200, -20.0, 0.7, (30.0, 75.0)
    y, x = np.mgrid[:size, :size] + 0.5
    image = np.stack([x, y, np.ones_like(x)], axis=-1).astype(np.float32)
    points = moved(template.points, degrees, scale, shift)
    aligned = np.asarray(align(jnp.asarray(image), jnp.asarray(points, jnp.float32), template))
    assert aligned.shape == (template.size, template.size, 3)
    rows, columns = np.mgrid[: template.size, : template.size] + 0.5
    places = moved(np.stack([columns, rows], axis=-1), degrees, scale, shift)
    inside = ((places > 1) & (places < size - 1)).all(axis=-1)
    assert inside.mean() > 0.8
    np.testing.assert_allclose(aligned[inside][:, :2], places[inside], atol=2e-3)
    outside = ((places < -1) | (places > size + 1)).any(axis=-1)
    assert (aligned[outside] == 0).all()


def test_a_face_at_the_template_is_cut_out_unchanged():
    image = np.random.default_rng(2).uniform(size=(1, 130, 140, 3)).astype(np.float32)
    aligned = align_faces(image, ARCFACE.points[None] + np.float32([5, 3]))
    np.testing.assert_allclose(aligned[0], image[0, 3:115, 5:117], atol=2e-4)


def test_arcface_template_lies_half_a_pixel_from_the_published_index_coordinates():
    np.testing.assert_allclose(ARCFACE.points[0], [38.7946, 52.1963], atol=1e-5)
    # Symmetric faces: eye, eye, nose, mouth, mouth from the image's left to its right.
    for template, pairs in ((ARCFACE, [(0, 1), (3, 4)]), (DLIB, [(2, 0), (3, 1)])):
        for left, right in pairs:
            assert template.points[left, 0] < template.size / 2 < template.points[right, 0]


def test_dlibs_points_are_corners_of_the_eyes_and_the_base_of_the_nose():
    points68 = np.arange(68 * 2).reshape(68, 2)
    np.testing.assert_array_equal(dlib_points(points68)[:, 0] // 2, [45, 42, 36, 39, 33])


def colour_of(aligned):
    return aligned.mean(axis=(1, 2))


def test_faces_are_embedded_in_batches_and_missing_ones_are_named():
    rng = np.random.default_rng(3)
    images = rng.integers(0, 256, (7, 120, 120, 3), np.uint8)
    points = np.tile(ARCFACE.points, (7, 1, 1))
    points[4, 2] = np.nan
    sizes = []

    def embed(aligned):
        sizes.append(aligned.shape)
        return colour_of(aligned)

    found = embed_faces(embed, images, points, batch_size=4)
    assert sizes == [(4, 112, 112, 3)] * 2  # one shape, so one program
    rows = np.asarray([0, 1, 2, 3, 5, 6])
    expected = images[rows, :112, :112].mean(axis=(1, 2)) / 255
    np.testing.assert_allclose(found.vectors[rows], expected, atol=1e-4)
    assert found.reasons == (None, None, None, None, "no face found", None, None)
    assert np.isnan(found.vectors[4]).all()
    np.testing.assert_array_equal(found.found, np.arange(7) != 4)


def test_known_reasons_are_kept_and_nothing_found_gives_nothing():
    images, points = np.zeros((2, 120, 120, 3), np.float32), np.full((2, 5, 2), np.nan)
    found = embed_faces(colour_of, images, points, reasons=["cut off", None])
    assert found.reasons == ("cut off", "no face found")
    scores = csim(found, found)
    assert scores.failures == {"generated: cut off": 1, "generated: no face found": 1}


def test_csim_is_the_cosine_and_a_missing_face_is_a_failure():
    vectors = np.float32([[1, 0], [1, 1], [0, 2], [np.nan, np.nan]])
    first = Embeddings(vectors, (None, None, None, "no face found"))
    second = Embeddings(np.float32([[3, 0], [1, 0], [0, -1], [1, 0]]), (None,) * 4)
    scores = csim(first, second)
    np.testing.assert_allclose(scores.values, [1, np.sqrt(0.5), -1, np.nan], atol=1e-7)
    assert scores.reasons[3] == "generated: no face found"
    assert csim(second, first).reasons[3] == "reference: no face found"
    with pytest.raises(ValueError, match="one shape"):
        cosine_similarity(np.ones(3), np.ones(4))


def test_auc_counts_the_pairs_that_are_in_order():
    rng = np.random.default_rng(4)
    genuine, impostor = rng.integers(3, 9, 40), rng.integers(0, 7, 30)
    wins = [(g > i) + 0.5 * (g == i) for g in genuine for i in impostor]
    assert area_under_curve(genuine, impostor) == pytest.approx(np.mean(wins))
    assert area_under_curve(np.ones(3), np.ones(2)) == 0.5
    with pytest.raises(ValueError, match="none or NaN"):
        area_under_curve(np.ones(3), np.ones(0))


def test_separation_pairs_people_and_leaves_out_neighbours_and_missing_faces():
    angles = np.radians([0, 1, 2, 60, 61, 0])
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    vectors[5] = np.nan
    embeddings = Embeddings(vectors, (None,) * 5 + ("no face found",))
    people, moments = np.asarray(["a", "a", "a", "b", "b", "b"]), np.asarray([0, 1, 2, 0, 1, 2])
    parting = separation(embeddings, people, moments)
    assert len(parting.genuine) == 4 and len(parting.impostor) == 6
    assert parting.auc == 1.0 and parting.failures == {"no face found": 1}
    np.testing.assert_allclose(parting.impostor.max(), np.cos(np.radians(58)), atol=1e-6)
    apart = separation(embeddings, people, moments, apart=2)
    np.testing.assert_allclose(apart.genuine, [np.cos(np.radians(2))], atol=1e-6)
    assert apart.percentiles()["genuine"]["pairs"] == 1
    with pytest.raises(UserError, match="at least two people"):
        separation(embeddings[:3], people[:3], moments[:3])
