"""Pictures of the synthetic world: head, shoulders and background through the rasterizer."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np

import rasterizer
from reenact_jax.data.talking_heads.scenery import Scenery, torso_triangles
from reenact_jax.face_model import morphable
from reenact_jax.face_model.morphable import MorphableModel
from reenact_jax.face_model.parameters import FaceParameters

# Pictures are rendered at this multiple of their size and averaged down.
SUPERSAMPLING = 2
# Frames go through one compiled program in groups of this size.
GROUP = 4
# The shoulders share this much of the head's rotation (pitch, yaw, roll) and translation.
_TORSO_TURN = (0.05, 0.15, 0.10)
_TORSO_MOVE = (0.75, 0.9, 1.0)


@dataclasses.dataclass(frozen=True)
class Renderer:
    """Renders frames of one face model at one image size.

    A picture is a function of its FaceParameters and its Scenery alone, and comes out with the
    same bits whatever else is rendered with it.

    Attributes:
      model: a face model with albedo.
      image_size: side of the pictures in pixels.
    """

    model: MorphableModel
    image_size: int

    @functools.cached_property
    def _model_on_device(self) -> MorphableModel:
        # The bases are large: they are sent once, not with every group.
        return jax.device_put(self.model)

    @property
    def resolution(self) -> int:
        """Side of the raster in pixels, and of a scenery's background."""
        return SUPERSAMPLING * self.image_size

    def __call__(self, parameters: FaceParameters, scenery: Scenery) -> np.ndarray:
        """Pictures (N, S, S, 3) uint8.

        Args:
          parameters: leaves (N, K).
          scenery: leaves with a leading N, or without: one scenery for all frames.
        """
        num_frames = parameters.rotation.shape[0]
        shared = scenery.background.ndim == 3
        pictures = []
        for start in range(0, num_frames, GROUP):
            # The last group is filled up with repetitions of its last frame.
            index = np.minimum(np.arange(start, start + GROUP), num_frames - 1)
            group = jax.tree.map(lambda leaf, at=index: np.asarray(leaf)[at], parameters)
            if shared:
                around = jax.tree.map(lambda leaf: np.stack([leaf] * GROUP), scenery)
            else:
                around = jax.tree.map(lambda leaf, at=index: np.asarray(leaf)[at], scenery)
            rendered = _render_group(self._model_on_device, group, around, self.image_size)
            pictures.append(np.asarray(rendered)[: num_frames - start])
        return np.concatenate(pictures)


@functools.partial(jax.jit, static_argnames="image_size")
def _render_group(
    model: MorphableModel, parameters: FaceParameters, scenery: Scenery, image_size: int
) -> jax.Array:
    # One frame after the other: a batched matrix product may round a frame differently depending
    # on its neighbours, and a true answer has to equal its frame.
    return jax.lax.map(lambda each: _render(model, *each, image_size), (parameters, scenery))


def _render(
    model: MorphableModel, parameters: FaceParameters, scenery: Scenery, image_size: int
) -> jax.Array:
    """One picture (S, S, 3) uint8."""
    turn = parameters.rotation * jnp.asarray(_TORSO_TURN)
    move = parameters.translation * jnp.asarray(_TORSO_MOVE)
    torso = dataclasses.replace(
        model,
        triangles=jnp.asarray(torso_triangles()),
        mean=scenery.torso_vertices,
    )
    normals = morphable.world_normals(torso, scenery.torso_vertices, turn)
    torso_colours = rasterizer.shade(scenery.torso_albedo, normals, parameters.lighting)
    colours = jnp.concatenate([morphable.shaded_colours(model, parameters), torso_colours])
    vertices = jnp.concatenate(
        [
            morphable.posed_vertices(model, parameters),
            morphable.to_camera(scenery.torso_vertices, turn, move),
        ]
    )
    triangles = jnp.concatenate([model.triangles, torso.triangles + model.num_vertices])
    clip = morphable.clip_vertices(vertices, parameters.camera)
    resolution = SUPERSAMPLING * image_size
    fragments = rasterizer.rasterize(clip, triangles, resolution, resolution)
    foreground = rasterizer.interpolate(jnp.clip(colours, 0.0, 1.0), triangles, fragments)
    covered = (fragments.triangle_id >= 0)[..., None]
    picture = jnp.where(covered, foreground, scenery.background)
    blocks = picture.reshape(image_size, SUPERSAMPLING, image_size, SUPERSAMPLING, 3)
    return jnp.round(255.0 * blocks.mean(axis=(1, 3))).astype(jnp.uint8)
