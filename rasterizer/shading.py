"""Vertex normals, light in nine spherical-harmonics bands, and a point light."""

import dataclasses
import math

import jax
import jax.numpy as jnp

from rasterizer.batching import one_by_one
from rasterizer.derivatives import differentiable_one_by_one


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class PointLight:
    """A light at a point, without falloff, and an even light from everywhere.

    position: (3,) in the frame of the surface points.
    diffuse, ambient: (3,) RGB; the light of a surface that faces the light, and of one that does
      not. A surface of albedo 1 is white where both sum to 1.
    specular: (3,) RGB of the highlight; 0 is a matt surface.
    shininess: scalar of at least 1, Blinn-Phong's exponent.
    """

    position: jax.Array
    diffuse: jax.Array
    ambient: jax.Array
    specular: jax.Array
    shininess: jax.Array


# Irradiance factors of a Lambertian surface (pi, 2 pi / sqrt 3, 2 pi / sqrt 8) times the real
# spherical harmonics' constants, as in Deep3DFaceReconstruction (Deng et al. 2019).
_BAND_0 = math.pi / math.sqrt(4 * math.pi)
_BAND_1 = 2 * math.pi / math.sqrt(3) * math.sqrt(3) / math.sqrt(4 * math.pi)
_BAND_2 = 2 * math.pi / math.sqrt(8) * 3 * math.sqrt(5) / math.sqrt(12 * math.pi)
# Added to band 0 of every colour: zero coefficients mean a plain white light.
AMBIENT = 0.8


def vertex_normals(vertices: jax.Array, triangles: jax.Array) -> jax.Array:
    """Unit normals: the sum of the unit normals of a vertex's triangles, not weighted by area.

    Args:
      vertices: (V, 3) float. Triangles are counter-clockwise seen from outside in a right-handed
        frame (x right, y up, z to the viewer).
      triangles: (F, 3) integer; indices outside [0, V) are left out.

    Returns:
      (V, 3) in the dtype of the vertices; 0 at a vertex without a triangle of positive area. The
      gradient is finite everywhere.
    """
    triangles = jnp.asarray(triangles)
    num_vertices = vertices.shape[0]
    if num_vertices == 0 or triangles.shape[0] == 0:
        return jnp.zeros_like(vertices)
    return _vertex_normals(vertices, triangles)


def _sum_of_normals(vertices, triangles) -> jax.Array:
    """`vertex_normals` of at least one vertex and triangle."""
    num_vertices = vertices.shape[0]
    known = jnp.all((triangles >= 0) & (triangles < num_vertices), axis=-1)
    corner = jnp.where(known[:, None], triangles, 0)
    # One array per coordinate throughout: on the CPU XLA is slow at putting rows of three together,
    # above all in the gradient.
    columns = [vertices[:, axis] for axis in range(3)]
    a, b, c = (
        [column.at[corner[:, k]].get(mode="promise_in_bounds") for column in columns]
        for k in range(3)
    )
    (ux, uy, uz), (vx, vy, vz) = ([q - p for p, q in zip(a, end, strict=True)] for end in (b, c))
    normals = _unit_columns([uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx])
    totals = []
    for normal in normals:
        normal = jnp.where(known, normal, 0)
        total = jnp.zeros((num_vertices,), vertices.dtype)
        for k in range(3):
            total = total.at[corner[:, k]].add(normal, mode="promise_in_bounds")
        totals.append(total)
    return jnp.stack(_unit_columns(totals), axis=-1)


_vertex_normals = differentiable_one_by_one(
    _sum_of_normals, 1, on_cpu=one_by_one(_sum_of_normals), elsewhere=_sum_of_normals
)


def spherical_harmonics_basis(normals: jax.Array) -> jax.Array:
    """The nine basis functions of the light at given directions.

    Args:
      normals: (..., 3) unit vectors in the frame of the light (y up).

    Returns:
      (..., 9): constant; -y, z, -x; xy, -yz, 3z^2 - 1, -xz, x^2 - y^2, each with its factor.
    """
    x, y, z = normals[..., 0], normals[..., 1], normals[..., 2]
    return jnp.stack(
        [
            jnp.full_like(x, _BAND_0),
            -_BAND_1 * y,
            _BAND_1 * z,
            -_BAND_1 * x,
            _BAND_2 * x * y,
            -_BAND_2 * y * z,
            _BAND_2 / (2 * math.sqrt(3)) * (3 * z * z - 1),
            -_BAND_2 * x * z,
            _BAND_2 / 2 * (x * x - y * y),
        ],
        axis=-1,
    )


def shade(albedo: jax.Array, normals: jax.Array, lighting: jax.Array) -> jax.Array:
    """Colour of a Lambertian surface: albedo times the light from its normal's direction.

    Args:
      albedo: (..., 3) RGB, nominally in [0, 1].
      normals: (..., 3) unit vectors.
      lighting: (27,) coefficients, nine for red, then green, then blue; AMBIENT is added to the
        first of each. All zeros give 0.70898 times the albedo.

    Returns:
      (..., 3), not clipped.
    """
    if lighting.shape != (27,):
        raise ValueError(f"expected lighting of shape (27,), found {lighting.shape}")
    coefficients = jnp.asarray(lighting).reshape(3, 9).at[:, 0].add(AMBIENT)
    light = jnp.einsum(
        "...k,ck->...c",
        spherical_harmonics_basis(normals),
        coefficients,
        precision=jax.lax.Precision.HIGHEST,
    )
    return albedo * light


def shade_point(
    albedo: jax.Array,
    normals: jax.Array,
    points: jax.Array,
    light: PointLight,
    eye: jax.Array,
) -> jax.Array:
    """Colour of a surface under a point light: ambient, Lambert's diffuse, Blinn-Phong's specular.

    Nothing casts a shadow.

    Args:
      albedo: (..., 3) RGB, nominally in [0, 1].
      normals: (..., 3) unit vectors.
      points: (..., 3) positions of the surface, in the frame of the normals.
      light: in the same frame.
      eye: (..., 3) position of the viewer, broadcastable with the points.

    Returns:
      (..., 3), not clipped. The gradient is finite, also where a point coincides with the light.
    """

    def along(vector):
        return vector.reshape((1,) * (albedo.ndim - 1) + (3,))

    to_light = unit(along(light.position) - points)
    half_way = unit(to_light + unit(eye - points))
    facing = jnp.sum(normals * to_light, axis=-1, keepdims=True)
    highlight = jnp.maximum(jnp.sum(normals * half_way, axis=-1, keepdims=True), 0)
    highlight = jnp.where(facing > 0, highlight**light.shininess, 0)
    lambert = jnp.maximum(facing, 0)
    lit = albedo * (along(light.ambient) + lambert * along(light.diffuse))
    return lit + highlight * along(light.specular)


def unit(vectors: jax.Array) -> jax.Array:
    """(..., 3) vectors at length 1; a zero vector stays zero and passes no gradient."""
    return jnp.stack(_unit_columns([vectors[..., k] for k in range(3)]), axis=-1)


def _unit_columns(vectors: list[jax.Array]) -> list[jax.Array]:
    """`unit` with an array per coordinate."""
    x, y, z = (jnp.abs(v) for v in vectors)
    # Scaled by the largest coordinate first: squares of a tiny triangle's normal would underflow.
    largest = jax.lax.stop_gradient(jnp.maximum(jnp.maximum(x, y), z))
    usable = (largest > 0) & jnp.isfinite(largest)
    divisor = jnp.where(usable, largest, 1)
    x, y, z = (jnp.where(usable, v, 1) / divisor for v in vectors)
    length = jnp.sqrt(x * x + y * y + z * z)
    return [jnp.where(usable, v / length, 0) for v in (x, y, z)]
