"""What lies behind the lips and lids: the bags that close the slits, teeth and tongue."""

import numpy as np

from reenact_jax.face_model.procedural.chart import HalfChart
from reenact_jax.face_model.procedural.shape import CORNER_Y, HeadShape


def fill_bags(chart: HalfChart, points: np.ndarray) -> None:
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


def teeth_points(shape: HeadShape, chart: HalfChart) -> np.ndarray:
    """(2, 2, C, 3): upper and lower row of teeth, each a band on an arch behind the lips."""
    count = chart.teeth.shape[-1]
    angle = np.linspace(0.0, 1.25, count)
    arch = np.stack([0.20 * np.sin(angle), 0.0 * angle, 0.30 * np.cos(angle)], axis=-1)
    my = CORNER_Y + shape.mouth_level
    forward = 0.235 + shape.mouth_forward
    rows = []
    for top, bottom, back in ((my + 0.075, my - 0.030, 0.0), (my - 0.022, my - 0.085, 0.022)):
        band = [arch + np.array([0.0, y, forward - back]) for y in (top, bottom)]
        rows.append(np.stack(band))
    return np.stack(rows)


def tongue_points(shape: HeadShape, chart: HalfChart) -> np.ndarray:
    """(rows, columns, 3): the back of the tongue, from the throat to the tip and round it."""
    rows, columns = chart.tongue.shape
    along = np.linspace(0.0, 1.0, rows)[:, None]
    across = np.linspace(0.0, 1.0, columns)[None]
    tip = np.sqrt(np.maximum(1.0 - (np.maximum(along - 0.45, 0.0) / 0.55) ** 2, 0.0))
    half = 0.135 * (0.35 + 0.65 * tip)
    my = CORNER_Y + shape.mouth_level
    x = half * np.sin(0.5 * np.pi * across) + 0.0 * along
    y = my - 0.085 + 0.030 * np.cos(0.5 * np.pi * across) - 0.012 * np.exp(-((across / 0.25) ** 2))
    y = y + 0.02 * (1.0 - along) - 0.075 * np.maximum(along - 0.75, 0.0) / 0.25
    z = 0.16 + shape.mouth_forward + 0.30 * np.minimum(along / 0.9, 1.0) * (1.0 - 0.12 * across**2)
    return np.stack([x, y + 0.0 * x, z + 0.0 * x], axis=-1)
