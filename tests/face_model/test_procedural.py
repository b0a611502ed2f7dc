"""The procedural head: topology, landmarks, what its modes do, and that it has no holes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage

import rasterizer
from reenact_jax.face_model import morphable
from reenact_jax.face_model.procedural import colour_names, identity_names, procedural_head

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
    assert 4000 < MODEL.num_vertices < 6500
    full = procedural_head("full")
    assert abs(full.num_vertices - 35_709) < 1500
    assert abs(len(full.triangles) - 70_789) < 3000
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
    assert len(set(identity_names())) == MODEL.widths["identity"] >= 20
    assert len(set(colour_names())) == MODEL.widths["texture"] >= 10
    for basis, least, most in (
        (MODEL.identity_basis, 0.004, 0.12),
        (MODEL.expression_basis, 0.02, 0.40),
        (MODEL.texture_basis, 0.008, 0.20),
    ):
        largest = np.abs(basis).max(axis=(1, 2))
        assert (largest > least).all() and (largest < most).all()
        flat = basis.reshape(len(basis), -1).astype(np.float64)
        unit = flat / np.linalg.norm(flat, axis=1, keepdims=True)
        # No mode is a combination of the others (the two ways of a sideways mode are opposite).
        opposite = [NAMES.index(n) for n in ("jawRight", "mouthRight")]
        unit = np.delete(unit, opposite, axis=0) if basis is MODEL.expression_basis else unit
        assert np.linalg.svd(unit, compute_uv=False).min() > 0.02
    assert MODEL.texture_mean.min() >= 0 and MODEL.texture_mean.max() <= 1


def test_the_region_is_the_face_without_hair_and_neck():
    inside = np.zeros(MODEL.num_vertices, bool)
    inside[MODEL.region_triangles] = True
    p = MODEL.mean
    assert inside[MODEL.landmarks68].all()
    assert not inside[p[:, 1] < -1.1].any() and not inside[p[:, 1] > 0.85].any()
    assert not inside[(p[:, 2] < -0.6)].any()
    region = {tuple(t) for t in MODEL.region_triangles.tolist()}
    assert region < {tuple(t) for t in MODEL.triangles.tolist()}


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
    for _ in range(3):
        identity = np.clip(rng.normal(size=MODEL.widths["identity"]), -2, 2)
        vertices = MODEL.mean + np.tensordot(identity, MODEL.identity_basis, 1)
        p = vertices[MODEL.landmarks68]
        assert p[17:27, 1].min() > p[36:48, 1].max() > p[31:36, 1].max() > p[48:68, 1].max()
        assert aperture(p, EYE_L) > 0.15
        assert 2.0 < signed_volume(vertices, MODEL.triangles) < 7.5
