"""Pictures of the synthetic world, through the project's rasterizer.

What is drawn is more than the face model says: the person's own shape, fine colour and relief,
highlights, hair and glasses over the face, clothes and a background.
"""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np

import rasterizer
from reenact_jax.data.talking_heads.scene import (
    Shot,
    Stage,
    scene_attributes,
    scene_points,
    scene_triangles,
)
from reenact_jax.data.talking_heads.shading import shade, through_lenses
from reenact_jax.face_model import morphable
from reenact_jax.face_model.morphable import MorphableModel
from reenact_jax.face_model.procedural import procedural_head

# Pictures are rendered at this multiple of their size and averaged down.
SUPERSAMPLING = 2
# Frames go through one compiled program in groups of this size.
GROUP = 4


@dataclasses.dataclass(frozen=True)
class Studio:
    """Renders frames of one size of head at one image size.

    A picture is a function of its Stage and its Shot alone, and comes out with the same bits
    whatever else is rendered with it.

    Attributes:
      head: `light` or `full`.
      image_size: side of the pictures in pixels.
    """

    head: str
    image_size: int

    @functools.cached_property
    def model(self) -> MorphableModel:
        # The bases are large: they are sent to the device once, not with every group.
        return jax.device_put(procedural_head(self.head))

    @property
    def resolution(self) -> int:
        """Side of the raster in pixels, and of a stage's background."""
        return SUPERSAMPLING * self.image_size

    def pictures(self, stage: Stage, shots: Shot) -> np.ndarray:
        """(N, S, S, 3) uint8 of shots with leaves (N, ...) on one stage."""

        def render(stage, group):
            return _render_group(self.model, stage, group, self.head, self.image_size)

        return _in_groups(render, stage, shots)

    def positions(self, stage: Stage, shots: Shot) -> np.ndarray:
        """(N, P, 3) camera-frame positions of all points of the scene; see `scene_triangles`."""
        return _in_groups(functools.partial(_place_group, self.model), stage, shots)


def _in_groups(function, stage: Stage, shots: Shot) -> np.ndarray:
    num_frames = shots.torso_rotation.shape[0]
    stage = jax.device_put(stage)
    results = []
    for start in range(0, num_frames, GROUP):
        # The last group is filled up with repetitions of its last frame.
        index = np.minimum(np.arange(start, start + GROUP), num_frames - 1)
        group = jax.tree.map(lambda leaf, at=index: np.asarray(leaf)[at], shots)
        results.append(np.asarray(function(stage, group))[: num_frames - start])
    return np.concatenate(results)


@jax.jit
def _place_group(model: MorphableModel, stage: Stage, shots: Shot) -> jax.Array:
    return jax.lax.map(lambda shot: scene_points(model, stage, shot), shots)


@functools.partial(jax.jit, static_argnames=("head", "image_size"))
def _render_group(
    model: MorphableModel, stage: Stage, shots: Shot, head: str, image_size: int
) -> jax.Array:
    # One frame after the other: a batched matrix product may round a frame differently depending
    # on its neighbours, and a true answer has to equal its frame.
    return jax.lax.map(lambda shot: _render(model, stage, shot, head, image_size), shots)


def _render(
    model: MorphableModel, stage: Stage, shot: Shot, head: str, image_size: int
) -> jax.Array:
    """One picture (S, S, 3) uint8."""
    parts = scene_triangles(head)
    solid = np.concatenate([parts[name] for name in ("head", "hair", "frame", "torso")])
    side = SUPERSAMPLING * image_size
    clip = morphable.clip_vertices(scene_points(model, stage, shot), shot.face.camera)
    fragments = rasterizer.rasterize(clip, jnp.asarray(solid), side, side)
    attributes = rasterizer.interpolate(
        scene_attributes(model, stage, shot, head), jnp.asarray(solid), fragments
    )
    colours = shade(attributes, stage, shot, model.expression_names)
    covered = (fragments.triangle_id >= 0)[..., None]
    picture = jnp.where(covered, jnp.clip(colours, 0.0, 1.0), stage.background)
    picture = through_lenses(picture, clip, fragments, stage, shot, parts["lenses"])
    blocks = picture.reshape(image_size, SUPERSAMPLING, image_size, SUPERSAMPLING, 3)
    return jnp.round(255.0 * blocks.mean(axis=(1, 3))).astype(jnp.uint8)
