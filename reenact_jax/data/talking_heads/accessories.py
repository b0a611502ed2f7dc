"""Hair and glasses over the face: small meshes that are fixed to a person's head.

Every person has the same number of vertices and triangles, so that one compiled program draws all;
what a person does not wear is shrunk to a point, and degenerate triangles are not drawn.
"""

import dataclasses

import jax
import numpy as np

from reenact_jax.data.talking_heads.envelope import grid_triangles, make_envelope, unit
from reenact_jax.data.talking_heads.glasses import (
    ARM,
    BRIDGE,
    LENS_RINGS,
    RING,
    Frame,
    glasses_points,
)
from reenact_jax.data.talking_heads.locks import (
    NUM_LOCKS,
    POINTS_PER_LOCK,
    SEGMENTS,
    hair_style,
    lock_points,
)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Accessories:
    """What sits on a head: hair first, then the frame of the glasses, then their lenses.

    NumPy float32 leaves; positions in the model frame, decimetres, for the neutral head.

    Attributes:
      points, normals: (X, 3).
      albedo: (X, 3) RGB in [0, 1].
      lens_tint: (3,) RGB of the lenses.
      lens_opacity: () how much of what lies behind a lens it hides.
    """

    points: np.ndarray
    normals: np.ndarray
    albedo: np.ndarray
    lens_tint: np.ndarray
    lens_opacity: np.ndarray


def _layout() -> tuple[dict[str, tuple[int, int]], dict[str, np.ndarray]]:
    """Ranges of vertices and triangles of hair, frame and lenses."""
    lock = grid_triangles(SEGMENTS + 1, 3, closed=False)
    rim = grid_triangles(RING + 1, 4, closed=True)
    tubes = [grid_triangles(BRIDGE, 4, closed=True)]
    tubes += 2 * [grid_triangles(ARM, 4, closed=True)]
    lens = grid_triangles(LENS_RINGS, RING, closed=True)
    parts = {"hair": NUM_LOCKS * [lock], "frame": [rim, rim, *tubes], "lenses": [lens, lens]}
    sizes = {"hair": NUM_LOCKS * [POINTS_PER_LOCK]}
    sizes["frame"] = 2 * [4 * (RING + 1)] + [4 * BRIDGE] + 2 * [4 * ARM]
    sizes["lenses"] = 2 * [LENS_RINGS * RING]
    ranges, triangles, start = {}, {}, 0
    for name, pieces in parts.items():
        first, shifted = start, []
        for piece, size in zip(pieces, sizes[name], strict=True):
            shifted.append(piece + start)
            start += size
        ranges[name] = (first, start)
        triangles[name] = np.concatenate(shifted).astype(np.int32)
    return ranges, triangles


RANGES, TRIANGLES = _layout()
NUM_POINTS = RANGES["lenses"][1]


def make_accessories(
    rng: np.random.Generator,
    neutral: np.ndarray,
    landmarks68: np.ndarray,
    hair_colour: np.ndarray,
    *,
    bald: bool,
) -> Accessories:
    """Hair and glasses of one person.

    Args:
      rng: decides everything.
      neutral: (V, 3) the person's neutral head, decimetres.
      landmarks68: (68,) its landmarks.
      hair_colour: (3,) albedo.
      bald: no hair falls over this face.
    """
    points = np.tile(neutral.mean(axis=0), (NUM_POINTS, 1))
    normals = np.tile([0.0, 0.0, 1.0], (NUM_POINTS, 1))
    albedo = np.zeros((NUM_POINTS, 3))
    envelope = make_envelope(neutral)
    first, stop = RANGES["hair"]
    locks = hair_style(rng)
    if not bald:
        for number, lock in enumerate(locks[:NUM_LOCKS]):
            at = first + number * POINTS_PER_LOCK
            part = slice(at, at + POINTS_PER_LOCK)
            points[part], normals[part] = lock_points(lock, envelope)
            shades = rng.uniform(0.75, 1.2, 3) * np.array([0.9, 1.08, 0.9])
            albedo[part] = np.tile(shades, SEGMENTS + 1)[:, None] * hair_colour
    wears = rng.uniform() < 0.3
    frame = Frame.draw(rng)
    dark = rng.uniform() < 0.2
    tint = rng.uniform(0.02, 0.16, 3) if dark else rng.uniform(0.5, 0.9, 3)
    opacity = rng.uniform(0.6, 0.85) if dark else rng.uniform(0.03, 0.14)
    if wears:
        first = RANGES["frame"][0]
        shapes, directions = glasses_points(frame, neutral, landmarks68, envelope)
        points[first:], normals[first:] = shapes, directions
        albedo[first : RANGES["frame"][1]] = frame.colour
    return Accessories(
        points=points.astype(np.float32),
        normals=unit(normals).astype(np.float32),
        albedo=np.clip(albedo, 0.0, 1.0).astype(np.float32),
        lens_tint=tint.astype(np.float32),
        lens_opacity=np.float32(opacity),
    )
