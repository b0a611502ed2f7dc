"""ICT-FaceKit: units, axes and parts of the real file, and errors for files of other content."""

import numpy as np
import pytest

from reenact_jax.errors import UserError
from reenact_jax.face_model.eyeballs import eyeball_centres
from reenact_jax.face_model.ict import ORIGIN, load_ict_facekit
from reenact_jax.face_model.morphable import MorphableModel, shape
from reenact_jax.tracking.anchors import MEDIAPIPE_68

# Deep3DFaceRecon's five-point template (decimetres): eyes, nose tip, mouth corners.
DENG_TEMPLATE = np.array(
    [
        [-0.3115, 0.2904, 0.1338],
        [0.3098, 0.2897, 0.1318],
        [0.0033, -0.0462, 0.5524],
        [-0.2522, -0.3813, 0.2241],
        [0.2485, -0.3813, 0.2224],
    ]
)


def tiny_arrays() -> dict[str, np.ndarray]:
    """A file of the right layout with 7 vertices, 2 identity and 3 expression modes."""
    rng = np.random.default_rng(0)
    return {
        "neutral": rng.normal(size=(7, 3)).astype(np.float32),
        "identity_basis": rng.normal(size=(2, 7, 3)).astype(np.float16),
        "expression_basis": rng.normal(size=(3, 7, 3)).astype(np.float16),
        "expression_names": np.array(["jawOpen", "eyeBlink_L", "eyeLookIn_R"]),
        "triangles": np.array([[0, 1, 2], [0, 2, 3], [1, 2, 4]], np.int32),
        "triangle_part": np.array([0, 1, 0], np.uint8),
        "vertex_part": np.array([0, 0, 0, 1, 0, 3, 2], np.uint8),
        "part_names": np.array(["face", "head_neck", "eyeball_left", "eyeball_right"]),
        "landmarks68": np.zeros(68, np.int32),
        "mirror_vertex": np.arange(7, dtype=np.int32),
        "mediapipe468_vertices": np.zeros((468, 3), np.int32),
        "mediapipe468_bary": np.full((468, 3), 1 / 3, np.float32),
    }


@pytest.fixture(scope="module")
def ict(shared_dir) -> MorphableModel:
    return load_ict_facekit(shared_dir / "assets" / "ict_facekit.npz")


def test_lengths_are_decimetres_about_the_stated_origin(tmp_path):
    arrays = tiny_arrays()
    np.savez(tmp_path / "tiny.npz", **arrays)
    model = load_ict_facekit(tmp_path / "tiny.npz")
    np.testing.assert_allclose(model.mean, arrays["neutral"] / 10 - ORIGIN, atol=1e-6)
    identity, expression = (
        arrays[f"{part}_basis"].astype(float) for part in ("identity", "expression")
    )
    np.testing.assert_allclose(model.identity_basis, identity / 10, atol=1e-6)
    np.testing.assert_allclose(model.expression_basis, expression / 10, atol=1e-6)
    np.testing.assert_array_equal(model.region_triangles, arrays["triangles"][[0, 2]])
    assert model.expression_names == ("jawOpen", "eyeBlink_L", "eyeLookIn_R")
    assert not model.has_albedo


def test_the_mean_face_stands_where_the_papers_model_does(ict):
    points = ict.mean[ict.landmarks68]
    five = np.stack(
        [points[[36, 39]].mean(0), points[[42, 45]].mean(0), points[30], points[48], points[54]]
    )
    # Other people, other faces: within 5 mm of the template, and without an offset on average.
    np.testing.assert_allclose(five, DENG_TEMPLATE, atol=0.05)
    np.testing.assert_allclose((five - DENG_TEMPLATE).mean(0), 0, atol=0.01)
    assert 1.4 < np.ptp(points[:17, 0]) < 1.6  # jaw line from ear to ear


def test_the_guidance_region_is_face_and_eyeballs_seen_from_outside(ict):
    used = np.unique(ict.region_triangles)
    vertices = ict.mean[used]
    assert len(used) == 9409 + 2 * 770  # vertices of face and eyeballs, by the release's table
    corners = ict.mean[ict.region_triangles]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    centre = vertices.mean(0) - [0, 0, 1]
    outward = np.einsum("fi,fi->f", normals, corners.mean(1) - centre)
    # Folds of lids, nostrils and ears look inwards; nearly all of the area looks out.
    assert outward[outward > 0].sum() > 20 * -outward[outward < 0].sum()


def test_dense_landmarks_lie_on_the_releases_own_landmarks(ict):
    dense = ict.dense_landmarks
    points = (ict.mean[dense.vertices] * dense.weights[..., None]).sum(1)
    distance = np.linalg.norm(points[MEDIAPIPE_68] - ict.mean[ict.landmarks68], axis=-1)
    # Eyes and lips are the same anatomy in both definitions (3 mm); the jaw is not.
    assert distance[36:].max() < 0.05
    assert np.median(distance[36:]) < 0.03
    np.testing.assert_allclose(dense.weights.sum(-1), 1, atol=1e-5)


def test_modes_do_what_their_names_say(ict):
    def mode(name: str) -> np.ndarray:
        return ict.expression_basis[ict.expression_names.index(name)]

    chin = ict.landmarks68[8]
    assert mode("jawOpen")[chin, 1] < -0.1
    left_eye, right_eye = ict.landmarks68[[43, 44]], ict.landmarks68[[37, 38]]
    assert (mode("eyeBlink_L")[left_eye, 1] < -0.03).all()
    np.testing.assert_allclose(mode("eyeBlink_L")[right_eye], 0, atol=1e-3)
    assert (ict.mean[left_eye, 0] > 0).all()  # the subject's left is image right


def test_the_mirror_map_mirrors(ict):
    mirrored = ict.mean[ict.mirror_vertex] * [-1, 1, 1]
    np.testing.assert_allclose(mirrored, ict.mean, atol=1e-3)
    np.testing.assert_array_equal(ict.mirror_vertex[ict.mirror_vertex], np.arange(12788))


def looking(ict: MorphableModel, *names: str) -> np.ndarray:
    weights = np.isin(ict.expression_names, names).astype(np.float32)
    return np.asarray(shape(ict, np.zeros(100, np.float32), weights))


def test_eyeballs_turn_about_the_centre_of_their_sphere(ict):
    for vertices, centre in zip(
        ict.eyeballs.vertices, eyeball_centres(ict.eyeballs, ict.mean), strict=True
    ):
        ball = ict.mean[vertices].astype(np.float64)
        # Sphere through the part behind the cornea: |p|^2 = 2 p . c + constant.
        ball = ball[ball[:, 2] < np.quantile(ball[:, 2], 0.65)]
        system = np.concatenate([2 * ball, np.ones((len(ball), 1))], axis=1)
        fitted = np.linalg.lstsq(system, (ball**2).sum(-1), rcond=None)[0][:3]
        np.testing.assert_allclose(centre, fitted, atol=0.003)  # 0.3 mm


@pytest.mark.parametrize(
    ("modes", "axis", "sign"),
    [
        (("eyeLookOut_L", "eyeLookIn_R"), 0, 1),
        (("eyeLookIn_L", "eyeLookOut_R"), 0, -1),
        (("eyeLookUp_L", "eyeLookUp_R"), 1, 1),
        (("eyeLookDown_L", "eyeLookDown_R"), 1, -1),
    ],
)
def test_pupils_go_where_the_mode_s_name_says(ict, modes, axis, sign):
    turned = looking(ict, *modes)
    moved = turned - ict.mean
    for vertices in ict.eyeballs.vertices:
        pupil = vertices[ict.mean[vertices, 2].argmax()]
        assert 0.03 < sign * moved[pupil, axis] < 0.12  # 3 to 12 mm
        assert abs(moved[pupil, 1 - axis]) < 0.01
        # Rigid: distances within the ball stay.
        before, after = (
            np.linalg.norm(v[vertices] - v[pupil], axis=-1) for v in (ict.mean, turned)
        )
        np.testing.assert_allclose(after, before, atol=1e-5)


def test_looking_left_is_the_mirror_image_of_looking_right(ict):
    left = looking(ict, "eyeLookOut_L", "eyeLookIn_R")
    right = looking(ict, "eyeLookIn_L", "eyeLookOut_R")
    balls = ict.eyeballs.vertices.reshape(-1)
    mirrored = left[ict.mirror_vertex[balls]] * [-1, 1, 1]
    np.testing.assert_allclose(mirrored, right[balls], atol=1e-3)


def test_a_missing_key_is_named(tmp_path):
    arrays = tiny_arrays()
    del arrays["mirror_vertex"], arrays["triangle_part"]
    np.savez(tmp_path / "tiny.npz", **arrays)
    with pytest.raises(UserError, match="missing: triangle_part, mirror_vertex"):
        load_ict_facekit(tmp_path / "tiny.npz")


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("neutral", np.zeros((7, 2)), r"neutral: expected shape \('V', 3\), found \(7, 2\)"),
        ("identity_basis", np.zeros((2, 4, 3)), r"expected shape \('I', 7, 3\), found \(2, 4, 3\)"),
        ("expression_names", np.array(["one"]), r"expected shape \(3,\), found \(1,\)"),
        ("part_names", np.array(["a", "b", "c", "d"]), "expected a part named head_neck"),
        ("vertex_part", np.array([0, 0, 0, 1, 2, 3, 2]), "two eyeballs of one size, found 2 and 1"),
        ("triangles", np.full((3, 3), 7), r"expected indices in \[0, 7\)"),
        ("mediapipe468_vertices", np.full((468, 3), 7), "mediapipe468_vertices"),
        ("neutral", np.array([None] * 21).reshape(7, 3), "damaged or pickled"),
    ],
    ids=["columns", "vertices", "names", "parts", "balls", "triangles", "anchors", "pickle"],
)
def test_wrong_content_is_named(tmp_path, key, value, message):
    np.savez(tmp_path / "tiny.npz", **tiny_arrays() | {key: value})
    with pytest.raises(ValueError, match=message):
        load_ict_facekit(tmp_path / "tiny.npz")


def test_a_missing_or_foreign_file_is_named(tmp_path):
    path = tmp_path / "model.npz"
    with pytest.raises(UserError, match=r"model\.npz: no such file"):
        load_ict_facekit(path)
    with pytest.raises(UserError, match="found a folder: convert a download"):
        load_ict_facekit(tmp_path)
    path.write_bytes(b"solid")
    with pytest.raises(UserError, match=r"model\.npz: expected an \.npz archive"):
        load_ict_facekit(path)


def test_a_truncated_file_is_named(tmp_path):
    path = tmp_path / "model.npz"
    np.savez(path, **tiny_arrays())
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(UserError, match=r"model\.npz"):
        load_ict_facekit(path)
