"""Shadow in the hollows of the head, which nine bands of light cannot cast."""

import numpy as np

from reenact_jax.face_model.procedural.chart import ROW_INDEX, HalfChart
from reenact_jax.face_model.procedural.ear import ear_rings
from reenact_jax.face_model.procedural.geometry import eye_rings
from reenact_jax.face_model.procedural.shape import (
    CORNER_Y,
    EYE_Y,
    along_line,
    bump,
    crease_of_wing,
    smoothstep,
)


def shade_of(chart: HalfChart, points: np.ndarray) -> np.ndarray:
    """Share of the light (num_vertices,) that reaches each vertex of the mean half head."""
    shade = np.ones(chart.num_vertices)
    shade[chart.grid] = _of_skin(chart, points[chart.grid])
    polar = np.broadcast_to(eye_rings(chart.eyeball.shape[0])[:, None], chart.eyeball.shape)
    ball = points[chart.eyeball] - points[chart.eyeball].mean(axis=(0, 1))
    # The crown of the eyeball lies in the shadow of the upper lid.
    shade[chart.eyeball] = (1.0 - 0.40 * smoothstep(0.40, 1.0, polar)) * (
        1.0 - 0.45 * smoothstep(0.030, 0.065, ball[..., 1])
    )
    shade[chart.teeth] = 1.0 - 0.65 * (points[chart.teeth, 0] / 0.2) ** 1.5
    shade[chart.teeth[0, 0]] *= 0.75
    shade[chart.teeth[1]] *= 0.82
    tongue = points[chart.tongue]
    shade[chart.tongue] = smoothstep(0.12, 0.44, tongue[..., 2]) * (
        1.0 - 0.3 * (tongue[..., 0] / 0.14)
    )
    share, behind = (each[:, None] for each in ear_rings(chart.ear.shape[0]))
    angle = (np.arange(chart.ear.shape[1]) * 2.0 * np.pi / chart.ear.shape[1])[None]
    ear = 1.0 - 0.50 * np.exp(-((share / 0.34) ** 2)) - 0.35 * behind
    upper = np.exp(-((((angle - 0.9 + np.pi) % (2.0 * np.pi) - np.pi) / 1.3) ** 2))
    ear = ear - 0.26 * upper * np.exp(-(((share - 0.80) / 0.08) ** 2)) * (behind == 0.0)
    shade[chart.ear] = ear
    shade[chart.hair[chart.hair_hem + 1 :]] = 0.60
    depth = np.arange(chart.hair_hem + 1) / chart.hair_hem
    shade[chart.hair[: chart.hair_hem + 1]] = 1.0 - 0.12 * smoothstep(0.6, 1.0, depth)[:, None]
    return shade


def _of_skin(chart: HalfChart, p: np.ndarray) -> np.ndarray:
    t = np.broadcast_to(chart.rows[:, None], chart.grid.shape)
    column = np.broadcast_to(chart.columns, t.shape)
    front = column <= 1.0
    x, y, z = np.moveaxis(p, -1, 0)

    def ring(name: str) -> int:
        return ROW_INDEX[name]

    dark = 0.30 * smoothstep(ring("chin_bottom") + 0.2, ring("under_chin") + 0.6, t)
    dark = dark - 0.10 * smoothstep(ring("neck_top"), ring("neck_bottom"), t)
    # Sockets, lids, the fold of the upper lid.
    face = 0.18 * bump(x, y, 0.145, EYE_Y + 0.015, 0.045, 0.06)
    face += 0.14 * bump(x, y, 0.29, EYE_Y + 0.080, 0.12, 0.030)
    face += 0.08 * bump(x, y, 0.28, EYE_Y - 0.10, 0.10, 0.025)
    slit = np.exp(-(((t - ring("crease")) / 0.5) ** 2)) * smoothstep(0.20, 0.28, column)
    face += 0.20 * slit * smoothstep(0.66, 0.56, column)
    # Nose: its sides, the crease of the wings, nostrils, under the tip.
    face += 0.05 * bump(x, y, 0.10, -0.08, 0.030, 0.10)
    face += 0.11 * crease_of_wing(x, y, 0.104, -0.290)
    face += 0.14 * bump(x, y, 0.05, -0.352, 0.075, 0.018)
    face += 0.66 * bump(x, y, 0.063, -0.322, 0.027, 0.0125)
    face += 0.05 * along_line(x, y, (0.160, -0.275), (0.285, -0.520), 0.030)
    # Mouth: corners, line, crease above the chin.
    face += 0.15 * bump(x, y, 0.0, CORNER_Y - 0.145, 0.12, 0.026)
    face += 0.18 * bump(x, y, 0.258, CORNER_Y - 0.004, 0.020, 0.020)
    face += 0.05 * bump(x, y, 0.0, -0.42, 0.016, 0.035)
    line = bump(t, t, ring("mouth"), 0.0, 0.15, 1e9) * smoothstep(0.29, 0.2, x)
    face += 0.42 * line
    # Beside the ear and behind it, and on the scalp under the hair.
    beside = bump(y, z, -0.05, -0.14, 0.20, 0.06) * 0.22
    behind = bump(y, z, -0.05, -0.36, 0.22, 0.12) * 0.40
    dark = dark + (beside + behind) * smoothstep(0.5, 0.62, x)
    return 1.0 - np.clip(dark + face * front, 0.0, 0.85)
