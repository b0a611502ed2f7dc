"""The GPU's kernels on a GPU: the ids of JAX alone, and its gradients. Skipped without a GPU."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rasterizer import gpu, rasterize, without_gpu_kernels
from tests.helpers.breaking_meshes import meshes

pytestmark = pytest.mark.skipif(not gpu.gpu_kernels(), reason="no NVIDIA GPU")


def clip_space(golden):
    x, y, depth = golden["screen_vertices"].astype(np.float64).T
    size = int(golden["size"])
    columns = [(2 * x / size - 1) * depth, (2 * y / size - 1) * depth, -np.ones_like(x), depth]
    return np.stack(columns, axis=-1).astype(np.float32), golden["triangles"], size


@pytest.mark.parametrize("name", list(meshes()))
def test_ids_of_meshes_that_break_rasterizers(name):
    vertices, triangles, height, width, cull = meshes()[name]

    @jax.jit
    @jax.vmap
    def draw(vertices):
        triangles_ = jnp.asarray(triangles)
        return rasterize(vertices, triangles_, height, width, cull_backfaces=cull).triangle_id

    found = np.asarray(draw(vertices))
    jax.clear_caches()
    with without_gpu_kernels():
        np.testing.assert_array_equal(found, draw(vertices))


@pytest.mark.parametrize(
    "name", ["face_sized", "face_turned", "slivers", "soup_large", "soup_small", "sphere"]
)
def test_ids_of_goldens(shared_dir, name):
    golden = np.load(shared_dir / "goldens" / f"{name}.npz")
    vertices, triangles, size = clip_space(golden)
    found = rasterize(vertices, triangles, size, size)
    np.testing.assert_array_equal(found.triangle_id, golden["triangle_id"])


def test_batched_triangles_and_gradients():
    vertices, triangles, height, width, _ = meshes()["three pictures"]
    each = np.stack([triangles, triangles[::-1], np.roll(triangles, 5, axis=0)])

    def loss(vertices, triangles):
        found = rasterize(vertices, triangles, height, width)
        return jnp.sum(found.barycentrics[..., 0] ** 2) + jnp.sum(jnp.sin(found.depth))

    found = jax.vmap(jax.value_and_grad(loss))(vertices, each)
    jax.clear_caches()
    with without_gpu_kernels():
        expected = jax.vmap(jax.value_and_grad(loss))(vertices, each)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)
