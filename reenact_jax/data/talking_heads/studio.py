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
from reenact_jax.data.talking_heads import accessories, skin
from reenact_jax.data.talking_heads.people import Person, materials
from reenact_jax.data.talking_heads.scenery import CLOTH_WINDOW, Light, torso_triangles
from reenact_jax.face_model import morphable
from reenact_jax.face_model.morphable import MorphableModel
from reenact_jax.face_model.parameters import FaceParameters
from reenact_jax.face_model.procedural import procedural_head
from reenact_jax.face_model.rotation import rotation_matrix

# Pictures are rendered at this multiple of their size and averaged down.
SUPERSAMPLING = 2
# Frames go through one compiled program in groups of this size.
GROUP = 4
# Highlights of hair, frames and cloth: (strength, exponent).
_LOCK_GLOSS, _FRAME_GLOSS, _LENS_GLOSS = (0.22, 18.0), (0.5, 30.0), (0.9, 60.0)


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


def _positions(model: MorphableModel, stage: Stage, shot: Shot) -> jax.Array:
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


@jax.jit
def _place_group(model: MorphableModel, stage: Stage, shots: Shot) -> jax.Array:
    return jax.lax.map(lambda shot: _positions(model, stage, shot), shots)


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
    clip = morphable.clip_vertices(_positions(model, stage, shot), shot.face.camera)
    fragments = rasterizer.rasterize(clip, jnp.asarray(solid), side, side)
    attributes = rasterizer.interpolate(
        _attributes(model, stage, shot, head), jnp.asarray(solid), fragments
    )
    colours = _shade(attributes, stage, shot, model.expression_names)
    covered = (fragments.triangle_id >= 0)[..., None]
    picture = jnp.where(covered, jnp.clip(colours, 0.0, 1.0), stage.background)
    picture = _through_lenses(picture, clip, fragments, stage, shot, parts["lenses"])
    blocks = picture.reshape(image_size, SUPERSAMPLING, image_size, SUPERSAMPLING, 3)
    return jnp.round(255.0 * blocks.mean(axis=(1, 3))).astype(jnp.uint8)


def _attributes(model: MorphableModel, stage: Stage, shot: Shot, head: str) -> jax.Array:
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
    for name, values in (("hair", _LOCK_GLOSS), ("frame", _FRAME_GLOSS), ("lenses", _LENS_GLOSS)):
        first, stop = accessories.RANGES[name]
        gloss[first:stop, :2] = values
    on_accessories = jnp.concatenate(
        [worn.albedo, _rotated(worn.normals, turn), worn.points, jnp.asarray(gloss)], axis=-1
    )
    normals = rasterizer.vertex_normals(stage.torso, jnp.asarray(torso_triangles()))
    cloth = np.zeros((normals.shape[0], 5), np.float32)
    cloth[:, 1], cloth[:, 4] = 10.0, 1.0
    on_torso = jnp.concatenate(
        [
            jnp.ones_like(stage.torso),
            _rotated(normals, rotation_matrix(shot.torso_rotation)),
            stage.torso,
            jnp.asarray(cloth),
        ],
        axis=-1,
    )
    return jnp.concatenate([on_head, on_accessories, on_torso])


def _rotated(vectors: jax.Array, turn: jax.Array) -> jax.Array:
    return jnp.matmul(vectors, turn.T, precision=jax.lax.Precision.HIGHEST)


def _shade(
    attributes: jax.Array, stage: Stage, shot: Shot, expression_names: tuple[str, ...]
) -> jax.Array:
    """Colours (R, R, 3) of interpolated attributes, not clipped."""
    albedo, normals, rest = (attributes[..., 3 * i : 3 * i + 3] for i in range(3))
    gloss, sharpness, on_skin, on_hair, on_cloth = (
        attributes[..., i : i + 1] for i in range(9, 14)
    )
    detailed = ((on_skin > 0.5) | (on_hair > 0.5)).astype(attributes.dtype)
    uv = skin.texture_coordinates(rest, on_hair)
    fine = rasterizer.sample_texture(stage.person.skin, uv, wrap=rasterizer.Wrap.CLAMP) * detailed
    deepening = shot.face.expression @ jnp.asarray(skin.deepening_weights(expression_names))
    depth = skin.wrinkle_depth(rest, deepening)
    albedo = albedo * jnp.exp(fine[..., :3] + depth * fine[..., 7:])
    x0, y0, x1, y1 = CLOTH_WINDOW
    on_window = (rest[..., :2] - jnp.asarray([[[x0, y0]]])) / jnp.asarray([[[x1 - x0, y1 - y0]]])
    cloth = rasterizer.sample_texture(stage.cloth, on_window, wrap=rasterizer.Wrap.CLAMP)
    albedo = jnp.where(on_cloth > 0.5, cloth, albedo)

    slopes = fine[..., 3:5] + depth * fine[..., 5:7]
    turn = rotation_matrix(shot.face.rotation)
    right, up = (
        jnp.einsum("ij,hwj->hwi", turn, tangent, precision=jax.lax.Precision.HIGHEST)
        for tangent in skin.texture_tangents(rest)
    )
    normals = _unit(normals - slopes[..., :1] * right - slopes[..., 1:] * up)
    matt = rasterizer.shade(albedo, normals, stage.light.bands)
    return matt + _highlight(normals, gloss, sharpness, stage.light)


def _highlight(
    normals: jax.Array, gloss: jax.Array, sharpness: jax.Array, light: Light
) -> jax.Array:
    """Blinn-Phong's highlight of the key light for a distant viewer."""
    to_light = light.direction
    half_way = to_light + jnp.asarray([0.0, 0.0, 1.0])
    half_way = half_way / jnp.linalg.norm(half_way)
    facing = jnp.maximum(jnp.sum(normals * half_way[None, None], axis=-1, keepdims=True), 1e-4)
    lit = jax.nn.sigmoid(jnp.sum(normals * to_light[None, None], axis=-1, keepdims=True) / 0.05)
    return gloss * lit * facing**sharpness * light.key[None, None]


def _through_lenses(
    picture: jax.Array,
    clip: jax.Array,
    behind: rasterizer.Fragments,
    stage: Stage,
    shot: Shot,
    triangles: np.ndarray,
) -> jax.Array:
    """The picture (R, R, 3) with the lenses of the glasses before it."""
    worn = stage.person.accessories
    side = picture.shape[0]
    first, stop = (n + stage.person.mean.shape[0] for n in accessories.RANGES["lenses"])
    triangles = jnp.asarray(triangles) - first
    lens = rasterizer.rasterize(clip[first:stop], triangles, side, side)
    normals = _rotated(
        worn.normals[accessories.RANGES["lenses"][0] :], rotation_matrix(shot.face.rotation)
    )
    normals = _unit(rasterizer.interpolate(normals, triangles, lens))
    strength, exponent = _LENS_GLOSS
    shine = _highlight(normals, jnp.asarray(strength), jnp.asarray(exponent), stage.light)
    tinted = picture + worn.lens_opacity * (worn.lens_tint[None, None] - picture)
    seen = (lens.triangle_id >= 0) & ((behind.triangle_id < 0) | (lens.depth < behind.depth))
    return jnp.where(seen[..., None], jnp.clip(tinted + shine, 0.0, 1.0), picture)


def _unit(vectors: jax.Array) -> jax.Array:
    return vectors / jnp.maximum(jnp.linalg.norm(vectors, axis=-1, keepdims=True), 1e-6)
