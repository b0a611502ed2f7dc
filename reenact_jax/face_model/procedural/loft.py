"""The lofted surface of the procedural head, before its features are raised on it."""

import numpy as np
from scipy.interpolate import PchipInterpolator
from scipy.ndimage import gaussian_filter1d

from reenact_jax.face_model.procedural.chart import ROW_INDEX
from reenact_jax.face_model.procedural.shape import EYE_Y, HeadShape, bump, row_of, smoothstep

# Profiles, one line per knot of the rows: front (y, z), side (x, y, z), back (y, z).
_PROFILES = {
    "crown": ((0.955, -0.27), (0.0, 0.955, -0.27), (0.955, -0.27)),
    "top": ((0.91, 0.06), (0.34, 0.875, -0.25), (0.85, -0.64)),
    "upper_top": ((0.78, 0.335), (0.565, 0.69, -0.24), (0.64, -0.93)),
    "hairline": ((0.62, 0.49), (0.665, 0.38, -0.20), (0.35, -1.07)),
    "forehead": ((0.45, 0.555), (0.69, 0.27, -0.18), (0.26, -1.08)),
    "brow_top": ((0.265, 0.580), (0.697, 0.19, -0.17), (0.18, -1.08)),
    "brow_bottom": ((0.205, 0.575), (0.697, 0.155, -0.165), (0.14, -1.075)),
    "crease": ((0.15, 0.56), (0.695, 0.12, -0.16), (0.10, -1.065)),
    "lids": ((EYE_Y, 0.545), (0.692, EYE_Y, -0.155), (0.05, -1.05)),
    "bag": ((0.02, 0.54), (0.69, 0.045, -0.155), (0.0, -1.03)),
    "mid_nose": ((-0.06, 0.54), (0.687, -0.01, -0.15), (-0.05, -1.01)),
    "nose_tip": ((-0.235, 0.555), (0.680, -0.13, -0.15), (-0.15, -0.96)),
    "nose_base": ((-0.335, 0.575), (0.670, -0.20, -0.15), (-0.22, -0.915)),
    "lip_top": ((-0.465, 0.580), (0.655, -0.27, -0.155), (-0.30, -0.865)),
    "mouth": ((-0.535, 0.570), (0.640, -0.325, -0.16), (-0.36, -0.83)),
    "lip_bottom": ((-0.625, 0.550), (0.625, -0.38, -0.165), (-0.42, -0.795)),
    "chin_crease": ((-0.70, 0.525), (0.607, -0.425, -0.175), (-0.47, -0.77)),
    "chin_front": ((-0.815, 0.51), (0.580, -0.485, -0.19), (-0.53, -0.75)),
    "chin_bottom": ((-0.945, 0.405), (0.535, -0.570, -0.22), (-0.60, -0.735)),
    "under_chin": ((-0.975, 0.17), (0.43, -0.67, -0.29), (-0.70, -0.735)),
    "neck_top": ((-1.04, -0.02), (0.385, -0.82, -0.34), (-0.85, -0.745)),
    "neck_bottom": ((-1.75, -0.10), (0.47, -1.75, -0.42), (-1.75, -0.90)),
}
assert tuple(_PROFILES) == tuple(ROW_INDEX)
# Samples per knot of the smoothed profiles, read linearly.
_FINE = 64


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
        side_x += shape.jaw_angle * bump(t, t, row_of("chin_bottom"), 0.0, 1.6, 1e9)
        side_y -= 0.9 * shape.jaw_angle * bump(t, t, row_of("chin_bottom"), 0.0, 1.2, 1e9)
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
        front_y += shape.head_height * smoothstep(row_of("forehead"), row_of("top"), t)
        side_y += shape.head_height * smoothstep(row_of("hairline"), row_of("top"), t)
        back_y += shape.head_height * smoothstep(row_of("hairline"), row_of("top"), t)
        rear = smoothstep(0.0, row_of("upper_top"), t) * smoothstep(
            row_of("chin_front"), row_of("nose_tip"), t
        )
        back_z -= shape.back_of_head * rear
        below = smoothstep(row_of("under_chin"), row_of("neck_bottom"), t)
        side_x += 0.10 * below**2
        values = np.stack([front_y, front_z, side_x, side_y, side_z, back_y, back_z], axis=-1)
        # A monotone interpolant, smoothed: its kinks at the knots would show as folds.
        fine = np.linspace(t[0], t[-1], 1 + _FINE * (len(t) - 1))
        curves = PchipInterpolator(t, values)(fine)
        smooth = gaussian_filter1d(curves, 0.55 * _FINE, axis=0, mode="nearest")
        ends = smoothstep(0.0, 1.0, fine)[:, None] * smoothstep(t[-1], t[-1] - 1.0, fine)[:, None]
        self._curves = curves + ends * (smooth - curves)

    def _profiles(self, t: np.ndarray) -> np.ndarray:
        """The seven profile coordinates (..., 7) at row coordinates (...)."""
        place = np.clip(t, 0.0, len(_PROFILES) - 1.0) * _FINE
        first = np.minimum(place.astype(int), len(self._curves) - 2)
        fraction = (place - first)[..., None]
        return self._curves[first] * (1.0 - fraction) + self._curves[first + 1] * fraction

    def heights(self, t: np.ndarray, column: np.ndarray) -> np.ndarray:
        """y (T, C) in front of the side line, for row coordinates (T,) and columns (C,)."""
        profiles = self._profiles(t)
        front_y, side_y = profiles[:, :1], profiles[:, 3:4]
        return side_y + (front_y - side_y) * np.sqrt(np.maximum(0.0, 1.0 - column[None] ** 2))

    def __call__(self, t: np.ndarray, column: np.ndarray) -> np.ndarray:
        """Positions (..., 3) for row coordinates and columns (0 to 2) of equal shape."""
        front_y, front_z, side_x, side_y, side_z, back_y, back_z = np.moveaxis(
            self._profiles(t), -1, 0
        )
        behind = column > 1.0
        sine = np.where(behind, column - 1.0, column)
        cosine = np.sqrt(np.maximum(0.0, 1.0 - sine**2))
        # In front the sine runs along x, behind it runs along -z: see the chart.
        x = side_x * np.where(behind, cosine, sine)
        y = side_y + np.where(behind, (back_y - side_y) * sine, (front_y - side_y) * cosine)
        z = side_z + np.where(behind, (back_z - side_z) * sine, (front_z - side_z) * cosine)
        return np.stack([x, y, z], axis=-1)
