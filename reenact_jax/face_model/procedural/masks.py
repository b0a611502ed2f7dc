"""Where on the procedural head its colours go.

Rows of the chart run along the features, so masks are written in chart coordinates where a sharp
edge is wanted (brows, lips, lids, scalp) and in positions of the mean head where a soft one is.
"""

import dataclasses

import numpy as np

from reenact_jax.face_model.procedural.chart import (
    EYE_INNER,
    EYE_OUTER,
    ROW_INDEX,
    HalfChart,
)
from reenact_jax.face_model.procedural.geometry import eye_rings
from reenact_jax.face_model.procedural.hair import growth_mask, strands
from reenact_jax.face_model.procedural.shade import shade_of
from reenact_jax.face_model.procedural.shape import (
    EYE_Y,
    IRIS_ANGLE,
    PUPIL_ANGLE,
    bump,
    smoothstep,
)

# Centre (x, y) and size of each mole, decimetres.
_MOLES_LEFT = ((0.215, -0.385, 0.017), (0.47, -0.24, 0.014))
_MOLES_RIGHT = ((0.33, -0.66, 0.016), (0.42, 0.36, 0.013), (0.16, -0.10, 0.011))


@dataclasses.dataclass(frozen=True)
class Masks:
    """Weights of the half head, each (num_vertices,), in [0, 1] where nothing else is said."""

    # What a vertex is made of; these sum to 1.
    skin: np.ndarray
    hair: np.ndarray
    sclera: np.ndarray
    iris: np.ndarray
    pupil: np.ndarray
    teeth: np.ndarray
    tongue: np.ndarray
    cavity: np.ndarray
    lashes: np.ndarray
    # What is painted over the skin.
    scalp: np.ndarray
    brow: np.ndarray
    lips: np.ndarray
    lid_line: np.ndarray  # the rims of the lids, where lashes grow
    eyelid: np.ndarray
    under_eye: np.ndarray
    cheeks: np.ndarray
    nose: np.ndarray
    ears: np.ndarray
    chin: np.ndarray
    shine: np.ndarray  # forehead, ridge of the nose, cheekbones, chin
    beard: np.ndarray
    moustache: np.ndarray
    goatee: np.ndarray
    freckles: np.ndarray
    moles: np.ndarray
    age_spots: np.ndarray
    mottle: np.ndarray  # in [-1, 1]: blotches of the skin
    # Parts of the other materials.
    strands: np.ndarray  # in [-1, 1]: streaks of the hair
    roots: np.ndarray
    iris_rim: np.ndarray
    glint: np.ndarray
    eye_corner: np.ndarray
    lip_line: np.ndarray  # where the lips meet
    shade: np.ndarray  # multiplied onto everything


def make_masks(chart: HalfChart, points: np.ndarray, side: float) -> Masks:
    """Masks of the half head from its chart and its mean positions (num_vertices, 3).

    `side` is 1 for the subject's left half and -1 for the right one, whose spots lie elsewhere.
    """
    t = np.broadcast_to(chart.rows[:, None], chart.grid.shape)
    column = np.broadcast_to(chart.columns, t.shape)
    front = column <= 1.0
    x, y, z = np.moveaxis(points[chart.grid], -1, 0)

    def empty() -> np.ndarray:
        return np.zeros(chart.num_vertices)

    def scatter(values: np.ndarray) -> np.ndarray:
        mask = empty()
        mask[chart.grid] = values
        return mask

    def part(ids: np.ndarray) -> np.ndarray:
        mask = empty()
        mask[ids] = 1.0
        return mask

    def blob(cx: float, cy: float, sx: float, sy: float) -> np.ndarray:
        return scatter(bump(x, y, cx, cy, sx, sy) * front)

    def ring(name: str) -> int:
        return ROW_INDEX[name]

    # Materials.
    polar = np.broadcast_to(eye_rings(chart.eyeball.shape[0])[:, None], chart.eyeball.shape)
    sclera, iris, pupil, iris_rim, glint, eye_corner = (empty() for _ in range(6))
    pupil[chart.eyeball] = polar < PUPIL_ANGLE
    iris[chart.eyeball] = (polar >= PUPIL_ANGLE) & (polar < IRIS_ANGLE)
    sclera[chart.eyeball] = polar >= IRIS_ANGLE
    iris_rim[chart.eyeball] = smoothstep(0.55, 1.0, polar / IRIS_ANGLE) * (polar < IRIS_ANGLE)
    eye_corner[chart.eyeball] = smoothstep(0.48, 0.85, polar)
    ball = points[chart.eyeball] - points[chart.eyeball].mean(axis=(0, 1))
    glint[chart.eyeball] = bump(ball[..., 0], ball[..., 1], 0.0, 0.027, 0.012, 0.010)
    cavity, lips = empty(), empty()
    inner = len(chart.mouth_bag)
    for i in range(1, inner - 1):
        free = chart.mouth_bag[i] != chart.mouth_bag[0]
        cavity[chart.mouth_bag[i, free]] = 0.75 if min(i, inner - 1 - i) == 1 else 1.0
    hair, teeth, tongue, lashes = (
        part(ids) for ids in (chart.hair, chart.teeth, chart.tongue, chart.lashes)
    )
    skin = 1.0 - (sclera + iris + pupil + cavity + hair + teeth + tongue + lashes)

    # Brow: between its two rows, soft at the ends, of hairs that lean outwards.
    u = (x - 0.29) / 0.20
    across = smoothstep(-0.30, 0.35, t - ring("brow_top")) * smoothstep(
        -0.25, 0.25, ring("brow_bottom") - t
    )
    hairs = 1.0 - 0.12 * (0.5 + 0.5 * np.sin(97.0 * x + 60.0 * (y - EYE_Y)))
    brow = np.where(front, across * hairs, 0.0) * smoothstep(-1.05, -0.62, u)
    brow = brow * smoothstep(1.12, 0.70, u)

    along = (column - EYE_INNER) / (EYE_OUTER - EYE_INNER)
    at_slit = np.where(front, smoothstep(-0.02, 0.12, along) * smoothstep(1.10, 1.0, along), 0.0)
    rim_upper = (np.abs(t - ring("lids")) < 0.12) & chart.upper[:, None]
    rim_lower = (np.abs(t - ring("lids")) < 0.05) & ~chart.upper[:, None]
    lid_line = scatter(at_slit * (rim_upper * 0.85 + rim_lower * 0.25))
    count = len(chart.eye_bag)
    for i in range(1, count - 1):
        free = chart.eye_bag[i] != chart.eye_bag[0]
        lid_line[chart.eye_bag[i, free]] = 0.9 if i < count / 2 else 0.25

    in_lips = (t >= ring("lip_top")) & (t <= ring("lip_bottom")) & front
    from_edge = np.minimum(t - ring("lip_top"), ring("lip_bottom") - t)
    on_skin = np.where(in_lips, smoothstep(-0.02, 0.24, from_edge), 0.0)
    on_skin = on_skin * smoothstep(0.254, 0.222, x)
    lips[chart.grid] = on_skin
    lip_line = scatter(np.exp(-(((t - ring("mouth")) / 0.22) ** 2)) * on_skin)
    for i in (1, inner - 2):
        free = chart.mouth_bag[i] != chart.mouth_bag[0]
        lips[chart.mouth_bag[i, free]] = 1.0

    scalp = scatter(growth_mask(t, column, 0.9))
    ears = part(chart.ear)
    below_mouth = smoothstep(-0.36, -0.52, y + 0.80 * np.maximum(x - 0.26, 0.0))
    jaw = below_mouth * smoothstep(ring("neck_top") - 0.1, ring("chin_bottom"), t)
    sideburn = smoothstep(0.72, 0.92, column) * smoothstep(-0.05, -0.25, y)
    jaw = np.clip(jaw + sideburn * smoothstep(ring("under_chin"), ring("chin_bottom"), t), 0, 1)
    jaw = np.where(front, jaw, smoothstep(1.12, 1.0, column) * smoothstep(-0.62, -0.5, y))
    jaw = jaw * smoothstep(-0.10, -0.28, y) * (1.0 - on_skin)
    moustache = bump(x, y, 0.11, -0.425, 0.11, 0.036) * front * (1.0 - on_skin)
    moustache = moustache * (1.0 - 0.5 * bump(x, x, 0.0, 0.0, 0.03, 0.03))
    goatee = (bump(x, y, 0.0, -0.79, 0.14, 0.12) + bump(x, y, 0.285, -0.60, 0.045, 0.13)) * front
    goatee = np.clip(goatee, 0.0, 1.0) * (1.0 - on_skin)
    grain = np.sin(113.0 * x + 41.0 * y) * np.sin(97.0 * y - 53.0 * z + 31.0 * x)
    stubble = 0.88 + 0.12 * grain

    w = side * x
    blotches = np.sin(9.1 * w + 3.0 * y) * np.sin(7.3 * y - 4.0 * z + 1.0)
    blotches = 0.5 * blotches + 0.3 * np.sin(17.0 * w + 5.0 * z) * np.sin(15.0 * y + 2.0)
    mottle = blotches + 0.2 * np.sin(43.0 * w + 11.0 * y) * np.sin(47.0 * y - 17.0 * w + 0.5)
    spots = np.sin(61.0 * w + 23.0 * y) * np.sin(53.0 * y - 31.0 * w + 2.0)
    spots = spots + 0.3 * np.sin(17.0 * w - 29.0 * y)
    freckled = bump(x, y, 0.22, -0.12, 0.24, 0.13) + 0.4 * bump(x, y, 0.1, 0.40, 0.3, 0.12)
    freckles = smoothstep(0.40, 1.0, spots) * freckled * front
    large = np.sin(23.0 * w - 9.0 * y + 1.0) * np.sin(21.0 * y + 12.0 * w + 0.4)
    spotted = bump(x, y, 0.52, 0.12, 0.16, 0.22) + 0.7 * bump(x, y, 0.2, 0.52, 0.3, 0.12)
    age_spots = smoothstep(0.35, 0.8, large) * np.clip(spotted, 0.0, 1.0) * front
    places = _MOLES_LEFT if side > 0 else _MOLES_RIGHT
    moles = sum(bump(x, y, *place, size, size) for *place, size in places)
    shine = bump(x, y, 0.0, 0.46, 0.22, 0.10) + 0.6 * bump(x, y, 0.0, -0.12, 0.045, 0.15)
    shine = shine + 0.8 * bump(x, y, 0.36, -0.075, 0.09, 0.05)
    shine = shine + 0.5 * bump(x, y, 0.0, -0.80, 0.07, 0.05)

    shell = np.broadcast_to(np.arange(len(chart.hair))[:, None], chart.hair.shape)
    shell = np.minimum(shell / chart.hair_hem, 1.0)
    streaks = empty()
    streaks[chart.hair] = strands(np.broadcast_to(chart.hair_columns, shell.shape), 3.0 * shell)
    roots = empty()
    roots[chart.hair] = 1.0 - smoothstep(0.0, 0.75, shell)

    return Masks(
        skin=skin,
        hair=hair,
        sclera=sclera,
        iris=iris,
        pupil=pupil,
        teeth=teeth,
        tongue=tongue,
        cavity=cavity,
        lashes=lashes,
        scalp=scalp,
        brow=scatter(np.clip(brow, 0.0, 1.0)),
        lips=lips,
        lid_line=lid_line,
        eyelid=scatter(
            np.where(chart.upper[:, None], at_slit, 0.0)
            * smoothstep(ring("brow_bottom") + 0.2, ring("lids") - 0.9, t)
            * (t <= ring("lids"))
        ),
        under_eye=blob(0.25, EYE_Y - 0.085, 0.10, 0.035),
        cheeks=blob(0.36, -0.17, 0.13, 0.12),
        nose=blob(0.0, -0.24, 0.10, 0.07),
        ears=ears,
        chin=blob(0.0, -0.80, 0.12, 0.07),
        shine=scatter(np.clip(shine, 0.0, 1.0) * front),
        beard=scatter(np.clip(jaw * stubble, 0.0, 1.0)),
        moustache=scatter(moustache * stubble),
        goatee=scatter(goatee * stubble),
        freckles=scatter(freckles),
        moles=scatter(np.clip(moles, 0.0, 1.0) * front),
        age_spots=scatter(age_spots),
        mottle=scatter(mottle),
        strands=streaks,
        roots=roots,
        iris_rim=iris_rim,
        glint=glint,
        eye_corner=eye_corner,
        lip_line=lip_line,
        shade=shade_of(chart, points),
    )
