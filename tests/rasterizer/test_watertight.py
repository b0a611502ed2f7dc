"""No crack and no double hit: how often each pixel centre is covered, triangle by triangle."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial import Delaunay

from rasterizer import rasterize, rasterize_reference
from rasterizer.few import FEW_TRIANGLES

SIZE = 32
NUM_VERTICES, NUM_TRIANGLES = 84, 144  # the sphere's; smaller meshes are padded


def among(num_triangles, triangle):
    """A mesh of one triangle (3,): alone, or with as many that vanish as make it a long list."""
    return jnp.pad(triangle[None], ((0, num_triangles - 1), (0, 0)), constant_values=-1)


@functools.partial(jax.jit, static_argnums=2)
def _count_in_jax(vertices, triangles, num_triangles):
    def add(count, triangle):
        mesh = among(num_triangles, triangle)
        return count + (rasterize(vertices, mesh, SIZE, SIZE).triangle_id >= 0), None

    return jax.lax.scan(add, jnp.zeros((SIZE, SIZE), jnp.int32), triangles)[0]


def count_in_jax(vertices, triangles, num_triangles=FEW_TRIANGLES + 1):
    vertices = np.pad(vertices, ((0, NUM_VERTICES - len(vertices)), (0, 0)))
    missing = NUM_TRIANGLES - len(triangles)
    triangles = np.pad(triangles, ((0, missing), (0, 0)), constant_values=-1)
    return np.asarray(_count_in_jax(vertices, triangles, num_triangles))


count_of_few = functools.partial(count_in_jax, num_triangles=1)


def count_in_reference(vertices, triangles):
    return sum(
        (rasterize_reference(vertices, triangle[None], SIZE, SIZE)[0] >= 0).astype(int)
        for triangle in triangles
    )


every = pytest.mark.parametrize(
    "count", [count_in_jax, count_of_few, count_in_reference], ids=["jax", "few", "reference"]
)


def flat(points, size):
    """Clip-space vertices of points in pixels, at w = 1."""
    return np.pad(2 * points / size - 1, ((0, 0), (0, 2)), constant_values=1).astype(np.float32)


def fan(rng):
    """A closed fan around one vertex, with uneven sectors."""
    count = int(rng.integers(3, 9))
    angles = np.sort(rng.uniform(0, 2 * np.pi, count))
    radius = rng.uniform(2, 40, count)
    rim = np.stack([np.cos(angles), np.sin(angles)], axis=1) * radius[:, None]
    triangles = [[0, 1 + k, 1 + (k + 1) % count] for k in range(count)]
    return np.concatenate([[[0, 0]], rim]), np.array(triangles)


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
    return points, np.array(triangles)


def triangulation(rng):
    """Delaunay's triangulation of random points, some of them outside the image."""
    points = rng.uniform(-20, 20, (int(rng.integers(4, 30)), 2))
    return points, Delaunay(points).simplices


def exact_count(vertices, triangles):
    """Of the float32 positions, in float64, every pixel centre moved right and down a little."""
    x, y = np.meshgrid(np.arange(SIZE) + 0.5 + 1e-7, np.arange(SIZE) + 0.5 + 1e-9)
    pixels = SIZE / 2 * vertices[:, :2].astype(np.float64) + SIZE / 2
    expected = np.zeros((SIZE, SIZE), int)
    for triangle in triangles:
        sides = [
            np.sign((q[0] - p[0]) * (y - p[1]) - (q[1] - p[1]) * (x - p[0]))
            for p, q in zip(pixels[triangle], pixels[np.roll(triangle, -1)], strict=True)
        ]
        expected += np.abs(sum(sides)) == 3
    return expected


@every
@pytest.mark.parametrize("make", [fan, grid, triangulation])
@pytest.mark.parametrize("aligned", [False, True], ids=["any shift", "on pixel centres"])
def test_planar_meshes_are_covered_as_often_as_exact_geometry_says(count, make, aligned):
    rng = np.random.default_rng(0)
    for _ in range(8):
        points, triangles = make(rng)
        points = points + rng.uniform(12, 20, 2)
        if aligned:  # vertices and many edges on pixel centres, where only the tie rule decides
            points = np.round(points) + 0.5
        vertices = flat(points, SIZE)
        found = count(vertices, triangles)
        np.testing.assert_array_equal(found, exact_count(vertices, triangles))
        if make is not fan and not aligned:  # rounding corners to pixels may fold a mesh
            assert found.max() == 1


@every
def test_the_front_and_the_back_of_a_closed_sphere_cover_the_same_pixels_once(count, sphere):
    points, triangles = sphere
    rng = np.random.default_rng(1)
    for _ in range(3):
        xy = rng.uniform(0.3, 1.4) * points[:, :2] + rng.uniform(-0.3, 0.3, 2)
        vertices = np.c_[xy, points[:, 2], np.ones(84)].astype(np.float32)
        found = count(vertices, triangles)
        assert set(np.unique(found)) <= {0, 2} and found.max() == 2


@every
def test_a_sphere_around_the_camera_covers_every_pixel_once(count, sphere):
    # Most of its triangles are behind the camera, many cross the camera plane.
    points, triangles = sphere
    rng = np.random.default_rng(2)
    for _ in range(2):
        x, y, z = (points + rng.uniform(-0.4, 0.4, 3)).T
        vertices = np.stack([1.2 * x, 0.8 * y, np.full_like(z, -0.1), z], axis=-1)
        found = count(vertices.astype(np.float32), triangles)
        assert found.min() == 1 and found.max() == 1


@pytest.mark.parametrize("num_triangles", [1, FEW_TRIANGLES + 1])
@pytest.mark.parametrize("size", [512, pytest.param(2048, marks=pytest.mark.slow)])
def test_large_planar_meshes_leave_no_crack_and_no_double_hit(size, num_triangles):
    rng = np.random.default_rng(size)
    # Eight spokes at multiples of 45 degrees run through thousands of pixel centres; a shift by the
    # last bit of a float32 coordinate puts the centres beside them by less than float32 resolves.
    angles = np.arange(8) * np.pi / 4
    rim = np.stack([np.cos(angles), np.sin(angles)], axis=1) * 2 * size
    spokes = np.concatenate([[[0, 0]], rim]) + size // 2
    sectors = np.array([[0, 1 + k, 1 + (k + 1) % 8] for k in range(8)])
    corners = np.array([[-1, -1], [2, -1], [2, 2], [-1, 2]]) * size
    random = np.concatenate([corners, rng.uniform(0, size, (5, 2))])
    cases = [(spokes + shift, sectors) for shift in (0.5, 0.5 + 2**-12)]
    cases += [(random + shift, Delaunay(random).simplices) for shift in (0, rng.uniform())]
    for points, triangles in cases:
        vertices = flat(points, size)
        count = np.zeros((size, size), np.int8)
        for triangle in triangles:
            mesh = among(num_triangles, triangle.astype(np.int32))
            found = rasterize(vertices, mesh, size, size)
            count += np.asarray(found.triangle_id) >= 0
        assert count.min() == 1 and count.max() == 1
