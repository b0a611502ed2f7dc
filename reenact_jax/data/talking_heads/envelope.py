"""Small geometry for what is worn on a head: grids of vertices, and a surface round the head."""

from collections.abc import Callable

import numpy as np
from scipy import ndimage

AXIS_Z = -0.30
# Grid of the envelope: angle round the axis, height.
_ANGLES, _HEIGHTS = 72, 56
_LOW, _HIGH = -1.3, 1.1

Envelope = Callable[[np.ndarray, np.ndarray], np.ndarray]


def grid_triangles(rows: int, columns: int, closed: bool) -> np.ndarray:
    """(G, 3) triangles of a grid of vertices; `closed` joins the last column with the first."""
    grid = np.arange(rows * columns).reshape(rows, columns)
    if closed:
        grid = np.concatenate([grid, grid[:, :1]], axis=1)
    a, b, c, d = grid[:-1, :-1], grid[:-1, 1:], grid[1:, :-1], grid[1:, 1:]
    return np.concatenate(
        [np.stack([a, c, b], -1).reshape(-1, 3), np.stack([b, c, d], -1).reshape(-1, 3)]
    )


def unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)


def make_envelope(neutral: np.ndarray) -> Envelope:
    """(angle, height) -> radius about the vertical axis of a smooth surface outside the head."""
    x, y, z = neutral.T
    angle, radius = np.arctan2(x, z - AXIS_Z), np.hypot(x, z - AXIS_Z)
    column = np.floor((angle / (2 * np.pi) + 0.5) * _ANGLES).astype(int) % _ANGLES
    row = np.clip((y - _LOW) / (_HIGH - _LOW) * _HEIGHTS, 0, _HEIGHTS - 1).astype(int)
    table = np.zeros((_HEIGHTS, _ANGLES))
    np.maximum.at(table, (row, column), radius)
    modes = ("nearest", "wrap")
    table = ndimage.maximum_filter(table, size=(3, 5), mode=modes)
    table = ndimage.gaussian_filter(table, (1.0, 1.6), mode=modes)

    def radius_at(angle: np.ndarray, height: np.ndarray) -> np.ndarray:
        at = np.stack(
            [
                np.clip((height - _LOW) / (_HIGH - _LOW) * _HEIGHTS - 0.5, 0, _HEIGHTS - 1),
                (angle / (2 * np.pi) + 0.5) * _ANGLES - 0.5,
            ]
        )
        return ndimage.map_coordinates(table, at, order=1, mode="grid-wrap")

    return radius_at
