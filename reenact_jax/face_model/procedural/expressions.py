"""Expression modes of the procedural head, with the usual blendshape names.

Left and right are the subject's own; the left half of the subject has x > 0.
"""

import dataclasses
from collections.abc import Callable

import numpy as np

from reenact_jax.face_model.procedural import fields
from reenact_jax.face_model.procedural.chart import HalfChart, mirror_map
from reenact_jax.face_model.procedural.fields import Field
from reenact_jax.face_model.procedural.geometry import build_half
from reenact_jax.face_model.procedural.shape import CORNER_Y, HeadShape, bump, smoothstep

# Modes whose two sides move by themselves, given as fields or as changes of the shape.
_SIDED_FIELDS: dict[str, Callable[[Field], np.ndarray]] = {
    "browDown": fields.brow_down,
    "browOuterUp": fields.brow_outer_up,
    "cheekPuff": fields.puff,
    "cheekSquint": fields.cheek_squint,
    "eyeLookIn": lambda f: fields.lids_follow(f, -0.008),
    "eyeLookOut": lambda f: fields.lids_follow(f, 0.008),
    "mouthDimple": fields.dimple,
    "mouthFrown": fields.frown,
    "mouthLowerDown": lambda f: fields.lips_apart(f, 0.0, 0.062),
    "mouthPress": fields.press,
    "mouthSmile": fields.smile,
    "mouthStretch": fields.stretch,
    "mouthUpperUp": lambda f: fields.lips_apart(f, 0.050, 0.0),
    "noseSneer": fields.sneer,
}
_SIDED_SHAPES: dict[str, dict[str, float]] = {
    "eyeBlink": {"blink": 1.0},
    "eyeLookDown": {"gaze_up": -1.0},
    "eyeLookUp": {"gaze_up": 1.0},
    "eyeSquint": {"squint": 1.0},
    "eyeWide": {"wide": 1.0},
}
_SYMMETRIC: dict[str, Callable[[Field], np.ndarray]] = {
    "browInnerUp": fields.brow_inner_up,
    "jawOpen": fields.jaw_open,
    "mouthFunnel": lambda f: fields.squeeze(f, 0.22, 0.062, 0.035),
    "mouthPucker": lambda f: fields.squeeze(f, 0.34, 0.085, 0.0),
    "mouthRollLower": lambda f: fields.roll(f, upper=False),
    "mouthRollUpper": lambda f: fields.roll(f, upper=True),
    "mouthShrugLower": fields.shrug,
    "mouthClose": fields.mouth_close,
}


def _sideways(f: Field) -> dict[str, np.ndarray]:
    """Modes that move both halves the same way: towards the subject's left (+x)."""
    jaw = fields.jaw_weight(f, lips_part=False)[:, None] * np.array([0.050, 0.0, 0.0])
    mouth = f.offset(bump(f.x, f.y, 0.0, CORNER_Y, 0.22, 0.12), 0.055, 0.0, 0.0)
    return {"jaw": jaw, "mouth": mouth}


def expression_modes(
    chart: HalfChart, partner: np.ndarray, mean: np.ndarray
) -> dict[str, np.ndarray]:
    """Name -> offset (V, 3) of the whole head at weight 1, in decimetres.

    Args:
      chart: the half's chart.
      partner: ids of the mirror images, see `chart.partner_ids`.
      mean: (num_vertices, 3) the half's mean.
    """
    field = fields.make_field(chart, mean)
    base = HeadShape()
    num_vertices = int(partner.max()) + 1
    flip = np.array([-1.0, 1.0, 1.0])

    def whole(half: np.ndarray, left: float, right: float, mirror: np.ndarray) -> np.ndarray:
        full = np.zeros((num_vertices, 3))
        full[partner] = right * half * mirror
        full[: len(half)] += np.where(chart.middle[:, None], 0.0, left * half)
        # On the middle both sides meet: each contributes half of what a symmetric mode does.
        share = 0.5 * (left * half + right * half * mirror)
        full[: len(half)][chart.middle] = share[chart.middle]
        return full

    mirror = mirror_map(partner, num_vertices)
    modes = {}
    ones = np.ones(3)
    for name, function in _SYMMETRIC.items():
        modes[name] = whole(function(field), 1.0, 1.0, flip)
    for name, half in _sideways(field).items():
        moved = whole(half, 1.0, 1.0, ones)
        modes[f"{name}Left"], modes[f"{name}Right"] = moved, -moved
    modes["jawForward"] = whole(
        fields.jaw_weight(field, lips_part=False)[:, None] * np.array([0.0, 0.0, 0.06]),
        1.0,
        1.0,
        flip,
    )
    sided = {name: function(field) for name, function in _SIDED_FIELDS.items()}
    for name, change in _SIDED_SHAPES.items():
        moved = build_half(dataclasses.replace(base, **change), chart)
        sided[name] = moved - mean
    for name, half in sided.items():
        # The two sides overlap softly across the middle, so that one side alone has no crease.
        own = smoothstep(-0.09, 0.09, mean[:, 0])[:, None] if name in _SIDED_FIELDS else ones
        left = whole(half * own, 1.0, 0.0, flip) + whole(half * (1.0 - own), 0.0, 1.0, flip)
        middle = np.flatnonzero(chart.middle)
        left[middle] = 0.5 * half[middle]
        right = left[mirror] * flip
        modes[f"{name}_L"], modes[f"{name}_R"] = left, right
    return dict(sorted(modes.items()))
