"""The rendered face I_r (Eq. 2) and the vertex colours it is made of."""

import jax
import jax.numpy as jnp

import rasterizer
from reenact_jax import image_ops
from reenact_jax.face_model.morphable import MorphableModel, project
from reenact_jax.guidance.occlusion import unoccluded

# Rounds in which unseen vertices take the mean of their seen neighbours. What is farther than this
# many edges from every seen vertex takes the mean colour of the whole face.
_FILL_ROUNDS = 16


def render(
    vertex_colours: jax.Array, triangles: jax.Array, fragments: rasterizer.Fragments
) -> jax.Array:
    """I_r: (S, S, 3) in [-1, 1], -1 (black) in the background, from colours (V, 3) in [0, 1]."""
    unit = rasterizer.interpolate(vertex_colours, triangles, fragments)
    return image_ops.to_signed(jnp.clip(unit, 0.0, 1.0))


def source_colours(
    model: MorphableModel,
    source_image: jax.Array,
    source_vertices: jax.Array,
    camera: jax.Array,
    source: rasterizer.Fragments,
    tolerance: jax.Array,
) -> jax.Array:
    """Vertex colours read off the source image, for models without albedo.

    Vertices that the source does not show take the colour of their mirror partner, then of their
    neighbours.

    Args:
      model: the face model.
      source_image: (S, S, 3) in [-1, 1].
      source_vertices: (V, 3) camera-frame vertices of the source.
      camera: (4,) normalised intrinsics of the source frame.
      source: raster of the source mesh.
      tolerance: scalar, decimetres, of the depth test.

    Returns:
      (V, 3) in [0, 1].
    """
    uv = project(source_vertices, camera)
    normals = rasterizer.vertex_normals(source_vertices, model.triangles)
    # Turning the y-up model frame into the camera frame is a rotation, so normals still point out.
    faces = jnp.sum(normals * source_vertices, axis=-1) < 0
    seen = faces & unoccluded(uv, source_vertices[:, 2], source, tolerance)
    sampled = image_ops.bilinear_sample(source_image, (uv * source_image.shape[0])[None])[0]
    return fill_unseen(model, image_ops.to_unit(sampled), seen)


def fill_unseen(model: MorphableModel, colours: jax.Array, seen: jax.Array) -> jax.Array:
    """Gives unseen vertices a colour: of the mirror vertex, then of neighbours, then the mean.

    Args:
      model: the face model.
      colours: (V, 3); values of unseen vertices are ignored.
      seen: bool (V,).

    Returns:
      (V, 3).
    """
    if model.mirror_vertex is not None:
        from_mirror = ~seen & seen[model.mirror_vertex]
        colours = jnp.where(from_mirror[:, None], colours[model.mirror_vertex], colours)
        seen = seen | from_mirror
    weight = seen.astype(colours.dtype)[:, None]
    colours = colours * weight
    mean = colours.sum(axis=0, keepdims=True) / jnp.maximum(weight.sum(), 1.0)

    def spread(_, state):
        colours, weight = state
        count = weight[model.vertex_neighbours].sum(axis=1)
        total = colours[model.vertex_neighbours].sum(axis=1)
        reached = (weight == 0) & (count > 0)
        colours = jnp.where(reached, total / jnp.maximum(count, 1.0), colours)
        return colours, jnp.maximum(weight, reached.astype(weight.dtype))

    colours, weight = jax.lax.fori_loop(0, _FILL_ROUNDS, spread, (colours, weight))
    return jnp.where(weight > 0, colours, mean)
