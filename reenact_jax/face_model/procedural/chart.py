"""Topology of the procedural head: a grid of skin with slits, and the parts that stand by it.

Only the half with x >= 0 (the subject's left) is laid out; `mirrored_triangles` adds the other.
Rows run from the crown down to the neck, columns from the middle of the face round the ear to the
back of the head. Rows pass along the features (hairline, brows, lids, lips), so that a change of
colour falls on a line of vertices. The rims of lids and lips are two rows that are one row
outside the slit; a bag behind each slit joins its rims, so that nothing behind shows through.
"""

import dataclasses

import numpy as np

from reenact_jax.face_model.procedural.parts import Parts, quads

# Knots of the rows, crown to neck: (name, number of intervals down to the next knot in `light`).
ROW_KNOTS = (
    ("crown", 1),
    ("top", 2),
    ("upper_top", 2),
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
# Behind the side line: sine of the angle towards the back of the head.
BACK_KNOTS = ((0.0, 3), (0.30, 2), (0.60, 3), (1.0, 0))
# The shell of hair: its columns, the rows from crown to hem, and those of its inside.
HAIR_FRONT_KNOTS = ((0.0, 4), (0.40, 4), (0.75, 3), (0.90, 4), (1.0, 0))
HAIR_BACK_KNOTS = ((0.0, 4), (0.30, 3), (0.60, 4), (1.0, 0))
HAIR_ROWS, HAIR_INNER_ROWS = 13, 3


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
      tongue: int (rows, columns), back to tip.
      lashes: int (3, C'): base, tips and the base below, along the rim of the upper lid.
      ear: int (rings, sectors), the first ring being the middle of the bowl repeated.
      hair: int (rows, columns) of the shell of hair: down from the crown to the hem (row
        `hair_hem`), then back up on its inside.
      hair_hem: row of the hem in `hair`.
      hair_columns: float (columns of `hair`,), like `columns`.
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
    tongue: np.ndarray
    lashes: np.ndarray
    ear: np.ndarray
    hair: np.ndarray
    hair_hem: int
    hair_columns: np.ndarray
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
    num_skin = len(used)
    middle = np.zeros(num_skin, bool)
    middle[grid[:, 0]] = middle[grid[:, -1]] = True

    parts = Parts(middle)
    # Quads between the two rims are the opening: they are left out.
    for start, stop in zip(
        (0, slit_rows["lids"][1], slit_rows["mouth"][1]),
        (slit_rows["lids"][1], slit_rows["mouth"][1], num_rows),
        strict=True,
    ):
        parts.triangles.append(quads(grid[start:stop]))

    bags = {}
    for name, inner_rows in (("mouth", max(6, round(6 * density))), ("lids", 4)):
        at = slit_columns[name]
        bag = np.empty((inner_rows + 2, len(at)), int)
        bag[0], bag[-1] = grid[slit_rows[name][0], at], grid[slit_rows[name][1], at]
        free = bag[0] != bag[-1]
        bag[:, ~free] = bag[0, ~free]
        bag[1:-1, free] = parts.new(inner_rows, int(free.sum()), first_in_middle=name == "mouth")
        parts.triangles.append(quads(bag))
        bags[name] = bag

    def count(light: int) -> int:
        return max(light, round(light * density))

    eyeball = parts.polar(3 + count(8), count(16))
    teeth = np.stack([parts.new(2, count(8), first_in_middle=True) for _ in range(2)])
    tongue = parts.new(count(5), count(4), first_in_middle=True)
    lashes = parts.new(3, len(slit_columns["lids"]))
    ear = parts.polar(count(9), count(18))
    hair_columns = np.concatenate(
        [
            np.sin(_spread(HAIR_FRONT_KNOTS, density, np.arcsin)),
            1.0 + np.sin(_spread(HAIR_BACK_KNOTS, density, np.arcsin))[1:],
        ]
    )
    hair_hem = count(HAIR_ROWS)
    hair = parts.new(hair_hem + 1 + HAIR_INNER_ROWS, len(hair_columns), both_in_middle=True)
    hair[0] = hair[0, 0]
    for sheet in (*teeth, tongue, lashes, hair):
        parts.triangles.append(quads(sheet))

    # The crown of the hair is one vertex: what it leaves unused is taken out.
    triangles = np.concatenate(parts.triangles)
    kept = np.unique(triangles)
    new = np.full(parts.num_vertices, -1)
    new[kept] = np.arange(len(kept))
    return HalfChart(
        rows=rows,
        upper=upper,
        columns=columns,
        grid=new[grid],
        mouth_bag=new[bags["mouth"]],
        eye_bag=new[bags["lids"]],
        mouth_columns=slit_columns["mouth"],
        eye_columns=slit_columns["lids"],
        eyeball=new[eyeball],
        teeth=new[teeth],
        tongue=new[tongue],
        lashes=new[lashes],
        ear=new[ear],
        hair=new[hair],
        hair_hem=hair_hem,
        hair_columns=hair_columns,
        triangles=new[triangles],
        num_vertices=len(kept),
        num_skin=num_skin,
        middle=parts.middle[kept],
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
