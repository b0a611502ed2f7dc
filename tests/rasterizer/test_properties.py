"""Properties that hold for any mesh, on meshes that hypothesis makes."""

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rasterizer import rasterize, rasterize_reference

HEIGHT, WIDTH = 11, 14
NUM_VERTICES, NUM_TRIANGLES = 12, 10
draw = jax.jit(rasterize, static_argnums=(2, 3))
seeds = st.integers(0, 2**32 - 1)
few = settings(max_examples=25, deadline=None)


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
        vertices[rng.integers(NUM_VERTICES), rng.integers(4)] = rng.choice([np.nan, np.inf, 0])
    triangles = rng.integers(-1, NUM_VERTICES, (NUM_TRIANGLES, 3))
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


@few
@given(seeds)
def test_jax_and_reference_agree(seed):
    vertices, triangles = random_mesh(seed)
    found = draw(vertices, triangles, HEIGHT, WIDTH)
    ids, weights, depth = rasterize_reference(vertices, triangles, HEIGHT, WIDTH)
    assert_same_but_for_near_ties(np.asarray(found.triangle_id), ids, vertices, triangles)
    same = (np.asarray(found.triangle_id) == ids) & (ids >= 0)
    # Weights are ill-conditioned in needles; float32 against float64 leaves 1e-3 in the worst.
    np.testing.assert_allclose(found.barycentrics[same], weights[same], atol=1e-3)
    np.testing.assert_allclose(found.depth[same], depth[same], rtol=1e-2)


@few
@given(seeds)
def test_permuting_triangles_permutes_ids(seed):
    vertices, triangles = random_mesh(seed)
    vertices[:, 2] *= 1 + np.arange(NUM_VERTICES) / 7  # no ties in depth
    order = np.random.default_rng(seed).permutation(NUM_TRIANGLES)
    plain = np.asarray(draw(vertices, triangles, HEIGHT, WIDTH).triangle_id)
    shuffled = np.asarray(draw(vertices, triangles[order], HEIGHT, WIDTH).triangle_id)
    renamed = np.where(shuffled >= 0, order[shuffled], -1)
    assert_same_but_for_near_ties(renamed, plain, vertices, triangles)


@few
@given(seeds, st.integers(-4, 4), st.integers(-4, 4))
def test_a_shift_by_whole_pixels_shifts_the_ids(seed, right, down):
    rng = np.random.default_rng(seed)
    # Multiples of 1/64 pixel at w = 1 are shifted without rounding: 16 x 16 is a power of two.
    points = rng.integers(-300, 1300, (NUM_VERTICES, 2)) / 64
    depth = rng.normal(size=(NUM_VERTICES, 1))
    triangles = rng.integers(0, NUM_VERTICES, (NUM_TRIANGLES, 3)).astype(np.int32)

    def ids(pixels):
        vertices = np.concatenate([2 * pixels / 16 - 1, depth, np.ones_like(depth)], axis=1)
        return np.asarray(draw(vertices.astype(np.float32), triangles, 16, 16).triangle_id)

    before, after = ids(points), ids(points + [right, down])
    inside = np.s_[max(0, down) : 16 + min(0, down), max(0, right) : 16 + min(0, right)]
    origin = np.s_[max(0, -down) : 16 - max(0, down), max(0, -right) : 16 - max(0, right)]
    assert np.mean(after[inside] == before[origin]) > 0.995  # z along a window is rounded anew


def fan(rng):
    """A closed fan around one vertex, in the middle of the image, with uneven sectors."""
    count = int(rng.integers(3, 9))
    angles = np.sort(rng.uniform(0, 2 * np.pi, count))
    radius = rng.uniform(2, 40, count)
    rim = np.stack([np.cos(angles), np.sin(angles)], axis=1) * radius[:, None]
    triangles = [[0, 1 + k, 1 + (k + 1) % count] for k in range(count)]
    return np.concatenate([[[0, 0]], rim]), triangles


def grid(rng):
    """A sheared grid of 3 x 3 cells, each cut along a random diagonal."""
    x, y = np.meshgrid(np.arange(4.0), np.arange(4.0))
    points = np.stack([x.ravel(), y.ravel()], axis=1) * rng.uniform(0.3, 5) - 2
    points = points @ (np.eye(2) + rng.uniform(-0.4, 0.4, (2, 2)))
    triangles = []
    for row in range(3):
        for column in range(3):
            a = 4 * row + column
            b, c, d = a + 1, a + 5, a + 4
            cut = rng.integers(2)
            triangles += [[a, b, c], [a, c, d]] if cut else [[a, b, d], [b, c, d]]
    return points, triangles


@jax.jit
def covered(vertices, triangle):
    return draw(vertices, triangle[None], 32, 32).triangle_id >= 0


@pytest.mark.parametrize("make", [fan, grid])
@pytest.mark.parametrize("aligned", [False, True], ids=["any shift", "on pixel centres"])
def test_planar_meshes_are_covered_exactly_once(make, aligned):
    rng = np.random.default_rng(0)
    for _ in range(12):
        points, triangles = make(rng)
        shift = rng.uniform(12, 20, 2)
        points = points + shift
        if aligned:  # vertices and many edges on pixel centres, where only the tie rule decides
            points = np.round(points) + 0.5
        vertices = np.zeros((16, 4), np.float32)
        vertices[: len(points)] = np.pad(2 * points / 32 - 1, ((0, 0), (0, 2)), constant_values=1)
        count = sum(np.asarray(covered(vertices, np.array(t))).astype(int) for t in triangles)
        # Expected of the float32 positions, with every pixel centre moved right and down a little.
        x, y = np.meshgrid(np.arange(32) + 0.5 + 1e-7, np.arange(32) + 0.5 + 1e-9)
        pixels = 16 * vertices[:, :2].astype(np.float64) + 16
        expected = np.zeros((32, 32), int)
        for triangle in triangles:
            sides = [
                np.sign((q[0] - p[0]) * (y - p[1]) - (q[1] - p[1]) * (x - p[0]))
                for p, q in zip(pixels[triangle], pixels[np.roll(triangle, -1)], strict=True)
            ]
            expected += np.abs(sum(sides)) == 3
        np.testing.assert_array_equal(count, expected)
        if make is grid and not aligned:  # rounding corners to pixels may fold a grid
            assert count.max() == 1


@pytest.mark.parametrize("size", [512, 2048])
def test_a_fan_whose_edges_graze_pixel_centres_is_covered_once_at_large_sizes(size):
    # Spokes at multiples of 45 degrees run through thousands of pixel centres; a shift by the last
    # bit of a float32 coordinate puts the centres beside them by less than float32 can evaluate.
    rng = np.random.default_rng(size)
    draw_one = jax.jit(lambda v, t: draw(v, t, size, size).triangle_id >= 0)
    angles = np.arange(8) * np.pi / 4
    rim = np.stack([np.cos(angles), np.sin(angles)], axis=1) * 2 * size
    for shift in (0.5, 0.5 + 2**-12, rng.uniform()):
        points = np.concatenate([[[0, 0]], rim]) + size // 2 + shift
        vertices = np.pad(2 * points / size - 1, ((0, 0), (0, 2)), constant_values=1)
        count = sum(
            np.asarray(
                draw_one(vertices.astype(np.float32), np.array([[0, 1 + k, 1 + (k + 1) % 8]]))
            ).astype(np.int32)
            for k in range(8)
        )
        assert count.min() == 1 and count.max() == 1


def test_the_front_and_back_of_a_closed_sphere_cover_the_same_pixels_once():
    # 12 meridians, 6 rings: every pixel inside the outline meets the surface twice.
    theta, phi = np.meshgrid(np.linspace(0, np.pi, 7), np.arange(12) * np.pi / 6, indexing="ij")
    points = np.stack([np.sin(theta) * np.cos(phi), np.cos(theta), np.sin(theta) * np.sin(phi)], -1)
    points = points.reshape(-1, 3).astype(np.float32)
    points[:12], points[-12:] = [0, 1, 0], [0, -1, 0]  # the poles, exactly
    triangles = []
    for ring in range(6):
        for k in range(12):
            a, b = 12 * ring + k, 12 * ring + (k + 1) % 12
            triangles += [[a, b, b + 12], [a, b + 12, a + 12]]
    draw_sides = jax.jit(lambda v, t: draw(v, t, 32, 32).triangle_id >= 0, static_argnums=())
    rng = np.random.default_rng(1)
    count = np.zeros((32, 32), int)
    vertices = np.c_[0.8 * points[:, :2] + rng.uniform(-0.1, 0.1, 2), points[:, 2], np.ones(84)]
    for triangle in triangles:
        count += np.asarray(draw_sides(vertices.astype(np.float32), np.array([triangle])))
    assert set(np.unique(count)) == {0, 2}
