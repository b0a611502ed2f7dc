"""The ear: a disc with a relief, from the middle of its bowl over the rim to a root in the head."""

import numpy as np

from reenact_jax.face_model.procedural.chart import HalfChart
from reenact_jax.face_model.procedural.loft import Loft
from reenact_jax.face_model.procedural.shape import HeadShape, bump, row_of, smoothstep

# Distance from the middle of the bowl, as a share of the outline; beyond 1 the back of the ear.
_BACK_RINGS = 3


def ear_rings(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Share of the outline and depth behind the rim (0 in front), each (count,)."""
    shares = np.concatenate([np.linspace(0.0, 1.0, count - _BACK_RINGS), [0.97, 0.78, 0.45]])
    behind = np.concatenate([np.zeros(count - _BACK_RINGS), [0.35, 0.7, 1.0]])
    return shares, behind


def _relief(share: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """Height of the front of the ear over its plane, for shares and angles of equal shape."""
    # 0 towards the back of the head, 1/4 turn up.
    upper_back = bump(_turn(angle - 0.9), 0.0 * angle, 0.0, 0.0, 1.15, 1.0)
    lobe = bump(_turn(angle + 1.75), 0.0 * angle, 0.0, 0.0, 0.45, 1.0)
    height = -0.058 * bump(share, 0.0 * share, 0.0, 0.0, 0.34, 1.0)
    height = height + 0.030 * upper_back * bump(share, 0.0 * share, 0.62, 0.0, 0.09, 1.0)
    height = height - 0.018 * upper_back * bump(share, 0.0 * share, 0.81, 0.0, 0.07, 1.0)
    height = height + 0.036 * (1.0 - 0.8 * lobe) * bump(share, 0.0 * share, 0.96, 0.0, 0.085, 1.0)
    height = height + 0.020 * lobe * smoothstep(0.3, 0.7, share)
    tragus = bump(_turn(angle - np.pi - 0.25), share - 0.52, 0.0, 0.0, 0.42, 0.14)
    antitragus = bump(_turn(angle + 1.25), share - 0.50, 0.0, 0.0, 0.35, 0.10)
    return height + 0.060 * tragus + 0.030 * antitragus


def _turn(angle: np.ndarray) -> np.ndarray:
    """Angles brought into [-pi, pi]."""
    return (angle + np.pi) % (2.0 * np.pi) - np.pi


def ear_points(shape: HeadShape, chart: HalfChart, loft: Loft) -> np.ndarray:
    """(rings, sectors, 3) positions, in the order of `chart.ear`."""
    rings, sectors = chart.ear.shape
    shares, behind = (each[:, None] for each in ear_rings(rings))
    angle = (np.arange(sectors) * 2.0 * np.pi / sectors)[None] + 0.0 * shares
    share = shares + 0.0 * angle
    # The outline, about the middle of the bowl: broad above, narrow at the lobe.
    back, up = np.cos(angle), np.sin(angle)
    above = np.where(up > 0.0, 0.335, 0.265 + shape.ear_lobe)
    breadth = np.where(back > 0.0, 0.175, 0.115)
    breadth = breadth * (1.0 + 0.10 * up - 0.28 * smoothstep(-0.35, -1.0, up))
    u, v = share * breadth * back, share * above * up
    height = _relief(share, angle)
    height = height * np.where(behind > 0.0, 0.0, 1.0) + np.where(behind > 0.0, 0.012, 0.0)
    size = shape.ear_size
    # The plane stands away from the head towards the back.
    lift = (u + 0.115) / 0.29
    stand = (0.105 + shape.ear_out) * lift * (1.0 - 0.25 * smoothstep(0.1, 0.3, v))
    out = 0.014 + stand + height
    out = out * (1.0 - behind) + behind * np.minimum(-0.06, out - 0.16)
    # In front the ear runs out flush with the cheek.
    flush = smoothstep(-0.45, -0.95, back) * smoothstep(0.55, 1.0, share)
    out = out - 0.030 * flush

    anchor = loft(np.array(float(row_of("mid_nose"))), np.array(1.10))
    lean = 0.20
    along_z = -u * np.cos(lean) - v * np.sin(lean)
    along_y = -u * np.sin(lean) + v * np.cos(lean)
    return np.stack(
        [
            anchor[0] + out * size - 0.012 - 0.05 * along_z,
            -0.045 + size * along_y,
            anchor[2] + size * along_z - 0.30 * np.maximum(out, 0.0) * lift,
        ],
        axis=-1,
    )
