"""Closed-form shape of the procedural head, in decimetres (x to image right, y up, z forward).

A lofted surface (three profiles: front, side, back, joined by plane ellipses) carries smooth
bumps: sockets, nose, cheeks, lips, chin, ears, hair. Lids lie on spheres round the eyeballs. Every
length that a mode changes is a field of `HeadShape`.
"""

import numpy as np

from reenact_jax.face_model.procedural.chart import EAR_RIM, EAR_ROOT, HalfChart
from reenact_jax.face_model.procedural.loft import Loft
from reenact_jax.face_model.procedural.rows import mouth_line, place_columns, skin_rows
from reenact_jax.face_model.procedural.shape import (
    CORNER_Y,
    EYE_RADIUS,
    IRIS_ANGLE,
    LID_RADIUS,
    PUPIL_ANGLE,
    Eye,
    HeadShape,
    bump,
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
    skin = _bumps(shape, eye, skin, column)
    rows = np.broadcast_to(chart.rows[:, None], t.shape)
    skin = _ears_and_hair(shape, skin, rows, column)
    points = np.zeros((chart.num_vertices, 3))
    points[chart.grid] = skin
    _bags(chart, points, eye, shape)
    points[chart.eyeball] = eyeball_points(shape, eye.centre, chart.eyeball.shape)
    points[chart.teeth] = _teeth(chart, shape)
    points[chart.middle, 0] = 0.0
    return points


def _bumps(shape: HeadShape, eye: Eye, p: np.ndarray, column: np.ndarray) -> np.ndarray:
    """Adds the features of the face to loft positions (..., 3)."""
    x, y, z = np.moveaxis(p, -1, 0)
    front = np.where(column > 1.0, 0.0, smoothstep(1.0, 0.88, column)) * smoothstep(-0.1, 0.2, z)
    ex, ey = eye.centre[:2]
    height = np.zeros_like(z)
    # Brow ridge and sockets.
    height += (0.02 + shape.brow_ridge) * bump(x, y, 0.22, ey + 0.155, 0.16, 0.055)
    height -= 0.080 * bump(x, y, ex - 0.045, ey - 0.005, 0.125, 0.075)
    height -= 0.040 * bump(x, y, 0.13, ey - 0.01, 0.05, 0.075)
    # Cheekbones, cheeks, the hollow beside the mouth, the fold from nose to mouth.
    height += (0.028 + shape.cheekbone) * bump(x, y, 0.40, -0.11, 0.13, 0.09)
    height += (0.012 + shape.cheek_fullness) * bump(x, y, 0.37, -0.38, 0.13, 0.15)
    height -= 0.020 * bump(x, y, 0.25, -0.50, 0.05, 0.09)
    # Mouth: the lips' mound, philtrum, crease below, chin.
    my = CORNER_Y + shape.mouth_level
    height += (0.045 + shape.mouth_forward) * bump(x, y, 0.0, my + 0.01, 0.17, 0.14)
    fullness = (shape.upper_lip / 0.068, shape.lower_lip / 0.088)
    wide = shape.mouth_width / 0.245
    height += 0.026 * fullness[0] * bump(x, y, 0.0, my + 0.036, 0.13 * wide, 0.026)
    height += 0.030 * fullness[1] * bump(x, y, 0.0, my - 0.050, 0.12 * wide, 0.030)
    height -= 0.036 * bump(x, y - mouth_line(shape, x), 0.0, 0.0, 0.11 * wide, 0.014)
    height -= 0.010 * bump(x, y, 0.0, my + 0.14, 0.018, 0.05)
    height -= 0.030 * bump(x, y, 0.0, my - 0.145, 0.16, 0.035)
    chin_y = -0.82 - shape.chin_height
    height += 0.040 * bump(x, y, 0.0, chin_y, 0.13 * (1.0 + shape.chin_width), 0.08)
    height += 0.5 * shape.chin_width * bump(x, y, 0.16, chin_y, 0.07, 0.08)
    # Nose: ridge, ball, wings.
    length = shape.nose_length
    top, tip = ey + 0.03, -0.235 - length + shape.nose_tip_up
    base = -0.335 - length
    s = np.clip((top - y) / (top - tip), 0.0, 1.0)
    ridge = 0.030 + shape.nose_bridge * (1.0 - s) + 0.165 * shape.nose_height * s**1.25
    ridge += shape.nose_hump * np.exp(-(((s - 0.45) / 0.25) ** 2))
    ridge *= smoothstep(ey + 0.16, ey + 0.0, y) * smoothstep(base - 0.005, tip + 0.030, y)
    half_width = shape.nose_width * (0.066 + 0.034 * s**2)
    across = np.exp(-((x / half_width) ** 2))
    height += ridge * (0.78 * across + 0.22 * np.exp(-((x / (2.0 * half_width)) ** 2)))
    height += 0.030 * shape.nose_height * bump(x, y, 0.0, tip, 0.055 * shape.nose_width, 0.045)
    wing = bump(x, y, 0.118 * shape.nose_width, tip - 0.028, 0.042, 0.044)
    height += 0.085 * wing * smoothstep(base - 0.02, base + 0.05, y)
    height -= 0.020 * bump(x, y, 0.060 * shape.nose_width, base + 0.02, 0.022, 0.02)
    z = z + height * front

    # Lids: the skin lies on a sphere round the eyeball wherever it would cut into it.
    cx, cy, cz = eye.centre
    squared = LID_RADIUS**2 - (x - cx) ** 2 - (y - cy) ** 2
    sphere = cz + np.sqrt(np.maximum(squared, 0.0))
    near = smoothstep(0.0, 0.35 * LID_RADIUS**2, squared) * (front > 0)
    z = z + near * (_smooth_max(z, sphere, 0.022) - z)
    return np.stack([x, y, z], axis=-1)


def _smooth_max(a: np.ndarray, b: np.ndarray, width: float) -> np.ndarray:
    return 0.5 * (a + b + np.sqrt((a - b) ** 2 + width**2))


def _ears_and_hair(
    shape: HeadShape, p: np.ndarray, t: np.ndarray, column: np.ndarray
) -> np.ndarray:
    x, y, z = np.moveaxis(p, -1, 0)
    arc = np.maximum(column - 1.0, 0.0)
    v = (y + 0.02) / (0.255 * shape.ear_size)
    profile = np.sqrt(np.maximum(0.0, 1.0 - v**2)) ** 0.7
    rise = np.interp(arc, [0.0, 0.05, 0.12, 0.165, EAR_RIM, EAR_ROOT], [0, 0.06, 0.1, 0.7, 1, 0])
    out = (0.115 * shape.ear_size + shape.ear_out) * profile * rise
    lean = 0.075 * profile * np.interp(arc, [0.05, EAR_RIM, EAR_ROOT], [0.0, 1.0, 0.0])
    x = x + out
    z = z - lean
    y = y + 0.03 * profile * rise
    # Hair stands off the skull, less and less towards its edge.
    top = smoothstep(row_of("hairline"), row_of("upper_top"), t)
    volume = shape.hair_sides + (shape.hair_top - shape.hair_sides) * top
    volume = volume * hair_mask(t + 0.4, column, 1.2)
    volume = volume * (1.0 - 0.9 * bump(arc, y, 0.1, 0.1, 0.13, 0.22) * (column > 0.8))
    centre = np.array([0.0, 0.15, -0.28])
    direction = np.stack([x, y, z], axis=-1) - centre
    direction = direction / np.linalg.norm(direction, axis=-1, keepdims=True)
    return np.stack([x, y, z], axis=-1) + volume[..., None] * direction


# The edge of the hair: column -> row coordinate. Over the temple it comes down to the sideburn in
# front of the ear, passes over the ear and falls behind it to the nape.
_HAIR_EDGE = np.array(
    [
        [0.0, 3.1],
        [0.35, 2.85],
        [0.60, 2.55],
        [0.76, 2.95],
        [0.86, 4.2],
        [0.93, 6.0],
        [0.975, 7.6],
        [1.0, 7.8],
        [1.03, 5.4],
        [1.08, 4.3],
        [1.215, 4.6],
        [1.25, 7.5],
        [1.32, 12.0],
        [1.45, 16.2],
        [1.70, 17.6],
        [2.0, 17.8],
    ]
)


def hair_mask(t: np.ndarray, column: np.ndarray, soft: float = 0.45) -> np.ndarray:
    """1 on the hair, 0 on the skin, for row coordinates and columns; `soft` rows wide."""
    edge = np.interp(column, _HAIR_EDGE[:, 0], _HAIR_EDGE[:, 1])
    # Where the edge crosses the rows steeply it is softened along them, or it would show steps.
    ahead, before = (
        np.interp(column + step, _HAIR_EDGE[:, 0], _HAIR_EDGE[:, 1]) for step in (0.02, -0.02)
    )
    soft = soft + np.minimum(1.0 * np.abs(ahead - before), 3.0)
    return smoothstep(edge + 0.5 * soft, edge - 0.5 * soft, t)


def _bags(chart: HalfChart, points: np.ndarray, eye: Eye, shape: HeadShape) -> None:
    """Fills in the bags behind the rims of mouth and eye, in place."""
    for bag, depth, spread in ((chart.mouth_bag, 0.42, 0.16), (chart.eye_bag, 0.10, 0.0)):
        upper, lower = points[bag[0]], points[bag[-1]]
        inner = len(bag) - 2
        for i in range(1, inner + 1):
            f = i / (inner + 1.0)
            # Back along a half ellipse from the upper rim to the lower one.
            open_ = spread * np.cos(np.pi * f)
            back = depth * np.sin(np.pi * f) ** 0.5
            row = upper + f * (lower - upper)
            gap = np.minimum(1.0, np.linalg.norm(row - points[bag[0, -1]], axis=-1) / 0.06)
            row = row + gap[:, None] * np.stack(
                [0.0 * gap, open_ + 0.0 * gap, -back + 0.0 * gap], axis=-1
            )
            free = bag[i] != bag[0]
            points[bag[i, free]] = row[free]


def eye_rings(num_rings: int) -> np.ndarray:
    """Polar angle of each ring of the eyeball; the borders of pupil and iris lie on rings."""
    edge = 0.012
    inner = [0.0, PUPIL_ANGLE - edge, PUPIL_ANGLE + edge]
    middle = np.linspace(PUPIL_ANGLE + edge, IRIS_ANGLE - edge, max(2, (num_rings - 6) // 3 + 2))
    outer = np.linspace(IRIS_ANGLE + 0.03, 1.75, num_rings - 3 - (len(middle) - 1))
    return np.concatenate([inner, middle[1:], outer])


def eyeball_points(shape: HeadShape, centre: np.ndarray, grid: tuple[int, int]) -> np.ndarray:
    """(rings, sectors, 3), the gaze turned by `gaze_up` and `gaze_out` (1 = about 25 degrees)."""
    rings, sectors = grid
    polar = eye_rings(rings)[:, None]
    sector = (np.arange(sectors) * 2.0 * np.pi / sectors)[None]
    x, y = np.sin(polar) * np.cos(sector), np.sin(polar) * np.sin(sector)
    z = np.broadcast_to(np.cos(polar), x.shape)
    pitch, yaw = 0.42 * shape.gaze_up, 0.50 * shape.gaze_out
    y, z = y * np.cos(pitch) + z * np.sin(pitch), z * np.cos(pitch) - y * np.sin(pitch)
    x, z = x * np.cos(yaw) + z * np.sin(yaw), z * np.cos(yaw) - x * np.sin(yaw)
    return centre + EYE_RADIUS * np.stack([x, y, z], axis=-1)


def _teeth(chart: HalfChart, shape: HeadShape) -> np.ndarray:
    """(2, 2, C, 3): upper and lower row of teeth, each a band on an arch behind the lips."""
    count = chart.teeth.shape[-1]
    angle = np.linspace(0.0, 1.25, count)
    arch = np.stack([0.20 * np.sin(angle), 0.0 * angle, 0.30 * np.cos(angle)], axis=-1)
    my = CORNER_Y + shape.mouth_level
    forward = 0.24 + shape.mouth_forward
    rows = []
    for top, bottom, back in ((my + 0.075, my - 0.004, 0.0), (my - 0.012, my - 0.085, 0.02)):
        band = [arch + np.array([0.0, y, forward - back]) for y in (top, bottom)]
        rows.append(np.stack(band))
    return np.stack(rows)
