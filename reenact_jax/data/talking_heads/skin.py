"""What a person's head has beyond the face model: fine colour, relief, wrinkles and shape.

The texture lies on a cylinder round the mean head, so that it belongs to the material points of the
mesh and moves with them. Its upper part is the skin, its lower part the hair.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from reenact_jax.data.talking_heads.noise import band_noise, smooth
from reenact_jax.face_model.procedural import procedural_head

_COLUMNS, _SKIN_ROWS, _HAIR_ROWS = 512, 320, 96
# The cylinder: its axis, half its opening in radians, and the heights it spans (decimetres).
_AXIS_Z, _HALF_ANGLE, _BOTTOM, _TOP = -0.35, 1.9, -1.25, 1.10
_TEXELS_PER_DM = _SKIN_ROWS / (_TOP - _BOTTOM)
# Channels: log albedo (3), slopes of the relief (2), slopes (2) and log albedo (1) of wrinkles.
CHANNELS = 8
# Expression modes that deepen the wrinkles of forehead, eyes and cheeks.
_DEEPENING: tuple[dict[str, float], ...] = (
    {"browInnerUp": 0.9, "browOuterUp": 0.5, "browDown": 0.3},
    {"cheekSquint": 0.6, "eyeSquint": 0.6, "eyeBlink": 0.3, "mouthSmile": 0.4},
    {"mouthSmile": 1.0, "mouthUpperUp": 0.6, "noseSneer": 0.6, "cheekSquint": 0.4},
)
# Deviation of the displacement outside the basis, decimetres: 0.015 is 1.8 pixels at 256.
_DISPLACEMENT = 0.015


def texture_coordinates(rest: jax.Array, hair: jax.Array) -> jax.Array:
    """(..., 2) uv of `make_texture` for positions (..., 3) on the mean head.

    `hair` (..., 1) is above 0.5 where the strands of the lower part belong.
    """
    x, y, z = jnp.moveaxis(rest, -1, 0)
    angle = jnp.arctan2(x, z - _AXIS_Z)
    rows = _SKIN_ROWS + _HAIR_ROWS
    # Half a texel is kept free on both sides of the border between the parts.
    height = jnp.clip((y - _BOTTOM) / (_TOP - _BOTTOM), 0.0, 1.0) * (_SKIN_ROWS - 1.0) + 0.5
    skin = jnp.stack([0.5 + 0.5 * angle / _HALF_ANGLE, (_HAIR_ROWS + height) / rows], axis=-1)
    # Strands run from the crown outwards.
    around = jnp.arctan2(x, z + 0.25) / (2.0 * jnp.pi) + 0.5
    along = jnp.clip((y + 1.0) / 2.05, 0.0, 1.0) * (_HAIR_ROWS - 1.0) + 0.5
    strands = jnp.stack([around, along / rows], axis=-1)
    return jnp.where(hair > 0.5, strands, skin)


def texture_tangents(rest: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Directions (..., 3) in the model frame in which the two slopes of the texture are given."""
    x, _, z = jnp.moveaxis(rest, -1, 0)
    angle = jnp.arctan2(x, z - _AXIS_Z)
    right = jnp.stack([jnp.cos(angle), jnp.zeros_like(angle), -jnp.sin(angle)], axis=-1)
    return right, jnp.broadcast_to(jnp.asarray([0.0, 1.0, 0.0]), right.shape)


@functools.lru_cache(maxsize=2)
def deepening_weights(expression_names: tuple[str, ...]) -> np.ndarray:
    """(E, 3) float32: how much each mode deepens the wrinkles of forehead, eyes and cheeks."""
    weights = np.zeros((len(expression_names), 3), np.float32)
    for region, modes in enumerate(_DEEPENING):
        for mode, weight in modes.items():
            for row, name in enumerate(expression_names):
                if name == mode:
                    weights[row, region] = weight
                elif name in (f"{mode}_L", f"{mode}_R"):
                    weights[row, region] = 0.5 * weight
    return weights


def wrinkle_depth(rest: jax.Array, deepening: jax.Array) -> jax.Array:
    """(..., 1) depth of the wrinkles at positions (..., 3) for the `deepening` (3,) of a face."""
    x, y, _ = jnp.moveaxis(rest, -1, 0)
    up = jax.nn.sigmoid((y - 0.30) / 0.03)
    low = jax.nn.sigmoid((-0.08 - y) / 0.03)
    between = (1.0 - up) * (1.0 - low)
    depth = up * deepening[0] + between * deepening[1] + low * deepening[2]
    return (0.25 + depth)[..., None]


def make_texture(rng: np.random.Generator, hair_contrast: float) -> np.ndarray:
    """(rows, columns, 8) float32: one person's skin and hair. See `CHANNELS`.

    Args:
      rng: decides everything.
      hair_contrast: deviation of the strands' log albedo.
    """
    y, angle = np.meshgrid(
        _TOP - (np.arange(_SKIN_ROWS) + 0.5) / _TEXELS_PER_DM,
        ((np.arange(_COLUMNS) + 0.5) / _COLUMNS - 0.5) * 2.0 * _HALF_ANGLE,
        indexing="ij",
    )
    y, angle = y.astype(np.float32), angle.astype(np.float32)
    skin = np.zeros((_SKIN_ROWS, _COLUMNS, CHANNELS), np.float32)
    fine, middle, coarse = band_noise(rng, y.shape, 1.3, 4.0, 13.0)
    tones = rng.uniform((0.015, 0.015, 0.03), (0.04, 0.04, 0.075))
    for noise, tone in zip((fine, middle, coarse), tones, strict=True):
        # Blood under the skin: darker is redder.
        skin[..., :3] += tone * noise[..., None] * np.array([0.65, 1.05, 1.1])
    _spots(rng, skin)
    _marks(rng, skin, coarse, y, angle)

    pores = rng.uniform(0.0003, 0.0008) * fine + rng.uniform(0.0005, 0.0015) * middle
    skin[..., 3:5] = _slopes(pores)
    age = rng.uniform() ** 1.5
    lines = _wrinkles(rng, y, angle)
    skin[..., 5:7] = (0.4 + 1.1 * age) * _slopes(lines)
    skin[..., 7] = (0.4 + 1.1 * age) * np.minimum(45.0 * lines, 0.0)

    hair = np.zeros((_HAIR_ROWS, _COLUMNS, CHANNELS), np.float32)
    # Drawn out along the strand: few rows are made and stretched.
    strands = band_noise(rng, (8, _COLUMNS), 0.8)[0]
    strands = np.repeat(strands, _HAIR_ROWS // 8, axis=0)
    hair[..., :3] = hair_contrast * strands[..., None]
    hair[..., 3] = 0.35 * np.gradient(strands, axis=1)
    return np.concatenate([skin, hair])


def _slopes(height: np.ndarray) -> np.ndarray:
    """(H, W, 2) slopes to the right and upwards of a relief in decimetres."""
    down, right = np.gradient(height * _TEXELS_PER_DM)
    return np.stack([right, -down], axis=-1)


def _stamp(layer: np.ndarray, row: float, column: float, radius: float, value) -> None:
    """Adds a round soft spot to (H, W, C) in place."""
    reach = int(np.ceil(2.5 * radius))
    r0, c0 = int(row) - reach, int(column) - reach
    rows = np.arange(max(r0, 0), min(r0 + 2 * reach + 1, layer.shape[0]))
    columns = np.arange(max(c0, 0), min(c0 + 2 * reach + 1, layer.shape[1]))
    if len(rows) == 0 or len(columns) == 0:
        return
    square = (rows[:, None] - row) ** 2 + (columns[None] - column) ** 2
    # Flat in the middle: a disc with soft borders.
    shape = np.exp(-((square / radius**2) ** 1.5))
    layer[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] += shape[..., None] * value


def _row_of(y: float) -> float:
    return (_TOP - y) * _TEXELS_PER_DM


def _column_of(angle: float) -> float:
    return (0.5 + 0.5 * angle / _HALF_ANGLE) * _COLUMNS


def _spots(rng: np.random.Generator, skin: np.ndarray) -> None:
    """Freckles on some, moles and blemishes on all."""
    if rng.uniform() < 0.4:
        for _ in range(rng.integers(60, 220)):
            at = _row_of(rng.normal(0.0, 0.28)), _column_of(rng.normal(0.0, 0.45))
            depth = -rng.uniform(0.12, 0.5) * np.array([0.55, 0.95, 1.1])
            _stamp(skin[..., :3], *at, rng.uniform(1.3, 2.8), depth)
    for _ in range(rng.poisson(3.5)):
        at = _row_of(rng.uniform(-1.0, 0.6)), _column_of(rng.normal(0.0, 0.6))
        depth = -rng.uniform(0.6, 1.5) * np.array([0.8, 1.0, 1.0])
        _stamp(skin[..., :3], *at, rng.uniform(1.8, 4.0), depth)
    for _ in range(rng.poisson(6)):
        at = _row_of(rng.uniform(-0.9, 0.6)), _column_of(rng.normal(0.0, 0.5))
        depth = -rng.uniform(0.1, 0.4) * np.array([0.1, 0.9, 0.8])
        _stamp(skin[..., :3], *at, rng.uniform(2.5, 6.0), depth)


def _marks(rng, skin: np.ndarray, coarse: np.ndarray, y: np.ndarray, angle: np.ndarray) -> None:
    """A birthmark or a pale patch on some, a scar on some."""
    if rng.uniform() < 0.35:
        middle, size = (rng.uniform(-0.8, 0.6), rng.normal(0.0, 0.5)), rng.uniform(0.1, 0.28)
        distance = np.hypot(y - middle[0], angle - middle[1]) / size + 0.35 * coarse
        inside = smooth((1.0 - distance) / 0.25)
        tint = rng.uniform(0.15, 0.45) * rng.choice([-1.0, -1.0, 0.7])
        skin[..., :3] += inside[..., None] * tint * np.array([0.5, 1.0, 1.0])
    if rng.uniform() < 0.2:
        start = np.array([rng.uniform(-0.7, 0.5), rng.choice([-1, 1]) * rng.uniform(0.2, 0.6)])
        stop = start + rng.uniform(0.12, 0.3) * np.array([rng.normal(), rng.normal()])
        along = stop - start
        length = max(np.hypot(*along), 0.05)
        t = ((y - start[0]) * along[0] + (angle - start[1]) * along[1]) / length**2
        t = np.clip(t, 0.0, 1.0)
        distance = np.hypot(y - start[0] - t * along[0], angle - start[1] - t * along[1])
        line = np.exp(-((distance / 0.014) ** 2))
        skin[..., :3] += rng.uniform(0.15, 0.35) * line[..., None] * np.array([1.2, 0.6, 0.7])
        skin[..., 3:5] += _slopes(-0.008 * line)


def _wrinkles(rng: np.random.Generator, y: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """Relief of lines in decimetres, negative in a furrow: forehead, eyes, cheeks."""
    lines = np.zeros_like(y)
    wander, other = band_noise(rng, y.shape, 20.0, 26.0)
    for k in range(rng.integers(2, 5)):
        level = 0.40 + 0.075 * k + 0.012 * wander + 0.03 * rng.normal()
        ends = smooth((rng.uniform(0.30, 0.45) - np.abs(angle - 0.05 * rng.normal())) / 0.12)
        lines -= rng.uniform(0.6, 1.0) * ends * np.exp(-(((y - level) / 0.011) ** 2))
    for side in (-1.0, 1.0):
        for k in range(rng.integers(2, 5)):
            slant = 0.5 * (k - 1.5) + 0.2 * rng.normal()
            out = side * angle - 0.56
            level = 0.09 + slant * out + 0.008 * other
            ends = smooth(out / 0.04) * smooth((rng.uniform(0.12, 0.22) - out) / 0.05)
            lines -= rng.uniform(0.4, 0.8) * ends * np.exp(-(((y - level) / 0.009) ** 2))
        # From the wing of the nose to beside the corner of the mouth.
        t = (-0.26 - y) / 0.32
        line = side * angle - (0.17 + 0.17 * np.clip(t, 0.0, 1.2) + 0.01 * other)
        ends = smooth(t / 0.15) * smooth((1.15 - t) / 0.3)
        lines -= 1.1 * ends * np.exp(-((line / 0.014) ** 2))
    return 0.0045 * lines


def make_displacement(rng: np.random.Generator, head: str) -> np.ndarray:
    """(V, 3) float32 decimetres: a smooth change of shape that no coefficient of the model makes.

    A random field of long waves, less its least-squares fit by all identity and expression modes.
    `head` is the size of the procedural head.
    """
    points = np.asarray(procedural_head(head).mean, np.float64)
    field = np.zeros_like(points)
    for _ in range(24):
        direction = rng.normal(size=3)
        direction *= 2.0 * np.pi / rng.uniform(0.6, 1.4) / np.linalg.norm(direction)
        wave = np.sin(points @ direction + rng.uniform(0.0, 2.0 * np.pi))
        field += wave[:, None] * rng.normal(size=3)
    field *= _DISPLACEMENT * rng.uniform(0.6, 1.2) / field.std()
    basis = _orthonormal_basis(head)
    flat = field.ravel()
    return (flat - basis @ (basis.T @ flat)).reshape(points.shape).astype(np.float32)


@functools.lru_cache(maxsize=2)
def _orthonormal_basis(size: str) -> np.ndarray:
    """(3 V, I + E): orthonormal columns that span all shapes of the procedural head."""
    model = procedural_head(size)
    modes = np.concatenate([model.identity_basis, model.expression_basis])
    return np.linalg.qr(modes.reshape(len(modes), -1).T.astype(np.float64))[0]
