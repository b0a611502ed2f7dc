"""The lofted surface of the procedural head, before its features are raised on it."""

import numpy as np
from scipy.interpolate import PchipInterpolator
from scipy.ndimage import gaussian_filter1d

from reenact_jax.face_model.procedural.chart import ROW_INDEX
from reenact_jax.face_model.procedural.shape import EYE_Y, HeadShape, bump, row_of, smoothstep

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


class Loft:
    """The surface without bumps, at any (row coordinate, column)."""

    def __init__(self, shape: HeadShape):
        t = np.arange(len(_PROFILES), dtype=float)
        table = np.array([[*front, *side, *back] for front, side, back in _PROFILES.values()])
        front_y, front_z, side_x, side_y, side_z, back_y, back_z = table.T.copy()

        above = smoothstep(row_of("brow_top"), row_of("upper_top"), t)
        jaw = smoothstep(row_of("bag"), row_of("chin_front"), t) * (t <= row_of("under_chin"))
        neck = smoothstep(row_of("chin_bottom"), row_of("neck_top"), t)
        face = (1.0 - above) * (1.0 - neck)
        side_x *= 1.0 + (shape.face_width - 1.0) * face + (shape.skull_width - 1.0) * above
        side_x *= 1.0 + (shape.jaw_width - 1.0) * jaw
        side_x *= 1.0 + (shape.neck_width - 1.0) * neck
        chin = smoothstep(row_of("mouth"), row_of("chin_bottom"), t)
        front_y -= shape.chin_height * chin
        front_z += shape.chin_forward * chin * (t <= row_of("chin_bottom"))
        raised = smoothstep(row_of("brow_top"), row_of("hairline"), t)
        front_y += shape.forehead_height * raised
        side_y += shape.forehead_height * smoothstep(row_of("hairline"), row_of("upper_top"), t)
        back_y += shape.forehead_height * smoothstep(row_of("hairline"), row_of("upper_top"), t)
        front_z -= shape.forehead_slope * bump(
            t, t, row_of("hairline"), row_of("hairline"), 1.6, 1.6
        )
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
