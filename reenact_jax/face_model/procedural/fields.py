"""Smooth fields that move the mean head's skin: mouth, jaw, cheeks, nose and brows.

Each takes the half head with x >= 0, the subject's left, and returns offsets (num_vertices, 3) in
decimetres at weight 1.
"""

import dataclasses

import numpy as np

from reenact_jax.face_model.procedural.chart import MOUTH_CORNER, ROW_INDEX, HalfChart
from reenact_jax.face_model.procedural.shape import CORNER_Y, EYE_Y, bump, smoothstep


@dataclasses.dataclass(frozen=True)
class Field:
    """What the expression fields are functions of: mean positions and parts of the half head."""

    points: np.ndarray
    x: np.ndarray
    y: np.ndarray
    z: np.ndarray
    lower: np.ndarray  # 1 below the mouth's slit, 0 above it, 0.5 on what passes its corner
    skin: np.ndarray  # 1 on skin and bags, 0 on what stands by it
    front: np.ndarray
    with_jaw: np.ndarray  # 1 on the lower teeth and the tongue
    rim: np.ndarray  # 1 on and near the rims of the lips
    bag: np.ndarray  # True in the bag behind the mouth's slit

    def offset(self, weight: np.ndarray, dx: float, dy: float, dz: float) -> np.ndarray:
        return (weight * self.skin * self.front)[:, None] * np.array([dx, dy, dz])


def make_field(chart: HalfChart, points: np.ndarray) -> Field:
    count = chart.num_vertices
    x, y, z = points.T
    lower = np.zeros(count)
    t = np.broadcast_to(chart.rows[:, None], chart.grid.shape)
    below = np.where(chart.upper[:, None], 0.0, 1.0) * (t >= ROW_INDEX["mouth"])
    # Written in row order: at merged points the lower rim comes last, and 0.5 replaces it.
    lower[chart.grid] = below
    corner = chart.grid[chart.rows == ROW_INDEX["mouth"]][:, chart.columns >= MOUTH_CORNER - 1e-9]
    lower[corner] = 0.5
    inner = len(chart.mouth_bag)
    bag = np.zeros(count, bool)
    for i in range(1, inner - 1):
        free = chart.mouth_bag[i] != chart.mouth_bag[0]
        bag[chart.mouth_bag[i, free]] = True
        lower[chart.mouth_bag[i, free]] = smoothstep(0.2, 0.8, np.array(i / (inner - 1.0)))
    skin = np.ones(count)
    skin[chart.eyeball] = 0.0
    for part in (chart.teeth, chart.tongue, chart.ear, chart.hair):
        skin[part] = 0.0
    with_jaw = np.zeros(count)
    with_jaw[chart.teeth[1]] = 1.0
    with_jaw[chart.tongue] = 1.0
    rim = np.zeros(count)
    near = np.exp(-(((t - ROW_INDEX["mouth"]) / 0.55) ** 2)) * (chart.columns <= 1.0)
    rim[chart.grid] = near * smoothstep(0.40, 0.15, points[chart.grid, 0])
    rim[chart.mouth_bag] = 1.0
    front = smoothstep(-0.15, 0.15, z)
    front[chart.mouth_bag] = 1.0
    return Field(points, x, y, z, lower, skin, front, with_jaw, rim, bag)


def jaw_weight(f: Field, lips_part: bool = True) -> np.ndarray:
    """1 on what moves with the lower jaw, 0 on the skull, smooth beside the mouth's corner.

    Where the lips do not part, the upper one is taken along by half.
    """
    v = (CORNER_Y - f.y - 0.45 * np.maximum(f.x - 0.25, 0.0)) / 0.24
    beside = smoothstep(-0.9, 1.1, v)
    beside = beside * smoothstep(0.66, 0.40, f.x) * smoothstep(-0.20, 0.12, f.z)
    inside = np.maximum(1.0 - (f.x / 0.252) ** 2, 0.0) ** 0.6 * f.skin
    cut = np.where(f.lower > 0.5, 1.0, np.where(f.lower < 0.5, 0.0, beside))
    near_slit = lips_part * inside * smoothstep(0.34, 0.10, np.abs(f.y - CORNER_Y))
    weight = beside + near_slit * (cut - beside)
    weight = np.where(
        f.bag & lips_part, weight + (f.lower - weight) * smoothstep(1.0, 0.6, f.x / 0.245), weight
    )
    neck = smoothstep(-1.18, -0.95, f.y)
    return weight * neck * f.skin + f.with_jaw


def jaw_open(f: Field) -> np.ndarray:
    hinge = np.array([0.0, -0.14, -0.12])
    angle = 0.295
    arm = f.points - hinge
    y = arm[:, 1] * np.cos(angle) - arm[:, 2] * np.sin(angle)
    z = arm[:, 2] * np.cos(angle) + arm[:, 1] * np.sin(angle)
    turned = np.stack([arm[:, 0], y, z], axis=-1) - arm
    # Corners come in a little as the mouth opens.
    corner = bump(f.x, f.y, 0.25, CORNER_Y, 0.08, 0.09)
    return jaw_weight(f)[:, None] * turned + f.offset(corner, -0.02, 0.0, 0.0)


def mouth_close(f: Field) -> np.ndarray:
    """Brings the lips together where the jaw is open: the lower lip's way back up."""
    lip = smoothstep(CORNER_Y - 0.30, CORNER_Y - 0.07, f.y) * smoothstep(0.55, 0.24, f.x)
    return -jaw_open(f) * (lip * f.skin)[:, None]


def smile(f: Field) -> np.ndarray:
    corner = bump(f.x, f.y, 0.25, CORNER_Y, 0.115, 0.11)
    cheek = bump(f.x, f.y, 0.36, -0.24, 0.11, 0.12)
    lid = bump(f.x, f.y, 0.29, EYE_Y - 0.085, 0.13, 0.03)
    moved = f.offset(corner, 0.062, 0.068, -0.045) + f.offset(cheek, 0.015, 0.030, 0.030)
    flat = bump(f.x, f.y, 0.0, CORNER_Y, 0.14, 0.09)
    return moved + f.offset(lid, 0.0, 0.008, 0.004) + f.offset(flat, 0.0, 0.008, -0.018)


def frown(f: Field) -> np.ndarray:
    corner = bump(f.x, f.y, 0.24, CORNER_Y, 0.09, 0.08)
    chin = bump(f.x, f.y, 0.06, -0.70, 0.14, 0.08)
    return f.offset(corner, 0.012, -0.062, -0.012) + f.offset(chin, 0.0, 0.018, 0.012)


def squeeze(f: Field, width: float, forward: float, part: float) -> np.ndarray:
    """Lips drawn in towards the middle and forward; `part` opens them."""
    around = bump(f.x, f.y, 0.0, CORNER_Y, 0.22, 0.13) * f.skin * f.front
    moved = np.zeros_like(f.points)
    moved[:, 0] = -width * f.x * around / 0.75
    moved[:, 2] = forward * around * np.exp(-((f.x / 0.2) ** 2))
    moved[:, 1] = part * f.rim * (1.0 - 2.0 * f.lower) * smoothstep(0.25, 0.10, f.x)
    return moved


def lips_apart(f: Field, up: float, down: float) -> np.ndarray:
    near = np.maximum(1.0 - (f.x / 0.245) ** 2, 0.0) ** 0.7
    upper = bump(f.x, f.y, 0.05, CORNER_Y + 0.05, 0.16, 0.07) * (f.lower < 0.5) * near
    lower = bump(f.x, f.y, 0.05, CORNER_Y - 0.06, 0.16, 0.08) * (f.lower > 0.5) * near
    return f.offset(upper, 0.0, up, 0.01) + f.offset(lower, 0.0, -down, 0.005)


def roll(f: Field, upper: bool) -> np.ndarray:
    """A lip turned in over the teeth: its red goes to the line where the lips meet."""
    side = (f.lower < 0.5) if upper else (f.lower > 0.5)
    near = f.rim * side * smoothstep(0.25, 0.15, f.x)
    overlap = -0.014 if upper else 0.008
    return f.offset(near, 0.0, overlap, -0.032) + _thinner(f, side, 0.62)


def _thinner(f: Field, side: np.ndarray, amount: float) -> np.ndarray:
    """Pulls what lies above or below the line of the lips towards it."""
    line = CORNER_Y - 0.010
    near = bump(f.x, f.y, 0.06, line, 0.13, 0.085) * side * smoothstep(0.30, 0.20, f.x)
    moved = np.zeros_like(f.points)
    moved[:, 1] = (
        amount * near * (line - f.y) * f.skin * f.front * smoothstep(0.0, 0.03, np.abs(line - f.y))
    )
    return moved


def stretch(f: Field) -> np.ndarray:
    corner = bump(f.x, f.y, 0.25, CORNER_Y - 0.01, 0.12, 0.10)
    return f.offset(corner, 0.060, -0.014, -0.040)


def dimple(f: Field) -> np.ndarray:
    corner = bump(f.x, f.y, 0.27, CORNER_Y, 0.06, 0.06)
    return f.offset(corner, 0.045, 0.012, -0.065)


def puff(f: Field) -> np.ndarray:
    cheek = bump(f.x, f.y, 0.36, -0.46, 0.14, 0.14)
    return f.offset(cheek, 0.075, 0.0, 0.095)


def cheek_squint(f: Field) -> np.ndarray:
    cheek = bump(f.x, f.y, 0.33, -0.08, 0.13, 0.08)
    lid = bump(f.x, f.y, 0.29, EYE_Y - 0.075, 0.12, 0.03)
    return f.offset(cheek, 0.0, 0.045, 0.026) + f.offset(lid, 0.0, 0.014, 0.004)


def sneer(f: Field) -> np.ndarray:
    wing = bump(f.x, f.y, 0.12, -0.25, 0.06, 0.07)
    lip = bump(f.x, f.y, 0.14, -0.395, 0.06, 0.042)
    return (
        f.offset(wing, 0.016, 0.062, 0.006)
        + f.offset(lip, 0.0, 0.036, 0.010)
        + f.offset(bump(f.x, f.y, 0.09, 0.02, 0.05, 0.06), 0.0, 0.022, 0.008)
    )


def brow_inner_up(f: Field) -> np.ndarray:
    return f.offset(bump(f.x, f.y, 0.10, 0.27, 0.11, 0.10), 0.0, 0.065, 0.004)


def brow_outer_up(f: Field) -> np.ndarray:
    return f.offset(bump(f.x, f.y, 0.40, 0.27, 0.12, 0.10), 0.0, 0.058, 0.0)


def brow_down(f: Field) -> np.ndarray:
    brow = bump(f.x, f.y, 0.20, 0.25, 0.15, 0.065)
    return f.offset(brow, -0.022, -0.052, 0.012)


def shrug(f: Field) -> np.ndarray:
    chin = bump(f.x, f.y, 0.0, -0.70, 0.16, 0.10)
    lips = bump(f.x, f.y, 0.0, CORNER_Y - 0.02, 0.16, 0.07)
    return f.offset(chin, 0.0, 0.042, 0.022) + f.offset(lips, 0.0, 0.030, 0.018)


def press(f: Field) -> np.ndarray:
    """Lips pressed on each other: thinner, and drawn in."""
    lips = f.rim * smoothstep(0.28, 0.1, f.x)
    everywhere = np.ones_like(f.x)
    return f.offset(lips, 0.0, 0.0, -0.030) + 0.5 * dimple(f) + _thinner(f, everywhere, 0.45)


def lids_follow(f: Field, outwards: float) -> np.ndarray:
    """The lids go a little way with the cornea under them; the ball itself turns rigidly."""
    return f.offset(bump(f.x, f.y, 0.287, EYE_Y + 0.02, 0.06, 0.05), outwards, 0.0, 0.0)
