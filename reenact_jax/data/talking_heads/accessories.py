"""Hair and glasses over the face: small meshes that are fixed to a person's head.

Every person has the same number of vertices and triangles, so that one compiled program draws all;
what a person does not wear is shrunk to a point, and degenerate triangles are not drawn.
"""

import dataclasses

import jax
import numpy as np
from scipy import ndimage

_LOCKS, _SEGMENTS = 26, 9
_RING, _LENS_RINGS = 28, 3
_ARM, _BRIDGE = 8, 6
_AXIS_Z = -0.30
# Grid of the envelope: angle round the axis, height.
_ANGLES, _HEIGHTS = 72, 56
_LOW, _HIGH = -1.3, 1.1


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Accessories:
    """What sits on a head: hair first, then the frame of the glasses, then their lenses.

    NumPy float32 leaves; positions in the model frame, decimetres, for the neutral head.

    Attributes:
      points, normals: (X, 3).
      albedo: (X, 3) RGB in [0, 1].
      lens_tint: (3,) RGB of the lenses.
      lens_opacity: () how much of what lies behind a lens it hides.
    """

    points: np.ndarray
    normals: np.ndarray
    albedo: np.ndarray
    lens_tint: np.ndarray
    lens_opacity: np.ndarray


def _grid_triangles(rows: int, columns: int, closed: bool) -> np.ndarray:
    """(G, 3) triangles of a grid of vertices; `closed` joins the last column with the first."""
    grid = np.arange(rows * columns).reshape(rows, columns)
    if closed:
        grid = np.concatenate([grid, grid[:, :1]], axis=1)
    a, b, c, d = grid[:-1, :-1], grid[:-1, 1:], grid[1:, :-1], grid[1:, 1:]
    return np.concatenate(
        [np.stack([a, c, b], -1).reshape(-1, 3), np.stack([b, c, d], -1).reshape(-1, 3)]
    )


def _layout() -> tuple[dict[str, tuple[int, int]], dict[str, np.ndarray]]:
    """Ranges of vertices and triangles of hair, frame and lenses."""
    lock = _grid_triangles(_SEGMENTS + 1, 3, closed=False)
    rim = _grid_triangles(_RING + 1, 4, closed=True)
    tubes = [_grid_triangles(_BRIDGE, 4, closed=True)]
    tubes += 2 * [_grid_triangles(_ARM, 4, closed=True)]
    lens = _grid_triangles(_LENS_RINGS, _RING, closed=True)
    parts = {"hair": _LOCKS * [lock], "frame": [rim, rim, *tubes], "lenses": [lens, lens]}
    sizes = {"hair": _LOCKS * [3 * (_SEGMENTS + 1)]}
    sizes["frame"] = 2 * [4 * (_RING + 1)] + [4 * _BRIDGE] + 2 * [4 * _ARM]
    sizes["lenses"] = 2 * [_LENS_RINGS * _RING]
    ranges, triangles, start = {}, {}, 0
    for name, pieces in parts.items():
        first, shifted = start, []
        for piece, size in zip(pieces, sizes[name], strict=True):
            shifted.append(piece + start)
            start += size
        ranges[name] = (first, start)
        triangles[name] = np.concatenate(shifted).astype(np.int32)
    return ranges, triangles


RANGES, TRIANGLES = _layout()
NUM_POINTS = RANGES["lenses"][1]


def make_accessories(
    rng: np.random.Generator,
    neutral: np.ndarray,
    landmarks68: np.ndarray,
    hair_colour: np.ndarray,
    *,
    bald: bool,
) -> Accessories:
    """Hair and glasses of one person.

    Args:
      rng: decides everything.
      neutral: (V, 3) the person's neutral head, decimetres.
      landmarks68: (68,) its landmarks.
      hair_colour: (3,) albedo.
      bald: no hair falls over this face.
    """
    points = np.tile(neutral.mean(axis=0), (NUM_POINTS, 1))
    normals = np.tile([0.0, 0.0, 1.0], (NUM_POINTS, 1))
    albedo = np.zeros((NUM_POINTS, 3))
    envelope = _envelope(neutral)
    first, stop = RANGES["hair"]
    locks = _hair_style(rng)
    if not bald:
        for number, lock in enumerate(locks[:_LOCKS]):
            at = first + number * 3 * (_SEGMENTS + 1)
            part = slice(at, at + 3 * (_SEGMENTS + 1))
            points[part], normals[part] = _lock(lock, envelope)
            shades = rng.uniform(0.75, 1.2, 3) * np.array([0.9, 1.08, 0.9])
            albedo[part] = np.tile(shades, _SEGMENTS + 1)[:, None] * hair_colour
    wears = rng.uniform() < 0.3
    frame = _Frame.draw(rng)
    dark = rng.uniform() < 0.2
    tint = rng.uniform(0.02, 0.16, 3) if dark else rng.uniform(0.5, 0.9, 3)
    opacity = rng.uniform(0.6, 0.85) if dark else rng.uniform(0.03, 0.14)
    if wears:
        first = RANGES["frame"][0]
        shapes, directions = _glasses(frame, neutral, landmarks68, envelope)
        points[first:], normals[first:] = shapes, directions
        albedo[first : RANGES["frame"][1]] = frame.colour
    return Accessories(
        points=points.astype(np.float32),
        normals=_unit(normals).astype(np.float32),
        albedo=np.clip(albedo, 0.0, 1.0).astype(np.float32),
        lens_tint=tint.astype(np.float32),
        lens_opacity=np.float32(opacity),
    )


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)


def _envelope(neutral: np.ndarray):
    """(angle, height) -> radius about the vertical axis of a smooth surface outside the head."""
    x, y, z = neutral.T
    angle, radius = np.arctan2(x, z - _AXIS_Z), np.hypot(x, z - _AXIS_Z)
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


@dataclasses.dataclass(frozen=True)
class _Lock:
    """A lock from (angle, height) to (angle, height), radians and decimetres."""

    start: tuple[float, float]
    stop: tuple[float, float]
    width: float
    lift: float
    wave: float
    phase: float


def _hair_style(rng: np.random.Generator) -> list[_Lock]:
    """Nothing, a fringe, hair down both sides of the face, or a few loose strands."""
    style = rng.choice(4, p=(0.34, 0.26, 0.20, 0.20))
    tilt, length = rng.uniform(-0.45, 0.45), rng.uniform(0.0, 1.0)
    locks = []

    def add(start, stop, width, wave):
        lift, phase = rng.uniform(0.015, 0.04), rng.uniform(0.0, 2.0 * np.pi)
        locks.append(_Lock(start, stop, width, lift, wave, phase))

    if style == 1:
        for angle in np.linspace(-0.85, 0.85, 22) + 0.05 * rng.normal(size=22):
            low = 0.50 - 0.26 * length + 0.12 * abs(angle) + 0.06 * rng.normal()
            bent = angle + tilt * rng.uniform(0.5, 1.0)
            add((angle, 0.86), (bent, low), rng.uniform(0.08, 0.13), 0.02)
    elif style == 2:
        parting = 0.35 * tilt
        low = -0.15 - 0.75 * length
        wave = rng.uniform(0.02, 0.07)
        for k in range(24):
            side = 1.0 if k % 2 else -1.0
            depth = (k // 2) / 11.0
            start = (parting + side * (0.10 + 0.55 * depth), 0.90 - 0.05 * depth)
            stop = (side * (0.62 + 0.55 * depth), low + 0.12 * rng.normal())
            add(start, stop, rng.uniform(0.08, 0.13), wave)
    elif style == 3:
        for _ in range(rng.integers(3, 9)):
            angle = rng.normal(0.0, 0.55)
            stop = (angle + 0.5 * rng.normal(), rng.uniform(-0.45, 0.45))
            add((angle, 0.84), stop, rng.uniform(0.015, 0.045), 0.05)
    return locks


def _lock(lock: _Lock, envelope) -> tuple[np.ndarray, np.ndarray]:
    """Points and normals (3 (segments + 1), 3) of one tapering lock."""
    s = np.linspace(0.0, 1.0, _SEGMENTS + 1)
    swing = lock.wave * np.sin(7.0 * s + lock.phase) * s
    # Falls to the side first, then down.
    angle = lock.start[0] + (lock.stop[0] - lock.start[0]) * s**0.8 + swing
    height = lock.start[1] + (lock.stop[1] - lock.start[1]) * s**1.2
    width = lock.width * np.clip(1.06 - s, 0.0, 1.0) ** 0.35
    points, normals = [], []
    for column in (-1.0, 0.0, 1.0):
        at = angle + 0.5 * column * width / 0.9
        stands = lock.lift * (0.3 + np.sin(np.pi * np.minimum(s, 0.9)))
        stands = stands - 0.05 * (1.0 - s) ** 4 + 0.018 * (column == 0.0)
        radius = envelope(at, height) + stands
        points.append(
            np.stack([radius * np.sin(at), height, _AXIS_Z + radius * np.cos(at)], axis=-1)
        )
        tilted = at + 0.6 * column
        normals.append(np.stack([np.sin(tilted), 0.25 + 0.0 * at, np.cos(tilted)], axis=-1))
    return np.stack(points, 1).reshape(-1, 3), np.stack(normals, 1).reshape(-1, 3)


@dataclasses.dataclass(frozen=True)
class _Frame:
    """Shape and colour of a pair of glasses (decimetres)."""

    half_width: float
    half_height: float
    squareness: float
    thickness: float
    drop: float
    colour: np.ndarray

    @classmethod
    def draw(cls, rng: np.random.Generator) -> "_Frame":
        metal = rng.uniform() < 0.35
        grey = rng.uniform(0.03, 0.35) if not metal else rng.uniform(0.35, 0.8)
        return cls(
            half_width=rng.uniform(0.18, 0.23),
            half_height=rng.uniform(0.13, 0.19),
            squareness=rng.uniform(2.0, 5.0),
            thickness=rng.uniform(0.008, 0.012) if metal else rng.uniform(0.012, 0.024),
            drop=rng.uniform(0.0, 0.04),
            colour=np.clip(grey + rng.uniform(-0.08, 0.25, 3) * (0.3 if metal else 1.0), 0.02, 1),
        )


def _tube(path: np.ndarray, thickness: float) -> tuple[np.ndarray, np.ndarray]:
    """A tube of four sides round a path (N, 3): points and normals (4 N, 3)."""
    along = _unit(np.gradient(path, axis=0))
    guide = np.where(np.abs(along[:, 2:]) < 0.8, [[0.0, 0.0, 1.0]], [[0.0, 1.0, 0.0]])
    side = _unit(np.cross(along, guide))
    upper = np.cross(side, along)
    normals = np.stack([side + upper, upper - side, -side - upper, side - upper], axis=1)
    points = path[:, None] + thickness * normals
    return points.reshape(-1, 3), normals.reshape(-1, 3)


def _glasses(frame: _Frame, neutral, landmarks68, envelope) -> tuple[np.ndarray, np.ndarray]:
    """Points and normals of frame and lenses for one head, in the order of `TRIANGLES`."""
    marks = neutral[landmarks68]
    right, left = marks[36:42].mean(axis=0), marks[42:48].mean(axis=0)
    level = 0.5 * (right[1] + left[1]) - frame.drop
    apart = max(0.5 * (left[0] - right[0]), frame.half_width + 0.05)
    x, y, z = neutral.T
    around = (np.abs(np.abs(x) - apart) < frame.half_width) & (np.abs(x) > 0.16)
    around &= np.abs(y - level) < frame.half_height
    front = z[around].max() + 0.05

    def bent(plane: np.ndarray) -> np.ndarray:
        # Lenses follow the face: backwards towards the temples.
        return front - 0.22 * plane[..., 0] ** 2

    turn = np.linspace(0.0, 2.0 * np.pi, _RING + 1)
    cosine, sine = np.cos(turn), np.sin(turn)
    power = 2.0 / frame.squareness
    outline = np.stack(
        [
            frame.half_width * np.sign(cosine) * np.abs(cosine) ** power,
            frame.half_height * np.sign(sine) * np.abs(sine) ** power,
        ],
        axis=-1,
    )
    pieces, lenses = [], []
    for side in (-1.0, 1.0):
        flat = outline * [side, 1.0] + [side * apart, level]
        pieces.append(_tube(np.concatenate([flat, bent(flat)[:, None]], 1), frame.thickness))
        rings = np.linspace(0.02, 1.0, _LENS_RINGS)[:, None, None]
        disc = outline[None, :-1] * rings * [side, 1.0] + [side * apart, level]
        points = np.concatenate([disc, bent(disc)[..., None] - 0.004], -1).reshape(-1, 3)
        bulge = (disc - [side * apart, level]).reshape(-1, 2) * [2.2, 2.2]
        lenses.append((points, np.concatenate([bulge, np.ones((len(bulge), 1))], -1)))
    t = np.linspace(-1.0, 1.0, _BRIDGE)
    inner = apart - frame.half_width
    flat = np.stack([inner * t, level + 0.3 * frame.half_height + 0.02 * (1 - t**2)], -1)
    path = np.concatenate([flat, (bent(flat) + 0.05 * (1 - t**2))[:, None]], 1)
    pieces.append(_tube(path, frame.thickness))
    for side in (-1.0, 1.0):
        hinge = np.array([side * (apart + frame.half_width), level + 0.4 * frame.half_height])
        s = np.linspace(0.0, 1.0, _ARM)
        beside = np.float64(envelope(np.array([side * 1.2]), np.array([hinge[1]]))[0])
        far = side * max(abs(hinge[0]) + 0.02, beside * np.sin(1.2) + 0.01)
        start = bent(hinge)
        path = np.stack(
            [
                hinge[0] + (far - hinge[0]) * np.minimum(2.0 * s, 1.0),
                hinge[1] - 0.03 * s,
                start + (-0.30 - start) * s,
            ],
            axis=-1,
        )
        pieces.append(_tube(path, frame.thickness))
    points, normals = (np.concatenate(each) for each in zip(*pieces, *lenses, strict=True))
    return points, normals
