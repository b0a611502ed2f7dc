"""A differentiable triangle rasterizer in pure JAX: jax and numpy are all it needs.

Clip-space vertices in, per pixel the nearest triangle with its barycentrics and depth out;
`docs/rasterizer.md` has the conventions.
"""

from rasterizer.antialiasing import antialias
from rasterizer.camera import (
    Camera,
    field_of_view_intrinsics,
    framing_camera,
    look_at,
    orthographic_clip,
    perspective_clip,
)
from rasterizer.edges import MeshEdges, mesh_edges
from rasterizer.gpu import without_gpu_kernels
from rasterizer.meshes import Mesh, from_trimesh, pad_meshes, to_trimesh
from rasterizer.opengl import (
    flip_opengl,
    flip_opengl_clip,
    intrinsics_from_opengl,
    pose_from_opengl,
    pose_to_opengl,
    projection_to_opengl,
)
from rasterizer.rasterization import Fragments, interpolate, rasterize
from rasterizer.reference import rasterize_reference
from rasterizer.render import Rendering, lamp_of, render
from rasterizer.shading import (
    PointLight,
    shade,
    shade_point,
    spherical_harmonics_basis,
    vertex_normals,
)
from rasterizer.textures import Wrap, sample_texture

__version__ = "0.1.0"

__all__ = [
    "Camera",
    "Fragments",
    "Mesh",
    "MeshEdges",
    "PointLight",
    "Rendering",
    "Wrap",
    "antialias",
    "field_of_view_intrinsics",
    "flip_opengl",
    "flip_opengl_clip",
    "framing_camera",
    "from_trimesh",
    "interpolate",
    "intrinsics_from_opengl",
    "lamp_of",
    "look_at",
    "mesh_edges",
    "orthographic_clip",
    "pad_meshes",
    "perspective_clip",
    "pose_from_opengl",
    "pose_to_opengl",
    "projection_to_opengl",
    "rasterize",
    "rasterize_reference",
    "render",
    "sample_texture",
    "shade",
    "shade_point",
    "spherical_harmonics_basis",
    "to_trimesh",
    "vertex_normals",
    "without_gpu_kernels",
]
