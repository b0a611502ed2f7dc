"""What the synthetic world says is true of its pairs, and that it does not hand over the answer."""

import dataclasses

import jax
import numpy as np
import pytest

from reenact_jax.data.talking_heads import WorldSpec
from reenact_jax.data.talking_heads.accessories import RANGES
from reenact_jax.data.talking_heads.clips import answer_shot, make_clip, make_shots, person_of
from reenact_jax.data.talking_heads.guidance_conditions import (
    LANDMARK_ERROR,
    fitted,
    landmark_distance,
    noise_amount,
    project_landmarks,
)
from reenact_jax.data.talking_heads.people import materials
from reenact_jax.data.talking_heads.rendering_alone import guidance_rendering, masked_psnr
from reenact_jax.data.talking_heads.scene import scene_triangles
from reenact_jax.data.talking_heads.studio import Studio
from reenact_jax.data.talking_heads.truth import face_truth, hidden
from reenact_jax.face_model import morphable
from reenact_jax.face_model.procedural import procedural_head
from reenact_jax.guidance import GuidanceConfig, compute_guidance
from tests.helpers import visibility

SPEC = WorldSpec(num_train_people=2, num_test_people=3, frames_per_clip=5, image_size=32)
SIZE = SPEC.image_size


@pytest.fixture(scope="module")
def studio() -> Studio:
    return Studio("light", SIZE)


def people(count: int) -> list:
    return [make_clip(SPEC, person, 0) for person in range(count)]


@pytest.fixture(scope="module")
def pair(studio):
    """A source and an answer 50 degrees apart, of someone with hair and glasses over the face."""
    clips = (make_clip(SPEC, person, 0) for person in range(60))
    clip = next(clip for clip in clips if wears(clip, "hair") and wears(clip, "frame"))
    shots = clip.shots[np.array([0, 1])]
    rotation = np.float32([[0.05, 0.45, 0.0], [-0.1, -0.45, 0.1]])
    shots = dataclasses.replace(shots, face=shots.face.replace(rotation=rotation))
    return clip, shots, studio.positions(clip.stage, shots)


def wears(clip, part: str) -> bool:
    first, stop = RANGES[part]
    return bool(np.ptp(clip.stage.person.accessories.points[first:stop], axis=0).max() > 0)


def test_masks_are_what_rays_say(pair):
    clip, shots, (source, target) = pair
    worn = clip.stage.person.accessories
    camera = shots.face.camera[0]
    truth = face_truth("light", worn, target, source, camera, SIZE)
    parts = scene_triangles("light")
    names = ["head", "hair", "frame", "torso"] + ["lenses"] * bool(worn.lens_opacity > 0.5)
    triangles = np.concatenate([parts[name] for name in names])
    face = {tuple(row) for row in parts["face"]}
    is_face = np.array([tuple(row) in face for row in triangles])

    rows, columns = np.mgrid[0:SIZE, 0:SIZE]
    pixels = np.stack([columns + 0.5, rows + 0.5], axis=-1).reshape(-1, 2) / SIZE
    plane = (pixels - camera[2:]) / camera[:2]
    rays = np.concatenate([plane, np.ones((len(plane), 1))], axis=1)
    distance, index, weights = visibility.ray_hits(rays, target[triangles])
    front = visibility.front_facing(target[triangles].astype(np.float64))
    expected = np.isfinite(distance) & is_face[index] & front[index]
    # A ray along an edge of the outline may go either way.
    assert (truth.face.ravel() != expected).sum() <= 1
    assert 60 < expected.sum() < 700

    both = truth.face.ravel() & expected
    corners = source[triangles].astype(np.float64)
    points = np.einsum("nk,nkc->nc", weights[both], corners[index[both]])
    seen = visibility.visible_points(points, corners)
    seen &= visibility.front_facing(corners)[index[both]]
    uv = camera[2:] + camera[:2] * points[:, :2] / points[:, 2:]
    seen &= ((uv >= 0) & (uv < 1)).all(axis=-1)
    found = truth.visible.ravel()[both]
    assert (found != seen).mean() < 0.01
    assert 0.2 < seen.mean() < 0.9, "a turn hides one cheek"
    assert not (truth.visible & ~truth.face).any()


def test_hair_and_glasses_cover_the_face(pair):
    clip, shots, (source, target) = pair
    worn = clip.stage.person.accessories
    bare = dataclasses.replace(worn, lens_opacity=np.float32(0.0))
    without = target.copy()
    first = procedural_head("light").num_vertices
    without[first : first + len(worn.points)] = 0.0
    camera = shots.face.camera[0]
    covered = face_truth("light", worn, target, source, camera, SIZE).face
    free = face_truth("light", bare, without, source, camera, SIZE).face
    assert (free & ~covered).sum() > 0.05 * free.sum()
    assert not (covered & ~free).any()


def test_hidden_points_are_found_among_random_triangles():
    rng = np.random.default_rng(0)
    corners = rng.uniform((-1, -1, 4), (1, 1, 8), (60, 1, 3)) + rng.normal(0, 0.3, (60, 3, 3))
    points = rng.uniform((-1.2, -1.2, 3), (1.2, 1.2, 9), (500, 3))
    expected = ~visibility.visible_points(points, corners)
    assert np.array_equal(hidden(points, corners), expected)
    assert 0.1 < expected.mean() < 0.9
    assert hidden(points[:0], corners).shape == (0,)


def test_displacement_is_orthogonal_to_every_mode_of_the_model():
    model, person = procedural_head("light"), person_of(SPEC, 0)
    moved = (person.mean - model.mean).astype(np.float64).ravel()
    for basis in (model.identity_basis, model.expression_basis):
        modes = basis.reshape(len(basis), -1).astype(np.float64)
        along = modes @ moved / np.linalg.norm(modes, axis=1) / np.linalg.norm(moved)
        assert np.abs(along).max() < 1e-4
    # Decimetres; a pixel at 256 is about 0.009.
    assert 0.005 < moved.std() < 0.03


def test_rendering_is_the_networks_guidance():
    """`guidance_rendering` against the guidance that training computes."""
    model, clip = procedural_head("light"), make_clip(SPEC, 0, 0)
    face = clip.shots.face[2]
    picture, mask = guidance_rendering("light", jax.device_put(model), face, SIZE)
    black = np.zeros((SIZE, SIZE, 3), np.float32)
    guidance = jax.jit(compute_guidance, static_argnums=4)(
        model, face, face, black, GuidanceConfig("literal")
    )
    assert (mask != (np.asarray(guidance.mask[..., 0]) > 0)).sum() <= 1
    both = mask & (np.asarray(guidance.mask[..., 0]) > 0)
    assert np.abs(picture - (np.asarray(guidance.rendering) + 1) / 2)[both].max() < 1e-3


def test_exact_guidance_is_not_the_answer(studio):
    """Even with exact parameters I_r is far from the picture, on every single person."""
    psnr = []
    for clip in people(6):
        picture = studio.pictures(clip.stage, clip.shots[:1])[0]
        rendering, mask = guidance_rendering("light", studio.model, clip.shots.face[0], SIZE)
        psnr.append(masked_psnr(rendering, picture, mask))
    # 27 dB is 11 grey levels. The same picture drawn by the model alone has 40 dB and more.
    assert max(psnr) < 27 and np.mean(psnr) < 24, psnr
    assert min(psnr) > 11, "but it shows the same person"


def test_fine_colour_relief_highlights_and_wrinkles_are_in_the_pictures(studio):
    clip = make_clip(SPEC, 0, 0)
    stage, shots = clip.stage, clip.shots[:1]
    picture = studio.pictures(stage, shots)[0].astype(float)
    skin = stage.person.skin

    def changed(**channels) -> float:
        other = skin.copy()
        for at in channels.values():
            other[..., at] = 0.0
        person = dataclasses.replace(stage.person, skin=other)
        drawn = studio.pictures(dataclasses.replace(stage, person=person), shots)[0]
        return float(np.abs(drawn - picture).max())

    for what, at in {"colour": slice(0, 3), "relief": slice(3, 5), "wrinkles": slice(5, 8)}.items():
        assert changed(**{what: at}) > 1, what
    matt = dataclasses.replace(stage.light, key=np.zeros(3, np.float32))
    drawn = studio.pictures(dataclasses.replace(stage, light=matt), shots)[0]
    assert (picture - drawn).max() > 8 and (picture - drawn).min() > -2


def test_materials_tell_skin_hair_and_eyes_apart():
    head, model = materials("light"), procedural_head("light")
    assert not ((head.skin > 0) & (head.hair > 0)).any()
    assert 0.4 < head.skin.mean() < 0.8 and 0.1 < head.hair.mean() < 0.4
    assert (head.skin[model.landmarks68[:36]] > 0).all()
    assert (head.sharpness[model.eyeballs.vertices] > 50).all()


def test_fitted_parameters_are_off_by_what_a_tracker_leaves():
    """The mean over a world's clips, with its own people and motion, is about 0.8 px."""
    noise_alone, missing_alone, total = [], [], []
    for person in range(20):
        clip = make_clip(SPEC, person, 0)
        exact = clip.shots.face
        kept = fitted(SPEC.rng(8, person), "light", exact, noise=0.0)
        noisy = fitted(SPEC.rng(8, person), "light", exact)
        # Through the model's own functions, not those that the amount was chosen with.
        truth, without, found = (landmarks_of(faces) for faces in (exact, kept, noisy))
        total.append(np.linalg.norm(found - truth, axis=-1).mean() * 256)
        missing_alone.append(np.linalg.norm(without - truth, axis=-1).mean() * 256)
        noise_alone.append(np.linalg.norm(found - without, axis=-1).mean() * 256)
        assert abs(landmark_distance(project_landmarks("light", exact), truth)) < 1e-3
    assert abs(np.mean(total) - LANDMARK_ERROR) < 0.1
    assert np.mean(missing_alone) > 0.2 and np.mean(noise_alone) > 0.3


def landmarks_of(faces) -> np.ndarray:
    model = procedural_head("light")

    return np.concatenate([np.asarray(_landmarks(model, faces[i]))[None] for i in range(5)])


@jax.jit
def _landmarks(model, face):
    vertices = morphable.posed_vertices(model, face)
    return morphable.project(morphable.landmarks(model, vertices), face.camera)


def test_fitted_parameters_lack_modes_and_stay_in_range():
    clip = make_clip(SPEC, 0, 0)
    noisy = fitted(SPEC.rng(8, 0), "light", clip.shots.face)
    names = procedural_head("light").expression_names
    assert (noisy.identity[0] == 0).sum() == 69 - 28
    assert (noisy.texture[0] == 0).sum() == 33 - 16
    assert noisy.expression.min() >= 0 and noisy.expression.max() <= 1
    gaze = [i for i, name in enumerate(names) if name.startswith("eyeLook")]
    assert (noisy.expression[:, gaze] > 0).any(axis=0).all(), "gaze is kept"
    # A fit has one identity for a clip, and another pose for each frame.
    assert (noisy.identity == noisy.identity[0]).all()
    assert np.ptp(noisy.rotation - clip.shots.face.rotation, axis=0).min() > 1e-3
    for head in ("light", "full"):
        assert 0.3 < noise_amount(head) < 1.5


def test_the_answer_has_the_drivers_motion_and_the_sources_person():
    source, driving = make_clip(SPEC, 2, 0), make_shots(SPEC, 3, 0)[4]
    answer = answer_shot(source.shots.face[1], driving)
    for name in ("expression", "rotation", "translation", "camera"):
        assert np.array_equal(getattr(answer.face, name), getattr(driving.face, name))
    for name in ("identity", "texture", "lighting"):
        assert np.array_equal(getattr(answer.face, name), getattr(source.shots.face, name)[1])
    assert np.array_equal(answer.torso_translation, driving.torso_translation)
