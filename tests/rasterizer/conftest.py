"""Small meshes in clip space, and one signature for both implementations of the contract.

Compiling takes most of the time of these tests. `rasterize` keeps what it compiled for one shape of
mesh and image, so the small meshes are padded to one shape and drawn at few sizes, without a jit of
the test's own.
"""

import functools

import numpy as np
import pytest

from rasterizer import rasterize, rasterize_reference


def _run_jax(vertices, triangles, height, width, *, cull_backfaces=False, num_triangles=10):
    vertices = np.asarray(vertices, np.float32).reshape(-1, 4)
    triangles = np.asarray(triangles, np.int32).reshape(-1, 3)
    vertices = np.pad(vertices, ((0, max(0, 30 - len(vertices))), (0, 0)))
    missing = num_triangles - len(triangles)
    triangles = np.pad(triangles, ((0, missing), (0, 0)), constant_values=-1)
    found = rasterize(vertices, triangles, height, width, cull_backfaces=cull_backfaces)
    return np.asarray(found.triangle_id), np.asarray(found.barycentrics), np.asarray(found.depth)


# Few triangles take a way of their own on the CPU (rasterizer/few.py).
_run_few = functools.partial(_run_jax, num_triangles=5)


@pytest.fixture(params=[_run_jax, _run_few, rasterize_reference], ids=["jax", "few", "reference"])
def run(request):
    """(vertices_clip, triangles, height, width, *, cull_backfaces) -> ids, barycentrics, depth."""
    return request.param


@pytest.fixture(scope="session")
def sphere():
    """A closed unit sphere of 12 meridians and 6 rings, seen from outside counter-clockwise:
    vertices (84, 3) float32, triangles (144, 3) int32, of which 24 at the poles are degenerate."""
    theta, phi = np.meshgrid(np.linspace(0, np.pi, 7), np.arange(12) * np.pi / 6, indexing="ij")
    points = np.stack([np.sin(theta) * np.cos(phi), np.cos(theta), np.sin(theta) * np.sin(phi)], -1)
    points = points.reshape(-1, 3).astype(np.float32)
    points[:12], points[-12:] = [0, 1, 0], [0, -1, 0]  # the poles, exactly
    triangles = []
    for ring in range(6):
        for k in range(12):
            a, b = 12 * ring + k, 12 * ring + (k + 1) % 12
            triangles += [[a, b, b + 12], [a, b + 12, a + 12]]
    return points, np.array(triangles, np.int32)


@pytest.fixture(scope="session")
def clip():
    """A function from (x, y in pixels, depth) rows to clip space at a given image size."""

    def convert(points, height, width):
        points = np.asarray(points, np.float64)
        x, y, depth = points[:, 0], points[:, 1], points[:, 2]
        columns = [(2 * x / width - 1) * depth, (2 * y / height - 1) * depth, -np.ones_like(x)]
        return np.stack([*columns, depth], axis=-1).astype(np.float32)

    return convert
