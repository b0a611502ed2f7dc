"""Identity modes of the procedural head: differences of closed-form heads."""

import dataclasses

import numpy as np

from reenact_jax.face_model.procedural.chart import HalfChart
from reenact_jax.face_model.procedural.geometry import build_half
from reenact_jax.face_model.procedural.shape import HeadShape

# Name -> change of HeadShape per standard deviation.
IDENTITY_MODES: dict[str, dict[str, float]] = {
    "faceWidth": {"face_width": 0.045, "skull_width": 0.035},
    "skullWidth": {"skull_width": 0.04},
    "jawWidth": {"jaw_width": 0.05},
    "cheekbones": {"cheekbone": 0.018},
    "cheekFullness": {"cheek_fullness": 0.020, "jaw_width": 0.012},
    "chinHeight": {"chin_height": 0.040},
    "chinForward": {"chin_forward": 0.035},
    "chinWidth": {"chin_width": 0.05},
    "foreheadHeight": {"forehead_height": 0.035},
    "foreheadSlope": {"forehead_slope": 0.030},
    "browRidge": {"brow_ridge": 0.018},
    "browHeight": {"brow_height": 0.016},
    "browThickness": {"brow_thickness": 0.006},
    "browSlant": {"brow_slant": 0.009},
    "eyeSpacing": {"eye_spacing": 0.011},
    "eyeWidth": {"eye_width": 0.006},
    "eyeHeight": {"eye_height": 0.09},
    "eyeSlant": {"eye_slant": 0.014},
    "eyeDepth": {"eye_depth": 0.010},
    "eyeLevel": {"eye_level": 0.014},
    "noseLength": {"nose_length": 0.026},
    "noseWidth": {"nose_width": 0.095},
    "noseBridge": {"nose_bridge": 0.020},
    "noseHeight": {"nose_height": 0.11},
    "noseTipUp": {"nose_tip_up": 0.014},
    "noseHump": {"nose_hump": 0.013},
    "mouthWidth": {"mouth_width": 0.014},
    "mouthLevel": {"mouth_level": 0.016},
    "mouthForward": {"mouth_forward": 0.014},
    "upperLip": {"upper_lip": 0.010},
    "lowerLip": {"lower_lip": 0.011},
    "cupidBow": {"cupid_bow": 0.005},
    "neckWidth": {"neck_width": 0.06},
    "earSize": {"ear_size": 0.06},
    "earsOut": {"ear_out": 0.022},
    "hairTop": {"hair_top": 0.028},
    "hairSides": {"hair_sides": 0.024},
}


def identity_modes(chart: HalfChart) -> dict[str, np.ndarray]:
    """Name -> offset (num_vertices, 3) of the half head, in decimetres per standard deviation."""
    mean = HeadShape()
    modes = {}
    for name, change in IDENTITY_MODES.items():
        halves = [
            build_half(
                dataclasses.replace(
                    mean, **{key: getattr(mean, key) + sign * step for key, step in change.items()}
                ),
                chart,
            )
            for sign in (1.0, -1.0)
        ]
        modes[name] = 0.5 * (halves[0] - halves[1])
    return modes
