"""How far the guidance rendering I_r alone is from the truth."""

import jax
import numpy as np

from reenact_jax.data.talking_heads.scene import num_points
from reenact_jax.data.talking_heads.truth import front_facing, num_opaque_triangles, raster
from reenact_jax.face_model import morphable
from reenact_jax.face_model.morphable import MorphableModel
from reenact_jax.face_model.parameters import FaceParameters


def guidance_rendering(
    head: str, model: MorphableModel, face: FaceParameters, size: int
) -> tuple[np.ndarray, np.ndarray]:
    """I_r (S, S, 3) in [0, 1], 0 outside, and the face mask bool (S, S): the model alone (Eq. 2).

    The mesh is brought to the size of a scene, so that one compiled program rasterizes both.

    Args:
      head: size of the procedural head.
      model: that head, on the device.
      face: parameters, leaves (K,).
      size: side of the picture.
    """
    vertices, colours = (np.asarray(each) for each in _coloured_mesh(model, face))
    region = np.asarray(model.region_triangles)
    triangles = np.full((num_opaque_triangles(head), 3), -1, np.int32)
    triangles[: len(region)] = np.where(front_facing(vertices[region])[:, None], region, -1)
    points = np.zeros((num_points(head), 3), np.float32)
    points[: len(vertices)] = vertices
    ids, weights = raster(points, face.camera, triangles, size)
    picture = np.einsum("hwk,hwkc->hwc", weights, colours[np.maximum(triangles[ids], 0)])
    return np.clip(picture, 0.0, 1.0), ids >= 0


@jax.jit
def _coloured_mesh(model: MorphableModel, face: FaceParameters) -> tuple[jax.Array, jax.Array]:
    return morphable.posed_vertices(model, face), morphable.shaded_colours(model, face)


def masked_psnr(rendering: np.ndarray, picture: np.ndarray, mask: np.ndarray) -> float:
    """dB between (S, S, 3) in [0, 1] and uint8 (S, S, 3), inside a mask bool (S, S)."""
    difference = np.asarray(rendering, np.float64)[mask] - picture[mask] / 255.0
    return float(-10.0 * np.log10(max(np.square(difference).mean(), 1e-10)))
