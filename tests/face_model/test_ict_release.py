"""The converter of ICT-FaceKit's OBJ files, on a small folder of the same form."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from reenact_jax.errors import UserError
from reenact_jax.face_model import ict_release
from reenact_jax.face_model.ict import load_ict_facekit
from reenact_jax.face_model.ict_release import Part, Release, read_release

SIDE = 97  # 97 x 97 vertices: as many as the release's face, so that its landmark table fits
BALL = 5
NAMES = ["jawOpen", "eyeLookIn_R"]


def grid_quads(first: int, side: int) -> np.ndarray:
    corners = first + np.arange(side * side).reshape(side, side)
    quads = np.stack([corners[:-1, :-1], corners[:-1, 1:], corners[1:, 1:], corners[1:, :-1]], -1)
    return quads.reshape(-1, 4)


def sheet(side: int, width: float, centre: tuple[float, float, float]) -> np.ndarray:
    """A sheet of side x side vertices, mirror-symmetric about its centre, edges of many lengths."""
    u, v = (axis.reshape(-1) for axis in np.meshgrid(*[np.linspace(-1, 1, side)] * 2))
    x, y = width * u * (1 + 0.2 * np.cos(5 * v)), width * (v + 0.1 * np.cos(7 * u) * v)
    return np.stack([x, y, 2 - u**2 - v**2], axis=-1) + centre


FACE, PATCH = SIDE * SIDE, BALL * BALL
# In the file: face, neck, something that is dropped, left ball, dropped again, right ball.
STARTS = np.cumsum([0, FACE, PATCH, PATCH, PATCH, PATCH, PATCH])
CENTRES = [(0, 0, 0), (0, -15, 0), (0, 0, -9), (3, 4, 5), (0, 0, -12), (-3, 4, 5)]
QUADS = [grid_quads(start, SIDE if k == 0 else BALL) for k, start in enumerate(STARTS[:-1])]
POLYGON_STARTS = np.cumsum([0, *map(len, QUADS)])
KEPT = {"face": 0, "head_neck": 1, "eyeball_left": 3, "eyeball_right": 5}
SMALL = Release(
    num_vertices=int(STARTS[-1]),
    num_polygons=int(POLYGON_STARTS[-1]),
    num_identity=3,
    num_expression=2,
    parts=tuple(
        Part(name, tuple(STARTS[k : k + 2]), tuple(POLYGON_STARTS[k : k + 2]))
        for name, k in KEPT.items()
    ),
)


def neutral_shape() -> np.ndarray:
    sizes = [(SIDE, 9.0), *[(BALL, 1.0)] * 5]
    sheets = [sheet(*size, centre) for size, centre in zip(sizes, CENTRES, strict=True)]
    return np.concatenate(sheets)


def write_obj(path: Path, vertices: np.ndarray) -> None:
    """As the release writes it: comment, texture coordinates with seams, materials, mixed sizes."""
    lines = ["#" * 10, "# ICT FaceKit", "# MIT text", "#" * 10, "mtllib none.mtl"]
    lines += ["v " + " ".join(f"{x:.6f}" for x in vertex) for vertex in vertices]
    lines += [f"vt {k / 7:.3f} 0.5" for k in range(7)]
    for number, quads in enumerate(QUADS):
        lines.append(f"usemtl M_{number}")
        for row, quad in enumerate(quads):
            # Each vertex has another texture coordinate in each polygon; some are triangles.
            corners = quad[:3] if row % 10 == 9 else quad
            lines.append("f " + " ".join(f"{c + 1}/{(c + row) % 7 + 1}" for c in corners))
    path.write_text("\n".join(lines) + "\n")


@pytest.fixture(scope="module")
def shapes() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(3)
    neutral = neutral_shape()
    names = ["identity000", "identity001", "identity002", *NAMES]
    others = {name: neutral + 0.1 * rng.normal(size=neutral.shape) for name in names}
    return {"generic_neutral_mesh": neutral, **others}


@pytest.fixture(scope="module")
def folder(tmp_path_factory, shapes) -> Path:
    folder = tmp_path_factory.mktemp("release") / "FaceXModel"
    folder.mkdir()
    for name, shape in shapes.items():
        write_obj(folder / f"{name}.obj", shape)
    # Upstream has shapes that its own table does not list.
    (folder / "cheekRaiser_L.obj").write_text("v 0 0 0\n")
    table = {"expressions": NAMES, "idx_to_landmark_verts": list(range(100, 168))}
    (folder / "vertex_indices.json").write_text(json.dumps(table))
    return folder


@pytest.fixture(scope="module")
def arrays(folder) -> dict[str, np.ndarray]:
    return read_release(folder, SMALL)


@pytest.fixture(scope="module")
def kept() -> np.ndarray:
    return np.concatenate([np.arange(STARTS[k], STARTS[k + 1]) for k in KEPT.values()])


def test_vertices_keep_the_order_of_the_file_across_seams_and_materials(arrays, shapes, kept):
    neutral = np.round(shapes["generic_neutral_mesh"], 6)
    np.testing.assert_allclose(arrays["neutral"], neutral[kept], atol=1e-6)
    for key, names in (
        ("identity_basis", ["identity000", "identity001", "identity002"]),
        ("expression_basis", NAMES),
    ):
        expected = np.stack([shapes[name][kept] for name in names]) - neutral[kept]
        # float16 has eleven bits.
        np.testing.assert_allclose(arrays[key], expected, rtol=2**-11, atol=2e-6)
    assert list(arrays["expression_names"]) == NAMES


def test_quads_are_split_along_their_shorter_diagonal(arrays, kept):
    triangles, points = kept[arrays["triangles"]], neutral_shape()
    row = 0
    for part, k in enumerate(KEPT.values()):
        for number, quad in enumerate(QUADS[k]):
            count = 1 if number % 10 == 9 else 2
            found = triangles[row : row + count]
            assert (arrays["triangle_part"][row : row + count] == part).all()
            row += count
            if count == 1:
                np.testing.assert_array_equal(found[0], quad[:3])
                continue
            lengths = [np.linalg.norm(points[quad[i]] - points[quad[i + 2]]) for i in (0, 1)]
            shared = set(found[0]) & set(found[1])
            shorter = int(np.argmin(lengths))
            if abs(lengths[0] - lengths[1]) > 1e-5:
                assert shared == {quad[shorter], quad[shorter + 2]}
            # The winding stays: each edge of the quad is run through in its direction.
            edges = {(t[i], t[(i + 1) % 3]) for t in found.tolist() for i in range(3)}
            assert {(quad[i], quad[(i + 1) % 4]) for i in range(4)} <= edges
    assert row == len(triangles)


def test_the_mirror_map_pairs_mirror_images(arrays):
    partner, neutral = arrays["mirror_vertex"], arrays["neutral"]
    np.testing.assert_allclose(neutral[partner], neutral * [-1, 1, 1], atol=1e-5)
    left, right = (np.flatnonzero(arrays["vertex_part"] == part) for part in (2, 3))
    np.testing.assert_array_equal(np.sort(partner[left]), right)


def test_a_converted_file_is_a_model(arrays, folder, tmp_path, monkeypatch):
    monkeypatch.setattr(ict_release, "read_release", lambda _: arrays)
    ict_release.convert_release(folder, tmp_path / "model.npz")
    model = load_ict_facekit(tmp_path / "model.npz")
    assert model.expression_names == tuple(NAMES)
    np.testing.assert_array_equal(model.landmarks68, np.arange(100, 168))
    assert model.dense_landmarks.vertices.shape == (468, 3)
    np.testing.assert_allclose(model.dense_landmarks.weights.sum(-1), 1, atol=1e-5)
    # Looking in, the right eye turns to image right.
    assert model.eyeballs.turn[1, 1, 1] > 0.3 and (model.eyeballs.turn[:, 0] == 0).all()
    assert "MIT text" in str(np.load(tmp_path / "model.npz")["license"])


@pytest.fixture
def damaged(folder, tmp_path):
    """A folder of links to the good files, in which a test puts a changed one."""
    for path in folder.iterdir():
        (tmp_path / path.name).symlink_to(path)

    def put(name: str, change) -> Path:
        text = (folder / name).read_text()
        (tmp_path / name).unlink()
        if change is not None:
            (tmp_path / name).write_text(change(text))
        return tmp_path

    return put


def swap_corners(text: str) -> str:
    return text.replace("\nf 1/", "\nf 3/", 1)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("identity001.obj", None, r"expected 6 OBJ files .*, 1 are missing: identity001\.obj"),
        ("generic_neutral_mesh.obj", None, "found no generic_neutral_mesh.obj in it"),
        ("jawOpen.obj", lambda text: text[: len(text) // 2], "of another topology, or cut short"),
        ("identity002.obj", swap_corners, "found others: this shape is of another topology"),
        (
            "identity000.obj",
            lambda text: text.replace("v ", "v nan ", 1),
            "identity000.obj: expected .* three",
        ),
        (
            "generic_neutral_mesh.obj",
            lambda text: text.replace("\nv -", "\nv -9", 1),
            "expected a mesh that is its own mirror image",
        ),
        ("vertex_indices.json", None, "vertex_indices.json: expected this table"),
        ("vertex_indices.json", lambda text: text[:50], "expected a JSON object"),
        ("vertex_indices.json", lambda _: "[]", "expected a JSON object"),
        (
            "vertex_indices.json",
            lambda text: text.replace('"jawOpen", ', ""),
            "expected 2 expressions and 68 landmarks, found 1 and 68",
        ),
        (
            "vertex_indices.json",
            lambda text: text.replace("100,", "9999,"),
            r"expected landmarks on the face, in \[0, 9409\)",
        ),
    ],
)
def test_a_bad_file_is_named_with_what_was_expected_and_found(damaged, name, change, message):
    with pytest.raises(UserError, match=message):
        read_release(damaged(name, change), SMALL)


def test_targets_that_cannot_be_written_are_refused_and_leave_nothing(
    folder, tmp_path, monkeypatch
):
    with pytest.raises(UserError, match=r"model\.obj: expected the name of an \.npz"):
        ict_release.convert_release(folder, tmp_path / "model.obj")
    with pytest.raises(UserError, match="expected an existing folder"):
        ict_release.convert_release(folder, tmp_path / "none" / "model.npz")

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(ict_release, "read_release", lambda _: {})
    monkeypatch.setattr(np, "savez_compressed", full)
    with pytest.raises(UserError, match="could not be written .*No space left"):
        ict_release.convert_release(folder, tmp_path / "model.npz")
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_the_release_gives_the_known_file(tmp_path, shared_dir):
    """Needs a download of the release, whose folder the variable ICT_FACEKIT names."""
    release = os.environ.get("ICT_FACEKIT")
    if not release:
        pytest.skip("ICT_FACEKIT does not name a download of the ICT-FaceKit release")
    command = [sys.executable, "scripts/convert_ict.py", release, str(tmp_path / "ict.npz")]
    subprocess.run(command, check=True, cwd=Path(__file__).parents[2])
    known_path = shared_dir / "assets" / "ict_facekit.npz"
    known, found = np.load(known_path), np.load(tmp_path / "ict.npz")
    for key in set(found.files) - {"license"}:
        np.testing.assert_array_equal(found[key], known[key], err_msg=key)
    fingerprints = {
        load_ict_facekit(path).fingerprint() for path in (known_path, tmp_path / "ict.npz")
    }
    assert len(fingerprints) == 1
