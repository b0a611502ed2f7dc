"""Topology of the procedural head: a grid of rows and columns with slits, eyeballs and teeth.

Only the half with x >= 0 (the subject's left) is laid out; `mirrored_triangles` adds the other.
Rows run from the crown down to the neck, columns from the middle of the face round the ear to the
back of the head. Rows pass along the features (hairline, brows, lids, lips), so that a change of
colour falls on a line of vertices. The rims of lids and lips are two rows that are one row
outside the slit; a bag behind each slit joins its rims, so that nothing behind shows through.
"""

import dataclasses

import numpy as np

# Knots of the rows, crown to neck: (name, number of intervals down to the next knot in `light`).
ROW_KNOTS = (
    ("crown", 2),
    ("top", 3),
    ("upper_top", 3),
    ("hairline", 3),
    ("forehead", 3),
    ("brow_top", 3),
    ("brow_bottom", 3),
    ("crease", 3),
    ("lids", 3),
    ("bag", 3),
    ("mid_nose", 4),
    ("nose_tip", 4),
    ("nose_base", 3),
    ("lip_top", 3),
    ("mouth", 3),
    ("lip_bottom", 2),
    ("chin_crease", 3),
    ("chin_front", 4),
    ("chin_bottom", 2),
    ("under_chin", 2),
    ("neck_top", 3),
    ("neck_bottom", 0),
)
ROW_INDEX = {name: index for index, (name, _) in enumerate(ROW_KNOTS)}

# Knots of the columns. In front x = half width * sin(angle): (sine, intervals to the next knot).
# The sines of the corners of mouth and eye are where the slits end.
EYE_INNER, MOUTH_CORNER, EYE_OUTER = 0.21, 0.40, 0.62
FRONT_KNOTS = (
    (0.0, 6),
    (EYE_INNER, 5),
    (MOUTH_CORNER, 5),
    (EYE_OUTER, 3),
    (0.80, 4),
    (0.95, 3),
    (1.0, 0),
)
# Behind the side line: sine of the angle towards the back of the head. The first few are the ear.
EAR_RIM, EAR_ROOT = 0.20, 0.215
BACK_KNOTS = ((0.0, 2), (0.10, 3), (EAR_RIM, 1), (EAR_ROOT, 3), (0.45, 4), (1.0, 0))


@dataclasses.dataclass(frozen=True)
class HalfChart:
    """Vertices and triangles of the half head, without positions.

    Attributes:
      rows: float (R,), row coordinate: knot index plus fraction; the two rims of a slit are equal.
      upper: bool (R,), for rows of the eye and mouth features: the row lies above the slit.
      columns: float (C,), 0 to 1 in front (the sine), 1 to 2 behind.
      grid: int (R, C) vertex of each grid point (merged ones repeat).
      mouth_bag, eye_bag: int (B, C') vertices of the bags, rims included, and `*_columns` where
        they are in the grid.
      eyeball: int (rings, sectors), the first ring being the pole repeated.
      teeth: int (2, 2, C''): upper and lower, two rows.
      triangles: int (F, 3).
      num_vertices: vertices of the half.
      num_skin: the first `num_skin` vertices are those of the grid.
      middle: bool (num_vertices,), vertices on the plane of symmetry.
    """

    rows: np.ndarray
    upper: np.ndarray
    columns: np.ndarray
    grid: np.ndarray
    mouth_bag: np.ndarray
    eye_bag: np.ndarray
    mouth_columns: np.ndarray
    eye_columns: np.ndarray
    eyeball: np.ndarray
    teeth: np.ndarray
    triangles: np.ndarray
    num_vertices: int
    num_skin: int
    middle: np.ndarray


def _spread(knots: tuple, density: float, to_coordinate) -> np.ndarray:
    """Places points between knots, evenly in the coordinate that `to_coordinate` maps to."""
    values = []
    for (start, count), (stop, _) in zip(knots[:-1], knots[1:], strict=True):
        intervals = max(1, round(count * density))
        values.append(np.linspace(to_coordinate(start), to_coordinate(stop), intervals + 1)[:-1])
    return np.concatenate([*values, [to_coordinate(knots[-1][0])]])


def _quads(grid: np.ndarray) -> np.ndarray:
    """Triangles of a (rows, columns) grid of ids, counter-clockwise where rows run down and
    columns to the right; quads with repeated corners keep what is left of them."""
    a, b, c, d = grid[:-1, :-1], grid[:-1, 1:], grid[1:, :-1], grid[1:, 1:]
    # The diagonal changes from quad to quad: no direction is preferred in the shading.
    odd = (np.add.outer(np.arange(a.shape[0]), np.arange(a.shape[1])) % 2)[..., None, None] == 1
    falling = np.stack([np.stack([a, c, d], -1), np.stack([a, d, b], -1)], axis=-2)
    rising = np.stack([np.stack([a, c, b], -1), np.stack([b, c, d], -1)], axis=-2)
    triangles = np.where(odd, falling, rising).reshape(-1, 3)
    i, j, k = triangles.T
    return triangles[(i != j) & (j != k) & (k != i)]


def make_half_chart(density: float) -> HalfChart:
    """Lays out the half head; `density` multiplies the number of intervals along each axis."""
    row_knots = tuple((float(i), count) for i, (_, count) in enumerate(ROW_KNOTS))
    rows = _spread(row_knots, density, lambda t: t)
    upper = np.zeros(len(rows), bool)
    for name in ("lids", "mouth"):
        at = int(np.flatnonzero(np.isclose(rows, ROW_INDEX[name]))[0])
        rows = np.insert(rows, at, rows[at])
        upper = np.insert(upper, at, True)
    for first, last in (("brow_top", "lids"), ("nose_base", "mouth")):
        upper |= (rows >= ROW_INDEX[first]) & (rows < ROW_INDEX[last])

    front = np.sin(_spread(FRONT_KNOTS, density, np.arcsin))
    back = 1.0 + np.sin(_spread(BACK_KNOTS, density, np.arcsin))
    columns = np.concatenate([front, back[1:]])

    num_rows, num_columns = len(rows), len(columns)
    grid = np.arange(num_rows * num_columns).reshape(num_rows, num_columns)
    grid[0] = grid[0, 0]  # the pole
    slits = {"lids": (EYE_INNER, EYE_OUTER), "mouth": (0.0, MOUTH_CORNER)}
    slit_columns, slit_rows = {}, {}
    tolerance = 1e-9
    for name, (start, stop) in slits.items():
        top = int(np.flatnonzero(rows == ROW_INDEX[name])[0])
        inside = (columns > start + tolerance) & (columns < stop - tolerance)
        if name == "mouth":
            inside[0] = True
        grid[top + 1, ~inside] = grid[top, ~inside]
        first, last = np.flatnonzero(inside)[[0, -1]]
        slit_columns[name] = np.arange(first if name == "mouth" else first - 1, last + 2)
        slit_rows[name] = (top, top + 1)
    used, grid = np.unique(grid, return_inverse=True)
    grid = grid.reshape(num_rows, num_columns)
    num_vertices = num_skin = len(used)
    middle = np.zeros(num_skin, bool)
    middle[grid[:, 0]] = middle[grid[:, -1]] = True

    triangles = []
    # Quads between the two rims are the opening: they are left out.
    for start, stop in zip(
        (0, slit_rows["lids"][1], slit_rows["mouth"][1]),
        (slit_rows["lids"][1], slit_rows["mouth"][1], num_rows),
        strict=True,
    ):
        triangles.append(_quads(grid[start:stop]))

    bags = {}
    for name, inner_rows in (("mouth", max(6, round(6 * density))), ("lids", 4)):
        at = slit_columns[name]
        bag = np.empty((inner_rows + 2, len(at)), int)
        bag[0], bag[-1] = grid[slit_rows[name][0], at], grid[slit_rows[name][1], at]
        free = bag[0] != bag[-1]
        bag[:, ~free] = bag[0, ~free]
        count = int(free.sum())
        bag[1:-1, free] = num_vertices + np.arange(inner_rows * count).reshape(inner_rows, count)
        num_vertices += inner_rows * count
        on_middle = np.zeros(inner_rows * count, bool)
        if name == "mouth":
            on_middle[::count] = True
        middle = np.concatenate([middle, on_middle])
        triangles.append(_quads(bag))
        bags[name] = bag

    rings, sectors = 3 + max(8, round(8 * density)), max(16, round(16 * density))
    eyeball = np.empty((rings, sectors + 1), int)
    eyeball[0] = num_vertices
    eyeball[1:, :-1] = num_vertices + 1 + np.arange((rings - 1) * sectors).reshape(-1, sectors)
    eyeball[:, -1] = eyeball[:, 0]
    num_vertices += 1 + (rings - 1) * sectors
    middle = np.concatenate([middle, np.zeros(1 + (rings - 1) * sectors, bool)])
    triangles.append(_quads(eyeball))

    tooth_columns = max(8, round(8 * density))
    teeth = num_vertices + np.arange(2 * 2 * tooth_columns).reshape(2, 2, tooth_columns)
    num_vertices += teeth.size
    on_middle = np.zeros(teeth.shape, bool)
    on_middle[..., 0] = True
    middle = np.concatenate([middle, on_middle.reshape(-1)])
    triangles.extend(_quads(rows_of_teeth) for rows_of_teeth in teeth)

    return HalfChart(
        rows=rows,
        upper=upper,
        columns=columns,
        grid=grid,
        mouth_bag=bags["mouth"],
        eye_bag=bags["lids"],
        mouth_columns=slit_columns["mouth"],
        eye_columns=slit_columns["lids"],
        eyeball=eyeball[:, :-1],
        teeth=teeth,
        triangles=np.concatenate(triangles),
        num_vertices=num_vertices,
        num_skin=num_skin,
        middle=middle,
    )


def partner_ids(chart: HalfChart) -> np.ndarray:
    """Id, in the whole head, of the mirror image of each half vertex: (num_vertices,).

    The half keeps its ids; vertices on the plane of symmetry are their own partners.
    """
    partner = np.arange(chart.num_vertices)
    off_middle = np.flatnonzero(~chart.middle)
    partner[off_middle] = chart.num_vertices + np.arange(len(off_middle))
    return partner


def mirrored_triangles(triangles: np.ndarray, partner: np.ndarray) -> np.ndarray:
    """The other half's triangles, turned round so that they stay counter-clockwise."""
    return partner[triangles][:, ::-1]


def mirror_map(partner: np.ndarray, num_vertices: int) -> np.ndarray:
    """The involution (V,) over the whole head."""
    mirror = np.arange(num_vertices)
    mirror[: len(partner)] = partner
    mirror[partner] = np.arange(len(partner))
    return mirror
