"""Where the rows and columns of the chart lie on the loft: along lids, brows, lips and nose."""

import numpy as np

from reenact_jax.face_model.procedural.chart import (
    EYE_INNER,
    EYE_OUTER,
    MOUTH_CORNER,
    ROW_INDEX,
    HalfChart,
)
from reenact_jax.face_model.procedural.loft import Loft
from reenact_jax.face_model.procedural.shape import (
    CORNER_Y,
    Eye,
    HeadShape,
    row_of,
    smoothstep,
)


def mouth_line(shape: HeadShape, x: np.ndarray) -> np.ndarray:
    """Height at which the closed lips meet."""
    inside = np.clip(x / shape.mouth_width, 0.0, 1.0)
    dip = 0.007 * (1.0 - inside**2) + 0.007 * np.exp(-((inside / 0.35) ** 2))
    curve = shape.mouth_curve * (inside**2 - 0.35)
    return CORNER_Y + shape.mouth_level - dip + curve


def _row_targets(shape: HeadShape, eye: Eye, x: np.ndarray, y: np.ndarray) -> dict:
    """Height (C,) of each feature row along the columns, where it leaves the loft's own row.

    Args:
      x, y: (K, C) positions of the loft at the knots of the rows.

    Returns:
      name -> (C,); lids and mouth have `upper` and `lower` in place of one.
    """
    targets = {}
    # Eyes: within the slit the rims are arcs, outside they run together and then fan out.
    xe = x[row_of("lids")]
    xe = xe + _eye_shift(eye, xe, EYE_INNER * xe.max(), EYE_OUTER * xe.max())
    along = (xe - eye.inner[0]) / (eye.outer[0] - eye.inner[0])
    inside = np.clip(along, 0.0, 1.0)
    axis = eye.inner[1] + (eye.outer[1] - eye.inner[1]) * inside
    arc = np.sqrt(np.maximum(0.0, 4.0 * inside * (1.0 - inside)))
    arc_upper = arc * (1.0 + 0.12 * (0.5 - inside))
    arc_lower = arc**1.3 * (1.0 - 0.2 * (0.5 - inside))
    open_upper, open_lower = 0.056 * shape.eye_height, 0.036 * shape.eye_height
    follow = 0.036 * shape.gaze_up
    upper = (open_upper + follow + 0.026 * shape.wide - 0.022 * shape.squint) * arc_upper
    lower = (-open_lower + 0.5 * follow + 0.022 * shape.squint) * arc_lower
    # Shut, the upper rim lies a little below the lower one.
    closed_upper, closed_lower = -0.029 * arc_lower, -0.025 * arc_lower
    upper = axis + upper + shape.blink * (closed_upper - upper)
    lower = axis + lower + shape.blink * (closed_lower - lower)
    away = np.where(along < 0.5, -along, along - 1.0) * (eye.outer[0] - eye.inner[0])
    fan = smoothstep(0.0, 0.16, away)
    level = shape.eye_level

    def relaxed(name: str, height: np.ndarray) -> np.ndarray:
        return height + fan * (y[row_of(name)] + level - height)

    targets["lids_upper"] = relaxed("lids", upper)
    targets["lids_lower"] = relaxed("lids", lower)
    crease = axis + (open_upper + 0.026 + 0.5 * follow) * arc_upper + 0.020
    crease = crease + shape.blink * (-0.012) * arc_upper + 0.012 * shape.wide * arc_upper
    targets["crease"] = relaxed("crease", crease)
    targets["bag"] = relaxed("bag", axis - (open_lower + 0.016) * arc_lower - 0.022)

    # Brows: an arch whose inner end is thicker; beyond its ends the rows return to the loft's.
    xb = x[row_of("brow_top")]
    u = (xb - 0.29 - shape.eye_spacing) / 0.20
    arch = 0.245 + shape.brow_height + 0.6 * shape.eye_level
    arch = arch + (0.024 + shape.brow_arch) * (1.0 - (u - 0.25) ** 2) + shape.brow_slant * u
    arch = np.where(u > 1.0, arch + 0.03 * (u - 1.0), arch)
    half = shape.brow_thickness * np.clip(1.0 - 0.42 * np.maximum(u, 0.0), 0.3, 1.0)
    brow_fan = smoothstep(1.0, 2.0, u) + smoothstep(-1.05, -1.45, u)
    brow_level = 0.6 * (shape.brow_height + shape.eye_level) * smoothstep(0.0, -1.0, u)
    for name, sign in (("brow_top", 1.0), ("brow_bottom", -1.0)):
        row = arch + sign * half
        targets[name] = row + brow_fan * (y[row_of(name)] + brow_level - row)

    # Mouth.
    xm = x[row_of("mouth")]
    xm = xm + _mouth_shift(shape, xm, MOUTH_CORNER * xm.max())
    inside = np.clip(xm / shape.mouth_width, 0.0, 1.0)
    line = mouth_line(shape, xm)
    full = np.sqrt(np.maximum(0.0, 1.0 - inside**2))
    bow = np.exp(-(((inside - 0.27) / 0.16) ** 2)) - np.exp(-((inside / 0.13) ** 2)) * 0.5
    fan = smoothstep(0.0, 0.30, xm - shape.mouth_width)

    level = shape.mouth_level * smoothstep(0.62, 0.30, xm)

    def beside(name: str, height: np.ndarray) -> np.ndarray:
        return height + fan * (y[row_of(name)] + level - height)

    targets["lip_top"] = beside(
        "lip_top", line + 0.018 + (shape.upper_lip - 0.006) * full**1.3 + shape.cupid_bow * bow
    )
    targets["mouth_upper"] = targets["mouth_lower"] = beside("mouth", line)
    targets["lip_bottom"] = beside(
        "lip_bottom", line - 0.018 - (shape.lower_lip - 0.006) * full**0.9
    )

    for name, share in (("chin_crease", 0.8), ("chin_front", 0.4)):
        targets[name] = y[row_of(name)] + share * level

    # Nose: its tip and base move with its length.
    for name, share in (("mid_nose", 0.4), ("nose_tip", 1.0), ("nose_base", 1.0)):
        near = smoothstep(0.40, 0.15, x[row_of(name)])
        targets[name] = y[row_of(name)] - shape.nose_length * share * near
    return targets


def skin_rows(shape: HeadShape, chart: HalfChart, loft: Loft, eye: Eye) -> np.ndarray:
    """Row coordinate (R, C) at which the loft is sampled for each grid point."""
    num_knots, num_columns = len(ROW_INDEX), len(chart.columns)
    columns = np.arange(num_columns)
    knots = np.broadcast_to(np.arange(num_knots, dtype=float)[:, None], (num_knots, num_columns))
    at_knots = loft(knots, np.broadcast_to(chart.columns, knots.shape))
    targets = _row_targets(shape, eye, at_knots[..., 0], at_knots[..., 1])
    # On its way to the side of the head every row returns to the loft's own.
    fade = np.where(chart.columns > 1.0, 0.0, smoothstep(1.0, 0.85, chart.columns))

    dense = np.linspace(row_of("hairline"), row_of("chin_bottom"), 500)
    in_front = fade > 0
    dense_y = loft.heights(dense, np.minimum(chart.columns, 1.0))

    def placed(name: str, knot: int) -> np.ndarray:
        height = targets.get(name)
        if height is None:
            return np.full(num_columns, float(knot))
        # The height falls along the rows: the last sample above the target is where it lies.
        at = np.clip((dense_y > height).sum(axis=0) - 1, 0, len(dense) - 2)
        here, next_ = dense_y[at, columns], dense_y[at + 1, columns]
        fraction = np.clip((here - height) / np.maximum(here - next_, 1e-9), 0.0, 1.0)
        rows = dense[at] + fraction * (dense[1] - dense[0])
        return np.where(in_front, knot + fade * (rows - knot), float(knot))

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


def _eye_shift(eye: Eye, x: np.ndarray, inner: float, outer: float) -> np.ndarray:
    """Sideways shift that brings the columns at `inner` and `outer` to the eye's corners."""
    moves = [0.0, eye.inner[0] - inner, eye.outer[0] - outer, 0.0]
    return np.interp(x, [0.0, inner, outer, 0.66], moves)


def _mouth_shift(shape: HeadShape, x: np.ndarray, corner: float) -> np.ndarray:
    """Sideways shift that brings the column at `corner` to the corner of the mouth."""
    return np.interp(x, [0.0, corner, 0.55], [0.0, shape.mouth_width - corner, 0.0])


def place_columns(shape: HeadShape, chart: HalfChart, eye: Eye, skin: np.ndarray) -> np.ndarray:
    """Moves the columns sideways so that the slits end at the corners of eye and mouth."""
    x, y, z = np.moveaxis(skin.copy(), -1, 0)
    lid_row = int(np.flatnonzero(chart.rows == row_of("lids"))[0])
    mouth_row = int(np.flatnonzero(chart.rows == row_of("mouth"))[0])
    inner, outer = x[lid_row, chart.eye_columns[[0, -1]]]
    eye_weight = np.exp(-0.5 * ((y - eye.centre[1]) / 0.16) ** 2)
    corner = chart.mouth_columns[-1]
    mouth_found = x[mouth_row, corner]
    mouth_weight = np.exp(-0.5 * ((y - CORNER_Y - shape.mouth_level) / 0.16) ** 2)

    front = (z > -0.1) * (chart.columns <= 1.0)
    moved = eye_weight * _eye_shift(eye, x, inner, outer)
    moved += mouth_weight * _mouth_shift(shape, x, mouth_found)
    return np.stack([x + moved * front, y, z], axis=-1)
