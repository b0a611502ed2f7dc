"""Closed-form shape of the procedural head, in decimetres (x to image right, y up, z forward).

A lofted surface (three profiles: front, side, back, joined by plane ellipses) carries smooth
bumps: sockets, nose, cheeks, lips, chin. Lids lie on spheres round the eyeballs. Ears, hair, teeth
and tongue are parts of their own. Every length that a mode changes is a field of `HeadShape`.
"""

import numpy as np

from reenact_jax.face_model.procedural.chart import HalfChart
from reenact_jax.face_model.procedural.ear import ear_points
from reenact_jax.face_model.procedural.hair import hair_points
from reenact_jax.face_model.procedural.loft import Loft
from reenact_jax.face_model.procedural.mouth import fill_bags, teeth_points, tongue_points
from reenact_jax.face_model.procedural.rows import mouth_line, place_columns, skin_rows
from reenact_jax.face_model.procedural.shape import (
    CORNER_Y,
    EYE_RADIUS,
    IRIS_ANGLE,
    LID_RADIUS,
    PUPIL_ANGLE,
    Eye,
    HeadShape,
    along_line,
    bump,
    crease_of_wing,
    eye_of,
    row_of,
    smoothstep,
)


def build_half(shape: HeadShape, chart: HalfChart) -> np.ndarray:
    """Positions (num_vertices, 3), float64, of the half head with x >= 0."""
    loft, eye = Loft(shape), eye_of(shape)
    t = skin_rows(shape, chart, loft, eye)
    column = np.broadcast_to(chart.columns, t.shape)
    skin = loft(t, column)
    skin = place_columns(shape, chart, eye, skin)
    rows = np.broadcast_to(chart.rows[:, None], t.shape)
    skin = _neck(shape, _bumps(shape, eye, skin, column), rows, column)
    points = np.zeros((chart.num_vertices, 3))
    points[chart.grid] = skin
    fill_bags(chart, points)
    points[chart.eyeball] = eyeball_points(eye.centre, chart.eyeball.shape)
    points[chart.teeth] = teeth_points(shape, chart)
    points[chart.tongue] = tongue_points(shape, chart)
    points[chart.lashes] = _lashes(chart, points, eye)
    points[chart.ear] = ear_points(shape, chart, loft)
    points[chart.hair] = hair_points(shape, chart, loft)
    points[chart.middle, 0] = 0.0
    return points


def _bumps(shape: HeadShape, eye: Eye, p: np.ndarray, column: np.ndarray) -> np.ndarray:
    """Adds the features of the face to loft positions (..., 3)."""
    x, y, z = np.moveaxis(p, -1, 0)
    front = np.where(column > 1.0, 0.0, smoothstep(1.0, 0.88, column)) * smoothstep(-0.1, 0.2, z)
    height = _face_relief(shape, eye, x, y) + _mouth_relief(shape, x, y)
    height += _nose_relief(shape, eye, x, y)
    z = z + height * front
    # The temple and the cheek's hollow lie on the side: they move x.
    side = np.where(column > 1.0, smoothstep(1.35, 1.0, column), smoothstep(0.55, 0.8, column))
    x = x - (0.022 + shape.temple) * bump(y, z, 0.30, 0.25, 0.12, 0.17) * side
    x = x + 0.004 * bump(y, z, -0.06, 0.15, 0.09, 0.16) * side
    x = x - (0.012 + shape.cheek_hollow) * bump(y, z, -0.34, 0.20, 0.11, 0.14) * side
    x = x + shape.jowl * bump(y, z, -0.66, 0.12, 0.11, 0.15) * side

    # Lids: the skin lies on a sphere round the eyeball wherever it would cut into it.
    cx, cy, cz = eye.centre
    squared = LID_RADIUS**2 - (x - cx) ** 2 - (y - cy) ** 2
    sphere = cz + np.sqrt(np.maximum(squared, 0.0))
    near = smoothstep(0.0, 0.35 * LID_RADIUS**2, squared) * (front > 0)
    z = z + near * (_smooth_max(z, sphere, 0.022) - z)
    return np.stack([x, y, z], axis=-1)


def _face_relief(shape: HeadShape, eye: Eye, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Brows, sockets, cheeks, chin: offsets of z."""
    ex, ey = eye.centre[:2]
    height = (0.022 + shape.brow_ridge) * bump(x, y, 0.24, ey + 0.155, 0.15, 0.050)
    height -= 0.010 * bump(x, y, 0.0, ey + 0.20, 0.05, 0.08)
    height += 0.012 * bump(x, y, 0.24, 0.46, 0.16, 0.10)
    height -= 0.080 * bump(x, y, ex - 0.045, ey - 0.005, 0.125, 0.075)
    height -= 0.045 * bump(x, y, 0.13, ey - 0.01, 0.05, 0.075)
    height += shape.lid_hood * bump(x, y, ex + 0.03, ey + 0.085, 0.11, 0.030)
    # The bag under the eye and the furrow below it.
    height += shape.eye_bag * bump(x, y, ex, ey - 0.085, 0.09, 0.022)
    height -= 0.8 * shape.eye_bag * bump(x, y, ex - 0.02, ey - 0.135, 0.10, 0.022)
    # Cheekbones, cheeks, the hollow beside the mouth, the fold from nose to mouth.
    height += (0.046 + shape.cheekbone) * bump(x, y, 0.38, -0.115, 0.12, 0.080)
    height += (0.020 + shape.cheek_fullness) * bump(x, y, 0.36, -0.38, 0.13, 0.15)
    height -= (0.010 + 0.8 * shape.cheek_hollow) * bump(x, y, 0.46, -0.36, 0.09, 0.10)
    height -= 0.022 * bump(x, y, 0.265, -0.53, 0.035, 0.07)
    fold = along_line(x, y, (0.150, -0.265), (0.285, -0.520), 0.026)
    crest = along_line(x, y, (0.200, -0.270), (0.325, -0.490), 0.038)
    height += 0.9 * shape.nose_fold * crest - 1.2 * shape.nose_fold * fold
    marionette = along_line(x, y, (0.275, -0.58), (0.300, -0.74), 0.026)
    height -= 0.5 * shape.jowl * marionette
    # Chin, its crease and its cleft; the jowls.
    chin_y = -0.815 - shape.chin_height
    height -= 0.042 * bump(x, y, 0.0, CORNER_Y + shape.mouth_level - 0.150, 0.15, 0.034)
    height += 0.052 * bump(x, y, 0.0, chin_y, 0.12 * (1.0 + shape.chin_width), 0.075)
    height += 0.55 * shape.chin_width * bump(x, y, 0.17, chin_y, 0.07, 0.08)
    height -= shape.chin_cleft * bump(x, y, 0.0, chin_y - 0.01, 0.022, 0.055)
    height += 0.8 * shape.jowl * bump(x, y, 0.36, -0.70, 0.09, 0.08)
    return height


def _mouth_relief(shape: HeadShape, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The mound of the mouth, lips and philtrum: offsets of z."""
    my = CORNER_Y + shape.mouth_level
    height = (0.052 + shape.mouth_forward) * bump(x, y, 0.0, my + 0.01, 0.17, 0.13)
    fullness = (shape.upper_lip / 0.073, shape.lower_lip / 0.088)
    wide = shape.mouth_width / 0.245
    line = mouth_line(shape, x)
    # Lips: round cushions on both sides of the line where they meet.
    upper = np.exp(-0.5 * ((y - line - 0.030 * fullness[0]) / (0.021 * fullness[0])) ** 2)
    lower = np.exp(-0.5 * ((y - line + 0.042 * fullness[1]) / (0.027 * fullness[1])) ** 2)
    height += 0.038 * fullness[0] * upper * np.exp(-0.5 * (x / (0.125 * wide)) ** 2)
    height += 0.012 * upper * np.exp(-0.5 * (x / 0.035) ** 2)
    two = np.exp(-0.5 * ((x - 0.055) / (0.075 * wide)) ** 2)
    height += 0.042 * fullness[1] * lower * (0.45 * np.exp(-0.5 * (x / 0.12) ** 2) + 0.6 * two)
    height -= 0.034 * bump(x, y - line, 0.0, 0.0, 0.12 * wide, 0.013)
    # Philtrum: a groove between two ridges.
    groove = 0.012 + shape.philtrum
    height -= groove * bump(x, y, 0.0, my + 0.125, 0.020, 0.040)
    height += 0.7 * groove * bump(x, y, 0.046, my + 0.120, 0.017, 0.045)
    return height


def _nose_relief(shape: HeadShape, eye: Eye, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Ridge, ball, wings and nostrils: offsets of z."""
    ey = eye.centre[1]
    length = shape.nose_length
    top, tip = ey + 0.03, -0.240 - length + shape.nose_tip_up
    base = -0.338 - length
    s = np.clip((top - y) / (top - tip), 0.0, 1.0)
    ridge = 0.036 + shape.nose_bridge * (1.0 - s) + 0.142 * shape.nose_height * s**1.1
    ridge += shape.nose_hump * np.exp(-(((s - 0.42) / 0.22) ** 2))
    ridge += shape.nose_root * np.exp(-((s / 0.25) ** 2))
    ridge *= smoothstep(ey + 0.17, ey - 0.01, y) * smoothstep(base - 0.004, tip - 0.002, y)
    half_width = shape.nose_width * (0.050 + 0.028 * s**2.5)
    across = np.exp(-(np.abs(x / (1.05 * half_width)) ** 2.3))
    height = ridge * (0.66 * across + 0.34 * np.exp(-((x / (2.1 * half_width)) ** 2)))
    # The ball, and the wings behind it with a crease between them and the cheek.
    ball = 0.036 * shape.nose_height + shape.nose_ball
    round_ = 0.052 * shape.nose_width * (1.0 + 6.0 * shape.nose_ball)
    height += ball * bump(x, y, 0.0, tip - 0.012, round_, 0.046)
    wing_x = 0.104 * shape.nose_width + shape.nose_wings
    wing = bump(x, y, wing_x, tip - 0.046, 0.033, 0.036)
    height += 0.068 * wing * smoothstep(base - 0.020, base + 0.030, y)
    height -= 0.014 * crease_of_wing(x, y, wing_x, tip - 0.050)
    height -= 0.026 * bump(x, y, 0.062 * shape.nose_width, base + 0.020, 0.022, 0.017)
    height += 0.014 * bump(x, y, 0.0, base + 0.006, 0.020, 0.020)
    return height


def _neck(shape: HeadShape, p: np.ndarray, t: np.ndarray, column: np.ndarray) -> np.ndarray:
    """Throat, the two muscles towards the breastbone, and what hangs under the chin."""
    x, y, z = np.moveaxis(p, -1, 0)
    front = np.where(column > 1.0, 0.0, smoothstep(1.0, 0.8, column))
    front = front * smoothstep(row_of("under_chin"), row_of("neck_top") + 0.4, t)
    height = (0.020 + shape.throat) * bump(x, y, 0.0, -1.15, 0.060, 0.065)
    muscle = along_line(x, y, (0.33, -1.02), (0.10, -1.72), 0.055)
    height += 0.035 * muscle - 0.030 * bump(x, y, 0.0, -1.60, 0.07, 0.14)
    z = z + height * front
    under = bump(t, t, row_of("under_chin"), 0.0, 1.0, 1e9) * np.where(column > 1.0, 0.0, 1.0)
    under = under * smoothstep(0.95, 0.3, column)
    y = y - shape.double_chin * under
    z = z + 0.6 * shape.double_chin * under
    return np.stack([x, y, z], axis=-1)


def _lashes(chart: HalfChart, points: np.ndarray, eye: Eye) -> np.ndarray:
    """(3, C, 3): base just inside the rim of the upper lid, tips before it, base again."""
    rim = points[chart.eye_bag[0]]
    out = rim - np.concatenate([eye.centre[:2], eye.centre[2:]])
    out = out / np.linalg.norm(out, axis=-1, keepdims=True)
    along = np.linspace(0.0, 1.0, len(rim))[:, None]
    full = smoothstep(0.0, 0.35, along) * (0.7 + 0.3 * along)
    base = rim - 0.004 * out
    swing = np.concatenate([0.20 * (along - 0.35), 0.15 + 0.0 * along, 0.0 * along], axis=1)
    tips = rim + 0.022 * full * (out + swing)
    tips[[0, -1]] = base[[0, -1]] + 0.3 * (tips[[0, -1]] - base[[0, -1]])
    return np.stack([base, tips, base - 0.004 * out - np.array([0.0, 0.004, 0.0])])


def _smooth_max(a: np.ndarray, b: np.ndarray, width: float) -> np.ndarray:
    return 0.5 * (a + b + np.sqrt((a - b) ** 2 + width**2))


def eye_rings(num_rings: int) -> np.ndarray:
    """Polar angle of each ring of the eyeball; the borders of pupil and iris lie on rings."""
    edge = 0.012
    inner = [0.0, PUPIL_ANGLE - edge, PUPIL_ANGLE + edge]
    middle = np.linspace(PUPIL_ANGLE + edge, IRIS_ANGLE - edge, max(2, (num_rings - 6) // 3 + 2))
    outer = np.linspace(IRIS_ANGLE + 0.03, 1.75, num_rings - 3 - (len(middle) - 1))
    return np.concatenate([inner, middle[1:], outer])


def eyeball_points(centre: np.ndarray, grid: tuple[int, int]) -> np.ndarray:
    """(rings, sectors, 3) of an eyeball that looks straight ahead."""
    rings, sectors = grid
    polar = eye_rings(rings)[:, None]
    sector = (np.arange(sectors) * 2.0 * np.pi / sectors)[None]
    x, y = np.sin(polar) * np.cos(sector), np.sin(polar) * np.sin(sector)
    z = np.broadcast_to(np.cos(polar), x.shape)
    return centre + EYE_RADIUS * np.stack([x, y, z], axis=-1)
