"""What surrounds a head in the synthetic world: light, shoulders and clothes."""

import dataclasses

import jax
import numpy as np

from reenact_jax.data.talking_heads.noise import band_noise, muted, smooth, soft_box

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
    """What the plain `Renderer` puts round a head (NumPy float32 leaves).

    Attributes:
      background: (R, R, 3) RGB in [0, 1] at the rendering resolution.
      torso_vertices: (W, 3) decimetres, model frame.
      torso_albedo: (W, 3) RGB in [0, 1].
    """

    background: np.ndarray
    torso_vertices: np.ndarray
    torso_albedo: np.ndarray


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Light:
    """The light of a clip, fixed to the camera (NumPy float32 leaves).

    Attributes:
      bands: (27,) soft light, as in FaceParameters.
      direction: (3,) unit vector to the key light, y-up frame in front of the camera.
      key: (3,) RGB of the key light, which makes highlights.
    """

    bands: np.ndarray
    direction: np.ndarray
    key: np.ndarray


def make_light(rng: np.random.Generator) -> Light:
    """Ambient light, a key light from somewhere above and in front, a weaker fill.

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
    return Light(
        bands=bands.reshape(27).astype(np.float32),
        direction=np.asarray(_direction(azimuth, elevation), np.float32),
        key=strength.astype(np.float32),
    )


def make_lighting(rng: np.random.Generator) -> np.ndarray:
    """(27,) the bands of `make_light`."""
    return make_light(rng).bands


def _direction(azimuth: float, elevation: float) -> tuple[float, float, float]:
    level = np.cos(elevation)
    return level * np.sin(azimuth), np.sin(elevation), level * np.cos(azimuth)


def _directional(angles: tuple[float, float] | None) -> np.ndarray:
    """Nine coefficients of a light of strength 1; None is ambient light."""
    bands = np.zeros(9)
    if angles is None:
        bands[0] = 1.0 / 0.8862269
        return bands
    x, y, z = _direction(*angles)
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

    cloth = muted(rng, 0.08, 0.82)
    trim = np.clip(cloth * rng.uniform(0.4, 1.6), 0.04, 0.95)
    trim = trim + rng.uniform(0.0, 0.6) * (muted(rng, 0.05, 0.9) - trim)
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


# The window of the torso that the cloth texture covers, front view (decimetres).
CLOTH_WINDOW = (-2.4, -3.6, 2.4, -1.1)
_CLOTH_ROWS, _CLOTH_COLUMNS = 128, 240


def make_cloth(rng: np.random.Generator) -> np.ndarray:
    """(rows, columns, 3) float32 albedo in [0, 1]: clothes from in front, in `CLOTH_WINDOW`."""
    x0, y0, x1, y1 = CLOTH_WINDOW
    y, x = np.meshgrid(
        y1 - (np.arange(_CLOTH_ROWS) + 0.5) / _CLOTH_ROWS * (y1 - y0),
        x0 + (np.arange(_CLOTH_COLUMNS) + 0.5) / _CLOTH_COLUMNS * (x1 - x0),
        indexing="ij",
    )
    ground, other = muted(rng, 0.06, 0.82), muted(rng, 0.05, 0.9)
    cloth = np.broadcast_to(ground, (*x.shape, 3))

    def painted(colour: np.ndarray, inside: np.ndarray) -> np.ndarray:
        return cloth + inside[..., None] * (colour - cloth)

    size = rng.uniform(0.16, 0.4)
    across = smooth(0.5 + 3.0 * np.sin(2 * np.pi * (y / size + 0.15 * x**2)))
    down = smooth(0.5 + 3.0 * np.sin(2 * np.pi * x / size))
    fine, folds = band_noise(rng, x.shape, 1.0, 9.0)
    pattern = rng.integers(6)
    if pattern == 0:
        cloth = painted(other, across)
    elif pattern == 1:
        cloth = painted(0.5 * (ground + other), across)
        cloth = painted(other, 0.6 * down)
    elif pattern == 2:
        cell = np.hypot((x / size) % 1.0 - 0.5, (y / size) % 1.0 - 0.5)
        cloth = painted(other, smooth((0.24 - cell) / 0.08))
    elif pattern == 3:
        # A jacket open over a shirt.
        opening = 0.16 + 0.40 * np.clip((-1.45 - y) / 1.6, 0.0, 1.0)
        cloth = painted(other, smooth((opening - np.abs(x)) / 0.04))
        lapel = smooth((0.10 - np.abs(np.abs(x) - opening - 0.12)) / 0.04)
        cloth = painted(0.75 * ground, lapel)
    elif pattern == 4:
        # A print on the chest.
        cloth = painted(other, soft_box(x, y, (-0.7, -2.6, 0.7, -1.9), 0.06))
        cloth = painted(ground, 0.8 * smooth(folds))
    collar = smooth((y + 1.42 + 0.10 * x**2) / 0.03)
    trim = np.clip(ground * rng.uniform(0.5, 1.5), 0.03, 0.95)
    cloth = painted(trim, collar * (rng.uniform() < 0.7))
    cloth = cloth * (1.0 + rng.uniform(0.02, 0.06) * fine + 0.08 * folds)[..., None]
    return np.clip(cloth, 0.0, 1.0).astype(np.float32)
