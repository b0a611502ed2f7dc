"""Exact masks of a pair: where the answer shows the face, and what of it the source showed."""

import dataclasses
import functools

import jax
import numpy as np

import rasterizer
from reenact_jax.data.talking_heads.accessories import Accessories
from reenact_jax.data.talking_heads.scene import scene_triangles
from reenact_jax.face_model import morphable

# A lens hides the face behind it if it is darker than this.
_DARK_LENS = 0.5
# A point is hidden by what is nearer by more than this share of its distance.
_SLACK = 1e-4
# Cells along each axis in which triangles look for the points they may hide.
_CELLS = 160


@dataclasses.dataclass(frozen=True)
class FaceTruth:
    """Masks of one pair, both bool (S, S), for the pixel centres of the answer.

    Attributes:
      face: the surface that is seen there is the face, not hair or glasses over it.
      visible: it is, and the same point of the surface is seen in the source picture.
    """

    face: np.ndarray
    visible: np.ndarray


@functools.lru_cache(maxsize=4)
def _opaque(head: str, with_lenses: bool) -> tuple[np.ndarray, np.ndarray]:
    """Triangles (G, 3) that hide what is behind them, and which of them (G,) are the face.

    Clear lenses are triangles of points -1: so there is one number of triangles for everyone.
    """
    parts = scene_triangles(head)
    solid = np.concatenate([parts[name] for name in ("head", "hair", "frame", "torso")])
    lenses = parts["lenses"] if with_lenses else np.full_like(parts["lenses"], -1)
    base = int(solid.max()) + 1

    def key(rows: np.ndarray) -> np.ndarray:
        return rows.astype(np.int64) @ np.array([1, base, base * base])

    is_face = np.isin(key(solid), key(parts["face"]))
    return np.concatenate([solid, lenses]), np.pad(is_face, (0, len(lenses)))


def num_opaque_triangles(head: str) -> int:
    """Number of triangles that `face_truth` rasterizes."""
    return len(_opaque(head, False)[0])


def face_truth(
    head: str,
    worn: Accessories,
    target: np.ndarray,
    source: np.ndarray,
    camera: np.ndarray,
    size: int,
) -> FaceTruth:
    """Masks of a pair from the scenes of its answer and its source.

    Args:
      head: size of the procedural head.
      worn: the source person's accessories.
      target, source: (P, 3) camera-frame points of both scenes, see `scene.scene_triangles`.
      camera: (4,) of both.
      size: side of the pictures.
    """
    triangles, is_face = _opaque(head, bool(worn.lens_opacity > _DARK_LENS))
    ids, weights = raster(target, camera, triangles, size)
    seen = np.maximum(ids, 0)
    # Seen from outside: through gaps of an open surface its inside may show.
    outside = front_facing(target[triangles])
    face = (ids >= 0) & is_face[seen] & outside[seen]
    rows, columns = np.nonzero(face)
    hit = ids[rows, columns]
    corners = source[triangles].astype(np.float64)
    points = np.einsum("nk,nkc->nc", weights[rows, columns].astype(np.float64), corners[hit])
    plane = points[:, :2] / points[:, 2:]
    uv = camera[2:].astype(np.float64) + camera[:2].astype(np.float64) * plane
    inside = ((uv >= 0.0) & (uv < 1.0)).all(axis=-1)
    shown = inside & front_facing(corners)[hit] & ~hidden(points, corners[triangles[:, 0] >= 0])
    visible = np.zeros_like(face)
    visible[rows, columns] = shown
    return FaceTruth(face, visible)


def raster(
    points: np.ndarray, camera: np.ndarray, triangles: np.ndarray, size: int
) -> tuple[np.ndarray, np.ndarray]:
    """Triangle ids (S, S), -1 where there is none, and barycentrics (S, S, 3) of points (P, 3)."""
    ids, weights = _raster(points, camera, triangles, size)
    return np.asarray(ids), np.asarray(weights)


@functools.partial(jax.jit, static_argnames="size")
def _raster(points: jax.Array, camera: jax.Array, triangles: jax.Array, size: int):
    clip = morphable.clip_vertices(points, camera)
    fragments = rasterizer.rasterize(clip, triangles, size, size)
    return fragments.triangle_id, fragments.barycentrics


def front_facing(corners: np.ndarray) -> np.ndarray:
    """bool (G,): the outside of triangles (G, 3, 3) in the camera frame faces the camera."""
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    return (normals * corners[:, 0]).sum(-1) < 0


def hidden(points: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """bool (N,): a triangle stands between the camera at the origin and the point.

    Exact up to float64 and `_SLACK`. Triangles and points meet in cells of the image plane, so that
    only neighbours are compared.

    Args:
      points: (N, 3) camera frame.
      corners: (G, 3, 3) triangles, in front of the camera.
    """
    result = np.zeros(len(points), bool)
    if len(points) == 0:
        return result
    flat, plane = points[:, :2] / points[:, 2:], corners[..., :2] / corners[..., 2:]
    low, high = flat.min(axis=0), flat.max(axis=0)
    scale = _CELLS / np.maximum(high - low, 1e-9)

    def cell(at: np.ndarray) -> np.ndarray:
        return np.clip(((at - low) * scale).astype(int), 0, _CELLS - 1)

    own = cell(flat)
    number = own[:, 1] * _CELLS + own[:, 0]
    order = np.argsort(number, kind="stable")
    start = np.searchsorted(number[order], np.arange(_CELLS * _CELLS + 1))

    lower, upper = plane.min(axis=1), plane.max(axis=1)
    near = np.flatnonzero((lower <= high).all(-1) & (upper >= low).all(-1))
    first, last = cell(lower[near]), cell(upper[near])
    # One entry for each triangle and each row of cells it touches; points of a row lie together.
    height = last[:, 1] - first[:, 1] + 1
    triangle, row = np.repeat(np.arange(len(near)), height), _count_up(height)
    row = row + np.repeat(first[:, 1], height)
    begin = start[row * _CELLS + first[triangle, 0]]
    count = start[row * _CELLS + last[triangle, 0] + 1] - begin
    candidate = np.repeat(begin, count) + _count_up(count)
    point, triangle = order[candidate], near[np.repeat(triangle, count)]

    a, b, c = (plane[triangle, k] - flat[point] for k in range(3))
    areas = np.stack([_cross(b, c), _cross(c, a), _cross(a, b)], axis=-1)
    total = areas.sum(axis=-1)
    inside = ((areas >= 0) | (areas <= 0).all(-1, keepdims=True)).all(-1) & (total != 0)
    point, triangle = point[inside], triangle[inside]
    weights = areas[inside] / total[inside, None]
    # Seen from the camera 1 / z is linear in the image plane.
    nearness = (weights / corners[triangle, :, 2]).sum(axis=-1)
    result[point[nearness > (1.0 + _SLACK) / points[point, 2]]] = True
    return result


def _count_up(lengths: np.ndarray) -> np.ndarray:
    """0 .. n-1 for every n of `lengths`, one after the other."""
    ends = np.cumsum(lengths)
    return np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - lengths, lengths)


def _cross(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return first[..., 0] * second[..., 1] - first[..., 1] * second[..., 0]
