"""Locks of hair over the face."""

import dataclasses

import numpy as np

from reenact_jax.data.talking_heads.envelope import AXIS_Z, Envelope

NUM_LOCKS, SEGMENTS = 26, 9
POINTS_PER_LOCK = 3 * (SEGMENTS + 1)


@dataclasses.dataclass(frozen=True)
class Lock:
    """A lock from (angle, height) to (angle, height), radians and decimetres."""

    start: tuple[float, float]
    stop: tuple[float, float]
    width: float
    lift: float
    wave: float
    phase: float


def hair_style(rng: np.random.Generator) -> list[Lock]:
    """Nothing, a fringe, hair down both sides of the face, or a few loose strands."""
    style = rng.choice(4, p=(0.34, 0.26, 0.20, 0.20))
    tilt, length = rng.uniform(-0.45, 0.45), rng.uniform(0.0, 1.0)
    locks = []

    def add(start, stop, width, wave):
        lift, phase = rng.uniform(0.015, 0.04), rng.uniform(0.0, 2.0 * np.pi)
        locks.append(Lock(start, stop, width, lift, wave, phase))

    if style == 1:
        for angle in np.linspace(-0.85, 0.85, 22) + 0.05 * rng.normal(size=22):
            low = 0.50 - 0.26 * length + 0.12 * abs(angle) + 0.06 * rng.normal()
            bent = angle + tilt * rng.uniform(0.5, 1.0)
            add((angle, 0.86), (bent, low), rng.uniform(0.08, 0.13), 0.02)
    elif style == 2:
        parting = 0.35 * tilt
        low = -0.15 - 0.75 * length
        wave = rng.uniform(0.02, 0.07)
        for k in range(24):
            side = 1.0 if k % 2 else -1.0
            depth = (k // 2) / 11.0
            start = (parting + side * (0.10 + 0.55 * depth), 0.90 - 0.05 * depth)
            stop = (side * (0.62 + 0.55 * depth), low + 0.12 * rng.normal())
            add(start, stop, rng.uniform(0.08, 0.13), wave)
    elif style == 3:
        for _ in range(rng.integers(3, 9)):
            angle = rng.normal(0.0, 0.55)
            stop = (angle + 0.5 * rng.normal(), rng.uniform(-0.45, 0.45))
            add((angle, 0.84), stop, rng.uniform(0.015, 0.045), 0.05)
    return locks


def lock_points(lock: Lock, envelope: Envelope) -> tuple[np.ndarray, np.ndarray]:
    """Points and normals (3 (segments + 1), 3) of one tapering lock."""
    s = np.linspace(0.0, 1.0, SEGMENTS + 1)
    swing = lock.wave * np.sin(7.0 * s + lock.phase) * s
    # Falls to the side first, then down.
    angle = lock.start[0] + (lock.stop[0] - lock.start[0]) * s**0.8 + swing
    height = lock.start[1] + (lock.stop[1] - lock.start[1]) * s**1.2
    width = lock.width * np.clip(1.06 - s, 0.0, 1.0) ** 0.35
    points, normals = [], []
    for column in (-1.0, 0.0, 1.0):
        at = angle + 0.5 * column * width / 0.9
        stands = lock.lift * (0.3 + np.sin(np.pi * np.minimum(s, 0.9)))
        stands = stands - 0.05 * (1.0 - s) ** 4 + 0.018 * (column == 0.0)
        radius = envelope(at, height) + stands
        points.append(
            np.stack([radius * np.sin(at), height, AXIS_Z + radius * np.cos(at)], axis=-1)
        )
        tilted = at + 0.6 * column
        normals.append(np.stack([np.sin(tilted), 0.25 + 0.0 * at, np.cos(tilted)], axis=-1))
    return np.stack(points, 1).reshape(-1, 3), np.stack(normals, 1).reshape(-1, 3)
