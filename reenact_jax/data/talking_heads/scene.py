"""A scene of the synthetic world as one mesh: head, hair and glasses, shoulders."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np

import rasterizer
from reenact_jax.data.talking_heads import accessories
from reenact_jax.data.talking_heads.people import Person, materials
from reenact_jax.data.talking_heads.scenery import Light, torso_triangles
from reenact_jax.face_model import morphable
from reenact_jax.face_model.morphable import MorphableModel
from reenact_jax.face_model.parameters import FaceParameters
from reenact_jax.face_model.procedural import procedural_head
from reenact_jax.face_model.rotation import rotation_matrix

# Highlights of hair, frames and lenses: (strength, exponent).
_LOCK_GLOSS, _FRAME_GLOSS, LENS_GLOSS = (0.22, 18.0), (0.5, 30.0), (0.9, 60.0)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Stage:
    """What stays the same within a clip (NumPy float32 leaves).

    Attributes:
      person: who is seen.
      light: of this clip.
      background: (R, R, 3) RGB in [0, 1] at the rendering resolution.
      torso: (W, 3) vertices of the shoulders, model frame, decimetres.
      cloth: (rows, columns, 3) albedo, see `scenery.make_cloth`.
    """

    person: Person
    light: Light
    background: np.ndarray
    torso: np.ndarray
    cloth: np.ndarray


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Shot:
    """What changes from frame to frame; leaves have a common leading shape.

    Attributes:
      face: exact parameters of the face.
      torso_rotation, torso_translation: (..., 3) of the shoulders, radians and decimetres.
    """

    face: FaceParameters
    torso_rotation: np.ndarray
    torso_translation: np.ndarray

    def __getitem__(self, index) -> "Shot":
        return jax.tree.map(lambda leaf: leaf[index], self)


@functools.lru_cache(maxsize=2)
def scene_triangles(head: str) -> dict[str, np.ndarray]:
    """int32 (G, 3) triangles of `face`, `head`, `hair`, `frame`, `lenses` and `torso`.

    They index the points of a scene: head, accessories, torso. `face` is the model's guidance
    region and part of `head`.
    """
    model = procedural_head(head)
    first = model.num_vertices
    shifted = {name: part + first for name, part in accessories.TRIANGLES.items()}
    torso = torso_triangles() + first + accessories.NUM_POINTS
    return {"face": model.region_triangles, "head": model.triangles, **shifted, "torso": torso}


def num_points(head: str) -> int:
    """Number of points of a scene."""
    return int(scene_triangles(head)["torso"].max()) + 1


def scene_points(model: MorphableModel, stage: Stage, shot: Shot) -> jax.Array:
    """(P, 3) camera-frame positions of the points of a scene, decimetres."""
    face = shot.face
    own = dataclasses.replace(model, mean=stage.person.mean)
    vertices = morphable.shape(own, face.identity, face.expression)
    on_head = jnp.concatenate([vertices, stage.person.accessories.points])
    return jnp.concatenate(
        [
            morphable.to_camera(on_head, face.rotation, face.translation),
            morphable.to_camera(stage.torso, shot.torso_rotation, shot.torso_translation),
        ]
    )


def scene_attributes(model: MorphableModel, stage: Stage, shot: Shot, head: str) -> jax.Array:
    """(P, 14) per point: albedo, normal, rest position, gloss, sharpness, skin, hair, cloth."""
    face, person = shot.face, stage.person
    own = dataclasses.replace(model, mean=person.mean)
    vertices = morphable.shape(own, face.identity, face.expression)
    turn = rotation_matrix(face.rotation)
    of_head = materials(head)
    flags = [of_head.gloss, of_head.sharpness, of_head.skin, of_head.hair]
    flags = np.stack([*flags, np.zeros_like(of_head.gloss)], axis=-1)
    on_head = jnp.concatenate(
        [
            morphable.albedo(model, face.texture),
            morphable.world_normals(own, vertices, face.rotation),
            model.mean,
            jnp.asarray(flags),
        ],
        axis=-1,
    )
    worn = person.accessories
    gloss = np.zeros((accessories.NUM_POINTS, 5), np.float32)
    for name, values in (("hair", _LOCK_GLOSS), ("frame", _FRAME_GLOSS), ("lenses", LENS_GLOSS)):
        first, stop = accessories.RANGES[name]
        gloss[first:stop, :2] = values
    on_accessories = jnp.concatenate(
        [worn.albedo, rotated(worn.normals, turn), worn.points, jnp.asarray(gloss)], axis=-1
    )
    normals = rasterizer.vertex_normals(stage.torso, jnp.asarray(torso_triangles()))
    cloth = np.zeros((normals.shape[0], 5), np.float32)
    cloth[:, 1], cloth[:, 4] = 10.0, 1.0
    on_torso = jnp.concatenate(
        [
            jnp.ones_like(stage.torso),
            rotated(normals, rotation_matrix(shot.torso_rotation)),
            stage.torso,
            jnp.asarray(cloth),
        ],
        axis=-1,
    )
    return jnp.concatenate([on_head, on_accessories, on_torso])


def rotated(vectors: jax.Array, turn: jax.Array) -> jax.Array:
    """(N, 3) vectors turned by a matrix (3, 3)."""
    return jnp.matmul(vectors, turn.T, precision=jax.lax.Precision.HIGHEST)
