"""Identity modes of the procedural head: differences of closed-form heads."""

import dataclasses

import numpy as np

from reenact_jax.face_model.procedural.chart import HalfChart
from reenact_jax.face_model.procedural.geometry import build_half
from reenact_jax.face_model.procedural.hair import hair_points
from reenact_jax.face_model.procedural.loft import Loft
from reenact_jax.face_model.procedural.shape import CORNER_Y, HeadShape, bump, smoothstep

# Name -> change of HeadShape per standard deviation; both sides alike.
IDENTITY_MODES: dict[str, dict[str, float]] = {
    "faceWidth": {"face_width": 0.045, "skull_width": 0.035},
    "skullWidth": {"skull_width": 0.045},
    "headHeight": {"head_height": 0.040},
    "backOfHead": {"back_of_head": 0.055},
    "temples": {"temple": 0.026},
    "jawWidth": {"jaw_width": 0.050},
    "jawAngle": {"jaw_angle": 0.030},
    "jowls": {"jowl": 0.024, "nose_fold": 0.003},
    "doubleChin": {"double_chin": 0.045},
    "cheekbones": {"cheekbone": 0.026},
    "cheekFullness": {"cheek_fullness": 0.020, "jaw_width": 0.012},
    "cheekHollow": {"cheek_hollow": 0.017},
    "noseFold": {"nose_fold": 0.008},
    "chinHeight": {"chin_height": 0.040},
    "chinForward": {"chin_forward": 0.035},
    "chinWidth": {"chin_width": 0.055},
    "chinCleft": {"chin_cleft": 0.015},
    "foreheadHeight": {"forehead_height": 0.035},
    "foreheadSlope": {"forehead_slope": 0.030},
    "browRidge": {"brow_ridge": 0.018},
    "browHeight": {"brow_height": 0.017},
    "browThickness": {"brow_thickness": 0.007},
    "browSlant": {"brow_slant": 0.011},
    "browArch": {"brow_arch": 0.013},
    "eyeSpacing": {"eye_spacing": 0.011},
    "eyeWidth": {"eye_width": 0.006},
    "eyeHeight": {"eye_height": 0.10},
    "eyeSlant": {"eye_slant": 0.014},
    "eyeDepth": {"eye_depth": 0.010},
    "eyeLevel": {"eye_level": 0.014},
    "eyeHoods": {"lid_hood": 0.024},
    "eyeBags": {"eye_bag": 0.010},
    "noseLength": {"nose_length": 0.026},
    "noseWidth": {"nose_width": 0.095},
    "noseBridge": {"nose_bridge": 0.020},
    "noseRoot": {"nose_root": 0.016},
    "noseHeight": {"nose_height": 0.11},
    "noseTipUp": {"nose_tip_up": 0.015},
    "noseBall": {"nose_ball": 0.019},
    "noseWings": {"nose_wings": 0.012},
    "noseHump": {"nose_hump": 0.014},
    "philtrum": {"philtrum": 0.007},
    "mouthWidth": {"mouth_width": 0.014},
    "mouthLevel": {"mouth_level": 0.016},
    "mouthCurve": {"mouth_curve": 0.009},
    "mouthForward": {"mouth_forward": 0.016},
    "upperLip": {"upper_lip": 0.010},
    "lowerLip": {"lower_lip": 0.011},
    "cupidBow": {"cupid_bow": 0.007},
    "neckWidth": {"neck_width": 0.080},
    "throat": {"throat": 0.04},
    "earSize": {"ear_size": 0.070},
    "earsOut": {"ear_out": 0.036},
    "earLobes": {"ear_lobe": 0.030},
    "hairTop": {"hair_top": 0.030},
    "hairSides": {"hair_sides": 0.024},
    "hairBack": {"hair_back": 0.024},
    "hairFront": {"hair_front": 0.045},
    "hairFringe": {"hair_fringe": 0.050},
    "hairLength": {"hair_length": 0.29},
    "hairParting": {"hair_parting": 0.028},
    "hairCurls": {"hair_curls": 0.0045},
    "hairBald": {"hair_bald": 0.028, "hair_fringe": -0.020},
}
# The same for modes whose sides go opposite ways: at +1 the subject's left as said.
OPPOSITE_MODES: dict[str, dict[str, float]] = {
    "asymmetricBrows": {"brow_height": 0.012},
    "asymmetricEyes": {"eye_level": 0.008},
    "asymmetricJaw": {"jaw_width": 0.028, "cheek_fullness": 0.006},
    "hairSwept": {"hair_front": 0.032, "hair_fringe": -0.020},
}
# Modes that push the middle of the face to the subject's left.
SIDEWAYS_MODES = ("noseSideways", "mouthSideways")
_FLIP = np.array([-1.0, 1.0, 1.0])


def identity_modes(chart: HalfChart, partner: np.ndarray) -> dict[str, np.ndarray]:
    """Name -> offset (V, 3) of the whole head, in decimetres per standard deviation.

    Args:
      chart: the half's chart.
      partner: ids of the mirror images, see `chart.partner_ids`.
    """
    num_vertices = int(partner.max()) + 1

    def whole(half: np.ndarray, sign: float) -> np.ndarray:
        full = np.empty((num_vertices, 3))
        full[partner] = sign * half * _FLIP
        full[: len(half)] = half
        return full

    base = HeadShape()
    mean = build_half(base, chart)

    def difference(change: dict[str, float]) -> np.ndarray:
        plus, minus = (
            dataclasses.replace(
                base, **{key: getattr(base, key) + sign * step for key, step in change.items()}
            )
            for sign in (1.0, -1.0)
        )
        if all(key.startswith("hair_") for key in change):
            moved = np.zeros_like(mean)
            loft = Loft(base)
            moved[chart.hair] = hair_points(plus, chart, loft) - hair_points(minus, chart, loft)
            return 0.5 * moved
        return 0.5 * (build_half(plus, chart) - build_half(minus, chart))

    modes = {name: whole(difference(change), 1.0) for name, change in IDENTITY_MODES.items()}
    x, y, z = mean.T
    # Opposite sides meet in the middle, where neither moves.
    fade = smoothstep(0.0, 0.14, x)[:, None]
    for name, change in OPPOSITE_MODES.items():
        modes[name] = whole(fade * difference(change), -1.0)
    front = smoothstep(0.0, 0.3, z)
    skin = np.ones(chart.num_vertices)
    skin[chart.hair] = skin[chart.eyeball] = skin[chart.ear] = 0.0
    nose = 0.021 * bump(x, y, 0.0, -0.22, 0.11, 0.12) * front * skin
    mouth = 0.026 * bump(x, y, 0.0, CORNER_Y - 0.12, 0.34, 0.20) * front * skin
    for name, amount in zip(SIDEWAYS_MODES, (nose, mouth), strict=True):
        full = np.zeros((num_vertices, 3))
        full[partner, 0] = amount
        full[: len(amount), 0] = amount
        modes[name] = full
    return modes
