"""What the procedural head is made from: its lengths, its eyes, and the smooth functions used."""

import dataclasses

import numpy as np

from reenact_jax.face_model.procedural.chart import ROW_INDEX

EYE_Y, EYE_RADIUS, LID_RADIUS = 0.085, 0.145, 0.156
IRIS_ANGLE, PUPIL_ANGLE = np.arcsin(0.063 / EYE_RADIUS), np.arcsin(0.027 / EYE_RADIUS)
CORNER_Y = -0.535


@dataclasses.dataclass(frozen=True)
class HeadShape:
    """Lengths in decimetres or relative to the mean head (those that default to 0 or 1)."""

    face_width: float = 1.0
    skull_width: float = 1.0
    jaw_width: float = 1.0
    cheekbone: float = 0.0
    cheek_fullness: float = 0.0
    chin_height: float = 0.0
    chin_forward: float = 0.0
    chin_width: float = 0.0
    forehead_height: float = 0.0
    forehead_slope: float = 0.0
    brow_ridge: float = 0.022
    brow_height: float = 0.0
    brow_thickness: float = 0.027
    brow_slant: float = 0.0
    eye_spacing: float = 0.0
    eye_width: float = 0.142
    eye_height: float = 1.0
    eye_slant: float = 0.012
    eye_depth: float = 0.0
    eye_level: float = 0.0
    nose_length: float = 0.0
    nose_width: float = 1.0
    nose_bridge: float = 0.0
    nose_height: float = 1.0
    nose_tip_up: float = 0.0
    nose_hump: float = 0.0
    mouth_width: float = 0.245
    mouth_level: float = 0.0
    mouth_curve: float = 0.0
    mouth_forward: float = 0.0
    upper_lip: float = 0.073
    lower_lip: float = 0.088
    cupid_bow: float = 0.010
    neck_width: float = 1.0
    neck_length: float = 0.0
    throat: float = 0.0
    ear_size: float = 0.92
    ear_out: float = 0.0
    ear_lobe: float = 0.0
    nose_wings: float = 0.0
    nose_ball: float = 0.0
    nose_root: float = 0.0
    jaw_angle: float = 0.0
    chin_cleft: float = 0.0
    double_chin: float = 0.0
    cheek_hollow: float = 0.0
    temple: float = 0.0
    nose_fold: float = 0.008
    jowl: float = 0.0
    eye_bag: float = 0.006
    lid_hood: float = 0.0
    back_of_head: float = 0.0
    head_height: float = 0.0
    brow_arch: float = 0.0
    philtrum: float = 0.0
    hair_top: float = 0.085
    hair_sides: float = 0.055
    hair_back: float = 0.060
    hair_front: float = 0.020
    hair_fringe: float = 0.0
    hair_length: float = 0.0
    hair_parting: float = 0.0
    hair_curls: float = 0.009
    hair_bald: float = 0.0
    # Expressions that change the rows of the lids themselves.
    blink: float = 0.0
    wide: float = 0.0
    squint: float = 0.0
    gaze_up: float = 0.0


@dataclasses.dataclass(frozen=True)
class Eye:
    """Where the eye is: corners of the slit and centre of the eyeball."""

    inner: np.ndarray  # (2,) x, y
    outer: np.ndarray
    centre: np.ndarray  # (3,)


def eye_of(shape: HeadShape) -> Eye:
    middle = 0.287 + shape.eye_spacing
    level = EYE_Y + shape.eye_level
    return Eye(
        inner=np.array([middle - shape.eye_width, level - 0.012 - 0.5 * shape.eye_slant]),
        outer=np.array([middle + shape.eye_width, level + 0.002 + 0.5 * shape.eye_slant]),
        centre=np.array([middle, level, 0.345 - shape.eye_depth]),
    )


def row_of(name: str) -> int:
    return ROW_INDEX[name]


def smoothstep(edge0: float, edge1: float, x: np.ndarray) -> np.ndarray:
    """0 below edge0, 1 above edge1 (or the other way round), smooth between."""
    s = np.clip((x - edge0) / (edge1 - edge0), 0.0, 1.0)
    return s * s * (3.0 - 2.0 * s)


def bump(x: np.ndarray, y: np.ndarray, cx: float, cy: float, sx: float, sy: float) -> np.ndarray:
    """Gaussian of height 1."""
    return np.exp(-0.5 * (((x - cx) / sx) ** 2 + ((y - cy) / sy) ** 2))


def along_line(x: np.ndarray, y: np.ndarray, start: tuple, stop: tuple, width: float) -> np.ndarray:
    """A Gaussian ridge of height 1 along a line, fading softly at its ends."""
    dx, dy = stop[0] - start[0], stop[1] - start[1]
    length = np.hypot(dx, dy)
    along = ((x - start[0]) * dx + (y - start[1]) * dy) / length**2
    across = ((x - start[0]) * dy - (y - start[1]) * dx) / length
    ends = smoothstep(-0.25, 0.25, along) * smoothstep(1.25, 0.75, along)
    return np.exp(-0.5 * (across / width) ** 2) * ends


def crease_of_wing(x: np.ndarray, y: np.ndarray, cx: float, cy: float) -> np.ndarray:
    """The arc round the outer and upper side of a wing of the nose, of height 1."""
    radius = np.hypot((x - cx) / 0.050, (y - cy) / 0.062)
    lateral = smoothstep(-0.35, 0.45, (x - cx) / 0.050 + 0.45 * (y - cy) / 0.062)
    return np.exp(-0.5 * ((radius - 1.0) / 0.26) ** 2) * lateral
