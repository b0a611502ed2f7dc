"""Small meshes in clip space, and one signature for both implementations of the contract."""

import jax
import numpy as np
import pytest

from rasterizer import rasterize, rasterize_reference

jitted_rasterize = jax.jit(rasterize, static_argnums=(2, 3), static_argnames=("cull_backfaces",))


def _run_jax(vertices, triangles, height, width, *, cull_backfaces=False):
    # Padded to one size of mesh, so that a battery compiles once per image size.
    vertices = np.asarray(vertices, np.float32).reshape(-1, 4)
    triangles = np.asarray(triangles, np.int32).reshape(-1, 3)
    vertices = np.pad(vertices, ((0, max(0, 12 - len(vertices))), (0, 0)))
    triangles = np.pad(triangles, ((0, max(0, 10 - len(triangles))), (0, 0)), constant_values=-1)
    found = jitted_rasterize(vertices, triangles, height, width, cull_backfaces=cull_backfaces)
    return np.asarray(found.triangle_id), np.asarray(found.barycentrics), np.asarray(found.depth)


@pytest.fixture(params=[_run_jax, rasterize_reference], ids=["jax", "reference"])
def run(request):
    """(vertices_clip, triangles, height, width, *, cull_backfaces) -> ids, barycentrics, depth."""
    return request.param


@pytest.fixture(scope="session")
def clip():
    """A function from (x, y in pixels, depth) rows to clip space at a given image size."""

    def convert(points, height, width):
        points = np.asarray(points, np.float64)
        x, y, depth = points[:, 0], points[:, 1], points[:, 2]
        columns = [(2 * x / width - 1) * depth, (2 * y / height - 1) * depth, -np.ones_like(x)]
        return np.stack([*columns, depth], axis=-1).astype(np.float32)

    return convert
