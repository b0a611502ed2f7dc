"""Identity and expression modes of the procedural head, as differences of closed-form heads.

Left and right are the subject's own; the left half of the subject has x > 0.
"""

import dataclasses
from collections.abc import Callable

import numpy as np

from reenact_jax.face_model.procedural.chart import MOUTH_CORNER, ROW_INDEX, HalfChart
from reenact_jax.face_model.procedural.geometry import (
    CORNER_Y,
    EYE_Y,
    HeadShape,
    build_half,
    bump,
    smoothstep,
)

# Name -> change of HeadShape per standard deviation.
IDENTITY_MODES: dict[str, dict[str, float]] = {
    "faceWidth": {"face_width": 0.045, "skull_width": 0.035},
    "skullWidth": {"skull_width": 0.04},
    "jawWidth": {"jaw_width": 0.05},
    "cheekbones": {"cheekbone": 0.018},
    "cheekFullness": {"cheek_fullness": 0.020, "jaw_width": 0.012},
    "chinHeight": {"chin_height": 0.040},
    "chinForward": {"chin_forward": 0.035},
    "chinWidth": {"chin_width": 0.05},
    "foreheadHeight": {"forehead_height": 0.035},
    "foreheadSlope": {"forehead_slope": 0.030},
    "browRidge": {"brow_ridge": 0.018},
    "browHeight": {"brow_height": 0.016},
    "browThickness": {"brow_thickness": 0.006},
    "browSlant": {"brow_slant": 0.009},
    "eyeSpacing": {"eye_spacing": 0.011},
    "eyeWidth": {"eye_width": 0.006},
    "eyeHeight": {"eye_height": 0.09},
    "eyeSlant": {"eye_slant": 0.014},
    "eyeDepth": {"eye_depth": 0.010},
    "eyeLevel": {"eye_level": 0.014},
    "noseLength": {"nose_length": 0.026},
    "noseWidth": {"nose_width": 0.095},
    "noseBridge": {"nose_bridge": 0.020},
    "noseHeight": {"nose_height": 0.11},
    "noseTipUp": {"nose_tip_up": 0.014},
    "noseHump": {"nose_hump": 0.013},
    "mouthWidth": {"mouth_width": 0.014},
    "mouthLevel": {"mouth_level": 0.016},
    "mouthForward": {"mouth_forward": 0.014},
    "upperLip": {"upper_lip": 0.010},
    "lowerLip": {"lower_lip": 0.011},
    "cupidBow": {"cupid_bow": 0.005},
    "neckWidth": {"neck_width": 0.06},
    "earSize": {"ear_size": 0.06},
    "earsOut": {"ear_out": 0.022},
    "hairTop": {"hair_top": 0.028},
    "hairSides": {"hair_sides": 0.024},
}


def identity_modes(chart: HalfChart) -> dict[str, np.ndarray]:
    """Name -> offset (num_vertices, 3) of the half head, in decimetres per standard deviation."""
    mean = HeadShape()
    modes = {}
    for name, change in IDENTITY_MODES.items():
        halves = [
            build_half(
                dataclasses.replace(
                    mean, **{key: getattr(mean, key) + sign * step for key, step in change.items()}
                ),
                chart,
            )
            for sign in (1.0, -1.0)
        ]
        modes[name] = 0.5 * (halves[0] - halves[1])
    return modes


@dataclasses.dataclass(frozen=True)
class _Field:
    """What the expression fields are functions of: mean positions and parts of the half head."""

    points: np.ndarray
    x: np.ndarray
    y: np.ndarray
    z: np.ndarray
    lower: np.ndarray  # 1 below the mouth's slit, 0 above it, 0.5 on what passes its corner
    skin: np.ndarray  # 1 on skin and bags, 0 on eyeballs and teeth
    front: np.ndarray
    lower_teeth: np.ndarray
    rim: np.ndarray  # 1 on and near the rims of the lips
    bag: np.ndarray  # True in the bag behind the mouth's slit

    def offset(self, weight: np.ndarray, dx: float, dy: float, dz: float) -> np.ndarray:
        return (weight * self.skin * self.front)[:, None] * np.array([dx, dy, dz])


def _make_field(chart: HalfChart, points: np.ndarray) -> _Field:
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
    skin[chart.teeth] = 0.0
    lower_teeth = np.zeros(count)
    lower_teeth[chart.teeth[1]] = 1.0
    rim = np.zeros(count)
    near = np.exp(-(((t - ROW_INDEX["mouth"]) / 0.55) ** 2)) * (chart.columns <= 1.0)
    rim[chart.grid] = near * smoothstep(0.40, 0.15, points[chart.grid, 0])
    rim[chart.mouth_bag] = 1.0
    front = smoothstep(-0.15, 0.15, z)
    front[chart.mouth_bag] = 1.0
    return _Field(points, x, y, z, lower, skin, front, lower_teeth, rim, bag)


def _jaw_weight(f: _Field) -> np.ndarray:
    """1 on what moves with the lower jaw, 0 on the skull, smooth beside the mouth's corner."""
    v = (CORNER_Y - f.y - 0.45 * np.maximum(f.x - 0.25, 0.0)) / 0.24
    beside = smoothstep(-0.9, 1.1, v)
    beside = beside * smoothstep(0.66, 0.40, f.x) * smoothstep(-0.20, 0.12, f.z)
    inside = smoothstep(1.08, 0.55, f.x / 0.245) * f.skin
    cut = np.where(f.lower > 0.5, 1.0, np.where(f.lower < 0.5, 0.0, beside))
    near_slit = inside * smoothstep(0.34, 0.10, np.abs(f.y - CORNER_Y))
    weight = beside + near_slit * (cut - beside)
    weight = np.where(
        f.bag, weight + (f.lower - weight) * smoothstep(1.0, 0.6, f.x / 0.245), weight
    )
    neck = smoothstep(-1.18, -0.95, f.y)
    return weight * neck * f.skin + f.lower_teeth


def _jaw_open(f: _Field) -> np.ndarray:
    hinge = np.array([0.0, -0.14, -0.12])
    angle = 0.27
    arm = f.points - hinge
    y = arm[:, 1] * np.cos(angle) - arm[:, 2] * np.sin(angle)
    z = arm[:, 2] * np.cos(angle) + arm[:, 1] * np.sin(angle)
    turned = np.stack([arm[:, 0], y, z], axis=-1) - arm
    # Corners come in a little as the mouth opens.
    corner = bump(f.x, f.y, 0.25, CORNER_Y, 0.08, 0.09)
    return _jaw_weight(f)[:, None] * turned + f.offset(corner, -0.02, 0.0, 0.0)


def _mouth_close(f: _Field) -> np.ndarray:
    """Brings the lips together where the jaw is open: the lower lip's way back up."""
    lip = smoothstep(CORNER_Y - 0.26, CORNER_Y - 0.10, f.y) * smoothstep(0.0, 0.5, f.lower)
    return -_jaw_open(f) * (lip * f.skin * smoothstep(0.34, 0.24, f.x))[:, None]


def _smile(f: _Field) -> np.ndarray:
    corner = bump(f.x, f.y, 0.25, CORNER_Y, 0.115, 0.11)
    cheek = bump(f.x, f.y, 0.36, -0.24, 0.11, 0.12)
    lid = bump(f.x, f.y, 0.29, EYE_Y - 0.085, 0.13, 0.03)
    moved = f.offset(corner, 0.062, 0.068, -0.045) + f.offset(cheek, 0.015, 0.030, 0.030)
    flat = bump(f.x, f.y, 0.0, CORNER_Y, 0.14, 0.09)
    return moved + f.offset(lid, 0.0, 0.008, 0.004) + f.offset(flat, 0.0, 0.008, -0.018)


def _frown(f: _Field) -> np.ndarray:
    corner = bump(f.x, f.y, 0.24, CORNER_Y, 0.09, 0.08)
    chin = bump(f.x, f.y, 0.06, -0.70, 0.14, 0.08)
    return f.offset(corner, 0.012, -0.062, -0.012) + f.offset(chin, 0.0, 0.018, 0.012)


def _squeeze(f: _Field, width: float, forward: float, part: float) -> np.ndarray:
    """Lips drawn in towards the middle and forward; `part` opens them."""
    around = bump(f.x, f.y, 0.0, CORNER_Y, 0.22, 0.13) * f.skin * f.front
    moved = np.zeros_like(f.points)
    moved[:, 0] = -width * f.x * around / 0.75
    moved[:, 2] = forward * around * np.exp(-((f.x / 0.2) ** 2))
    moved[:, 1] = part * f.rim * (1.0 - 2.0 * f.lower) * smoothstep(0.25, 0.10, f.x)
    return moved


def _lips_apart(f: _Field, up: float, down: float) -> np.ndarray:
    near = smoothstep(0.26, 0.10, f.x)
    upper = bump(f.x, f.y, 0.05, CORNER_Y + 0.05, 0.14, 0.07) * (f.lower < 0.5) * near
    lower = bump(f.x, f.y, 0.05, CORNER_Y - 0.06, 0.14, 0.08) * (f.lower > 0.5) * near
    return f.offset(upper, 0.0, up, 0.01) + f.offset(lower, 0.0, -down, 0.005)


def _roll(f: _Field, upper: bool) -> np.ndarray:
    side = (f.lower < 0.5) if upper else (f.lower > 0.5)
    sign = -1.0 if upper else 1.0
    near = f.rim * side * smoothstep(0.25, 0.15, f.x)
    return f.offset(near, 0.0, 0.018 * sign, -0.050)


def _stretch(f: _Field) -> np.ndarray:
    corner = bump(f.x, f.y, 0.25, CORNER_Y - 0.01, 0.12, 0.10)
    return f.offset(corner, 0.060, -0.014, -0.040)


def _dimple(f: _Field) -> np.ndarray:
    corner = bump(f.x, f.y, 0.27, CORNER_Y, 0.06, 0.06)
    return f.offset(corner, 0.032, 0.010, -0.050)


def _puff(f: _Field) -> np.ndarray:
    cheek = bump(f.x, f.y, 0.36, -0.46, 0.14, 0.14)
    return f.offset(cheek, 0.060, 0.0, 0.085)


def _cheek_squint(f: _Field) -> np.ndarray:
    cheek = bump(f.x, f.y, 0.33, -0.08, 0.13, 0.08)
    lid = bump(f.x, f.y, 0.29, EYE_Y - 0.075, 0.12, 0.03)
    return f.offset(cheek, 0.0, 0.032, 0.020) + f.offset(lid, 0.0, 0.010, 0.003)


def _sneer(f: _Field) -> np.ndarray:
    wing = bump(f.x, f.y, 0.12, -0.25, 0.06, 0.07)
    lip = bump(f.x, f.y, 0.13, -0.42, 0.07, 0.06) * (f.lower < 0.5)
    return f.offset(wing, 0.012, 0.050, 0.0) + f.offset(lip, 0.0, 0.030, 0.008)


def _brow_inner_up(f: _Field) -> np.ndarray:
    return f.offset(bump(f.x, f.y, 0.10, 0.27, 0.11, 0.10), 0.0, 0.065, 0.004)


def _brow_outer_up(f: _Field) -> np.ndarray:
    return f.offset(bump(f.x, f.y, 0.40, 0.27, 0.12, 0.10), 0.0, 0.058, 0.0)


def _brow_down(f: _Field) -> np.ndarray:
    brow = bump(f.x, f.y, 0.20, 0.25, 0.15, 0.065)
    return f.offset(brow, -0.022, -0.052, 0.012)


def _shrug(f: _Field) -> np.ndarray:
    chin = bump(f.x, f.y, 0.0, -0.70, 0.16, 0.10)
    lips = bump(f.x, f.y, 0.0, CORNER_Y - 0.02, 0.16, 0.07)
    return f.offset(chin, 0.0, 0.042, 0.022) + f.offset(lips, 0.0, 0.030, 0.018)


def _press(f: _Field) -> np.ndarray:
    lips = f.rim * smoothstep(0.28, 0.1, f.x)
    return f.offset(lips, 0.0, 0.0, -0.036) + 0.7 * _dimple(f)


# Modes whose two sides move by themselves, given as fields or as changes of the shape.
_SIDED_FIELDS: dict[str, Callable[[_Field], np.ndarray]] = {
    "browDown": _brow_down,
    "browOuterUp": _brow_outer_up,
    "cheekPuff": _puff,
    "cheekSquint": _cheek_squint,
    "mouthDimple": _dimple,
    "mouthFrown": _frown,
    "mouthLowerDown": lambda f: _lips_apart(f, 0.0, 0.062),
    "mouthPress": _press,
    "mouthSmile": _smile,
    "mouthStretch": _stretch,
    "mouthUpperUp": lambda f: _lips_apart(f, 0.050, 0.0),
    "noseSneer": _sneer,
}
_SIDED_SHAPES: dict[str, dict[str, float]] = {
    "eyeBlink": {"blink": 1.0},
    "eyeLookDown": {"gaze_up": -1.0},
    "eyeLookIn": {"gaze_out": -1.0},
    "eyeLookOut": {"gaze_out": 1.0},
    "eyeLookUp": {"gaze_up": 1.0},
    "eyeSquint": {"squint": 1.0},
    "eyeWide": {"wide": 1.0},
}
_SYMMETRIC: dict[str, Callable[[_Field], np.ndarray]] = {
    "browInnerUp": _brow_inner_up,
    "jawOpen": _jaw_open,
    "mouthFunnel": lambda f: _squeeze(f, 0.22, 0.055, 0.048),
    "mouthPucker": lambda f: _squeeze(f, 0.34, 0.080, 0.004),
    "mouthRollLower": lambda f: _roll(f, upper=False),
    "mouthRollUpper": lambda f: _roll(f, upper=True),
    "mouthShrugLower": _shrug,
    "mouthClose": _mouth_close,
}


def _sideways(f: _Field) -> dict[str, np.ndarray]:
    """Modes that move both halves the same way: towards the subject's left (+x)."""
    jaw = _jaw_weight(f)[:, None] * np.array([0.042, 0.0, 0.0])
    mouth = f.offset(bump(f.x, f.y, 0.0, CORNER_Y, 0.22, 0.12), 0.055, 0.0, 0.0)
    return {"jaw": jaw, "mouth": mouth}


def expression_modes(
    chart: HalfChart, partner: np.ndarray, mean: np.ndarray
) -> dict[str, np.ndarray]:
    """Name -> offset (V, 3) of the whole head at weight 1, in decimetres.

    Args:
      chart: the half's chart.
      partner: ids of the mirror images, see `chart.partner_ids`.
      mean: (num_vertices, 3) the half's mean.
    """
    field = _make_field(chart, mean)
    base = HeadShape()
    num_vertices = int(partner.max()) + 1
    flip = np.array([-1.0, 1.0, 1.0])

    def whole(half: np.ndarray, left: float, right: float, mirror: np.ndarray) -> np.ndarray:
        full = np.zeros((num_vertices, 3))
        full[partner] = right * half * mirror
        full[: len(half)] += np.where(chart.middle[:, None], 0.0, left * half)
        # On the middle both sides meet: each contributes half of what a symmetric mode does.
        share = 0.5 * (left * half + right * half * mirror)
        full[: len(half)][chart.middle] = share[chart.middle]
        return full

    modes = {}
    ones = np.ones(3)
    for name, function in _SYMMETRIC.items():
        modes[name] = whole(function(field), 1.0, 1.0, flip)
    for name, half in _sideways(field).items():
        moved = whole(half, 1.0, 1.0, ones)
        modes[f"{name}Left"], modes[f"{name}Right"] = moved, -moved
    modes["jawForward"] = whole(
        _jaw_weight(field)[:, None] * np.array([0.0, 0.0, 0.05]), 1.0, 1.0, flip
    )
    sided = {name: function(field) for name, function in _SIDED_FIELDS.items()}
    for name, change in _SIDED_SHAPES.items():
        moved = build_half(dataclasses.replace(base, **change), chart)
        sided[name] = moved - mean
    for name, half in sided.items():
        # The two sides overlap softly across the middle, so that one side alone has no crease.
        own = smoothstep(-0.09, 0.09, mean[:, 0])[:, None] if name in _SIDED_FIELDS else ones
        left = whole(half * own, 1.0, 0.0, flip) + whole(half * (1.0 - own), 0.0, 1.0, flip)
        middle = np.flatnonzero(chart.middle)
        left[middle] = 0.5 * half[middle]
        right = _mirrored(left, partner, chart.middle)
        modes[f"{name}_L"], modes[f"{name}_R"] = left, right
    return dict(sorted(modes.items()))


def _mirrored(full: np.ndarray, partner: np.ndarray, middle: np.ndarray) -> np.ndarray:
    mirror = mirror_map(partner, len(full))
    return full[mirror] * np.array([-1.0, 1.0, 1.0])


def mirror_map(partner: np.ndarray, num_vertices: int) -> np.ndarray:
    """The involution (V,) over the whole head."""
    mirror = np.arange(num_vertices)
    mirror[: len(partner)] = partner
    mirror[partner] = np.arange(len(partner))
    return mirror
