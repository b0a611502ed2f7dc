"""Photometric refinement against known truth: synthetic people through another renderer."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rasterizer
from reenact_jax.data.talking_heads import Renderer
from reenact_jax.face_model.procedural import procedural_head
from reenact_jax.tracking import photometric
from reenact_jax.tracking.anchors import model_anchors
from reenact_jax.tracking.fit import fit_clip
from scripts.refine_photometric import errors, photograph, pixel_error, random_person
from tests.helpers.toy_face import toy_face

SIZE = 64


@pytest.fixture(scope="module")
def people():
    """(truth, picture in [0, 1], landmarks) of two people."""
    renderer = Renderer(procedural_head("light"), SIZE)
    made = []
    for seed in range(2):
        rng = np.random.default_rng(seed)
        truth = random_person(renderer.model, rng)
        picture, landmarks = photograph(renderer, truth, rng)
        made.append((truth, picture / np.float32(255), landmarks))
    return made


def test_a_trackers_fit_comes_nearer_to_the_truth(people):
    model = procedural_head("light")
    before, after = [], []
    for truth, picture, landmarks in people:
        start = fit_clip(model, landmarks[None] * 256)[0]
        refined, losses = photometric.refine(model, picture, start, landmarks)
        assert losses[-1] < losses[0]
        for found, kept in ((start, before), (refined, after)):
            kept.append(errors(model, found, truth))
            kept[-1]["pixels"] = pixel_error(model, found, 255 * picture)

    def gain(name: str) -> float:
        (key,) = {key for key in before[0] if key.startswith(name)}
        return sum(each[key] for each in before) / sum(each[key] for each in after)

    # Well below what scripts/refine_photometric.py measures over more people in larger pictures.
    assert gain("pixels") > 3
    assert gain("colour seen") > 5
    assert gain("albedo up to brightness") > 1.5
    assert gain("light up to brightness") > 1.5
    assert gain("identity's shape") > 1.2
    assert gain("place of the surface across") > 1.1
    assert gain("rotation") > 1.5


def test_the_truth_is_left_where_it_is(people):
    model = procedural_head("light")
    truth, picture, landmarks = people[0]
    refined, _ = photometric.refine(model, picture, truth)  # by the pixels alone
    apart = errors(model, refined, truth)
    # What pixels determine. Shape and depth drift a millimetre along with each other.
    assert apart["place of the surface across the view, mm"] < 1.5
    assert apart["rotation, degrees"] < 1.0
    assert apart["colour seen (albedo x light), of 255"] < 2.5
    np.testing.assert_array_equal(refined.camera, truth.camera)
    assert refined.expression.min() >= 0 and refined.expression.max() <= 1


@pytest.mark.slow  # a program of its own, half a minute to compile
def test_the_gradient_is_that_of_finite_differences(people):
    # Of colours and light; where they change no pixel sees another triangle, so it is exact.
    model = procedural_head("light")
    truth, picture, landmarks = people[0]
    anchors = model_anchors(model)
    problem = photometric._Problem(
        model,
        rasterizer.mesh_edges(model.triangles),
        anchors,
        photometric._in_region(model),
        landmarks[anchors.selection],
        np.float32(1),
        truth.expression,
    )
    rng = np.random.default_rng(3)
    directions = {
        name: rng.normal(size=getattr(truth, name).shape).astype(np.float32)
        for name in ("texture", "lighting")
    }
    start = jax.tree.map(jnp.asarray, model.zeros().replace(translation=truth.translation))

    @jax.jit
    @jax.value_and_grad
    def along(step):
        leaves = {name: getattr(start, name) + step * d for name, d in directions.items()}
        return photometric._loss(problem, picture, start.replace(**leaves))

    numeric = (along(3e-3)[0] - along(-3e-3)[0]) / 6e-3
    np.testing.assert_allclose(along(0.0)[1], numeric, rtol=2e-2)


def test_only_the_region_counts(people):
    model = procedural_head("light")
    in_region = photometric._in_region(model)
    assert in_region.sum() == len(model.region_triangles) < len(model.triangles)
    truth, picture, _ = people[0]
    _, counts = photometric.rendered_face(model, truth, SIZE)
    assert 0.05 < counts.mean() < 0.6
    # Where the truth counts, its rendering is the other renderer's picture, edges apart.
    face, _ = photometric.rendered_face(model, truth, SIZE)
    assert np.median(np.abs(face - picture)[counts]) < 1 / 255


def test_what_cannot_be_refined_is_refused():
    toy, head = toy_face(), procedural_head("light")
    picture = np.zeros((64, 64, 3), np.float32)
    with pytest.raises(ValueError, match="toy has no albedo"):
        photometric.refine(toy, picture, toy.zeros())
    with pytest.raises(ValueError, match=r"expected an image .S, S, 3. with S even"):
        photometric.refine(head, picture[:, :62], head.zeros())
    with pytest.raises(ValueError, match="expected landmarks"):
        photometric.refine(head, picture, head.zeros(), np.zeros((68, 2)))
