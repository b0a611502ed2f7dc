"""A differentiable triangle rasterizer in pure JAX: jax and numpy are all it needs.

Clip-space vertices in, per pixel the nearest triangle with its barycentrics and depth out;
`docs/rasterizer.md` has the conventions.
"""

from rasterizer.camera import flip_opengl, look_at, orthographic_clip, perspective_clip
from rasterizer.rasterization import Fragments, interpolate, rasterize
from rasterizer.reference import rasterize_reference
from rasterizer.shading import shade, spherical_harmonics_basis, vertex_normals

__all__ = [
    "Fragments",
    "flip_opengl",
    "interpolate",
    "look_at",
    "orthographic_clip",
    "perspective_clip",
    "rasterize",
    "rasterize_reference",
    "shade",
    "spherical_harmonics_basis",
    "vertex_normals",
]
