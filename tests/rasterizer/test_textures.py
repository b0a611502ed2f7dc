import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads
from scipy.ndimage import map_coordinates

from rasterizer import Wrap, interpolate, rasterize, sample_texture

RNG = np.random.default_rng(0)
TEXTURE = RNG.uniform(size=(5, 7, 3)).astype(np.float32)
sample = jax.jit(sample_texture, static_argnames="wrap")


@pytest.mark.parametrize("wrap", Wrap)
def test_texel_centres_give_the_texels_with_the_first_row_at_the_top(wrap):
    row, column = np.indices((5, 7))
    uv = np.stack([(column + 0.5) / 7, 1 - (row + 0.5) / 5], axis=-1).astype(np.float32)
    np.testing.assert_allclose(sample(TEXTURE, uv, wrap=wrap), TEXTURE, atol=2e-6)


@pytest.mark.parametrize(("wrap", "mode"), [(Wrap.REPEAT, "grid-wrap"), (Wrap.CLAMP, "nearest")])
def test_values_anywhere_are_those_of_scipys_linear_interpolation(wrap, mode):
    uv = RNG.uniform(-2, 3, (5, 7, 2)).astype(np.float32)
    coordinates = np.stack([(1 - uv[..., 1]) * 5 - 0.5, uv[..., 0] * 7 - 0.5])
    expected = np.stack(
        [map_coordinates(TEXTURE[..., k], coordinates, order=1, mode=mode) for k in range(3)], -1
    )
    np.testing.assert_allclose(sample(TEXTURE, uv, wrap=wrap), expected, atol=2e-5)


def test_a_single_texel_is_a_constant():
    uv = RNG.uniform(-2, 3, (4, 2)).astype(np.float32)
    for wrap in Wrap:
        found = np.asarray(sample(TEXTURE[:1, :1], uv, wrap=wrap))
        np.testing.assert_array_equal(found, np.broadcast_to(TEXTURE[0, 0], (4, 3)))


@pytest.mark.parametrize("wrap", Wrap)
def test_gradients_in_texture_and_uv_agree_with_finite_differences(wrap):
    # Away from the texel centres, where the derivative in uv jumps, and from clamped borders.
    texels = RNG.integers(0, [6, 4], (20, 2)) + RNG.uniform(0.6, 1.4, (20, 2))
    with jax.enable_x64(True):
        uv = texels / [7, 5]
        check_grads(
            jax.jit(lambda t, uv: sample_texture(t, uv, wrap=wrap)),
            (TEXTURE.astype(np.float64), uv),
            order=1,
        )


def test_coordinates_without_a_meaning_give_finite_values_and_gradients():
    uv = np.array([[np.nan, 0.2], [np.inf, -np.inf], [1e30, -3e38], [1e-42, 0.5]], np.float32)
    for wrap in Wrap:
        value, back = jax.vjp(lambda t, uv, w=wrap: sample(t, uv, wrap=w), TEXTURE, uv)
        assert np.all((value >= 0) & (value <= 1))
        assert all(np.all(np.isfinite(leaf)) for leaf in back(jnp.ones_like(value)))


def test_the_result_has_the_dtype_of_the_texture():
    uv = RNG.uniform(size=(5, 7, 2)).astype(np.float32)
    half = sample(TEXTURE.astype(jnp.bfloat16), uv)
    assert half.dtype == jnp.bfloat16
    np.testing.assert_allclose(half.astype(np.float32), sample(TEXTURE, uv), atol=0.01)


def test_corners_may_have_uvs_of_their_own():
    # A square of two triangles with a seam: each shows the whole lower left half of the texture.
    vertices = np.array([[-1, -1, 0, 1], [1, -1, 0, 1], [1, 1, 0, 1], [-1, 1, 0, 1]], np.float32)
    triangles = np.array([[0, 1, 2], [0, 2, 3], *[[-1] * 3] * 8], np.int32)
    uv = np.array([[0, 1], [1, 0], [0, 0]], np.float32)
    uv_triangles = np.array([[0, 1, 2], [0, 2, 1], *[[0] * 3] * 8], np.int32)
    fragments = rasterize(np.pad(vertices, ((0, 26), (0, 0))), triangles, 8, 8)
    found = np.asarray(jax.jit(interpolate)(uv, uv_triangles, fragments))
    weights, ids = np.asarray(fragments.barycentrics), np.asarray(fragments.triangle_id)
    for triangle in (0, 1):
        shown = ids == triangle
        np.testing.assert_allclose(
            found[shown], weights[shown] @ uv[uv_triangles[triangle]], atol=1e-6
        )
    assert set(np.unique(ids)) == {0, 1}


@pytest.mark.parametrize(
    ("texture", "uv", "message"),
    [
        (np.zeros((5, 7)), np.zeros((4, 2)), r"\(h, w, C\), found \(5, 7\)"),
        (np.zeros((0, 7, 3)), np.zeros((4, 2)), r"found \(0, 7, 3\)"),
        (np.zeros((5, 7, 3), np.uint8), np.zeros((4, 2)), "found uint8; divide"),
        (np.zeros((5, 7, 3)), np.zeros((4, 3)), r"\(..., 2\), found float32 \(4, 3\)"),
        (np.zeros((5, 7, 3)), np.zeros((4, 2), int), r"found int32 \(4, 2\)"),
    ],
)
def test_wrong_arguments_are_named(texture, uv, message):
    with pytest.raises(ValueError, match=message):
        sample_texture(texture, uv)
    with pytest.raises(ValueError, match="Wrap, found 'mirror'"):
        sample_texture(TEXTURE, np.zeros((1, 2), np.float32), wrap="mirror")
