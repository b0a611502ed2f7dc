"""Where on the procedural head its colours go.

Rows of the chart run along the features, so masks are written in chart coordinates where a sharp
edge is wanted (brows, lips, lids, hair) and in positions of the mean head where a soft one is.
"""

import dataclasses

import numpy as np

from reenact_jax.face_model.procedural.chart import (
    EAR_RIM,
    EAR_ROOT,
    EYE_INNER,
    EYE_OUTER,
    ROW_INDEX,
    HalfChart,
)
from reenact_jax.face_model.procedural.geometry import eye_rings, hair_mask
from reenact_jax.face_model.procedural.shape import (
    CORNER_Y,
    EYE_Y,
    IRIS_ANGLE,
    PUPIL_ANGLE,
    bump,
    smoothstep,
)


@dataclasses.dataclass(frozen=True)
class Masks:
    """Weights in [0, 1], each (num_vertices,), of the half head."""

    skin: np.ndarray
    hair: np.ndarray
    strands: np.ndarray  # in [-1, 1], streaks of the hair
    brow: np.ndarray
    lash: np.ndarray
    lips: np.ndarray
    sclera: np.ndarray
    iris: np.ndarray
    pupil: np.ndarray
    teeth: np.ndarray
    cavity: np.ndarray
    shade: np.ndarray  # ambient occlusion, multiplied onto everything
    cheeks: np.ndarray
    nose: np.ndarray
    beard: np.ndarray
    moustache: np.ndarray
    under_eye: np.ndarray
    eyelid: np.ndarray
    forehead: np.ndarray
    mottle: np.ndarray  # in [-1, 1], blotches of the skin
    freckles: np.ndarray


def make_masks(chart: HalfChart, points: np.ndarray) -> Masks:
    """Masks of the half head from its chart and its mean positions (num_vertices, 3)."""
    t = np.broadcast_to(chart.rows[:, None], chart.grid.shape)
    column = np.broadcast_to(chart.columns, t.shape)
    front = column <= 1.0
    x, y, z = np.moveaxis(points[chart.grid], -1, 0)

    def scatter(values: np.ndarray) -> np.ndarray:
        mask = np.zeros(chart.num_vertices)
        mask[chart.grid] = values
        return mask

    def ring(name: str) -> int:
        return ROW_INDEX[name]

    hair = hair_mask(t, column)
    strands = 0.55 * np.sin(19.0 * column + 1.3 * np.sin(0.9 * t)) + 0.45 * np.sin(
        47.0 * column + 2.1 * np.sin(0.7 * t) + 1.0
    )

    # Brow: between its two rows, with soft ends.
    u = (x - 0.29) / 0.20
    across = smoothstep(-0.25, 0.3, t - ring("brow_top")) * smoothstep(
        -0.25, 0.3, ring("brow_bottom") - t
    )
    brow = np.where(front, 0.9 * across, 0.0) * smoothstep(-1.02, -0.75, u)
    brow = np.clip(brow * smoothstep(1.08, 0.8, u), 0.0, 1.0)

    along = (column - EYE_INNER) / (EYE_OUTER - EYE_INNER)
    at_slit = np.where(front, smoothstep(-0.02, 0.12, along) * smoothstep(1.10, 1.0, along), 0.0)
    rim_upper = (np.abs(t - ring("lids")) < 0.12) & chart.upper[:, None]
    rim_lower = (np.abs(t - ring("lids")) < 0.05) & ~chart.upper[:, None]
    lash = at_slit * (rim_upper * 1.0 + rim_lower * 0.35)
    lash_mask = scatter(lash)
    count = len(chart.eye_bag)
    for i in range(1, count - 1):
        lash_mask[chart.eye_bag[i]] = 0.9 if i < count / 2 else 0.4

    in_lips = (t >= ring("lip_top")) & (t <= ring("lip_bottom")) & front
    from_edge = np.minimum(t - ring("lip_top"), ring("lip_bottom") - t)
    lips = np.where(in_lips, smoothstep(-0.01, 0.34, from_edge), 0.0) * smoothstep(0.252, 0.216, x)
    lips_mask = scatter(lips)
    cavity = np.zeros(chart.num_vertices)
    inner = len(chart.mouth_bag)
    for i in range(1, inner - 1):
        free = chart.mouth_bag[i] != chart.mouth_bag[0]
        depth = min(i, inner - 1 - i)
        cavity[chart.mouth_bag[i, free]] = 0.75 if depth == 1 else 1.0
        lips_mask[chart.mouth_bag[i, free]] = 1.0 - cavity[chart.mouth_bag[i, free]]

    polar = np.broadcast_to(eye_rings(chart.eyeball.shape[0])[:, None], chart.eyeball.shape)
    sclera, iris, pupil = (np.zeros(chart.num_vertices) for _ in range(3))
    pupil[chart.eyeball] = polar < PUPIL_ANGLE
    iris[chart.eyeball] = (polar >= PUPIL_ANGLE) & (polar < IRIS_ANGLE)
    sclera[chart.eyeball] = polar >= IRIS_ANGLE
    teeth = np.zeros(chart.num_vertices)
    teeth[chart.teeth] = 1.0

    # Ambient occlusion that nine bands of light cannot cast.
    shade = 1.0 - 0.33 * smoothstep(ring("chin_bottom") - 0.4, ring("neck_top"), t)
    shade -= 0.30 * bump(x, y, 0.15, EYE_Y + 0.01, 0.055, 0.07) * front
    shade -= 0.16 * bump(x, y, 0.30, EYE_Y + 0.075, 0.13, 0.035) * front
    shade -= 0.10 * bump(x, y, 0.28, EYE_Y - 0.09, 0.11, 0.03) * front
    shade -= 0.16 * bump(x, y, 0.165, -0.27, 0.03, 0.05) * front
    shade -= 0.22 * bump(x, y, 0.055, -0.345, 0.06, 0.022) * front
    shade -= 0.60 * bump(x, y, 0.062, -0.322, 0.026, 0.013) * front
    shade -= 0.14 * bump(x, y, 0.0, CORNER_Y - 0.14, 0.12, 0.03) * front
    shade -= 0.45 * np.where(
        front, bump(t, x, ring("mouth"), 0.0, 0.18, 0.22) * smoothstep(0.29, 0.2, x), 0.0
    )
    shade -= 0.15 * bump(x, y, 0.262, CORNER_Y, 0.025, 0.025) * front
    ear = np.where(column > 1.0, np.exp(-(((column - 1.11) / 0.045) ** 2)), 0.0)
    shade -= 0.50 * ear * bump(y, y, -0.03, -0.03, 0.10, 0.10)
    fold = np.where(column > 1.0, np.exp(-(((column - 1.165) / 0.02) ** 2)), 0.0)
    shade -= 0.22 * fold * bump(y, y, 0.03, 0.03, 0.12, 0.12)
    behind_ear = smoothstep(1.0 + EAR_RIM, 1.0 + EAR_ROOT, column) * smoothstep(1.36, 1.24, column)
    shade -= 0.30 * behind_ear * bump(y, y, -0.03, -0.03, 0.16, 0.16)
    shade_mask = np.ones(chart.num_vertices)
    shade_mask[chart.grid] = shade
    shade_mask[chart.eyeball] = 1.0 - 0.35 * smoothstep(0.55, 1.1, polar)
    # The crown of the iris lies in the shadow of the upper lid.
    arch = points[chart.teeth, 0] / 0.2
    shade_mask[chart.teeth] = 1.0 - 0.55 * arch**2

    below_mouth = smoothstep(-0.30, -0.44, y + 0.42 * np.maximum(x - 0.22, 0.0))
    jaw = below_mouth * smoothstep(ring("neck_top") - 0.1, ring("chin_bottom"), t)
    jaw = np.where(front, jaw * smoothstep(1.0, 0.86, column), 0.0) * (1.0 - lips)
    moustache = bump(x, y, 0.10, -0.42, 0.13, 0.035) * front * (1.0 - lips)
    mottle = np.sin(9.1 * x + 3.0 * y) * np.sin(7.3 * y - 4.0 * z + 1.0)
    mottle = 0.5 * mottle + 0.5 * np.sin(17.0 * x + 5.0 * z) * np.sin(15.0 * y + 2.0)
    spots = np.sin(61.0 * x + 23.0 * y) * np.sin(53.0 * y - 31.0 * x + 2.0)
    freckles = smoothstep(0.45, 0.9, spots) * bump(x, y, 0.22, -0.12, 0.24, 0.13) * front

    features = np.clip(hair + brow + lash + lips, 0.0, 1.0)
    return Masks(
        skin=scatter(1.0 - features),
        hair=scatter(hair),
        strands=scatter(strands),
        brow=scatter(brow * (1.0 - hair)),
        lash=lash_mask,
        lips=lips_mask,
        sclera=sclera,
        iris=iris,
        pupil=pupil,
        teeth=teeth,
        cavity=cavity,
        shade=shade_mask,
        cheeks=scatter(bump(x, y, 0.36, -0.17, 0.13, 0.12) * front),
        nose=scatter(bump(x, y, 0.0, -0.22, 0.09, 0.09) * front),
        beard=scatter(np.clip(jaw + moustache, 0.0, 1.0)),
        moustache=scatter(moustache),
        under_eye=scatter(bump(x, y, 0.26, EYE_Y - 0.085, 0.11, 0.035) * front),
        eyelid=scatter(
            np.where(chart.upper[:, None] & (t > ring("crease") - 0.3), at_slit, 0.0)
            * (t <= ring("lids"))
        ),
        forehead=scatter(bump(x, y, 0.0, 0.45, 0.3, 0.12) * front),
        mottle=scatter(mottle),
        freckles=scatter(freckles),
    )
