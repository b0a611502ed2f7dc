"""Reads the release of ICT-FaceKit (one OBJ file per shape) and makes the .npz of `ict` from it.

The release has 26,719 vertices and 26,384 polygons in every file, 100 identity shapes and 53 named
expressions. Kept are the skin of face, head and neck, and the eyeballs; sockets, teeth, gums and
lashes are left out. Ranges: README.md of github.com/ICT-VGL/ICT-FaceKit.
"""

import dataclasses
import io
import json
import re
from pathlib import Path

import numpy as np
import trimesh
from scipy.spatial import cKDTree

from reenact_jax.errors import UserError
from reenact_jax.files import replacing

_NEUTRAL = "generic_neutral_mesh"
_INDICES = "vertex_indices.json"
# Mirrored vertices of the release lie within this of their partners (its own unit, about 1 cm).
_MIRROR_TOLERANCE = 0.02
# Where MediaPipe's 468 landmarks lie on the kept mesh: vertex indices and barycentric weights. The
# release does not say. The points of MediaPipe's own mesh were carried over by a similarity, then
# moved to where fits to real video put them. MIT licence, like the mesh.
_MEDIAPIPE_TABLE = Path(__file__).with_name("ict_mediapipe.npz")


@dataclasses.dataclass(frozen=True)
class Part:
    """A range of vertices and of polygons (first, behind the last) that becomes one part."""

    name: str
    vertices: tuple[int, int]
    polygons: tuple[int, int]


@dataclasses.dataclass(frozen=True)
class Release:
    """How many of everything a release holds and which ranges are kept, in the file's order."""

    num_vertices: int
    num_polygons: int
    num_identity: int
    num_expression: int
    parts: tuple[Part, ...]


LIGHT = Release(
    num_vertices=26_719,
    num_polygons=26_384,
    num_identity=100,
    num_expression=53,
    parts=(
        Part("face", (0, 9_409), (0, 9_230)),
        Part("head_neck", (9_409, 11_248), (9_230, 11_144)),
        Part("eyeball_left", (21_451, 22_221), (21_496, 22_296)),
        Part("eyeball_right", (23_021, 23_791), (23_094, 23_894)),
    ),
)


def read_release(folder: str | Path, release: Release = LIGHT) -> dict[str, np.ndarray]:
    """The arrays of the .npz that `ict.load_ict_facekit` reads.

    Quads are split along their shorter diagonal in the neutral shape. Offsets from the neutral
    shape are float16, which costs at most 8e-5 of the head's height.

    Args:
      folder: the release's folder `FaceXModel`, or the one that holds it.
      release: what to expect there.

    Raises:
      UserError: if a file is missing, cut short, or of another topology.
    """
    folder = _model_folder(Path(folder))
    names, landmarks = _read_indices(folder / _INDICES, release)
    identities = [f"identity{number:03d}" for number in range(release.num_identity)]
    absent = [
        f"{name}.obj"
        for name in [_NEUTRAL, *identities, *names]
        if not (folder / f"{name}.obj").is_file()
    ]
    if absent:
        shown = ", ".join(absent[:5]) + (" and others" if len(absent) > 5 else "")
        raise UserError(
            f"{folder}: expected {1 + len(identities) + len(names)} OBJ files of ICT-FaceKit, "
            f"{len(absent)} are missing: {shown}: download the whole folder FaceXModel"
        )
    neutral, faces, licence = _read_obj(folder / f"{_NEUTRAL}.obj", release)
    kept = np.concatenate([np.arange(*part.vertices) for part in release.parts])
    triangles, triangle_part = _triangles(faces, neutral, kept, release)

    def offsets(shapes: list[str]) -> np.ndarray:
        basis = np.empty((len(shapes), len(kept), 3), np.float16)
        for mode, name in enumerate(shapes):
            path = folder / f"{name}.obj"
            shape, found_faces, _ = _read_obj(path, release)
            if found_faces != faces:
                raise UserError(
                    f"{path}: expected the polygons of {_NEUTRAL}.obj, found others: this shape "
                    "is of another topology"
                )
            basis[mode] = shape[kept] - neutral[kept]
        return basis

    vertices = neutral[kept]
    part_of_vertex = np.repeat(
        np.arange(len(release.parts), dtype=np.uint8),
        [part.vertices[1] - part.vertices[0] for part in release.parts],
    )
    with np.load(_MEDIAPIPE_TABLE, allow_pickle=False) as table:
        anchors = {"mediapipe468_vertices": table["vertices"].astype(np.int32)}
        anchors["mediapipe468_bary"] = table["weights"]
    return {
        "neutral": vertices.astype(np.float32),
        "identity_basis": offsets(identities),
        "expression_basis": offsets(names),
        "expression_names": np.array(names),
        "triangles": triangles,
        "triangle_part": triangle_part,
        "vertex_part": part_of_vertex,
        "part_names": np.array([part.name for part in release.parts]),
        "landmarks68": np.searchsorted(kept, landmarks).astype(np.int32),
        "mirror_vertex": _mirror_map(vertices, folder),
        "source_vertex_index": kept.astype(np.int32),
        "license": np.array(licence),
        **anchors,
    }


def convert_release(folder: str | Path, path: str | Path) -> None:
    """Writes the release in `folder` as a compressed .npz, whole or not at all.

    Raises:
      UserError: as `read_release`, or if `path` cannot be written.
    """
    path = Path(path)
    if path.suffix != ".npz":
        raise UserError(f"{path}: expected the name of an .npz file to write")
    if not path.parent.is_dir():
        raise UserError(f"{path.parent}: expected an existing folder for {path.name}")
    arrays = read_release(folder)
    try:
        with replacing(path) as temporary:
            np.savez_compressed(temporary, **arrays)
    except OSError as err:
        raise UserError(f"{path}: could not be written ({err})") from err


def _model_folder(folder: Path) -> Path:
    for candidate in (folder, folder / "FaceXModel"):
        if (candidate / f"{_NEUTRAL}.obj").is_file():
            return candidate
    raise UserError(
        f"{folder}: expected the folder FaceXModel of ICT-FaceKit, found no {_NEUTRAL}.obj in it; "
        "the release is at github.com/ICT-VGL/ICT-FaceKit (MIT licence)"
    )


def _read_indices(path: Path, release: Release) -> tuple[list[str], np.ndarray]:
    """Names of the expressions and the 68 landmark vertices, in the release's numbering."""
    try:
        table = json.loads(path.read_text())
        names = [str(name) for name in table["expressions"]]
        landmarks = np.array(table["idx_to_landmark_verts"], int)
    except FileNotFoundError as err:
        raise UserError(f"{path}: expected this table of ICT-FaceKit, found no such file") from err
    except (ValueError, KeyError, TypeError) as err:
        raise UserError(
            f"{path}: expected a JSON object with expressions and idx_to_landmark_verts, "
            f"found another file ({type(err).__name__}: {err})"
        ) from err
    if len(names) != release.num_expression or landmarks.shape != (68,):
        raise UserError(
            f"{path}: expected {release.num_expression} expressions and 68 landmarks, "
            f"found {len(names)} and {landmarks.size}"
        )
    first, behind = release.parts[0].vertices
    if landmarks.min() < first or landmarks.max() >= behind:
        raise UserError(f"{path}: expected landmarks on the face, in [{first}, {behind})")
    return names, landmarks


def _read_obj(path: Path, release: Release) -> tuple[np.ndarray, list[str], str]:
    """Vertices (V, 3) float64 in the file's order, polygons as text, and the leading comment.

    Texture coordinates and materials are cut away first: with them, a mesh library would split
    vertices at seams and the mesh at materials, and no two shapes would share an order.
    """
    points, polygons, comment = [], [], []
    with open(path, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if line.startswith("v "):
                points.append(line)
            elif line.startswith("f "):
                polygons.append(re.sub(r"/\S*", "", line).strip())
            elif line.startswith("#") and not points:
                comment.append(line.strip("# \n"))
    expected = (release.num_vertices, release.num_polygons)
    if (len(points), len(polygons)) != expected:
        raise UserError(
            f"{path}: expected {expected[0]} vertices and {expected[1]} polygons, found "
            f"{len(points)} and {len(polygons)}: a file of another topology, or cut short"
        )
    try:
        loaded = trimesh.load(
            io.StringIO("".join(points)), file_type="obj", process=False, maintain_order=True
        )
        vertices = np.asarray(loaded.vertices, np.float64)
    except (ValueError, AttributeError, IndexError) as err:
        raise UserError(f"{path}: expected vertices of three numbers ({err})") from err
    if vertices.shape != (release.num_vertices, 3) or not np.isfinite(vertices).all():
        raise UserError(
            f"{path}: expected {release.num_vertices} vertices of three finite numbers, found "
            f"an array of shape {vertices.shape}"
        )
    return vertices, polygons, "\n".join(comment).strip()


def _triangles(
    polygons: list[str], neutral: np.ndarray, kept: np.ndarray, release: Release
) -> tuple[np.ndarray, np.ndarray]:
    """int32 (F, 3) triangles over the kept vertices and uint8 (F,) the part of each."""
    index = np.full(release.num_vertices, -1)
    index[kept] = np.arange(len(kept))
    triangles, parts = [], []
    for number, part in enumerate(release.parts):
        for polygon in polygons[slice(*part.polygons)]:
            corners = [int(corner) - 1 for corner in polygon.split()[1:]]
            if len(corners) == 4:
                a, b, c, d = corners
                p = neutral[corners]
                if ((p[0] - p[2]) ** 2).sum() <= ((p[1] - p[3]) ** 2).sum():
                    split = [(a, b, c), (a, c, d)]
                else:
                    split = [(a, b, d), (b, c, d)]
            else:
                split = [tuple(corners)]
            triangles += split
            parts += [number] * len(split)
    found = index[np.array(triangles)]
    if found.ndim != 2 or found.shape[1] != 3 or found.min() < 0:
        raise UserError(
            "the kept polygons of ICT-FaceKit: expected triangles and quads over kept vertices"
        )
    return found.astype(np.int32), np.array(parts, np.uint8)


def _mirror_map(vertices: np.ndarray, folder: Path) -> np.ndarray:
    """int32 (V,): the vertex nearest to each one's mirror image in x; an exact involution."""
    distance, partner = cKDTree(vertices).query(vertices * [-1.0, 1.0, 1.0])
    involution = (partner[partner] == np.arange(len(partner))).all()
    if not involution or distance.max() > _MIRROR_TOLERANCE:
        raise UserError(
            f"{folder / _NEUTRAL}.obj: expected a mesh that is its own mirror image to "
            f"{_MIRROR_TOLERANCE}, found {distance.max():.3f}: another topology or another file"
        )
    return partner.astype(np.int32)
