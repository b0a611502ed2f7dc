"""Pictures in which a fit can be judged by eye: the model's wireframe over the frame."""

import jax
import numpy as np
from PIL import Image, ImageDraw

from reenact_jax.face_model.morphable import MorphableModel, posed_vertices, project
from reenact_jax.face_model.parameters import FaceParameters
from reenact_jax.tracking.measure import project_pupils

_WIRE = (0, 200, 255)
_LANDMARK = (255, 40, 40)
_PUPIL = (60, 255, 60)
_PUPIL_RADIUS = 6
_OPACITY = 0.3
# Dense meshes have edges of two or three pixels at 256; drawn larger they stay apart.
_MIN_SIZE = 768

_posed_vertices = jax.jit(posed_vertices)


def draw_overlay(
    frame: np.ndarray,
    model: MorphableModel,
    parameters: FaceParameters,
    landmarks: np.ndarray | None = None,
) -> np.ndarray:
    """Draws the front-facing edges of the guidance region, pupils and landmarks over a frame.

    Args:
      frame: uint8 (S, S, 3).
      model: the face model.
      parameters: of this frame, leaves (K,).
      landmarks: (L, 2) in [0, 1] across the frame, or None.

    Returns:
      uint8 (P, P, 3): the frame, enlarged by a whole factor to at least 768 pixels, and drawn on.
    """
    size = frame.shape[0] * -(-_MIN_SIZE // frame.shape[0])
    picture = Image.fromarray(frame).resize((size, size), Image.Resampling.BICUBIC)
    drawn = picture.copy()
    pen = ImageDraw.Draw(drawn)
    vertices = _posed_vertices(model, parameters)
    # Pillow counts pixel centres from 0, the camera from 0.5.
    pixels = np.asarray(project(vertices, parameters.camera)) * size - 0.5
    triangles = np.asarray(model.region_triangles)
    corners = pixels[triangles]
    sides = corners[:, 1:] - corners[:, :1]
    facing = sides[:, 0, 0] * sides[:, 1, 1] - sides[:, 0, 1] * sides[:, 1, 0] < 0
    edges = np.sort(triangles[facing][:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
    for start, end in pixels[np.unique(edges, axis=0)]:
        pen.line([*start, *end], fill=_WIRE)
    blended = Image.blend(picture, drawn, _OPACITY)
    for x, y in project_pupils(model, parameters) * size - 0.5:
        corners = [x - _PUPIL_RADIUS, y - _PUPIL_RADIUS, x + _PUPIL_RADIUS, y + _PUPIL_RADIUS]
        ImageDraw.Draw(blended).ellipse(corners, outline=_PUPIL, width=2)
    if landmarks is not None:
        pen = ImageDraw.Draw(blended)
        pen.point([tuple(point) for point in landmarks * size - 0.5], fill=_LANDMARK)
    return np.asarray(blended)
