"""The shell of hair: a closed cap over the scalp whose edge dips under the skin.

Each column of the shell runs from the crown over the scalp to the edge of growth and from there
hangs freely. Where the shell lies under the skin it is not seen: thin hair, a receding hairline
and a bald head are the same shell sunk deeper, and long hair is the hanging part drawn out.
"""

import numpy as np

from reenact_jax.face_model.procedural.chart import HalfChart
from reenact_jax.face_model.procedural.loft import Loft
from reenact_jax.face_model.procedural.shape import HeadShape, bump, smoothstep

# The edge of growth: column -> row coordinate. Over the temple it comes down to the sideburn in
# front of the ear, passes over the ear and falls behind it to the nape.
_GROWTH = np.array(
    [
        [0.0, 2.75],
        [0.30, 2.55],
        [0.52, 2.30],
        [0.68, 2.45],
        [0.80, 3.5],
        [0.89, 5.2],
        [0.955, 7.4],
        [0.995, 7.9],
        [1.03, 6.2],
        [1.07, 4.6],
        [1.20, 4.9],
        [1.27, 8.0],
        [1.35, 12.2],
        [1.48, 15.6],
        [1.70, 16.9],
        [2.0, 17.1],
    ]
)
# Share of the rows of the shell that lie on the scalp; the others hang.
_SCALP_ROWS = 0.66
_AXIS_Z = -0.30


def growth_edge(column: np.ndarray) -> np.ndarray:
    """Row coordinate at which hair stops growing, for columns of any shape."""
    fine = np.linspace(0.0, 2.0, 401)
    edge = np.interp(fine, _GROWTH[:, 0], _GROWTH[:, 1])
    kernel = np.exp(-0.5 * (np.arange(-12, 13) / 4.0) ** 2)
    padded = np.concatenate([edge[12:0:-1], edge, edge[-2:-14:-1]])
    return np.interp(column, fine, np.convolve(padded, kernel / kernel.sum(), mode="valid"))


def growth_mask(t: np.ndarray, column: np.ndarray, soft: float = 0.5) -> np.ndarray:
    """1 on the scalp, 0 on bare skin, for row coordinates and columns; `soft` rows wide."""
    edge = growth_edge(column)
    # Where the edge crosses the rows steeply it is softened along them, or it would show steps.
    steep = np.abs(growth_edge(column + 0.02) - growth_edge(column - 0.02))
    soft = soft + np.minimum(steep, 3.0)
    return smoothstep(edge + 0.5 * soft, edge - 0.5 * soft, t)


def strands(column: np.ndarray, along: np.ndarray) -> np.ndarray:
    """Locks of hair, in [-1, 1]: ridges that run down the shell and wander a little."""
    turned = column + 0.012 * np.sin(9.0 * along + 5.0 * column)
    return (
        0.5 * np.sin(23.0 * turned + 1.5 * along)
        + 0.3 * np.sin(51.0 * turned - 2.0 * along + 1.0)
        + 0.2 * np.sin(118.0 * turned + 1.0 * along + 2.0)
    )


def hair_points(shape: HeadShape, chart: HalfChart, loft: Loft) -> np.ndarray:
    """(rows, columns, 3) positions of the shell, in the order of `chart.hair`."""
    column = chart.hair_columns
    hem = chart.hair_hem
    s = np.linspace(0.0, 1.0, hem + 1)[:, None]
    edge = growth_edge(column)
    on_scalp = np.minimum(s / _SCALP_ROWS, 1.0)
    free = np.maximum(s - _SCALP_ROWS, 0.0) / (1.0 - _SCALP_ROWS)
    # Rows are evenly far apart on the scalp, closer towards the edge, where the outline is.
    dense = np.linspace(0.0, 1.0, 60)[:, None] * edge
    path = loft(dense, np.broadcast_to(column, dense.shape))
    steps = np.linalg.norm(np.diff(path, axis=0), axis=-1)
    length = np.concatenate([np.zeros((1, len(column))), np.cumsum(steps, axis=0)])
    reached = (on_scalp * (1.2 - 0.2 * on_scalp))[:, 0]
    t = np.stack(
        [np.interp(reached * length[-1, j], length[:, j], dense[:, j]) for j in range(len(column))],
        axis=1,
    )
    wide = np.broadcast_to(column, t.shape)
    scalp = loft(t, wide)

    # The hanging part: along the forehead in front, straight down at the sides and behind.
    front = smoothstep(0.90, 0.72, column)
    side = smoothstep(0.80, 0.97, column)
    behind = smoothstep(1.25, 1.5, column)
    uneven = 1.0 + 0.10 * np.sin(37.0 * column + 1.0) + 0.06 * np.sin(83.0 * column)
    middle_parting = shape.hair_parting * bump(column, column, 0.0, 0.0, 0.30, 0.30)
    fringe = front * (0.10 + shape.hair_fringe - middle_parting) * uneven
    rest = loft(edge, column)
    down = (0.20 + rest[:, 1] + 1.1 * shape.hair_length) * (1.0 - behind)
    down = side * (down + behind * (0.15 + shape.hair_length)) * uneven
    over_forehead = loft(edge + free * fringe * 6.5, wide)
    # Where the short hang ends the skin lies further in: `gap` is what long hair has to bridge.
    level = rest[:, 1] - free * down
    below = np.linspace(edge, 20.9, 60)
    surface = loft(below, np.broadcast_to(column, below.shape))
    on_surface = np.stack(
        [
            np.interp(-level[:, j], -surface[:, j, 1], below[:, j])
            if side[j] > 0
            else edge[j] + 0.0 * level[:, j]
            for j in range(len(column))
        ],
        axis=1,
    )
    hanging = loft(on_surface, wide)
    hanging[..., 1] = level
    gap = np.linalg.norm((rest - hanging)[..., [0, 2]], axis=-1)
    hanging = front[:, None] * over_forehead + (1.0 - front[:, None]) * hanging
    points = np.where((s <= _SCALP_ROWS)[..., None], scalp, hanging)

    # How far the shell stands off the scalp.
    x, y, z = np.moveaxis(points, -1, 0)
    high = smoothstep(0.25, 0.85, y)
    to_back = smoothstep(-0.35, -0.85, z)
    volume = high * shape.hair_top + (1.0 - high) * (
        (1.0 - to_back) * shape.hair_sides + to_back * shape.hair_back
    )
    volume = volume + shape.hair_front * bump(x, y, 0.0, 0.80, 0.34, 0.17) * (z > 0.0)
    volume = volume - 1.6 * np.maximum(middle_parting, 0.0) * bump(x, x, 0.0, 0.0, 0.06, 0.06)
    to_edge = smoothstep(1.0, 0.72, on_scalp)
    hanging_out = front * (-0.048 + 0.95 * (shape.hair_fringe - middle_parting))
    hanging_out = hanging_out + (1.0 - front) * (-0.085 + shape.hair_length * (0.60 + 1.9 * gap))
    # Tips lie closest to the skin, so that hair comes out of it from its roots on.
    hanging_out = hanging_out - 0.035 * free
    near_edge = 1.0 - to_edge
    # Short of the edge the shell lies flat; long hair lifts it there.
    lifted = 0.012 + near_edge * (
        front * 0.45 * shape.hair_fringe + (1.0 - front) * 0.16 * shape.hair_length
    )
    volume = to_edge * volume + near_edge * lifted
    dropping = smoothstep(0.0, 0.45, free)
    volume = volume + dropping * (hanging_out - volume)
    crown = smoothstep(0.36, 0.58, y) * smoothstep(0.64, 0.46, x) * smoothstep(-0.98, -0.62, z)
    volume = volume - shape.hair_bald * crown
    volume = volume + 0.10 * shape.hair_length * behind * smoothstep(0.45, 0.95, on_scalp)
    lock = strands(wide, 3.0 * s)
    # Rough hair would cut the thin edge above the forehead to pieces.
    even = smoothstep(0.05, 0.3, s) * (1.0 - 0.92 * front * smoothstep(0.30, 0.55, s))
    rough = 0.004 + 0.6 * shape.hair_curls
    volume = volume + even * rough * lock
    volume = volume + even * shape.hair_curls * np.sin(26.0 * s + 4.0 * lock)
    outer = points + volume[..., None] * _outwards(points)

    # The inside: back up from the hem, thinner and thinner, to an end under the skin.
    thick = 0.05 + 0.25 * np.maximum(front, 0.0) * 0.1
    inner = []
    for k, back in enumerate(np.linspace(0.12, 1.15, len(chart.hair) - hem - 1)):
        at = outer[hem] + back * (rest - outer[hem] + np.array([0.0, 0.05, 0.0]))
        deep = thick if k == 0 else thick + 0.10 * back
        inner.append(at - np.broadcast_to(deep, column.shape)[:, None] * _outwards(at))
    shell = np.concatenate([outer, np.stack(inner)])
    shell[0] = shell[0, 0]
    shell[:, [0, -1], 0] = 0.0
    return shell


def _outwards(points: np.ndarray) -> np.ndarray:
    """Unit directions away from the middle of the head, level below the temples."""
    centre = np.zeros_like(points)
    centre[..., 1] = np.minimum(points[..., 1], 0.15)
    centre[..., 2] = _AXIS_Z
    direction = points - centre
    return direction / np.linalg.norm(direction, axis=-1, keepdims=True)
