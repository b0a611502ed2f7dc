"""Agreement with stored outputs of another rasterizer, and with finite differences."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from rasterizer import interpolate, rasterize


@pytest.mark.parametrize(
    "name", ["face_sized", "face_turned", "slivers", "soup_large", "soup_small", "sphere"]
)
def test_ids_weights_depth_and_gradients_agree_with_the_golden(shared_dir, name):
    golden = np.load(shared_dir / "goldens" / f"{name}.npz")
    size, covered = int(golden["size"]), golden["triangle_id"] >= 0
    points = golden["screen_vertices"].astype(np.float64)
    x, y, depth = points.T
    vertices = np.stack(
        [(2 * x / size - 1) * depth, (2 * y / size - 1) * depth, -np.ones_like(x), depth], axis=-1
    ).astype(np.float32)

    def loss(vertices):
        found = rasterize(vertices, golden["triangles"], size, size)
        weights = jnp.sum(found.barycentrics * golden["cotangent_barycentric"], axis=-1)
        return jnp.sum((weights + found.depth * golden["cotangent_depth"]) * covered), found

    (_, found), gradient = jax.jit(jax.value_and_grad(loss, has_aux=True))(vertices)
    np.testing.assert_array_equal(found.triangle_id, golden["triangle_id"])
    # The dense meshes' triangles are a pixel large, and clip space rounds positions to 8e-6 px.
    np.testing.assert_allclose(
        found.barycentrics[covered], golden["barycentric"][covered], atol=2e-4
    )
    np.testing.assert_allclose(found.depth[covered], golden["depth"][covered], atol=2e-4)
    # Chain rule from clip space back to pixels and depth, on which the golden's gradient stands.
    gx, gy, _, gw = np.asarray(gradient, np.float64).T
    on_screen = np.stack(
        [gx * 2 * depth / size, gy * 2 * depth / size]
        + [gx * (2 * x / size - 1) + gy * (2 * y / size - 1) + gw],
        axis=-1,
    )
    expected = golden["grad_screen_vertices"]
    assert np.linalg.norm(on_screen - expected) < 1e-3 * np.linalg.norm(expected)


def pyramid():
    """A square base and an apex in front of it, with perspective, as clip-space vertices."""
    points = np.array([[-0.8, -0.7], [0.8, -0.8], [0.7, 0.8], [-0.8, 0.8], [0.05, -0.03]])
    w = np.array([2.0, 2.1, 1.9, 2.2, 1.0])
    vertices = np.c_[points * w[:, None], -np.ones(5), w]
    triangles = np.array([[0, 1, 4], [1, 2, 4], [2, 3, 4], [3, 0, 4]], np.int32)
    return vertices, triangles


def test_gradients_agree_with_finite_differences_in_float64():
    with jax.enable_x64(True):
        vertices, triangles = pyramid()
        ids = np.asarray(rasterize(vertices, triangles, 9, 9).triangle_id)
        # Pixels with all four neighbours covered by their own triangle keep it under the small
        # steps of finite differences.
        inner = np.zeros_like(ids, bool)
        inner[1:-1, 1:-1] = np.all(
            [
                ids[1:-1, 1:-1] == ids[1 + r : 8 + r, 1 + c : 8 + c]
                for r, c in ((0, 1), (0, -1), (1, 0), (-1, 0))
            ],
            axis=0,
        ) & (ids[1:-1, 1:-1] >= 0)
        assert inner.sum() >= 6

        def outputs(vertices, attributes):
            found = rasterize(vertices, triangles, 9, 9)
            assert found.depth.dtype == jnp.float64
            values = interpolate(attributes, triangles, found)
            parts = (found.barycentrics, found.depth[..., None], values)
            return jnp.concatenate(parts, axis=-1) * inner[..., None]

        attributes = np.random.default_rng(0).normal(size=(5, 2))
        check_grads(jax.jit(outputs), (vertices, attributes), order=1, modes=("rev",))


def test_gradients_are_finite_for_every_kind_of_broken_mesh_and_zero_in_z():
    whole = np.array([[-1, -1, 0.5, 1], [3, -1, 0.5, 1], [-1, 3, 0.5, 1]])
    broken = {
        "nan": [np.nan] * 4,
        "inf": [np.inf, 0, 0, 1],
        "zero": [0, 0, 0, 0],
        "behind": [0.1, 0.2, 0.3, -1],
        "w of zero": [0.5, 0.5, 0.5, 0],
        "w denormal": [0.5, 0.5, 0.5, 1e-42],
        "huge": [3e38, -3e38, 1, 1],
        "on another": [-1, -1, 0.5, 1],
        "needle": [1, -1 + 1e-7, 0.5, 1],
        "huge w": [1e30, 1e30, 1e30, 1e30],
    }
    triangles = np.array([[0, 1, 3], [1, 2, 3], [2, 0, 3], [3, 3, 3], [0, 3, 3]], np.int32)
    drawn = 0

    @jax.jit
    @jax.value_and_grad
    def loss(vertices):
        found = rasterize(vertices, triangles, 8, 8)
        attributes = jnp.arange(4.0)[:, None]
        shown = interpolate(attributes, triangles, found)
        return jnp.sum(found.barycentrics**2) + jnp.sum(shown) + jnp.mean(found.depth)

    for name, vertex in broken.items():
        value, gradient = loss(np.concatenate([whole, [vertex]]).astype(np.float32))
        assert np.isfinite(value), name
        assert np.all(np.isfinite(gradient)), name
        assert not np.any(gradient[:, 2]), name
        drawn += bool(value > 0 and np.all(np.any(gradient[:, np.array([0, 1, 3])], axis=0)))
    assert drawn >= 3  # the test is not about empty images
