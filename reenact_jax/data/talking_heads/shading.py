"""How surfaces of the synthetic world look: fine colour and relief, light, highlights, lenses."""

import jax
import jax.numpy as jnp
import numpy as np

import rasterizer
from reenact_jax.data.talking_heads import accessories, skin
from reenact_jax.data.talking_heads.scene import LENS_GLOSS, Shot, Stage, rotated
from reenact_jax.data.talking_heads.scenery import CLOTH_WINDOW, Light
from reenact_jax.face_model.rotation import rotation_matrix


def shade(
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


def through_lenses(
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
    normals = rotated(
        worn.normals[accessories.RANGES["lenses"][0] :], rotation_matrix(shot.face.rotation)
    )
    normals = _unit(rasterizer.interpolate(normals, triangles, lens))
    strength, exponent = LENS_GLOSS
    shine = _highlight(normals, jnp.asarray(strength), jnp.asarray(exponent), stage.light)
    tinted = picture + worn.lens_opacity * (worn.lens_tint[None, None] - picture)
    seen = (lens.triangle_id >= 0) & ((behind.triangle_id < 0) | (lens.depth < behind.depth))
    return jnp.where(seen[..., None], jnp.clip(tinted + shine, 0.0, 1.0), picture)


def _unit(vectors: jax.Array) -> jax.Array:
    return vectors / jnp.maximum(jnp.linalg.norm(vectors, axis=-1, keepdims=True), 1e-6)
