"""A shaded picture of a mesh in one call: rasterize, interpolate, texture, light."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from rasterizer.antialiasing import antialias
from rasterizer.camera import Camera, bounding_sphere, framing_camera
from rasterizer.meshes import GREY, Mesh, from_trimesh
from rasterizer.rasterization import Fragments, interpolate, rasterize
from rasterizer.shading import PointLight, shade, shade_point, unit, vertex_normals
from rasterizer.textures import sample_texture


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Rendering:
    """What `render` returns; pictures are 0 in the background.

    rgba: (H, W, 4) float; the shaded colour, not clipped, and 1 where a triangle is seen; if
      antialiased, the average over the pixel of both.
    depth: (H, W) float; distance along the camera's axis (Z of its frame), also orthographic.
    normals: (H, W, 3) float; unit normals in the frame of the mesh, turned towards the camera where
      a triangle is seen from behind.
    fragments: what `rasterize` returned for `vertices_clip`, (V, 4).

    All but ids, and alpha unless it is antialiased, are differentiable in vertices, colours, uv,
    texture, camera and light.
    """

    rgba: jax.Array
    depth: jax.Array
    normals: jax.Array
    fragments: Fragments
    vertices_clip: jax.Array


def render(
    mesh,
    image_height: int = 256,
    image_width: int = 256,
    *,
    camera: Camera | None = None,
    light: PointLight | jax.Array | None = None,
    smooth: bool = True,
    antialiased: bool = False,
    cull_backfaces: bool = False,
) -> Rendering:
    """Draws a mesh with its colours or texture and one light.

    Args:
      mesh: a `Mesh`, or a trimesh.Trimesh (or anything with its attributes; see `from_trimesh`).
      image_height, image_width: in pixels.
      camera: by default one that sees the whole mesh from the front, above and right of it
        (`framing_camera`, where y is up).
      light: a PointLight or (27,) spherical-harmonics coefficients (`shade`), in the frame of the
        mesh; by default a point light above and left of the camera (`lamp_of`).
      smooth: normals are interpolated between vertices (`vertex_normals`); False: one normal per
        triangle, which suits cubes.
      antialiased: `antialias` the colours: alpha becomes the covered share of a pixel, colours are
        multiplied with it, and moving outlines have a gradient.
      cull_backfaces: as in `rasterize`. Without it, triangles seen from behind are lit as well.

    Returns:
      Rendering. Works under jit (sizes static), vmap and grad for a `Mesh`. The default camera and
      light follow the vertices but pass no gradient to them.

    Raises:
      ValueError: what is not a mesh, or wrong shapes.
    """
    if not isinstance(mesh, Mesh):
        mesh = from_trimesh(mesh)
    _check_appearance(mesh)
    # In three parts, so that another kind of light or colour does not compile the drawing again.
    camera, light, clip = _set_up(mesh.vertices, camera, light, image_height, image_width)
    fragments = rasterize(
        clip, mesh.triangles, image_height, image_width, cull_backfaces=cull_backfaces
    )
    found = _shaded(mesh, camera, light, clip, fragments, smooth)
    if antialiased:
        rgba = antialias(found.rgba, clip, mesh.triangles, fragments, cull_backfaces=cull_backfaces)
        found = dataclasses.replace(found, rgba=rgba)
    return found


def lamp_of(camera: Camera, points_world: jax.Array) -> PointLight:
    """A white, slightly glossy point light above and left of a camera that looks at some points.

    Args:
      camera: its distance to the middle of the points sets the distance of the light.
      points_world: (V, 3) float.
    """
    centre, _ = bounding_sphere(points_world)
    dtype = points_world.dtype
    distance = jnp.linalg.norm(centre - camera.position)
    offset = jnp.array([-0.3, -0.6, -0.2], dtype) * distance
    # From the camera's frame back to the world.
    turned = jnp.sum(camera.rotation * offset[:, None], axis=0)
    grey = functools.partial(jnp.full, (3,), dtype=dtype)
    return PointLight(
        position=camera.position + turned,
        diffuse=grey(0.8),
        ambient=grey(0.4),
        specular=grey(0.08),
        shininess=jnp.asarray(24, dtype),
    )


@functools.partial(jax.jit, static_argnums=(3, 4))
def _set_up(vertices, camera, light, height: int, width: int):
    vertices = jnp.asarray(vertices)
    if camera is None:
        camera = framing_camera(lax.stop_gradient(vertices), height, width)
    if light is None:
        light = lamp_of(*lax.stop_gradient((camera, vertices)))
    return camera, light, camera.to_clip(vertices, height, width)


@functools.partial(jax.jit, static_argnums=5)
def _shaded(mesh: Mesh, camera, light, clip, fragments: Fragments, smooth: bool) -> Rendering:
    vertices, triangles = jnp.asarray(mesh.vertices), jnp.asarray(mesh.triangles)
    covered = (fragments.triangle_id >= 0)[..., None]
    depth = camera.from_world(vertices)[:, 2:]
    surface = jnp.concatenate([vertices, vertex_normals(vertices, triangles), depth], axis=-1)
    surface = interpolate(surface, triangles, fragments)
    points, normals, depth = surface[..., :3], surface[..., 3:6], surface[..., 6]
    flat = _triangle_normals(vertices, triangles, fragments)
    normals = unit(normals) if smooth else flat
    sight = camera.rotation[2].reshape(1, 1, 3)
    if not camera.orthographic:
        sight = points - camera.position.reshape(1, 1, 3)
    away = jnp.sum(flat * sight, axis=-1, keepdims=True) > 0
    normals = jnp.where(away, -normals, normals)
    albedo = _albedo(mesh, triangles, fragments)
    if isinstance(light, PointLight):
        eye = jnp.broadcast_to(camera.position.reshape(1, 1, 3), points.shape)
        colour = shade_point(albedo, normals, points, light, eye)
    else:
        colour = shade(albedo, normals, light)
    rgba = jnp.concatenate([jnp.where(covered, colour, 0), covered.astype(colour.dtype)], axis=-1)
    return Rendering(rgba, depth, normals, fragments, clip)


def _triangle_normals(vertices, triangles, fragments: Fragments) -> jax.Array:
    """(H, W, 3) unit normal of the triangle that each pixel sees, 0 in the background."""
    if triangles.shape[0] == 0 or vertices.shape[0] == 0:
        return jnp.zeros((*fragments.triangle_id.shape, 3), vertices.dtype)
    corner = jnp.clip(triangles, 0, vertices.shape[0] - 1)
    a, b, c = (vertices[corner[:, k]] for k in range(3))
    normals = unit(jnp.cross(b - a, c - a))[jnp.maximum(fragments.triangle_id, 0)]
    return jnp.where(fragments.triangle_id[..., None] >= 0, normals, 0)


def _albedo(mesh: Mesh, triangles: jax.Array, fragments: Fragments) -> jax.Array:
    """(H, W, 3) colours of a mesh at every pixel."""
    if mesh.texture is not None:
        table = triangles if mesh.uv_triangles is None else mesh.uv_triangles
        return sample_texture(mesh.texture, interpolate(mesh.uv, table, fragments))
    if mesh.colours is not None:
        table = triangles if mesh.colour_triangles is None else mesh.colour_triangles
        return interpolate(mesh.colours, table, fragments)
    grey = jnp.asarray(np.array(GREY), jnp.asarray(mesh.vertices).dtype)
    return jnp.broadcast_to(grey, (*fragments.triangle_id.shape, 3))


def _check_appearance(mesh: Mesh) -> None:
    if jnp.ndim(mesh.vertices) != 2 or jnp.shape(mesh.vertices)[1] != 3:
        raise ValueError(
            f"expected vertices of shape (V, 3), found {jnp.shape(mesh.vertices)}; "
            "vmap over a batch"
        )
    if mesh.texture is not None and mesh.uv is None:
        raise ValueError("expected uv beside a texture, found none")
    num_triangles, num_vertices = len(mesh.triangles), len(mesh.vertices)
    _check_indices("triangles", mesh.triangles, num_vertices)
    for name, channels in (("colours", 3), ("uv", 2)):
        rows, table = getattr(mesh, name), getattr(mesh, f"{name.rstrip('s')}_triangles")
        if rows is None:
            continue
        if jnp.ndim(rows) != 2 or rows.shape[1] != channels:
            raise ValueError(f"expected {name} of shape (N, {channels}), found {rows.shape}")
        if table is None and len(rows) != num_vertices:
            raise ValueError(
                f"expected {num_vertices} rows of {name}, one per vertex, found {len(rows)}; "
                f"give {name.rstrip('s')}_triangles where they belong to corners"
            )
        if table is not None and jnp.shape(table) != (num_triangles, 3):
            raise ValueError(
                f"expected {name.rstrip('s')}_triangles of shape ({num_triangles}, 3), found "
                f"{jnp.shape(table)}"
            )
        if table is not None:
            _check_indices(f"{name.rstrip('s')}_triangles", table, len(rows))


def _check_indices(name: str, table, num_rows: int) -> None:
    """Arrays of NumPy are looked at; what is on a device, or traced, is not."""
    if isinstance(table, np.ndarray) and table.size:
        low, high = table.min(), table.max()
        if low < -1 or high >= num_rows:
            raise ValueError(
                f"expected indices of {name} in [0, {num_rows}) (or -1 for padding), found "
                f"{low} to {high}"
            )
