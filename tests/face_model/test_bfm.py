"""The reader of BFM_model_front.mat on a file of the same form with made-up content."""

import tempfile
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.io
from scipy.spatial.transform import Rotation

from reenact_jax.face_model import bfm, morphable
from reenact_jax.face_model.coefficients import DengCrop, split_coefficients
from reenact_jax.face_model.parameters import CANONICAL_CAMERA
from tests.helpers import paper_files


@pytest.fixture(scope="module")
def path():
    # The file has 100 MB; pytest's own temporary folders would be kept.
    with tempfile.TemporaryDirectory() as folder:
        yield paper_files.write_synthetic_bfm_front(Path(folder) / "front.mat")


@pytest.fixture(scope="module")
def file(path):
    return scipy.io.loadmat(path)


@pytest.fixture(scope="module")
def model(path):
    return bfm.load_bfm(path)


def test_the_made_up_mesh_has_the_documented_topology(file):
    triangles = file["tri"] - 1
    assert triangles.shape == (70_789, 3)
    directed = triangles[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2)
    assert len(np.unique(directed, axis=0)) == len(directed)  # consistent winding
    _, uses = np.unique(np.sort(directed, axis=1), axis=0, return_counts=True)
    assert len(uses) == 106_498 and uses.max() == 2
    assert (uses == 1).sum() == 551 + 78
    assert 35_709 - 106_498 + 70_789 == 0
    assert len(np.unique(triangles)) == 35_709


def test_the_model_has_the_paper_s_sizes(model):
    assert model.name == "bfm2009"
    assert model.num_vertices == 35_709
    assert model.triangles.shape == model.region_triangles.shape == (70_789, 3)
    assert model.widths == {"identity": 80, "expression": 64, "texture": 80}
    assert model.triangles.min() == 0 and model.triangles.max() == 35_708


def test_the_mean_is_recentred_and_colours_are_fractions(model, file):
    assert np.abs(model.mean.mean(axis=0)).max() < 1e-6
    stored = file["meanshape"].reshape(-1, 3)
    np.testing.assert_allclose(model.mean - model.mean[0], stored - stored[0], atol=1e-6)
    np.testing.assert_allclose(model.texture_mean, file["meantex"].reshape(-1, 3) / 255, atol=1e-6)
    assert 0.1 < model.texture_mean.mean() < 0.9


@pytest.mark.parametrize(
    ("key", "field", "scale"),
    [
        ("idBase", "identity_basis", 1),
        ("exBase", "expression_basis", 1),
        ("texBase", "texture_basis", 255),
    ],
)
def test_a_mode_is_a_column_of_interleaved_coordinates(model, file, key, field, scale):
    for mode, vertex, axis in ((0, 0, 0), (5, 1234, 1), (63, 35_708, 2)):
        expected = file[key][3 * vertex + axis, mode] / scale
        assert getattr(model, field)[mode, vertex, axis] == pytest.approx(expected, rel=1e-6)


def test_landmarks_point_at_the_features(model):
    points = np.asarray(morphable.landmarks(model, model.mean))
    assert points[36:42, 0].mean() < -0.2 and points[42:48, 0].mean() > 0.2  # the eyes
    assert points[8, 1] == points[:, 1].min()  # the chin
    assert points[48:, 1].mean() < points[27:36, 1].mean() < points[36:48, 1].mean()


@pytest.fixture(scope="module")
def posed(file, model):
    """Coefficients, where they put the vertices, and what the model makes of them."""
    rng = np.random.default_rng(0)
    coefficients = paper_files.random_coefficients(3, seed=4)[1].astype(np.float64)
    coefficients[224:227] = [0.31, -0.52, 0.23]
    coefficients[254:257] += rng.normal(0, 0.05, 3)
    world = paper_files.reference_vertices(file, coefficients)
    vector = coefficients.astype(np.float32)
    return coefficients, world, vector


def test_geometry_and_pose_follow_the_published_formulas(model, posed):
    _, world, vector = posed
    parameters = split_coefficients(vector, np.float32(CANONICAL_CAMERA))
    camera_frame = np.asarray(morphable.posed_vertices(model, parameters))
    # x to the right, y down, distance 10 - z (Deep3DFaceRecon keeps y up until the pixels).
    expected = np.stack([world[:, 0], -world[:, 1], 10 - world[:, 2]], axis=-1)
    np.testing.assert_allclose(camera_frame, expected, atol=5e-6)


def test_the_canonical_camera_gives_the_pixels_of_the_crop(model, posed):
    _, world, vector = posed
    parameters = split_coefficients(vector, np.float32(CANONICAL_CAMERA))
    camera_frame = morphable.posed_vertices(model, parameters)
    pixels = 224 * np.asarray(morphable.project(camera_frame, parameters.camera))
    np.testing.assert_allclose(pixels, paper_files.reference_crop_pixels(world), atol=2e-3)


@pytest.mark.parametrize(
    "transform",
    [(256, 256, 1.07, 131.3, 120.9), (256, 256, 0.83, 90.0, 160.0), (512, 512, 0.55, 300.2, 201.7)],
)
def test_the_frame_s_camera_inverts_the_crop(model, posed, transform):
    _, world, vector = posed
    parameters = split_coefficients(vector, DengCrop(*transform).camera())
    camera_frame = morphable.posed_vertices(model, parameters)
    size = transform[0]
    pixels = size * np.asarray(morphable.project(camera_frame, parameters.camera))
    crop_pixels = paper_files.reference_crop_pixels(world)
    expected = paper_files.reference_frame_pixels(crop_pixels, np.array(transform))
    np.testing.assert_allclose(pixels, expected, atol=4e-3)
    assert expected.std(axis=0).min() > 20  # a face, not a point


def test_normals_are_those_of_the_file_s_own_triangle_lists(model, file):
    mean = np.asarray(model.mean, np.float64)
    a, b, c = (mean[model.triangles[:, i]] for i in range(3))
    normals = np.cross(b - a, c - a)
    normals /= np.linalg.norm(normals, axis=-1, keepdims=True)
    padded = np.concatenate([normals, np.zeros((1, 3))])
    expected = padded[file["point_buf"] - 1].sum(axis=1)
    expected /= np.linalg.norm(expected, axis=-1, keepdims=True)
    found = np.asarray(
        morphable.world_normals(model, jnp.asarray(model.mean), np.zeros(3, np.float32))
    )
    # float32 cross products of edges a hundredth of a decimetre long
    np.testing.assert_allclose(found, expected, atol=2e-3)
    assert (found[:, 2] > 0).mean() > 0.95  # out of the face


def reference_colours(file: dict, coefficients: np.ndarray) -> np.ndarray:
    """(V, 3) shaded RGB of one 257-vector, float64, straight from the file and the formulas."""
    alpha, beta, delta = coefficients[:80], coefficients[80:144], coefficients[144:224]
    shape = file["meanshape"][0] + file["idBase"] @ alpha + file["exBase"] @ beta
    corners = shape.reshape(-1, 3)[file["tri"].astype(int) - 1]
    normals = np.cross(corners[:, 0] - corners[:, 1], corners[:, 1] - corners[:, 2])
    normals /= np.linalg.norm(normals, axis=-1, keepdims=True)
    padded = np.concatenate([normals, np.zeros((1, 3))])
    normals = padded[file["point_buf"].astype(int) - 1].sum(axis=1)
    normals /= np.linalg.norm(normals, axis=-1, keepdims=True)
    pitch, yaw, roll = coefficients[224:227]
    nx, ny, nz = Rotation.from_euler("ZYX", [roll, yaw, pitch]).apply(normals).T
    a = np.pi, 2 * np.pi / np.sqrt(3), 2 * np.pi / np.sqrt(8)
    c0, c1 = 1 / np.sqrt(4 * np.pi), np.sqrt(3) / np.sqrt(4 * np.pi)
    c2 = 3 * np.sqrt(5) / np.sqrt(12 * np.pi)
    bands = [
        a[0] * c0 * np.ones_like(nx),
        -a[1] * c1 * ny,
        a[1] * c1 * nz,
        -a[1] * c1 * nx,
        a[2] * c2 * nx * ny,
        -a[2] * c2 * ny * nz,
        a[2] * c2 / (2 * np.sqrt(3)) * (3 * nz**2 - 1),
        -a[2] * c2 * nx * nz,
        a[2] * c2 / 2 * (nx**2 - ny**2),
    ]
    gamma = coefficients[227:254].reshape(3, 9) + 0.8 * np.eye(9)[0]
    albedo = (file["meantex"][0] + file["texBase"] @ delta).reshape(-1, 3) / 255
    return np.stack(bands, axis=-1) @ gamma.T * albedo


def test_colours_follow_the_published_formulas(model, file, posed):
    coefficients, _, _ = posed
    coefficients = coefficients.copy()
    # A strong light with every band in every channel.
    coefficients[227:254] = np.random.default_rng(9).normal(0, 0.2, 27)
    parameters = split_coefficients(coefficients.astype(np.float32), np.float32(CANONICAL_CAMERA))
    parameters = parameters.replace(lighting=jnp.asarray(parameters.lighting))
    expected = reference_colours(file, coefficients)
    found = np.asarray(morphable.shaded_colours(model, parameters))
    # Normals of triangles a hundredth of a decimetre wide have 2e-3 of float32 noise.
    np.testing.assert_allclose(found, expected, atol=5e-3)
    assert np.abs(found - expected).mean() < 2e-4
    assert expected.std(axis=0).min() > 0.05


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"exBase": None}, "expected the key exBase"),
        ({"tri": np.ones((70_788, 3), np.int32)}, r"tri: expected shape \(70789, 3\), found"),
        ({"keypoints": np.zeros((1, 68), np.int32)}, "keypoints: .* 1 to 35709, found 0 to 0"),
        (
            {"point_buf": np.full((35_709, 8), 70_791, np.int32)},
            "point_buf: .* 1 to 70790, found 70791",
        ),
        ({"meantex": np.full((1, 107_127), np.nan)}, "meantex: expected finite"),
    ],
)
def test_another_file_is_refused_by_the_first_key_that_does_not_fit(file, changes, message):
    arrays = {key: value for key, value in file.items() if not key.startswith("__")} | changes
    with tempfile.TemporaryDirectory() as folder:
        changed = Path(folder) / "changed.mat"
        scipy.io.savemat(changed, {k: v for k, v in arrays.items() if v is not None})
        with pytest.raises(ValueError, match=message):
            bfm.load_bfm(changed)


def test_truncated_missing_and_foreign_files_are_refused(path, tmp_path):
    with pytest.raises(ValueError, match="found no such file"):
        bfm.load_bfm(tmp_path / "none.mat")
    cut = tmp_path / "cut.mat"
    with open(path, "rb") as whole:
        cut.write_bytes(whole.read(3_000_000))
    with pytest.raises(ValueError, match="expected a complete MATLAB 5 file"):
        bfm.load_bfm(cut)
    text = tmp_path / "text.mat"
    text.write_text("<html>not found</html>" * 20)
    with pytest.raises(ValueError, match="expected a complete MATLAB 5 file"):
        bfm.load_bfm(text)
