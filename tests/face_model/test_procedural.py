"""The procedural head: topology, landmarks, what its modes do, and that it has no holes."""

import dataclasses
import json
import re
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage

import rasterizer
from reenact_jax.face_model import morphable
from reenact_jax.face_model.procedural import (
    VERSION,
    colour_names,
    identity_names,
    procedural_head,
)
from tests.helpers import head_summary

MODEL = procedural_head("light")
NAMES = MODEL.expression_names
IDENTITY, COLOURS = identity_names(), colour_names()
_shape = jax.jit(morphable.shape)
USUAL_NAMES = (
    "browDown_L browDown_R browInnerUp browOuterUp_L browOuterUp_R cheekPuff_L cheekPuff_R "
    "cheekSquint_L cheekSquint_R eyeBlink_L eyeBlink_R eyeLookDown_L eyeLookDown_R eyeLookIn_L "
    "eyeLookIn_R eyeLookOut_L eyeLookOut_R eyeLookUp_L eyeLookUp_R eyeSquint_L eyeSquint_R "
    "eyeWide_L eyeWide_R jawForward jawLeft jawOpen jawRight mouthClose mouthDimple_L "
    "mouthDimple_R mouthFrown_L mouthFrown_R mouthFunnel mouthLeft mouthLowerDown_L "
    "mouthLowerDown_R mouthPress_L mouthPress_R mouthPucker mouthRight mouthRollLower "
    "mouthRollUpper mouthShrugLower mouthSmile_L mouthSmile_R mouthStretch_L mouthStretch_R "
    "mouthUpperUp_L mouthUpperUp_R noseSneer_L noseSneer_R"
).split()
EYE_R, EYE_L = range(36, 42), range(42, 48)


def weights(**values: float) -> np.ndarray:
    """Expression weights by name; a name without its side sets both."""
    vector = np.zeros(len(NAMES), np.float32)
    for name, value in values.items():
        for each in [name] if name in NAMES else [f"{name}_L", f"{name}_R"]:
            vector[NAMES.index(each)] = value
    return vector


def shape(**expression: float) -> np.ndarray:
    return np.asarray(
        _shape(MODEL, np.zeros(MODEL.widths["identity"], np.float32), weights(**expression))
    )


def person(**identity: float) -> np.ndarray:
    """Vertices of a neutral person by the names of its identity modes."""
    vector = np.zeros(MODEL.widths["identity"], np.float32)
    for name, value in identity.items():
        vector[IDENTITY.index(name)] = value
    return MODEL.mean + np.tensordot(vector, MODEL.identity_basis, 1)


def marks(**expression: float) -> np.ndarray:
    return shape(**expression)[MODEL.landmarks68]


def aperture(points: np.ndarray, eye: range) -> float:
    """Mean height of the lid opening over its width."""
    p = points[list(eye)]
    height = np.linalg.norm(p[1] - p[5]) + np.linalg.norm(p[2] - p[4])
    return 0.5 * height / np.linalg.norm(p[0] - p[3])


def signed_volume(vertices: np.ndarray, triangles: np.ndarray) -> float:
    a, b, c = np.moveaxis(vertices[triangles].astype(np.float64), 1, 0)
    return float(np.einsum("fk,fk->", a, np.cross(b, c)) / 6.0)


@jax.jit
def covered(vertices: jax.Array, poses: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Triangle ids (N, 96, 96) of poses (N, 3), without and with culling."""
    camera = jnp.asarray(morphable.CANONICAL_CAMERA)

    def draw(pose):
        clip = morphable.clip_vertices(
            morphable.to_camera(vertices, pose, jnp.asarray([0.0, 0.0, -1.0])), camera
        )
        return tuple(
            rasterizer.rasterize(clip, MODEL.triangles, 96, 96, cull_backfaces=cull).triangle_id
            for cull in (False, True)
        )

    return jax.lax.map(draw, poses)


def test_sizes_are_those_promised():
    assert 5000 < MODEL.num_vertices < 6000
    full = procedural_head("full")
    # The Basel Face Model's, to 3 %.
    assert abs(full.num_vertices / 35_709 - 1) < 0.03
    assert abs(len(full.triangles) / 70_789 - 1) < 0.03
    assert full.expression_names == NAMES and full.widths == MODEL.widths
    with pytest.raises(ValueError, match="expected a size of .* found 'huge'"):
        procedural_head("huge")


def test_the_same_head_is_generated_again():
    again = procedural_head.__wrapped__("light")
    assert again is not MODEL and again.fingerprint() == MODEL.fingerprint()


@pytest.mark.parametrize("size", ["light", "full"])
def test_mirroring_is_an_exact_involution(size):
    model = procedural_head(size)
    mirror = model.mirror_vertex
    assert np.array_equal(mirror[mirror], np.arange(model.num_vertices))
    assert np.array_equal(model.mean[mirror], model.mean * np.float32([-1, 1, 1]))
    assert np.array_equal(model.texture_mean[mirror], model.texture_mean)
    asymmetric = ("asymmetric", "noseSideways", "mouthSideways", "hairSwept")
    even = [i for i, name in enumerate(IDENTITY) if not name.startswith(asymmetric)]
    assert len(even) >= 40
    basis = model.identity_basis[even]
    assert np.array_equal(basis[:, mirror], basis * np.float32([-1, 1, 1]))
    odd = [i for i in range(len(IDENTITY)) if i not in even]
    # Turned round left for right, an asymmetric mode is its own opposite.
    basis = model.identity_basis[odd]
    assert np.array_equal(basis[:, mirror], -basis * np.float32([-1, 1, 1]))
    assert (mirror == np.arange(model.num_vertices)).sum() < 0.1 * model.num_vertices


def test_left_and_right_modes_mirror_each_other():
    mirror = MODEL.mirror_vertex
    for name in NAMES:
        if name.endswith("_L"):
            left = MODEL.expression_basis[NAMES.index(name)]
            right = MODEL.expression_basis[NAMES.index(name[:-1] + "R")]
            assert np.array_equal(right, left[mirror] * np.float32([-1, 1, 1])), name
            moved = np.abs(left).sum(axis=1)
            subject_left = MODEL.mean[:, 0] > 0
            assert moved[subject_left].sum() > 4 * moved[~subject_left].sum(), name


def test_triangles_are_wound_consistently_and_outwards():
    edges = MODEL.triangles[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2)
    assert len(np.unique(edges, axis=0)) == len(edges), "a directed edge occurs twice"
    # A ball of the head's size has about 3.5 cubic decimetres.
    assert 2.5 < signed_volume(MODEL.mean, MODEL.triangles) < 6.5


def test_the_head_fills_the_canonical_image():
    parameters = MODEL.zeros()
    image = morphable.project(morphable.posed_vertices(MODEL, parameters), parameters.camera)
    top, left, right = image[:, 1].min(), image[:, 0].min(), image[:, 0].max()
    chin = image[MODEL.landmarks68[8], 1]
    assert 0.0 < top < 0.08 and 0.88 < chin < 1.0 and 0.0 < left < right < 1.0


def test_landmarks_sit_where_ibug_puts_them():
    p = marks()
    assert len(set(MODEL.landmarks68.tolist())) == 68
    partner = [*range(16, -1, -1), *range(26, 16, -1), *range(27, 31), *range(35, 30, -1)]
    partner += [45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40]
    partner += [54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55, 64, 63, 62, 61, 60, 67, 66, 65]
    assert np.array_equal(MODEL.mirror_vertex[MODEL.landmarks68], MODEL.landmarks68[partner])
    assert (np.diff(p[:17, 0]) > 0).all() and (np.diff(p[17:27, 0]) > 0).all()
    assert (np.diff(p[:9, 1]) < 0).all(), "the contour goes down to the chin"
    assert (np.diff(p[27:31, 1]) < 0).all() and p[30, 2] == p[:, 2].max(), "the nose sticks out"
    brows, eyes, nose, mouth = p[17:27, 1], p[36:48, 1], p[31:36, 1], p[48:68, 1]
    assert brows.min() > eyes.max() > eyes.min() > nose.max() > mouth.max() > p[8, 1]
    assert p[36, 0] < p[39, 0] < 0 < p[42, 0] < p[45, 0]
    assert p[48, 0] < 0 < p[54, 0] and p[51, 1] > p[62, 1] >= p[66, 1] > p[57, 1]
    # Lengths of a person: between the eyes' centres about 6 cm, outer corners about 9 cm.
    assert 0.5 < p[42:48, 0].mean() - p[36:42, 0].mean() < 0.7
    assert 0.75 < p[45, 0] - p[36, 0] < 1.0


def test_blinking_closes_the_lid_of_its_own_side():
    open_ = marks()
    for side, own, other in (("L", EYE_L, EYE_R), ("R", EYE_R, EYE_L)):
        closed = marks(**{f"eyeBlink_{side}": 1.0})
        assert aperture(closed, own) < 0.3 * aperture(open_, own)
        assert aperture(closed, other) == aperture(open_, other)
    assert aperture(marks(eyeWide=1.0), EYE_L) > 1.15 * aperture(open_, EYE_L)


def test_closed_lids_cover_the_eyeballs():
    # No triangle of an eyeball is seen by a camera in front once both lids are shut.
    eyeballs = np.abs(MODEL.texture_basis[list(colour_names()).index("irisBlue")]).sum(-1) > 0
    seen = {}
    for name, amount in (("open", 0.0), ("shut", 1.0)):
        ids, _ = covered(jnp.asarray(shape(eyeBlink=amount)), jnp.zeros((7, 3)))
        ids = np.asarray(ids[0])
        visible = MODEL.triangles[np.unique(ids[ids >= 0])]
        seen[name] = eyeballs[visible].any(axis=1).sum()
    assert seen["open"] > 10 and seen["shut"] == 0


def test_the_jaw_opens_the_mouth_and_the_corners_stay_together():
    shut, wide = marks(), marks(jawOpen=1.0)
    gap = wide[61:64, 1] - wide[[67, 66, 65], 1]
    assert np.abs(shut[61:64] - shut[[67, 66, 65]]).max() < 0.01
    assert gap.min() > 0.16
    assert wide[8, 1] < shut[8, 1] - 0.1
    assert np.abs(wide[27:48] - shut[27:48]).max() < 0.02, "the skull does not move"


def test_the_mouth_closes_while_the_jaw_stays_open():
    closed = marks(jawOpen=1.0, mouthClose=1.0)
    assert np.abs(closed[61:64] - closed[[67, 66, 65]]).max() < 0.03
    assert closed[8, 1] < marks()[8, 1] - 0.1


@pytest.mark.parametrize(
    ("mode", "landmark", "axis", "sign"),
    [
        ("mouthSmile_L", 54, 1, +1),
        ("mouthSmile_L", 54, 0, +1),
        ("mouthSmile_R", 48, 0, -1),
        ("mouthFrown_R", 48, 1, -1),
        ("browInnerUp", 21, 1, +1),
        ("browOuterUp_L", 25, 1, +1),
        ("browDown_R", 20, 1, -1),
        ("mouthPucker", 54, 0, -1),
        ("mouthFunnel", 57, 2, +1),
        ("mouthUpperUp_L", 52, 1, +1),
        ("mouthLowerDown_L", 56, 1, -1),
        ("mouthStretch_L", 54, 0, +1),
        ("jawLeft", 8, 0, +1),
        ("jawRight", 8, 0, -1),
        ("mouthLeft", 51, 0, +1),
        ("jawForward", 8, 2, +1),
        ("noseSneer_L", 35, 1, +1),
    ],
)
def test_a_mode_moves_its_landmark_the_way_its_name_says(mode, landmark, axis, sign):
    moved = marks(**{mode: 1.0}) - marks()
    assert sign * moved[landmark, axis] > 0.008


def test_gaze_turns_the_iris():
    iris = np.abs(MODEL.texture_basis[COLOURS.index("irisBlue")]).sum(-1) > 0
    left = iris & (MODEL.mean[:, 0] > 0)
    at_rest = MODEL.mean[left].mean(0)
    ball = MODEL.eyeballs.vertices[0]
    centre = (MODEL.mean[ball].mean(0) + MODEL.eyeballs.centre_offset[0]).astype(np.float64)
    radii = np.linalg.norm(MODEL.mean[ball] - centre, axis=1)
    assert np.ptp(radii) < 1e-4, "the ball is a ball"
    for name, axis, sign in [
        ("eyeLookUp_L", 1, 1),
        ("eyeLookDown_L", 1, -1),
        ("eyeLookOut_L", 0, 1),
        ("eyeLookIn_L", 0, -1),
    ]:
        turned = shape(**{name: 1.0})
        assert sign * (turned[left].mean(0) - at_rest)[axis] > 0.03
        assert np.abs(np.linalg.norm(turned[ball] - centre, axis=1) - radii).max() < 1e-5
        other = MODEL.eyeballs.vertices[1]
        assert np.abs(turned[other] - MODEL.mean[other]).max() < 1e-6
    lid = marks(eyeLookDown=1.0)[43, 1]
    assert lid < marks()[43, 1], "the lid follows the gaze down"


def test_modes_have_names_and_sensible_sizes():
    assert list(NAMES) == USUAL_NAMES
    assert len(set(IDENTITY)) == MODEL.widths["identity"] >= 40
    assert len(set(COLOURS)) == MODEL.widths["texture"] >= 20
    for names, basis, least, most in (
        (IDENTITY, MODEL.identity_basis, 0.005, 0.12),
        (NAMES, MODEL.expression_basis, 0.006, 0.40),
        (COLOURS, MODEL.texture_basis, 0.008, 0.25),
    ):
        largest = dict(zip(names, np.abs(basis).max(axis=(1, 2)), strict=True))
        assert 0.2 < largest.pop("hairLength", 0.3) < 0.5
        assert min(largest.values()) > least and max(largest.values()) < most, largest
        flat = basis.reshape(len(basis), -1).astype(np.float64)
        unit = flat / np.linalg.norm(flat, axis=1, keepdims=True)
        # No mode is a combination of the others, but for those that are opposite by their nature:
        # the two ways of a sideways mode, and the lids under a gaze in and out.
        opposite = ("jawRight", "mouthRight", "eyeLookIn_L", "eyeLookIn_R")
        unit = unit[[name not in opposite for name in names]]
        assert np.linalg.svd(unit, compute_uv=False).min() > 0.02
    assert MODEL.texture_mean.min() >= 0 and MODEL.texture_mean.max() <= 1


def test_the_page_lists_every_mode():
    page = (Path(__file__).parents[2] / "docs" / "procedural_head.md").read_text()
    listed = set(re.findall(r"`(\w+)`", page))
    assert set(IDENTITY) | set(COLOURS) <= listed
    assert f"| {len(IDENTITY)}, {len(NAMES)}, {len(COLOURS)} |" in page


def test_version_1_stays_as_it_is():
    frozen = json.loads(head_summary.PATH.read_text())
    advice = (
        "the procedural head changed. Parameters in data sets and checkpoints would mean another "
        "face: raise VERSION in procedural/head.py and write the summary anew by "
        "`python -m tests.helpers.head_summary` (docs/procedural_head.md)"
    )
    assert frozen["version"] == VERSION, advice
    for size in ("light", "full"):
        found, expected = head_summary.summary(procedural_head(size)), frozen[size]
        for kind in ("mean", "identity", "expression", "colour"):
            assert list(found[kind]) == list(expected[kind]), f"{size}: {kind}: {advice}"
            for name, moments in expected[kind].items():
                difference = np.abs(np.subtract(found[kind][name], moments)).max()
                assert difference < head_summary.TOLERANCE, f"{size}: {kind} {name}: {advice}"
        for field in ("num_vertices", "num_triangles", "integers", "gaze"):
            assert found[field] == expected[field], f"{size}: {field}: {advice}"


def test_the_frozen_summary_sees_a_small_change():
    changed = MODEL.identity_basis.copy()
    # One mode a twentieth of a millimetre stronger at its strongest.
    changed[3] *= 1.0 + 0.0005 / np.abs(changed[3]).max()
    found = head_summary.summary(dataclasses.replace(MODEL, identity_basis=changed))
    expected = head_summary.summary(MODEL)
    name = IDENTITY[3]
    moved = np.abs(np.subtract(found["identity"][name], expected["identity"][name])).max()
    assert moved > head_summary.TOLERANCE
    assert found["expression"] == expected["expression"]


def test_the_region_is_the_face_without_hair_ears_and_neck():
    inside = np.zeros(MODEL.num_vertices, bool)
    inside[MODEL.region_triangles] = True
    p = MODEL.mean
    assert inside[MODEL.landmarks68].all()
    assert not inside[p[:, 1] < -1.1].any() and not inside[p[:, 1] > 0.85].any()
    assert not inside[p[:, 2] < -0.3].any()
    colour = dict(zip(COLOURS, np.abs(MODEL.texture_basis).sum(axis=-1), strict=True))
    assert not inside[colour["hairStreaks"] > 0.01].any()
    assert not inside[colour["earsRed"] > 0.01].any()
    region = {tuple(t) for t in MODEL.region_triangles.tolist()}
    assert region < {tuple(t) for t in MODEL.triangles.tolist()}


@pytest.mark.parametrize(
    ("mode", "measure", "sign"),
    [
        ("faceWidth", lambda p: p[16, 0] - p[0, 0], +1),
        ("jawWidth", lambda p: p[12, 0] - p[4, 0], +1),
        ("chinHeight", lambda p: p[8, 1], -1),
        ("chinForward", lambda p: p[8, 2], +1),
        ("browHeight", lambda p: p[24, 1], +1),
        ("browSlant", lambda p: p[26, 1] - p[22, 1], +1),
        ("asymmetricBrows", lambda p: p[24, 1] - p[19, 1], +1),
        ("eyeSpacing", lambda p: p[42, 0] - p[39, 0], +1),
        ("eyeWidth", lambda p: p[45, 0] - p[42, 0], +1),
        ("eyeHeight", lambda p: p[43, 1] - p[47, 1], +1),
        ("eyeSlant", lambda p: p[45, 1] - p[42, 1], +1),
        ("eyeLevel", lambda p: p[42, 1], +1),
        ("asymmetricEyes", lambda p: p[42, 1] - p[39, 1], +1),
        ("noseLength", lambda p: p[33, 1], -1),
        ("noseHeight", lambda p: p[30, 2], +1),
        ("noseSideways", lambda p: p[30, 0], +1),
        ("mouthWidth", lambda p: p[54, 0] - p[48, 0], +1),
        ("mouthLevel", lambda p: p[62, 1], +1),
        ("mouthCurve", lambda p: p[54, 1] - p[62, 1], +1),
        ("mouthForward", lambda p: p[62, 2], +1),
        ("mouthSideways", lambda p: p[62, 0], +1),
        ("upperLip", lambda p: p[51, 1] - p[62, 1], +1),
        ("lowerLip", lambda p: p[66, 1] - p[57, 1], +1),
    ],
)
def test_an_identity_mode_does_what_its_name_says(mode, measure, sign):
    low, high = (measure(person(**{mode: at})[MODEL.landmarks68]) for at in (-2.0, 2.0))
    assert sign * (high - low) > 0.01


def test_hair_modes_move_hair_and_leave_the_face_alone():
    hair = np.abs(MODEL.texture_basis[COLOURS.index("hairStreaks")]).sum(axis=-1) > 1e-4
    face = np.unique(MODEL.region_triangles)
    p = {(name, at): person(**{name: at}) for name in IDENTITY for at in (-2.0, 2.0)}
    for name in IDENTITY:
        if name.startswith("hair"):
            assert np.array_equal(p[name, 2.0][face], MODEL.mean[face]), name
            assert np.abs(p[name, 2.0] - MODEL.mean)[hair].max() > 0.01, name
    assert p["hairTop", 2.0][hair, 1].max() > p["hairTop", -2.0][hair, 1].max() + 0.08
    assert p["hairLength", 2.0][hair, 1].min() < MODEL.mean[MODEL.landmarks68[8], 1] - 0.2
    # Bald: at the top the hair lies under the skin.
    scalp = np.abs(MODEL.texture_basis[COLOURS.index("scalpStubble")]).sum(axis=-1) > 1e-3
    bald = person(hairBald=2.5, hairTop=-1.5)
    assert bald[hair, 1].max() < bald[scalp, 1].max()


@pytest.mark.parametrize(
    ("mode", "where", "channel", "sign"),
    [
        ("skinDark", "skinDark", None, -1),
        ("skinRed", "skinRed", (0, 1), +1),
        ("skinSallow", "skinSallow", (1, 2), +1),
        ("lipsRed", "lipsRed", (0, 1), +1),
        ("lipsDark", "lipsDark", None, -1),
        ("hairLight", "hairStreaks", None, +1),
        ("hairRed", "hairStreaks", (0, 1), +1),
        ("hairGrey", "hairStreaks", (2, 0), +1),
        ("browDensity", "browDensity", None, -1),
        ("irisBlue", "irisBlue", (2, 0), +1),
        ("irisGreen", "irisGreen", (1, 0), +1),
        ("irisLight", "irisLight", None, +1),
        ("eyesRed", "eyesRed", (0, 1), +1),
        ("blush", "blush", (0, 1), +1),
        ("freckles", "freckles", None, -1),
        ("beard", "beard", None, -1),
        ("moustache", "moustache", None, -1),
        ("darkCircles", "darkCircles", None, -1),
        ("eyeShadow", "eyeShadow", None, -1),
        ("teethYellow", "teethYellow", (0, 2), +1),
    ],
)
def test_a_colour_mode_does_what_its_name_says(mode, where, channel, sign):
    """`channel` (a, b) means channel a against channel b, None means brightness."""
    offset = MODEL.texture_basis[COLOURS.index(mode)]
    place = np.abs(MODEL.texture_basis[COLOURS.index(where)]).sum(axis=-1) > 0.01
    change = offset[place].mean(axis=0)
    amount = change.mean() if channel is None else change[channel[0]] - change[channel[1]]
    assert place.sum() > 10 and sign * amount > 0.005


@pytest.mark.parametrize(
    "expression",
    [{}, {"jawOpen": 1.0}, {"eyeBlink": 1.0}, {"mouthSmile": 1.0, "eyeLookOut": 1.0}],
    ids=["neutral", "open", "blink", "smile"],
)
def test_no_background_and_no_back_faces_show_through_the_face(expression):
    yaw = np.radians([-60, -40, -20, 0, 20, 40, 60])
    poses = np.stack([0.2 * np.sin(3 * yaw), yaw, 0 * yaw], axis=1).astype(np.float32)
    any_side, front_side = (np.asarray(ids) for ids in covered(shape(**expression), poses))
    for ids, culled in zip(any_side, front_side, strict=True):
        mask = ids >= 0
        assert mask.sum() > 1500
        assert np.array_equal(ndimage.binary_fill_holes(mask), mask)
        # Seen from anywhere, the surface shows its front: next to no pixel changes by culling.
        assert (ids != culled)[mask].mean() < 0.003


def test_random_people_stay_whole():
    rng = np.random.default_rng(5)
    triangles = MODEL.region_triangles

    def normals(vertices: np.ndarray) -> np.ndarray:
        a, b, c = np.moveaxis(vertices[triangles], 1, 0)
        return np.cross(b - a, c - a)

    at_rest = normals(MODEL.mean)
    for _ in range(12):
        identity = np.clip(rng.normal(size=MODEL.widths["identity"]) * 1.3, -2.5, 2.5)
        vertices = MODEL.mean + np.tensordot(identity, MODEL.identity_basis, 1)
        p = vertices[MODEL.landmarks68]
        assert p[17:27, 1].min() > p[36:48, 1].max() > p[31:36, 1].max() > p[48:68, 1].max()
        assert aperture(p, EYE_L) > 0.15
        assert 2.0 < signed_volume(vertices, MODEL.triangles) < 9.0
        turned_over = np.einsum("fk,fk->f", normals(vertices), at_rest) < 0
        assert turned_over.mean() < 0.01


def test_colours_of_random_people_are_colours():
    rng = np.random.default_rng(6)
    weights = np.clip(rng.normal(size=(40, MODEL.widths["texture"])), -2.0, 2.0)
    albedo = MODEL.texture_mean + np.tensordot(weights, MODEL.texture_basis, 1)
    beyond = np.maximum(-albedo, albedo - 1.0)
    assert (beyond > 0).mean() < 0.03 and beyond.max() < 0.35
    skin = np.unique(MODEL.region_triangles)
    brightness = albedo[:, skin].mean(axis=(1, 2))
    assert 0.25 < brightness.min() < 0.45 and 0.6 < brightness.max() < 0.85, "skins differ"


def test_no_triangle_is_degenerate():
    for size in ("light", "full"):
        model = procedural_head(size)
        a, b, c = np.moveaxis(model.mean[model.triangles].astype(np.float64), 1, 0)
        area = 0.5 * np.linalg.norm(np.cross(b - a, c - a), axis=1)
        # Lids and lips meet in needles; a tenth of a square millimetre is 1e-5.
        assert np.median(area) > 1e-4 / (6 if size == "full" else 1)
        assert (area < 1e-8).mean() < 0.005
