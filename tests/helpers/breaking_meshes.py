"""Meshes that break rasterizers, small enough to be drawn one program after the other."""

import functools

import numpy as np


def _flat(points, height, width, z=0.0, w=1.0):
    """Clip space of points (x, y in pixels), at one depth."""
    points = np.asarray(points, np.float64)
    x, y = 2 * points[:, 0] / width - 1, 2 * points[:, 1] / height - 1
    return np.stack([x * w, y * w, np.full_like(x, z * w), np.full_like(x, w)], axis=-1)


def _fan(centre, radius, count, height, width):
    """Triangles around a vertex; spokes at multiples of 45 degrees run through pixel centres."""
    angles = np.arange(count) * 2 * np.pi / count
    rim = np.asarray(centre) + radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    triangles = [[0, 1 + k, 1 + (k + 1) % count] for k in range(count)]
    return _flat(np.concatenate([[centre], rim]), height, width), triangles


def _random(seed, count, height, width):
    rng = np.random.default_rng(seed)
    vertices = rng.normal(size=(3 * count, 4))
    vertices[:, :2] *= rng.choice([0.1, 0.5, 1, 5], (3 * count, 1))
    vertices[:, 3] = rng.uniform(0.5, 2, 3 * count)
    return vertices, np.arange(3 * count).reshape(-1, 3)


@functools.cache
def meshes():
    """Name -> vertices (N, V, 4) float32, triangles (F, 3) int32, height, width, culling."""
    found = {}

    def add(name, vertices, triangles, height, width, cull=False):
        vertices = np.asarray(vertices, np.float32)
        vertices = vertices if vertices.ndim == 3 else vertices[None]
        found[name] = vertices, np.asarray(triangles, np.int32), height, width, cull

    add("fan on pixel centres", *_fan((8.5, 8.5), 20, 8, 16, 16), 16, 16)
    add("fan beside them", *_fan((8.5 + 2**-12, 8.5), 20, 8, 16, 16), 16, 16)
    add("one pixel", *_fan((0.5, 0.5), 3, 5, 1, 1), 1, 1)
    x, y = np.meshgrid(np.arange(8.0), np.arange(8.0))
    a = (np.arange(7)[:, None] * 8 + np.arange(7)).reshape(-1)
    cells = np.concatenate([np.stack([a, a + 1, a + 9], 1), np.stack([a, a + 9, a + 8], 1)])
    for name, step in (("tiny", 0.6), ("on centres", 1.5)):
        points = np.stack([x.ravel(), y.ravel()], axis=1) * step + 0.5
        add(f"grid, {name}", _flat(points, 9, 14), cells, 9, 14)
    for seed, cull in ((0, False), (1, True)):
        add(f"random {seed}", *_random(seed, 12, 11, 14), 11, 14, cull)
    behind = np.random.default_rng(2).normal(size=(24, 4))
    add("across the camera plane", behind, np.arange(24).reshape(-1, 3), 9, 9)
    add("culled, across", behind, np.arange(24).reshape(-1, 3), 9, 9, True)
    broken, triangles = _random(3, 8, 9, 9)
    for k, value in enumerate((np.nan, np.inf, -np.inf, 3e38, 1e-42, 0.0)):
        broken[3 * k, k % 4] = value
    triangles = np.concatenate([triangles, [[-1, 0, 1], [0, 1, 24], [5, 5, 6]]])
    add("broken", broken, triangles, 9, 9)
    twice = _flat([[0, 0], [16, 0], [0, 16]], 8, 8)
    add("equal depth", twice, [[0, 0, 1], [0, 1, 2], [0, 1, 2], [2, 1, 0]], 8, 8)
    needles = np.random.default_rng(4).uniform(-1.2, 1.2, (6, 2, 2))
    needles = np.concatenate([needles, needles[:, 1:] + 0.004], axis=1).reshape(-1, 2)
    needles = np.pad(needles, ((0, 0), (0, 2)), constant_values=1)
    add("needles", needles, np.arange(18).reshape(-1, 3), 17, 17)
    pictures = np.stack([_random(seed, 12, 8, 10)[0] for seed in (5, 6, 7)])
    add("three pictures", pictures, np.arange(36).reshape(-1, 3), 8, 10)
    return found
