"""What stands around a head in the synthetic world: light, background and shoulders."""

import dataclasses

import jax
import numpy as np

_TORSO_ROWS, _TORSO_COLUMNS = 22, 40
# Rings of the torso, neck to bottom: height, half width, half depth, centre's z (decimetres).
_TORSO_PROFILE = np.array(
    [
        [-1.18, 0.44, 0.40, -0.24],
        [-1.28, 0.56, 0.46, -0.25],
        [-1.40, 0.95, 0.52, -0.28],
        [-1.56, 1.50, 0.58, -0.30],
        [-1.80, 1.88, 0.62, -0.30],
        [-2.30, 2.02, 0.66, -0.28],
        [-4.50, 2.05, 0.72, -0.28],
    ]
)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Scenery:
    """What stays the same within a clip, besides the person (NumPy float32 leaves).

    Attributes:
      background: (R, R, 3) RGB in [0, 1] at the rendering resolution.
      torso_vertices: (W, 3) decimetres, model frame.
      torso_albedo: (W, 3) RGB in [0, 1].
    """

    background: np.ndarray
    torso_vertices: np.ndarray
    torso_albedo: np.ndarray


def make_lighting(rng: np.random.Generator) -> np.ndarray:
    """(27,) soft light: ambient, a key light from somewhere above and in front, a weaker fill.

    A directional light of strength s seen by a Lambertian surface is s max(0, n.d), whose first
    nine spherical harmonics are s (1/4 + n.d / 2 + 15/32 ((n.d)^2 - 1/3)).
    """
    tint = 1.0 + rng.uniform(-0.06, 0.06, 3)
    ambient = rng.uniform(0.42, 0.60) * tint
    strength = rng.uniform(0.30, 0.54) * (1.0 + rng.uniform(-0.07, 0.07, 3))
    azimuth, elevation = rng.uniform(-1.1, 1.1), rng.uniform(0.0, 0.9)
    bands = ambient[:, None] * _directional(None)
    bands = bands + strength[:, None] * _directional((azimuth, elevation))
    opposite = rng.uniform(0.05, 0.2)
    bands = bands + opposite * strength[:, None] * _directional((-azimuth - 0.6, 0.2))
    bands[:, 0] -= 0.8  # what shading adds
    return bands.reshape(27).astype(np.float32)


def _directional(angles: tuple[float, float] | None) -> np.ndarray:
    """Nine coefficients of a light of strength 1; None is ambient light."""
    bands = np.zeros(9)
    if angles is None:
        bands[0] = 1.0 / 0.8862269
        return bands
    azimuth, elevation = angles
    x = np.cos(elevation) * np.sin(azimuth)
    y = np.sin(elevation)
    z = np.cos(elevation) * np.cos(azimuth)
    bands[0] = 0.25 / 0.8862269
    bands[1:4] = 0.5 * np.array([-y, z, -x]) / 1.7724539
    quadratic = 15.0 / 32.0
    bands[4:8] = quadratic * np.array(
        [
            2 * x * y / 2.4270324,
            -2 * y * z / 2.4270324,
            (3 * z * z - 1) / 6 / 0.7006239,
            -2 * x * z / 2.4270324,
        ]
    )
    bands[8] = quadratic * (x * x - y * y) / 2 / 1.2135162
    return bands


def _muted(rng: np.random.Generator, low: float, high: float) -> np.ndarray:
    """A random colour (3,), half as colourful as independent channels would be."""
    colour = rng.uniform(low, high, 3)
    return colour.mean() + 0.5 * (colour - colour.mean())


def make_background(rng: np.random.Generator, resolution: int) -> np.ndarray:
    """(R, R, 3) float32 in [0, 1]: a gradient, smooth blotches, soft-edged panels and a lamp.

    The same generator state gives the same picture at every resolution, up to sampling.
    """
    centre = (np.arange(resolution) + 0.5) / resolution
    y, x = np.meshgrid(centre, centre, indexing="ij")
    ends = np.stack([_muted(rng, 0.12, 0.88), _muted(rng, 0.12, 0.88)])
    angle = rng.uniform(0.0, 2.0 * np.pi)
    along = 0.5 + 0.7 * ((x - 0.5) * np.cos(angle) + (y - 0.5) * np.sin(angle))
    picture = ends[0] + np.clip(along, 0.0, 1.0)[..., None] * (ends[1] - ends[0])
    for _ in range(5):
        frequency = rng.uniform(-2.6, 2.6, 2) * 2.0 * np.pi
        wave = np.sin(frequency[0] * x + frequency[1] * y + rng.uniform(0.0, 2.0 * np.pi))
        picture = picture + wave[..., None] * (rng.normal(0.0, 0.045) + rng.normal(0.0, 0.016, 3))
    edge = 0.012
    for _ in range(rng.integers(2, 5)):
        middle, size = rng.uniform(0.0, 1.0, 2), rng.uniform(0.06, 0.24, 2)
        inside = 1.0
        for axis, centre_, half in ((x, middle[0], size[0]), (y, middle[1], size[1])):
            inside = inside / (1.0 + np.exp((np.abs(axis - centre_) - half) / edge))
        colour = _muted(rng, 0.08, 0.92)
        opacity = rng.uniform(0.35, 0.85)
        picture = picture + opacity * inside[..., None] * (colour - picture)
    middle, radius = rng.uniform(0.0, 1.0, 2), rng.uniform(0.04, 0.12)
    distance = np.hypot(x - middle[0], y - middle[1])
    inside = 1.0 / (1.0 + np.exp((distance - radius) / edge))
    picture = picture + 0.7 * inside[..., None] * (_muted(rng, 0.2, 1.0) - picture)
    return np.clip(picture, 0.0, 1.0).astype(np.float32)


def torso_triangles() -> np.ndarray:
    """(G, 3) int32, counter-clockwise seen from outside."""
    grid = np.arange(_TORSO_ROWS * _TORSO_COLUMNS).reshape(_TORSO_ROWS, _TORSO_COLUMNS)
    a, b = grid[:-1], np.roll(grid, -1, axis=1)[:-1]
    c, d = grid[1:], np.roll(grid, -1, axis=1)[1:]
    return np.concatenate(
        [np.stack([a, c, b], -1).reshape(-1, 3), np.stack([b, c, d], -1).reshape(-1, 3)]
    ).astype(np.int32)


def make_torso(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Vertices (W, 3) and albedo (W, 3), float32, of neck opening, shoulders and chest."""
    knots = np.linspace(0.0, 1.0, len(_TORSO_PROFILE))
    row = np.linspace(0.0, 1.0, _TORSO_ROWS)
    height, width, depth, centre = (np.interp(row, knots, column) for column in _TORSO_PROFILE.T)
    broad = rng.uniform(0.88, 1.10)
    width = width * (1.0 + (broad - 1.0) * np.clip(row / 0.4, 0.0, 1.0))
    # Columns start at the front and turn towards the subject's left (+x).
    angle = np.arange(_TORSO_COLUMNS) * 2.0 * np.pi / _TORSO_COLUMNS
    sine, cosine = np.sin(angle), np.cos(angle)
    x = width[:, None] * sine
    z = centre[:, None] + depth[:, None] * np.sign(cosine) * np.abs(cosine) ** 0.8
    neckline = rng.uniform(0.05, 0.22) * np.exp(-row / 0.2)[:, None]
    y = height[:, None] - neckline * np.maximum(cosine, 0.0) ** 2
    vertices = np.stack([x, np.broadcast_to(y, x.shape), z], axis=-1)

    cloth = _muted(rng, 0.08, 0.82)
    trim = np.clip(cloth * rng.uniform(0.4, 1.6), 0.04, 0.95)
    trim = trim + rng.uniform(0.0, 0.6) * (_muted(rng, 0.05, 0.9) - trim)
    kind = rng.integers(4)
    collar = row[:, None] < 0.16 + 0.0 * x
    stripes = np.sin(2.0 * np.pi * (_TORSO_ROWS / 6.0) * row)[:, None] + 0.0 * x > 0.2
    jacket = np.abs(x) > 0.16 + 0.35 * np.clip((height[:, None] + 2.2) / 1.0, 0.0, 1.0)
    painted = (collar, stripes, jacket & (row[:, None] > 0.1), np.zeros_like(collar))[kind]
    albedo = np.where(painted[..., None], trim, cloth)
    return (
        vertices.reshape(-1, 3).astype(np.float32),
        albedo.reshape(-1, 3).astype(np.float32),
    )
