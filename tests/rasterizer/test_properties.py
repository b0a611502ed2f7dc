"""Properties that hold for any mesh, on meshes that hypothesis makes."""

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rasterizer import rasterize, rasterize_reference

HEIGHT, WIDTH = 11, 14
NUM_VERTICES, NUM_TRIANGLES = 30, 10
seeds = st.integers(0, 2**32 - 1)
few = settings(max_examples=25, deadline=None)


def ids_of_jax(*arguments):
    return np.asarray(rasterize(*arguments).triangle_id)


def ids_of_reference(*arguments):
    return rasterize_reference(*arguments)[0]


def random_mesh(seed):
    """A mesh of the kinds that break rasterizers: tiny, huge, on pixel centres, behind, flat."""
    rng = np.random.default_rng(seed)
    vertices = rng.normal(size=(NUM_VERTICES, 4))
    vertices[:, :2] *= rng.choice([0.1, 0.5, 1, 5])
    kind = rng.integers(4)
    if kind == 0:  # in front of the camera
        vertices[:, 3] = rng.uniform(0.5, 2, NUM_VERTICES)
    elif kind == 1:  # on multiples of half a pixel, in one plane of depth
        grid = rng.integers(-1, 2 * WIDTH + 2, (NUM_VERTICES, 2)) / 2
        vertices[:, :2] = 2 * grid / [WIDTH, HEIGHT] - 1
        vertices[:, 2:] = 1
    elif kind == 2:  # broken
        vertices[rng.integers(12), rng.integers(4)] = rng.choice([np.nan, np.inf, 0])
    triangles = rng.integers(-1, 12, (NUM_TRIANGLES, 3))  # edges and triangles coincide
    return vertices.astype(np.float32), triangles.astype(np.int32)


def assert_same_but_for_near_ties(found, expected, vertices, triangles):
    """Ids agree; where they do not, both triangles lie at the same z/w up to rounding."""
    for row, column in np.argwhere(found != expected):
        orders = []
        for triangle in (found[row, column], expected[row, column]):
            assert triangle >= 0, "coverage differs"
            single = np.full_like(triangles, -1)
            single[0] = triangles[triangle]
            ids, weights, _ = rasterize_reference(vertices, single, HEIGHT, WIDTH)
            assert ids[row, column] == 0, "coverage differs"
            corners = vertices[triangles[triangle]].astype(np.float64)
            z, w = weights[row, column] @ corners[:, 2:]
            orders.append(z / w)
        assert abs(orders[0] - orders[1]) < 1e-5 * max(1, abs(orders[0]))


@pytest.mark.parametrize("num_triangles", [NUM_TRIANGLES, 5])  # the latter drawn by few.py
@few
@given(seeds)
def test_jax_and_reference_agree(num_triangles, seed):
    vertices, triangles = random_mesh(seed)
    triangles = triangles[:num_triangles]
    # NumPy arrays: jax would compile the selection of pixels for every number of them.
    found = jax.tree.map(np.asarray, rasterize(vertices, triangles, HEIGHT, WIDTH))
    ids, weights, depth = rasterize_reference(vertices, triangles, HEIGHT, WIDTH)
    assert_same_but_for_near_ties(found.triangle_id, ids, vertices, triangles)
    same = (found.triangle_id == ids) & (ids >= 0)
    # Weights are ill-conditioned in needles; float32 against float64 leaves 1e-3 in the worst.
    np.testing.assert_allclose(found.barycentrics[same], weights[same], atol=1e-3)
    np.testing.assert_allclose(found.depth[same], depth[same], rtol=1e-2)


@few
@given(seeds)
def test_permuting_triangles_permutes_ids(seed):
    vertices, triangles = random_mesh(seed)
    vertices[:, 2] *= 1 + np.arange(NUM_VERTICES) / 7  # no ties in depth
    order = np.random.default_rng(seed).permutation(NUM_TRIANGLES)
    plain = ids_of_jax(vertices, triangles, HEIGHT, WIDTH)
    shuffled = ids_of_jax(vertices, triangles[order], HEIGHT, WIDTH)
    renamed = np.where(shuffled >= 0, order[shuffled], -1)
    assert_same_but_for_near_ties(renamed, plain, vertices, triangles)


def layers(seed):
    """Triangles of their own vertices in planes of constant depth, on multiples of 1/64 pixel.

    At w = 1 and in an image of 8 x 8 they reach clip space, and come back, without rounding.
    """
    rng = np.random.default_rng(seed)
    points = rng.integers(-150, 650, (NUM_TRIANGLES, 3, 2)) / 64
    if rng.integers(2):  # on the borders and centres of pixels
        points = np.round(2 * points) / 2
    depth = rng.permutation(NUM_TRIANGLES)
    return points, np.broadcast_to(depth[:, None, None], (NUM_TRIANGLES, 3, 1)).astype(float)


def draw_layers(run, points, depth, scale=1):
    vertices = np.concatenate([2 * points / 8 - 1, depth, np.ones_like(depth)], axis=-1)
    triangles = np.arange(3 * NUM_TRIANGLES, dtype=np.int32).reshape(-1, 3)
    return run(vertices.reshape(-1, 4).astype(np.float32), triangles, 8 * scale, 8 * scale)


both = pytest.mark.parametrize("run", [ids_of_jax, ids_of_reference], ids=["jax", "reference"])


@both
@few
@given(seeds, st.integers(-4, 4), st.integers(-4, 4))
def test_a_shift_by_whole_pixels_shifts_the_ids(run, seed, right, down):
    points, depth = layers(seed)
    before = draw_layers(run, points, depth)
    after = draw_layers(run, points + [right, down], depth)
    inside = np.s_[max(0, down) : 8 + min(0, down), max(0, right) : 8 + min(0, right)]
    origin = np.s_[max(0, -down) : 8 - max(0, down), max(0, -right) : 8 - max(0, right)]
    np.testing.assert_array_equal(after[inside], before[origin])


@both
@few
@given(seeds)
def test_three_times_the_pixels_see_the_same_at_the_old_centres_and_cover_nine_times_as_many(
    run, seed
):
    points, depth = layers(seed)
    coarse, fine = (draw_layers(run, points, depth, scale) for scale in (1, 3))
    np.testing.assert_array_equal(fine[1::3, 1::3], coarse)
    # A triangle's share of the image is its area, up to its outline of at most three lines, each of
    # which runs through fewer than 2 * 24 fine pixels.
    for index in range(NUM_TRIANGLES):
        alone = np.full_like(depth, np.nan)
        alone[index] = depth[index]
        counts = [np.sum(draw_layers(run, points, alone, scale) >= 0) for scale in (1, 3)]
        assert abs(counts[1] - 9 * counts[0]) <= 9 * 3 * 2 * 8


@both
@few
@given(seeds)
def test_triangles_of_the_image_hide_nothing_that_is_nearer(run, seed):
    points, depth = layers(seed)
    together = draw_layers(run, points, depth)
    nearest = np.full((8, 8), np.inf)
    expected = np.full((8, 8), -1)
    for index in range(NUM_TRIANGLES):
        alone = np.full_like(depth, np.nan)
        alone[index] = depth[index]
        wins = (draw_layers(run, points, alone) == index) & (depth[index, 0, 0] < nearest)
        expected[wins], nearest[wins] = index, depth[index, 0, 0]
    np.testing.assert_array_equal(together, expected)
