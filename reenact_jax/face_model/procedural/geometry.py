"""Closed-form shape of the procedural head, in decimetres (x to image right, y up, z forward).

A lofted surface (three profiles: front, side, back, joined by plane ellipses) carries smooth
bumps: sockets, nose, cheeks, lips, chin, ears, hair. Lids lie on spheres round the eyeballs. Every
length that a mode changes is a field of `HeadShape`.
"""

import dataclasses

import numpy as np
from scipy.interpolate import PchipInterpolator
from scipy.ndimage import gaussian_filter1d

from reenact_jax.face_model.procedural.chart import (
    EAR_RIM,
    EAR_ROOT,
    EYE_INNER,
    EYE_OUTER,
    MOUTH_CORNER,
    ROW_INDEX,
    HalfChart,
)


@dataclasses.dataclass(frozen=True)
class HeadShape:
    """Lengths in decimetres or relative to the mean head (those that default to 0 or 1)."""

    face_width: float = 1.0
    skull_width: float = 1.0
    jaw_width: float = 1.0
    cheekbone: float = 0.0
    cheek_fullness: float = 0.0
    chin_height: float = 0.0
    chin_forward: float = 0.0
    chin_width: float = 0.0
    forehead_height: float = 0.0
    forehead_slope: float = 0.0
    brow_ridge: float = 0.022
    brow_height: float = 0.0
    brow_thickness: float = 0.027
    brow_slant: float = 0.0
    eye_spacing: float = 0.0
    eye_width: float = 0.142
    eye_height: float = 1.0
    eye_slant: float = 0.012
    eye_depth: float = 0.0
    eye_level: float = 0.0
    nose_length: float = 0.0
    nose_width: float = 1.0
    nose_bridge: float = 0.0
    nose_height: float = 1.0
    nose_tip_up: float = 0.0
    nose_hump: float = 0.0
    mouth_width: float = 0.245
    mouth_level: float = 0.0
    mouth_forward: float = 0.0
    upper_lip: float = 0.068
    lower_lip: float = 0.088
    cupid_bow: float = 0.010
    neck_width: float = 1.0
    ear_size: float = 1.0
    ear_out: float = 0.0
    hair_top: float = 0.075
    hair_sides: float = 0.055
    # Expressions that change the rows of the lids themselves.
    blink: float = 0.0
    wide: float = 0.0
    squint: float = 0.0
    gaze_up: float = 0.0
    gaze_out: float = 0.0


EYE_Y, EYE_RADIUS, LID_RADIUS = 0.085, 0.145, 0.156
IRIS_ANGLE, PUPIL_ANGLE = np.arcsin(0.063 / EYE_RADIUS), np.arcsin(0.027 / EYE_RADIUS)
CORNER_Y = -0.535

# Profiles, one line per knot of the rows: front (y, z), side (x, y, z), back (y, z).
_PROFILES = {
    "crown": ((1.0, -0.27), (0.0, 1.0, -0.27), (1.0, -0.27)),
    "top": ((0.95, 0.08), (0.34, 0.915, -0.25), (0.88, -0.62)),
    "upper_top": ((0.81, 0.35), (0.57, 0.715, -0.24), (0.66, -0.92)),
    "hairline": ((0.62, 0.505), (0.675, 0.38, -0.20), (0.34, -1.06)),
    "forehead": ((0.45, 0.565), (0.70, 0.27, -0.18), (0.25, -1.07)),
    "brow_top": ((0.265, 0.585), (0.705, 0.19, -0.17), (0.17, -1.07)),
    "brow_bottom": ((0.205, 0.58), (0.705, 0.155, -0.165), (0.13, -1.065)),
    "crease": ((0.15, 0.565), (0.70, 0.12, -0.16), (0.09, -1.055)),
    "lids": ((EYE_Y, 0.55), (0.695, EYE_Y, -0.155), (0.05, -1.045)),
    "bag": ((0.02, 0.545), (0.69, 0.045, -0.155), (0.0, -1.03)),
    "mid_nose": ((-0.06, 0.545), (0.685, -0.01, -0.15), (-0.05, -1.01)),
    "nose_tip": ((-0.235, 0.565), (0.677, -0.13, -0.15), (-0.15, -0.96)),
    "nose_base": ((-0.335, 0.585), (0.665, -0.20, -0.15), (-0.22, -0.92)),
    "lip_top": ((-0.465, 0.595), (0.650, -0.27, -0.155), (-0.29, -0.87)),
    "mouth": ((-0.535, 0.585), (0.634, -0.325, -0.16), (-0.34, -0.835)),
    "lip_bottom": ((-0.625, 0.565), (0.615, -0.38, -0.165), (-0.40, -0.80)),
    "chin_crease": ((-0.70, 0.53), (0.596, -0.425, -0.175), (-0.45, -0.775)),
    "chin_front": ((-0.815, 0.52), (0.563, -0.485, -0.19), (-0.51, -0.75)),
    "chin_bottom": ((-0.945, 0.40), (0.51, -0.565, -0.22), (-0.58, -0.73)),
    "under_chin": ((-0.965, 0.17), (0.42, -0.66, -0.27), (-0.68, -0.715)),
    "neck_top": ((-1.03, -0.01), (0.39, -0.80, -0.32), (-0.82, -0.71)),
    "neck_bottom": ((-1.75, 0.02), (0.42, -1.75, -0.33), (-1.75, -0.76)),
}
assert tuple(_PROFILES) == tuple(ROW_INDEX)


def smoothstep(edge0: float, edge1: float, x: np.ndarray) -> np.ndarray:
    """0 below edge0, 1 above edge1 (or the other way round), smooth between."""
    s = np.clip((x - edge0) / (edge1 - edge0), 0.0, 1.0)
    return s * s * (3.0 - 2.0 * s)


def bump(x: np.ndarray, y: np.ndarray, cx: float, cy: float, sx: float, sy: float) -> np.ndarray:
    """Gaussian of height 1."""
    return np.exp(-0.5 * (((x - cx) / sx) ** 2 + ((y - cy) / sy) ** 2))


def _smooth_max(a: np.ndarray, b: np.ndarray, width: float) -> np.ndarray:
    return 0.5 * (a + b + np.sqrt((a - b) ** 2 + width**2))


def _at(name: str) -> int:
    return ROW_INDEX[name]


class _Loft:
    """The surface without bumps, at any (row coordinate, column)."""

    def __init__(self, shape: HeadShape):
        t = np.arange(len(_PROFILES), dtype=float)
        table = np.array([[*front, *side, *back] for front, side, back in _PROFILES.values()])
        front_y, front_z, side_x, side_y, side_z, back_y, back_z = table.T.copy()

        above = smoothstep(_at("brow_top"), _at("upper_top"), t)
        jaw = smoothstep(_at("bag"), _at("chin_front"), t) * (t <= _at("under_chin"))
        neck = smoothstep(_at("chin_bottom"), _at("neck_top"), t)
        face = (1.0 - above) * (1.0 - neck)
        side_x *= 1.0 + (shape.face_width - 1.0) * face + (shape.skull_width - 1.0) * above
        side_x *= 1.0 + (shape.jaw_width - 1.0) * jaw
        side_x *= 1.0 + (shape.neck_width - 1.0) * neck
        chin = smoothstep(_at("mouth"), _at("chin_bottom"), t)
        front_y -= shape.chin_height * chin
        front_z += shape.chin_forward * chin * (t <= _at("chin_bottom"))
        raised = smoothstep(_at("brow_top"), _at("hairline"), t)
        front_y += shape.forehead_height * raised
        side_y += shape.forehead_height * smoothstep(_at("hairline"), _at("upper_top"), t)
        back_y += shape.forehead_height * smoothstep(_at("hairline"), _at("upper_top"), t)
        front_z -= shape.forehead_slope * bump(t, t, _at("hairline"), _at("hairline"), 1.6, 1.6)
        values = np.stack([front_y, front_z, side_x, side_y, side_z, back_y, back_z], axis=-1)
        # A monotone interpolant, smoothed: its kinks at the knots would show as folds.
        fine = np.linspace(t[0], t[-1], 1 + 20 * (len(t) - 1))
        curves = PchipInterpolator(t, values)(fine)
        smooth = gaussian_filter1d(curves, 11.0, axis=0, mode="nearest")
        ends = smoothstep(0.0, 1.0, fine)[:, None] * smoothstep(t[-1], t[-1] - 1.0, fine)[:, None]
        self._curve = PchipInterpolator(fine, curves + ends * (smooth - curves))

    def __call__(self, t: np.ndarray, column: np.ndarray) -> np.ndarray:
        """Positions (..., 3) for row coordinates and columns (0 to 2) of equal shape."""
        front_y, front_z, side_x, side_y, side_z, back_y, back_z = np.moveaxis(
            self._curve(t), -1, 0
        )
        behind = column > 1.0
        sine = np.where(behind, column - 1.0, column)
        cosine = np.sqrt(np.maximum(0.0, 1.0 - sine**2))
        # In front the sine runs along x, behind it runs along -z: see the chart.
        x = side_x * np.where(behind, cosine, sine)
        y = side_y + np.where(behind, (back_y - side_y) * sine, (front_y - side_y) * cosine)
        z = side_z + np.where(behind, (back_z - side_z) * sine, (front_z - side_z) * cosine)
        return np.stack([x, y, z], axis=-1)


@dataclasses.dataclass(frozen=True)
class _Eye:
    """Where the eye is: corners of the slit and centre of the eyeball."""

    inner: np.ndarray  # (2,) x, y
    outer: np.ndarray
    centre: np.ndarray  # (3,)


def _eye(shape: HeadShape) -> _Eye:
    middle = 0.287 + shape.eye_spacing
    level = EYE_Y + shape.eye_level
    return _Eye(
        inner=np.array([middle - shape.eye_width, level - 0.012 - 0.5 * shape.eye_slant]),
        outer=np.array([middle + shape.eye_width, level + 0.002 + 0.5 * shape.eye_slant]),
        centre=np.array([middle, level, 0.345 - shape.eye_depth]),
    )


def mouth_line(shape: HeadShape, x: np.ndarray) -> np.ndarray:
    """Height at which the closed lips meet."""
    inside = np.clip(x / shape.mouth_width, 0.0, 1.0)
    dip = 0.007 * (1.0 - inside**2) + 0.007 * np.exp(-((inside / 0.35) ** 2))
    return CORNER_Y + shape.mouth_level - dip


def _row_targets(shape: HeadShape, eye: _Eye, x: np.ndarray, y: np.ndarray) -> dict:
    """Height (C,) of each feature row along the columns, where it leaves the loft's own row.

    Args:
      x, y: (K, C) positions of the loft at the knots of the rows.

    Returns:
      name -> (C,); lids and mouth have `upper` and `lower` in place of one.
    """
    targets = {}
    # Eyes: within the slit the rims are arcs, outside they run together and then fan out.
    xe = x[_at("lids")]
    xe = xe + _eye_shift(eye, xe, EYE_INNER * xe.max(), EYE_OUTER * xe.max())
    along = (xe - eye.inner[0]) / (eye.outer[0] - eye.inner[0])
    inside = np.clip(along, 0.0, 1.0)
    axis = eye.inner[1] + (eye.outer[1] - eye.inner[1]) * inside
    arc = np.sqrt(np.maximum(0.0, 4.0 * inside * (1.0 - inside)))
    arc_upper = arc * (1.0 + 0.12 * (0.5 - inside))
    arc_lower = arc**1.3 * (1.0 - 0.2 * (0.5 - inside))
    open_upper, open_lower = 0.056 * shape.eye_height, 0.036 * shape.eye_height
    follow = 0.034 * shape.gaze_up
    upper = (open_upper + follow + 0.026 * shape.wide - 0.022 * shape.squint) * arc_upper
    lower = (-open_lower + 0.35 * follow + 0.022 * shape.squint) * arc_lower
    # Shut, the upper rim lies a little below the lower one.
    closed_upper, closed_lower = -0.029 * arc_lower, -0.025 * arc_lower
    upper = axis + upper + shape.blink * (closed_upper - upper)
    lower = axis + lower + shape.blink * (closed_lower - lower)
    away = np.where(along < 0.5, -along, along - 1.0) * (eye.outer[0] - eye.inner[0])
    fan = smoothstep(0.0, 0.16, away)
    level = shape.eye_level

    def relaxed(name: str, height: np.ndarray) -> np.ndarray:
        return height + fan * (y[_at(name)] + level - height)

    targets["lids_upper"] = relaxed("lids", upper)
    targets["lids_lower"] = relaxed("lids", lower)
    crease = axis + (open_upper + 0.026 + 0.5 * follow) * arc_upper + 0.020
    crease = crease + shape.blink * (-0.012) * arc_upper + 0.012 * shape.wide * arc_upper
    targets["crease"] = relaxed("crease", crease)
    targets["bag"] = relaxed("bag", axis - (open_lower + 0.016) * arc_lower - 0.022)

    # Brows: an arch whose inner end is thicker; beyond its ends the two rows stay apart a little.
    xb = x[_at("brow_top")]
    u = (xb - 0.29 - shape.eye_spacing) / 0.20
    arch = 0.245 + shape.brow_height + 0.6 * shape.eye_level
    arch = arch + 0.022 * (1.0 - (u - 0.25) ** 2) + shape.brow_slant * u
    arch = np.where(u > 1.0, arch + 0.03 * (u - 1.0), arch)
    half = shape.brow_thickness * np.clip(1.0 - 0.42 * np.maximum(u, 0.0), 0.3, 1.0)
    brow_fan = smoothstep(1.0, 2.0, u)
    for name, sign in (("brow_top", 1.0), ("brow_bottom", -1.0)):
        row = arch + sign * half
        targets[name] = row + brow_fan * (y[_at(name)] - row)

    # Mouth.
    xm = x[_at("mouth")]
    xm = xm + _mouth_shift(shape, xm, MOUTH_CORNER * xm.max())
    inside = np.clip(xm / shape.mouth_width, 0.0, 1.0)
    line = mouth_line(shape, xm)
    full = np.sqrt(np.maximum(0.0, 1.0 - inside**2))
    bow = np.exp(-(((inside - 0.27) / 0.16) ** 2)) - np.exp(-((inside / 0.13) ** 2)) * 0.5
    fan = smoothstep(0.0, 0.30, xm - shape.mouth_width)

    def beside(name: str, height: np.ndarray) -> np.ndarray:
        return height + fan * (y[_at(name)] + shape.mouth_level - height)

    targets["lip_top"] = beside(
        "lip_top", line + 0.018 + (shape.upper_lip - 0.006) * full**1.3 + shape.cupid_bow * bow
    )
    targets["mouth_upper"] = targets["mouth_lower"] = beside("mouth", line)
    targets["lip_bottom"] = beside(
        "lip_bottom", line - 0.018 - (shape.lower_lip - 0.006) * full**0.9
    )

    # Nose: its tip and base move with its length.
    for name, share in (("mid_nose", 0.4), ("nose_tip", 1.0), ("nose_base", 1.0)):
        near = smoothstep(0.40, 0.15, x[_at(name)])
        targets[name] = y[_at(name)] - shape.nose_length * share * near
    return targets


def _skin_rows(shape: HeadShape, chart: HalfChart, loft: _Loft, eye: _Eye) -> np.ndarray:
    """Row coordinate (R, C) at which the loft is sampled for each grid point."""
    num_knots, num_columns = len(ROW_INDEX), len(chart.columns)
    knots = np.broadcast_to(np.arange(num_knots, dtype=float)[:, None], (num_knots, num_columns))
    at_knots = loft(knots, np.broadcast_to(chart.columns, knots.shape))
    targets = _row_targets(shape, eye, at_knots[..., 0], at_knots[..., 1])
    # On its way to the side of the head every row returns to the loft's own.
    fade = np.where(chart.columns > 1.0, 0.0, smoothstep(1.0, 0.85, chart.columns))

    dense = np.linspace(_at("hairline"), _at("chin_bottom"), 1200)
    dense_y = loft(
        np.broadcast_to(dense[:, None], (len(dense), num_columns)),
        np.broadcast_to(chart.columns, (len(dense), num_columns)),
    )[..., 1]

    def placed(name: str, knot: int) -> np.ndarray:
        height = targets.get(name)
        if height is None:
            return np.full(num_columns, float(knot))
        rows = [
            np.interp(-height[j], -dense_y[:, j], dense) if fade[j] > 0 else knot
            for j in range(num_columns)
        ]
        return knot + fade * (np.asarray(rows) - knot)

    above, below = np.empty(knots.shape), np.empty(knots.shape)
    for name, knot in ROW_INDEX.items():
        if name in ("lids", "mouth"):
            above[knot] = placed(f"{name}_upper", knot)
            below[knot] = placed(f"{name}_lower", knot)
        else:
            above[knot] = below[knot] = placed(name, knot)
    first = np.minimum(np.floor(chart.rows).astype(int), num_knots - 1)
    second = np.minimum(first + 1, num_knots - 1)
    fraction = (chart.rows - first)[:, None]
    # A row ends at the upper rim of the slit below it and starts at the lower rim of one above.
    start = np.where(chart.upper[:, None] & (fraction == 0), above[first], below[first])
    return start + fraction * (above[second] - start)


def _bumps(shape: HeadShape, eye: _Eye, p: np.ndarray, column: np.ndarray) -> np.ndarray:
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
    top = smoothstep(_at("hairline"), _at("upper_top"), t)
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


def _bags(chart: HalfChart, points: np.ndarray, eye: _Eye, shape: HeadShape) -> None:
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


def build_half(shape: HeadShape, chart: HalfChart) -> np.ndarray:
    """Positions (num_vertices, 3), float64, of the half head with x >= 0."""
    loft, eye = _Loft(shape), _eye(shape)
    t = _skin_rows(shape, chart, loft, eye)
    column = np.broadcast_to(chart.columns, t.shape)
    skin = loft(t, column)
    skin = _column_corrections(shape, chart, eye, skin)
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


def _eye_shift(eye: _Eye, x: np.ndarray, inner: float, outer: float) -> np.ndarray:
    """Sideways shift that brings the columns at `inner` and `outer` to the eye's corners."""
    moves = [0.0, eye.inner[0] - inner, eye.outer[0] - outer, 0.0]
    return np.interp(x, [0.0, inner, outer, 0.66], moves)


def _mouth_shift(shape: HeadShape, x: np.ndarray, corner: float) -> np.ndarray:
    """Sideways shift that brings the column at `corner` to the corner of the mouth."""
    return np.interp(x, [0.0, corner, 0.55], [0.0, shape.mouth_width - corner, 0.0])


def _column_corrections(
    shape: HeadShape, chart: HalfChart, eye: _Eye, skin: np.ndarray
) -> np.ndarray:
    """Moves the columns sideways so that the slits end at the corners of eye and mouth."""
    x, y, z = np.moveaxis(skin.copy(), -1, 0)
    lid_row = int(np.flatnonzero(chart.rows == _at("lids"))[0])
    mouth_row = int(np.flatnonzero(chart.rows == _at("mouth"))[0])
    inner, outer = x[lid_row, chart.eye_columns[[0, -1]]]
    eye_weight = np.exp(-0.5 * ((y - eye.centre[1]) / 0.16) ** 2)
    corner = chart.mouth_columns[-1]
    mouth_found = x[mouth_row, corner]
    mouth_weight = np.exp(-0.5 * ((y - CORNER_Y - shape.mouth_level) / 0.16) ** 2)

    front = (z > -0.1) * (chart.columns <= 1.0)
    moved = eye_weight * _eye_shift(eye, x, inner, outer)
    moved += mouth_weight * _mouth_shift(shape, x, mouth_found)
    return np.stack([x + moved * front, y, z], axis=-1)


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
