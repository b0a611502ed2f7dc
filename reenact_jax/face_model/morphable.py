"""The linear morphable model that BFM, ICT-FaceKit and the procedural head share.

Model frame: decimetres, x to the image's right, y up, z out of the face. Loaders convert.
"""

import dataclasses
import hashlib

import jax
import jax.numpy as jnp
import numpy as np

import rasterizer
from reenact_jax.errors import UserError
from reenact_jax.face_model.eyeballs import Eyeballs, check_eyeballs, turn_eyeballs
from reenact_jax.face_model.parameters import (
    CAMERA_DISTANCE,
    CANONICAL_CAMERA,
    NUM_LIGHTING,
    FaceParameters,
)
from reenact_jax.face_model.rotation import rotation_matrix

# Vertices have at most this many neighbours in the fill of unseen colours; more are left out.
_MAX_NEIGHBOURS = 8


def _static(**kwargs):
    return dataclasses.field(metadata={"static": True}, **kwargs)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class DenseLandmarks:
    """MediaPipe's 468 landmarks as barycentric points of the mesh.

    Attributes:
      vertices: int32 (468, 3) vertex indices.
      weights: float32 (468, 3), summing to 1 per landmark.
    """

    vertices: jax.Array
    weights: jax.Array


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class MorphableModel:
    """S = mean + identity_basis . alpha + expression_basis . beta, and the same for albedo.

    A model with eyeballs then turns them rigidly, by angles that are linear in beta.

    Attributes:
      mean: float32 (V, 3) decimetres.
      identity_basis: float32 (I, V, 3) decimetres per unit.
      expression_basis: float32 (E, V, 3) decimetres per unit.
      texture_mean: float32 (V, 3) RGB albedo in [0, 1], or None for a model without albedo, whose
        colours are then sampled from the source image.
      texture_basis: float32 (T, V, 3), T = 0 for a model without albedo modes.
      triangles: int32 (F, 3), counter-clockwise seen from outside.
      region_triangles: int32 (G, 3), the guidance region (see docs/conventions.md).
      landmarks68: int32 (68,) vertex indices in iBUG order.
      mirror_vertex: int32 (V,) left/right partner of each vertex, or None.
      vertex_neighbours: int32 (V, 8) vertices joined by an edge, padded with the vertex itself.
      dense_landmarks: MediaPipe's landmarks on this mesh, or None.
      eyeballs: what turns with the gaze, or None for a model whose eyes are part of the skin.
      name: short name of the model.
      expression_names: one name per expression mode, or empty where modes have none.
    """

    mean: jax.Array
    identity_basis: jax.Array
    expression_basis: jax.Array
    texture_mean: jax.Array | None
    texture_basis: jax.Array
    triangles: jax.Array
    region_triangles: jax.Array
    landmarks68: jax.Array
    mirror_vertex: jax.Array | None
    vertex_neighbours: jax.Array
    dense_landmarks: DenseLandmarks | None
    eyeballs: Eyeballs | None
    name: str = _static()
    expression_names: tuple[str, ...] = _static(default=())

    @property
    def num_vertices(self) -> int:
        return self.mean.shape[0]

    @property
    def widths(self) -> dict[str, int]:
        """Number of identity, expression and texture coefficients."""
        return {
            "identity": self.identity_basis.shape[0],
            "expression": self.expression_basis.shape[0],
            "texture": self.texture_basis.shape[0],
        }

    @property
    def has_albedo(self) -> bool:
        return self.texture_mean is not None

    def zeros(self, batch_shape: tuple[int, ...] = ()) -> FaceParameters:
        """Parameters of the mean face, frontal, in the canonical camera (NumPy leaves)."""
        widths = self.widths | {"lighting": NUM_LIGHTING, "rotation": 3, "translation": 3}
        leaves = {name: np.zeros((*batch_shape, n), np.float32) for name, n in widths.items()}
        camera = np.broadcast_to(np.float32(CANONICAL_CAMERA), (*batch_shape, 4))
        return FaceParameters(**leaves, camera=camera)

    def fingerprint(self) -> str:
        """Hash (16 hex digits) of geometry, bases and topology.

        Datasets and checkpoints store it, so that parameters never meet another model.
        """
        digest = hashlib.sha256(self.name.encode())
        arrays = [
            self.mean,
            self.identity_basis,
            self.expression_basis,
            self.texture_mean,
            self.texture_basis,
            self.triangles,
            self.region_triangles,
        ]
        if self.eyeballs is not None:
            arrays += [self.eyeballs.vertices, self.eyeballs.centre_offset, self.eyeballs.turn]
        for array in arrays:
            if array is not None:
                array = np.ascontiguousarray(array)
                digest.update(f"{array.shape}{array.dtype}".encode())
                digest.update(array.tobytes())
        return digest.hexdigest()[:16]


def make_model(
    *,
    name: str,
    mean: np.ndarray,
    identity_basis: np.ndarray,
    expression_basis: np.ndarray,
    triangles: np.ndarray,
    landmarks68: np.ndarray,
    texture_mean: np.ndarray | None = None,
    texture_basis: np.ndarray | None = None,
    region_triangles: np.ndarray | None = None,
    mirror_vertex: np.ndarray | None = None,
    dense_landmarks: DenseLandmarks | None = None,
    eyeballs: Eyeballs | None = None,
    expression_names: tuple[str, ...] = (),
) -> MorphableModel:
    """Checks shapes and index ranges and derives what is derived. See `MorphableModel`.

    Leaves stay NumPy arrays: nothing is put on a device before someone computes with it.

    Raises:
      UserError: if a shape or an index does not fit; says what was expected and found.
    """
    num_vertices = mean.shape[0]
    if texture_basis is None:
        texture_basis = np.zeros((0, num_vertices, 3), np.float32)
    if region_triangles is None:
        region_triangles = triangles
    shapes = {
        "mean": (mean, (num_vertices, 3)),
        "identity_basis": (identity_basis, (identity_basis.shape[0], num_vertices, 3)),
        "expression_basis": (expression_basis, (expression_basis.shape[0], num_vertices, 3)),
        "texture_basis": (texture_basis, (texture_basis.shape[0], num_vertices, 3)),
        "triangles": (triangles, (triangles.shape[0], 3)),
        "region_triangles": (region_triangles, (region_triangles.shape[0], 3)),
        "landmarks68": (landmarks68, (68,)),
    }
    if texture_mean is not None:
        shapes["texture_mean"] = (texture_mean, (num_vertices, 3))
    if mirror_vertex is not None:
        shapes["mirror_vertex"] = (mirror_vertex, (num_vertices,))
    for field, (array, expected) in shapes.items():
        if array.shape != expected:
            raise UserError(f"{name}: {field}: expected shape {expected}, found {array.shape}")
    for field in ("triangles", "region_triangles", "landmarks68", "mirror_vertex"):
        if field in shapes:
            indices = shapes[field][0]
            if indices.size and (indices.min() < 0 or indices.max() >= num_vertices):
                raise UserError(
                    f"{name}: {field}: expected indices in [0, {num_vertices}), "
                    f"found {indices.min()} to {indices.max()}"
                )
    if expression_names and len(expression_names) != expression_basis.shape[0]:
        raise UserError(
            f"{name}: expected {expression_basis.shape[0]} expression names, "
            f"found {len(expression_names)}"
        )
    if eyeballs is not None:
        check_eyeballs(eyeballs, num_vertices, expression_basis.shape[0], name)
    return MorphableModel(
        mean=np.asarray(mean, np.float32),
        identity_basis=np.asarray(identity_basis, np.float32),
        expression_basis=np.asarray(expression_basis, np.float32),
        texture_mean=None if texture_mean is None else np.asarray(texture_mean, np.float32),
        texture_basis=np.asarray(texture_basis, np.float32),
        triangles=np.asarray(triangles, np.int32),
        region_triangles=np.asarray(region_triangles, np.int32),
        landmarks68=np.asarray(landmarks68, np.int32),
        mirror_vertex=None if mirror_vertex is None else np.asarray(mirror_vertex, np.int32),
        vertex_neighbours=_vertex_neighbours(np.asarray(triangles), num_vertices),
        dense_landmarks=dense_landmarks,
        eyeballs=eyeballs,
        name=name,
        expression_names=tuple(expression_names),
    )


def _vertex_neighbours(triangles: np.ndarray, num_vertices: int) -> np.ndarray:
    """(V, 8) int32: the vertices that share an edge with each vertex, padded with itself."""
    edges = triangles[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2)
    edges = np.unique(np.concatenate([edges, edges[:, ::-1]]), axis=0)
    start = np.searchsorted(edges[:, 0], np.arange(num_vertices))
    rank = np.arange(len(edges)) - start[edges[:, 0]]
    kept = rank < _MAX_NEIGHBOURS
    neighbours = np.repeat(np.arange(num_vertices)[:, None], _MAX_NEIGHBOURS, axis=1)
    neighbours[edges[kept, 0], rank[kept]] = edges[kept, 1]
    return neighbours.astype(np.int32)


def _combine(mean: jax.Array, basis: jax.Array, weights: jax.Array) -> jax.Array:
    # One matrix product over the flattened basis, at full precision: on some accelerators the
    # default would round coordinates to bfloat16.
    flat = basis.reshape(basis.shape[0], -1)
    offset = jnp.matmul(weights, flat, precision=jax.lax.Precision.HIGHEST)
    return mean + offset.reshape(mean.shape)


def shape(model: MorphableModel, identity: jax.Array, expression: jax.Array) -> jax.Array:
    """Vertices (V, 3) in the model frame (decimetres) from alpha (I,) and beta (E,)."""
    neutral = _combine(model.mean, model.identity_basis, identity)
    vertices = _combine(neutral, model.expression_basis, expression)
    if model.eyeballs is None:
        return vertices
    return turn_eyeballs(model.eyeballs, vertices, expression)


def albedo(model: MorphableModel, texture: jax.Array) -> jax.Array:
    """RGB albedo (V, 3), nominally in [0, 1] and not clipped, from delta (T,)."""
    if model.texture_mean is None:
        raise ValueError(
            f"face model {model.name} has no albedo; expected a model with texture_mean, or "
            "colours sampled from the source image"
        )
    return _combine(model.texture_mean, model.texture_basis, texture)


def to_camera(vertices: jax.Array, rotation: jax.Array, translation: jax.Array) -> jax.Array:
    """Model frame -> camera frame (x right, y down, z forward), decimetres.

    This is the one place where the y-up frame of the models meets the y-down frame of cameras.

    Args:
      vertices: (V, 3) decimetres, model frame.
      rotation: (3,) Euler angles in radians.
      translation: (3,) decimetres.
    """
    matrix = rotation_matrix(rotation)
    posed = jnp.matmul(vertices, matrix.T, precision=jax.lax.Precision.HIGHEST) + translation[None]
    flip = jnp.asarray([1.0, -1.0, -1.0], posed.dtype)
    return posed * flip[None] + jnp.asarray([[0.0, 0.0, CAMERA_DISTANCE]], posed.dtype)


def posed_vertices(model: MorphableModel, parameters: FaceParameters) -> jax.Array:
    """Camera-frame vertices (V, 3) of one set of parameters."""
    vertices = shape(model, parameters.identity, parameters.expression)
    return to_camera(vertices, parameters.rotation, parameters.translation)


def project(points_camera: jax.Array, camera: jax.Array) -> jax.Array:
    """Camera-frame points (..., 3) -> image coordinates (..., 2) in [0, 1] across the image.

    Multiply by the image's side for pixels (pixel centres at +0.5).
    """
    depth = points_camera[..., 2:]
    # A point on the camera plane has no image; it is sent far out instead of dividing by zero.
    safe_depth = jnp.where(jnp.abs(depth) < 1e-6, 1e-6, depth)
    leading = (1,) * (points_camera.ndim - 1)
    return camera[2:].reshape(*leading, 2) + camera[:2].reshape(*leading, 2) * (
        points_camera[..., :2] / safe_depth
    )


def clip_vertices(points_camera: jax.Array, camera: jax.Array) -> jax.Array:
    """Camera-frame points (V, 3) -> clip space (V, 4) of the rasterizer."""
    return rasterizer.perspective_clip(points_camera, camera, image_height=1, image_width=1)


def world_normals(model: MorphableModel, vertices: jax.Array, rotation: jax.Array) -> jax.Array:
    """Unit normals (V, 3) in the rotated, y-up frame that the light is given in.

    Computed on the unposed shape and then rotated, as Deep3DFaceRecon does.
    """
    normals = rasterizer.vertex_normals(vertices, model.triangles)
    return jnp.matmul(normals, rotation_matrix(rotation).T, precision=jax.lax.Precision.HIGHEST)


def shaded_colours(model: MorphableModel, parameters: FaceParameters) -> jax.Array:
    """Per-vertex RGB (V, 3) of a model with albedo: PCA albedo under nine-band light.

    Nominally in [0, 1] and not clipped.
    """
    vertices = shape(model, parameters.identity, parameters.expression)
    normals = world_normals(model, vertices, parameters.rotation)
    return rasterizer.shade(albedo(model, parameters.texture), normals, parameters.lighting)


def landmarks(model: MorphableModel, vertices: jax.Array) -> jax.Array:
    """The 68 iBUG landmarks (68, 3) of vertices (V, 3) in any frame."""
    return vertices[model.landmarks68]
