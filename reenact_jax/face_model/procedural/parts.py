"""Vertex ids and triangles of the sheets and balls that the procedural head is made of."""

import numpy as np


def quads(grid: np.ndarray) -> np.ndarray:
    """Triangles of a (rows, columns) grid of ids, counter-clockwise where rows run down and
    columns to the right; quads with repeated corners keep what is left of them."""
    a, b, c, d = grid[:-1, :-1], grid[:-1, 1:], grid[1:, :-1], grid[1:, 1:]
    # The diagonal changes from quad to quad: no direction is preferred in the shading.
    odd = (np.add.outer(np.arange(a.shape[0]), np.arange(a.shape[1])) % 2)[..., None, None] == 1
    falling = np.stack([np.stack([a, c, d], -1), np.stack([a, d, b], -1)], axis=-2)
    rising = np.stack([np.stack([a, c, b], -1), np.stack([b, c, d], -1)], axis=-2)
    triangles = np.where(odd, falling, rising).reshape(-1, 3)
    i, j, k = triangles.T
    return triangles[(i != j) & (j != k) & (k != i)]


class Parts:
    """Hands out vertex ids for one part after the other and gathers the triangles."""

    def __init__(self, middle: np.ndarray):
        self.triangles: list[np.ndarray] = []
        self.middle = middle

    @property
    def num_vertices(self) -> int:
        return len(self.middle)

    def new(
        self,
        rows: int,
        columns: int,
        *,
        first_in_middle: bool = False,
        both_in_middle: bool = False,
    ) -> np.ndarray:
        """(rows, columns) ids; the first (or first and last) column on the plane of symmetry."""
        on_middle = np.zeros((rows, columns), bool)
        on_middle[:, 0] = first_in_middle or both_in_middle
        on_middle[:, -1] |= both_in_middle
        ids = self.num_vertices + np.arange(rows * columns).reshape(rows, columns)
        self.middle = np.concatenate([self.middle, on_middle.reshape(-1)])
        return ids

    def polar(self, rings: int, sectors: int) -> np.ndarray:
        """(rings, sectors) ids round a pole, and their triangles."""
        ids = self.new(1, 1)[0, 0] * np.ones((rings, sectors), int)
        ids[1:] = self.new(rings - 1, sectors)
        self.triangles.append(quads(np.concatenate([ids, ids[:, :1]], axis=1)))
        return ids
