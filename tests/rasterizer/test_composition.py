"""JAX transformations around rasterize, interpolate, and their checks of arguments."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rasterizer import interpolate, rasterize, rasterize_reference, vertex_normals

HEIGHT, WIDTH, BATCH = 12, 10, 3
RNG = np.random.default_rng(3)
TRIANGLES = RNG.integers(0, 30, (20, 3)).astype(np.int32)
VERTICES = np.concatenate(
    [RNG.normal(size=(BATCH, 30, 3)) * 0.7, RNG.uniform(0.5, 2, (BATCH, 30, 1))], axis=-1
).astype(np.float32)
VERTICES[:, :3, 3] *= -1  # some triangles cross the camera plane


def draw(vertices, triangles=TRIANGLES):
    return rasterize(vertices, triangles, HEIGHT, WIDTH)


def loss(vertices):
    found = draw(vertices)
    return jnp.sum(found.barycentrics[..., 0] ** 2) + jnp.sum(jnp.minimum(found.depth, 3))


@pytest.fixture(scope="module")
def one_by_one():
    pictures = [draw(vertices) for vertices in VERTICES]
    assert all((picture.triangle_id >= 0).sum() > 20 for picture in pictures)
    return jax.tree.map(lambda *leaves: np.stack(leaves), *pictures)


def assert_equal(found, expected):
    for left, right in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(found.triangle_id, expected.triangle_id)


def test_vmap_over_poses_equals_a_loop_and_new_values_do_not_trace_again(one_by_one):
    traces = []

    @jax.jit
    def draw_all(vertices):
        traces.append(vertices.shape)
        return jax.vmap(draw)(vertices)

    assert_equal(draw_all(VERTICES), one_by_one)
    backwards = jax.tree.map(lambda leaf: leaf[::-1], one_by_one)
    assert_equal(draw_all(VERTICES[::-1]), backwards)
    assert len(traces) == 1


def test_vmap_nests(one_by_one):
    nested = jax.vmap(jax.vmap(draw))(np.stack([VERTICES, VERTICES[::-1]]))
    for k, order in enumerate(([0, 1, 2], [2, 1, 0])):
        assert_equal(
            jax.tree.map(lambda leaf, k=k: leaf[k], nested),
            jax.tree.map(lambda leaf, order=order: leaf[order], one_by_one),
        )


def test_vmap_over_padded_meshes_of_different_size(one_by_one):
    short = np.where(np.arange(20)[:, None] < 7, TRIANGLES, -1)
    found = jax.vmap(draw, in_axes=(None, 0))(VERTICES[0], np.stack([TRIANGLES, short]))
    np.testing.assert_array_equal(found.triangle_id[0], one_by_one.triangle_id[0])
    alone, _, _ = rasterize_reference(VERTICES[0], TRIANGLES[:7], HEIGHT, WIDTH)
    np.testing.assert_array_equal(found.triangle_id[1], alone)


def test_the_merged_batch_of_other_devices_equals_the_loop_of_the_cpu(one_by_one):
    from rasterizer.coverage import nearest_triangles
    from rasterizer.homogeneous import to_pixels
    from rasterizer.windows import Target

    tables = []
    for vertices in VERTICES:
        pixels = to_pixels(jnp.asarray(vertices), HEIGHT, WIDTH)
        tables.append(np.stack([pixels.x, pixels.y, pixels.z, pixels.w], axis=-1))
    triangles = np.concatenate([TRIANGLES + 30 * k for k in range(BATCH)])
    target = Target(BATCH, len(TRIANGLES), HEIGHT, WIDTH, cull_backfaces=False)

    def draw_all(vertices, triangles):
        # 60 triangles in chunks of 25: the last one overlaps the one before.
        return nearest_triangles(
            vertices, triangles, target, dense_chunk=25, listed_chunk=256, staged=False
        )

    ids = jax.jit(draw_all)(np.concatenate(tables), triangles).reshape(BATCH, HEIGHT, WIDTH)
    np.testing.assert_array_equal(ids, one_by_one.triangle_id)


def test_pmap_equals_a_loop(one_by_one):
    found = jax.pmap(draw, devices=jax.devices()[:BATCH])(VERTICES)
    assert_equal(found, one_by_one)


@pytest.mark.slow
def test_without_jit_the_result_is_the_same(one_by_one):
    with jax.disable_jit():
        found = draw(VERTICES[0])
    assert_equal(found, jax.tree.map(lambda leaf: leaf[0], one_by_one))


def test_forward_reverse_batched_and_checkpointed_gradients_agree():
    forward = jax.jit(jax.jacfwd(loss))
    expected = np.stack([forward(vertices) for vertices in VERTICES])
    assert np.abs(expected).max() > 0.1
    close = dict(rtol=1e-3, atol=1e-3 * np.abs(expected).max())
    np.testing.assert_allclose(jax.jit(jax.grad(loss))(VERTICES[0]), expected[0], **close)
    saving = jax.checkpoint(loss)
    batched = jax.jit(jax.grad(lambda v: jnp.sum(jax.vmap(saving)(v))))(VERTICES)
    np.testing.assert_allclose(batched, expected, **close)


def shaded(vertices, attributes):
    """Through all that has derivatives of its own: rasterize, interpolate, vertex_normals."""
    found = draw(vertices)
    values = jnp.concatenate([attributes, vertex_normals(vertices[:, :3], TRIANGLES)], axis=-1)
    shown = interpolate(values, TRIANGLES, found)
    return jnp.sum(shown**2) + jnp.sum(jnp.minimum(found.depth, 3) ** 2)


ATTRIBUTES = RNG.normal(size=(BATCH, 30, 2)).astype(np.float32)
both = functools.partial(jax.grad, argnums=(0, 1))


@pytest.fixture(scope="module")
def gradients_one_by_one():
    single = jax.jit(both(shaded))
    found = [single(*each) for each in zip(VERTICES, ATTRIBUTES, strict=True)]
    assert all(np.abs(leaf).max() > 0.1 for leaf in jax.tree.leaves(found))
    return jax.tree.map(lambda *leaves: np.stack(leaves), *found)


def assert_close(found, expected):
    for left, right in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-4, atol=1e-4 * np.abs(right).max())


@pytest.mark.parametrize(
    "batched",
    [
        jax.vmap(both(shaded)),
        both(lambda v, a: jnp.sum(jax.vmap(shaded)(v, a))),
        both(lambda v, a: jnp.sum(jax.vmap(jax.checkpoint(shaded))(v, a))),
        both(lambda v, a: jnp.sum(jax.lax.map(lambda each: shaded(*each), (v, a)))),
        lambda v, a: jax.tree.map(
            lambda leaf: leaf[0], jax.vmap(jax.vmap(both(shaded)))(v[None], a[None])
        ),
        jax.pmap(both(shaded), devices=jax.devices()[:BATCH]),
    ],
    ids=["vmap of grad", "grad of vmap", "checkpoint", "grad of a loop", "nested", "pmap"],
)
def test_gradients_of_a_batch_equal_those_of_its_elements(batched, gradients_one_by_one):
    assert_close(jax.jit(batched)(VERTICES, ATTRIBUTES), gradients_one_by_one)


def test_gradient_of_shared_vertices_sums_over_the_batch(gradients_one_by_one):
    def total(vertices, attributes):
        return jnp.sum(jax.vmap(shaded, in_axes=(None, 0))(vertices, attributes))

    copies = jnp.stack([ATTRIBUTES[0]] * 2)
    found, _ = jax.jit(both(total))(VERTICES[0], copies)
    assert_close(found, 2 * gradients_one_by_one[0][0])


def test_forward_mode_agrees_with_reverse_mode_alone_and_in_a_batch(gradients_one_by_one):
    direction = (RNG.normal(size=VERTICES.shape), RNG.normal(size=ATTRIBUTES.shape))
    direction = jax.tree.map(lambda leaf: leaf.astype(np.float32), direction)

    def along(vertices, attributes, *tangents):
        return jax.jvp(shaded, (vertices, attributes), tangents)[1]

    found = jax.jit(jax.vmap(along))(VERTICES, ATTRIBUTES, *direction)
    products = zip(gradients_one_by_one, direction, strict=True)
    expected = sum((g * d).sum(axis=(1, 2)) for g, d in products)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3 * np.abs(expected).max())
    alone = jax.jit(along)(VERTICES[0], ATTRIBUTES[0], *(d[0] for d in direction))
    np.testing.assert_allclose(alone, found[0], rtol=1e-4)


def test_second_derivatives_agree_with_differences_of_gradients():
    with jax.enable_x64(True):
        vertices, step = VERTICES[1].astype(np.float64), RNG.normal(size=VERTICES[1].shape)
        gradient = jax.grad(lambda v: shaded(v, ATTRIBUTES[1].astype(np.float64)))
        found = jax.jit(lambda v, d: jax.jvp(gradient, (v,), (d,))[1])(vertices, step)
        gradient, small = jax.jit(gradient), 1e-6
        ends = [gradient(vertices + sign * small * step) for sign in (1, -1)]
        expected = (ends[0] - ends[1]) / (2 * small)
        scale = np.abs(expected).max()
        assert scale > 0.1
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5 * scale)


def test_outputs_are_float32_unless_x64_and_its_vertices_say_otherwise():
    def dtypes(vertices):
        found = jax.eval_shape(draw, vertices)
        assert found.triangle_id.dtype == jnp.int32
        return {str(leaf.dtype) for leaf in (found.barycentrics, found.depth)}

    doubles = VERTICES[0].astype(np.float64)
    assert dtypes(VERTICES[0]) == dtypes(doubles) == {"float32"}
    assert dtypes(VERTICES[0].astype(jnp.bfloat16)) == {"float32"}
    with jax.enable_x64(True):
        assert dtypes(VERTICES[0]) == {"float32"} and dtypes(doubles) == {"float64"}


def test_attributes_of_any_width_and_of_bfloat16():
    found = draw(VERTICES[0])
    ids = np.asarray(found.triangle_id)
    attributes = RNG.normal(size=(30, 5)).astype(np.float32)
    shown = np.asarray(interpolate(attributes, TRIANGLES, found))
    weights = np.asarray(found.barycentrics)
    expected = np.einsum("hwk,hwkc->hwc", weights, attributes[TRIANGLES[ids]])
    np.testing.assert_allclose(shown, np.where(ids[..., None] >= 0, expected, 0), atol=1e-5)
    half = interpolate(attributes.astype(jnp.bfloat16), TRIANGLES, found)
    assert half.dtype == jnp.bfloat16
    np.testing.assert_allclose(half.astype(np.float32), shown, atol=0.1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.zeros((4, 3), np.float32), TRIANGLES, 8, 8), r"\(V, 4\), found \(4, 3\)"),
        ((np.zeros((2, 4, 4), np.float32), TRIANGLES, 8, 8), r"found \(2, 4, 4\)"),
        ((np.zeros((30, 4), np.int32), TRIANGLES, 8, 8), "expected float .* found int32"),
        ((VERTICES[0], TRIANGLES[:, :2], 8, 8), r"\(F, 3\), found \(20, 2\)"),
        ((VERTICES[0], TRIANGLES.astype(np.float32), 8, 8), "integer triangles, found float32"),
        ((VERTICES[0], TRIANGLES + 30, 8, 8), r"in \[0, 30\).*found 3. to"),
        ((VERTICES[0], TRIANGLES, 0, 8), "image_height .* found 0"),
        ((VERTICES[0], TRIANGLES, 8, 8.0), "image_width .* found 8.0"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        rasterize(*arguments)


def test_interpolate_names_wrong_attributes():
    with pytest.raises(ValueError, match=r"\(V, C\), found \(30,\)"):
        interpolate(np.zeros(30, np.float32), TRIANGLES, draw(VERTICES[0]))
