"""Agreement with stored outputs of another rasterizer, and with finite differences."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rasterizer import interpolate, rasterize, rasterize_reference


@functools.partial(jax.jit, static_argnums=0)
@functools.partial(jax.value_and_grad, argnums=1, has_aux=True)
def golden_loss(size, vertices, triangles, cotangent_weights, cotangent_depth):
    found = rasterize(vertices, triangles, size, size)
    weights = jnp.sum(found.barycentrics * cotangent_weights, axis=-1)
    seen = found.triangle_id >= 0
    return jnp.sum((weights + found.depth * cotangent_depth) * seen), found


@pytest.mark.parametrize(
    ("name", "num_vertices", "num_triangles"),
    [  # Padded to the same numbers, two programs serve four meshes.
        ("face_sized", 37280, 73840),
        ("face_turned", 37280, 73840),
        ("slivers", 900, 300),
        ("soup_large", 900, 300),
        ("soup_small", 600, 200),
        ("sphere", 578, 1056),
    ],
)
def test_ids_weights_depth_and_gradients_agree_with_the_golden(
    shared_dir, name, num_vertices, num_triangles
):
    golden = np.load(shared_dir / "goldens" / f"{name}.npz")
    size, covered = int(golden["size"]), golden["triangle_id"] >= 0
    points = golden["screen_vertices"].astype(np.float64)
    x, y, depth = points.T
    vertices = np.stack(
        [(2 * x / size - 1) * depth, (2 * y / size - 1) * depth, -np.ones_like(x), depth], axis=-1
    ).astype(np.float32)
    triangles = golden["triangles"]
    (_, found), gradient = golden_loss(
        size,
        np.pad(vertices, ((0, num_vertices - len(vertices)), (0, 0))),
        np.pad(triangles, ((0, num_triangles - len(triangles)), (0, 0)), constant_values=-1),
        golden["cotangent_barycentric"],
        golden["cotangent_depth"],
    )
    found = jax.tree.map(np.asarray, found)
    np.testing.assert_array_equal(found.triangle_id, golden["triangle_id"])
    # The dense meshes' triangles are a pixel large, and clip space rounds positions to 8e-6 px.
    np.testing.assert_allclose(
        found.barycentrics[covered], golden["barycentric"][covered], atol=2e-4
    )
    np.testing.assert_allclose(found.depth[covered], golden["depth"][covered], atol=2e-4)
    # Chain rule from clip space back to pixels and depth, on which the golden's gradient stands.
    gx, gy, _, gw = np.asarray(gradient[: len(vertices)], np.float64).T
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
        ids, _, _ = rasterize_reference(vertices, triangles, 9, 9)
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

        # Value and pullback in one program; check_grads compiles three.
        @jax.jit
        def along(vertices, attributes, cotangent):
            values, back = jax.vjp(outputs, vertices, attributes)
            return values, back(cotangent)

        rng = np.random.default_rng(0)
        attributes, cotangent = rng.normal(size=(5, 2)), rng.normal(size=(9, 9, 6))
        gradients = along(vertices, attributes, cotangent)[1]
        for k, at in enumerate((vertices, attributes)):
            for _ in range(4):
                step = 1e-5 * rng.normal(size=at.shape)
                ends = []
                for sign in (1, -1):
                    moved = [vertices, attributes]
                    moved[k] = at + sign * step
                    ends.append(np.sum(along(*moved, cotangent)[0] * cotangent))
                found = np.sum(gradients[k] * step)
                np.testing.assert_allclose(found, (ends[0] - ends[1]) / 2, rtol=1e-5, atol=1e-12)


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
