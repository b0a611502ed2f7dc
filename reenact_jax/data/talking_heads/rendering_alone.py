"""How far the guidance rendering I_r alone is from the truth."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

import rasterizer
from reenact_jax.face_model import morphable
from reenact_jax.face_model.morphable import MorphableModel
from reenact_jax.face_model.parameters import FaceParameters


@functools.partial(jax.jit, static_argnames="size")
def guidance_rendering(
    model: MorphableModel, face: FaceParameters, size: int
) -> tuple[jax.Array, jax.Array]:
    """I_r (S, S, 3) in [0, 1] and the face mask (S, S): the model alone (Eq. 2)."""
    clip = morphable.clip_vertices(morphable.posed_vertices(model, face), face.camera)
    triangles = jnp.asarray(model.region_triangles)
    fragments = rasterizer.rasterize(clip, triangles, size, size, cull_backfaces=True)
    colours = rasterizer.interpolate(morphable.shaded_colours(model, face), triangles, fragments)
    return jnp.clip(colours, 0.0, 1.0), fragments.triangle_id >= 0


def masked_psnr(rendering: np.ndarray, picture: np.ndarray, mask: np.ndarray) -> float:
    """dB between (S, S, 3) in [0, 1] and uint8 (S, S, 3), inside a mask bool (S, S)."""
    difference = np.asarray(rendering, np.float64)[mask] - picture[mask] / 255.0
    return float(-10.0 * np.log10(max(np.square(difference).mean(), 1e-10)))
