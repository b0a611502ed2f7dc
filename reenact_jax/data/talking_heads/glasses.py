"""Glasses: two rims, a bridge, two arms and two lenses, fitted to a head."""

import dataclasses

import numpy as np

from reenact_jax.data.talking_heads.envelope import Envelope, unit

RING, LENS_RINGS = 28, 3
ARM, BRIDGE = 8, 6


@dataclasses.dataclass(frozen=True)
class Frame:
    """Shape and colour of a pair of glasses (decimetres)."""

    half_width: float
    half_height: float
    squareness: float
    thickness: float
    drop: float
    colour: np.ndarray

    @classmethod
    def draw(cls, rng: np.random.Generator) -> "Frame":
        metal = rng.uniform() < 0.35
        grey = rng.uniform(0.03, 0.35) if not metal else rng.uniform(0.35, 0.8)
        return cls(
            half_width=rng.uniform(0.18, 0.23),
            half_height=rng.uniform(0.13, 0.19),
            squareness=rng.uniform(2.0, 5.0),
            thickness=rng.uniform(0.008, 0.012) if metal else rng.uniform(0.012, 0.024),
            drop=rng.uniform(0.0, 0.04),
            colour=np.clip(grey + rng.uniform(-0.08, 0.25, 3) * (0.3 if metal else 1.0), 0.02, 1),
        )


def _tube(path: np.ndarray, thickness: float) -> tuple[np.ndarray, np.ndarray]:
    """A tube of four sides round a path (N, 3): points and normals (4 N, 3)."""
    along = unit(np.gradient(path, axis=0))
    guide = np.where(np.abs(along[:, 2:]) < 0.8, [[0.0, 0.0, 1.0]], [[0.0, 1.0, 0.0]])
    side = unit(np.cross(along, guide))
    upper = np.cross(side, along)
    normals = np.stack([side + upper, upper - side, -side - upper, side - upper], axis=1)
    points = path[:, None] + thickness * normals
    return points.reshape(-1, 3), normals.reshape(-1, 3)


def glasses_points(
    frame: Frame, neutral: np.ndarray, landmarks68: np.ndarray, envelope: Envelope
) -> tuple[np.ndarray, np.ndarray]:
    """Points and normals of frame and lenses for one head, in the order of `TRIANGLES`."""
    marks = neutral[landmarks68]
    right, left = marks[36:42].mean(axis=0), marks[42:48].mean(axis=0)
    level = 0.5 * (right[1] + left[1]) - frame.drop
    apart = max(0.5 * (left[0] - right[0]), frame.half_width + 0.05)
    x, y, z = neutral.T
    around = (np.abs(np.abs(x) - apart) < frame.half_width) & (np.abs(x) > 0.16)
    around &= np.abs(y - level) < frame.half_height
    front = z[around].max() + 0.05

    def bent(plane: np.ndarray) -> np.ndarray:
        # Lenses follow the face: backwards towards the temples.
        return front - 0.22 * plane[..., 0] ** 2

    turn = np.linspace(0.0, 2.0 * np.pi, RING + 1)
    cosine, sine = np.cos(turn), np.sin(turn)
    power = 2.0 / frame.squareness
    outline = np.stack(
        [
            frame.half_width * np.sign(cosine) * np.abs(cosine) ** power,
            frame.half_height * np.sign(sine) * np.abs(sine) ** power,
        ],
        axis=-1,
    )
    pieces, lenses = [], []
    for side in (-1.0, 1.0):
        flat = outline * [side, 1.0] + [side * apart, level]
        pieces.append(_tube(np.concatenate([flat, bent(flat)[:, None]], 1), frame.thickness))
        rings = np.linspace(0.02, 1.0, LENS_RINGS)[:, None, None]
        disc = outline[None, :-1] * rings * [side, 1.0] + [side * apart, level]
        points = np.concatenate([disc, bent(disc)[..., None] - 0.004], -1).reshape(-1, 3)
        bulge = (disc - [side * apart, level]).reshape(-1, 2) * [2.2, 2.2]
        lenses.append((points, np.concatenate([bulge, np.ones((len(bulge), 1))], -1)))
    t = np.linspace(-1.0, 1.0, BRIDGE)
    inner = apart - frame.half_width
    flat = np.stack([inner * t, level + 0.3 * frame.half_height + 0.02 * (1 - t**2)], -1)
    path = np.concatenate([flat, (bent(flat) + 0.05 * (1 - t**2))[:, None]], 1)
    pieces.append(_tube(path, frame.thickness))
    for side in (-1.0, 1.0):
        hinge = np.array([side * (apart + frame.half_width), level + 0.4 * frame.half_height])
        s = np.linspace(0.0, 1.0, ARM)
        beside = np.float64(envelope(np.array([side * 1.2]), np.array([hinge[1]]))[0])
        far = side * max(abs(hinge[0]) + 0.02, beside * np.sin(1.2) + 0.01)
        start = bent(hinge)
        path = np.stack(
            [
                hinge[0] + (far - hinge[0]) * np.minimum(2.0 * s, 1.0),
                hinge[1] - 0.03 * s,
                start + (-0.30 - start) * s,
            ],
            axis=-1,
        )
        pieces.append(_tube(path, frame.thickness))
    points, normals = (np.concatenate(each) for each in zip(*pieces, *lenses, strict=True))
    return points, normals
