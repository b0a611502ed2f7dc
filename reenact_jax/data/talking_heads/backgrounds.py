"""Rooms and gardens behind the heads: pictures that are functions of their position alone."""

import numpy as np

from reenact_jax.data.talking_heads.noise import lattice_noise, muted, smooth, soft_box

# Widest transition of an outline, in image sides: a camera focused on the face blurs the rest.
_EDGE = 0.012


def make_background(rng: np.random.Generator, resolution: int) -> np.ndarray:
    """(R, R, 3) float32 in [0, 1]: a wall or the open air, and what stands before it.

    The same generator state gives the same picture at every resolution, up to sampling.
    """
    centre = (np.arange(resolution) + 0.5) / resolution
    y, x = np.meshgrid(centre, centre, indexing="ij")
    picture = _gradient(rng, x, y)
    kind = rng.choice(len(_KINDS), p=_SHARES)
    picture = _KINDS[kind](rng, x, y, picture)
    # Light falls unevenly, and nothing is of one colour.
    for cells, amount in ((3, 0.10), (9, 0.05), (27, 0.035), (60, 0.03)):
        amount = amount * rng.uniform(0.4, 1.3)
        picture = picture * (1.0 + amount * lattice_noise(rng, x, y, cells))
    return np.clip(picture, 0.0, 1.0).astype(np.float32)


def _gradient(rng, x, y) -> np.ndarray:
    ends = np.stack([muted(rng, 0.12, 0.88), muted(rng, 0.12, 0.88)])
    ends[1] = 0.6 * ends[0] + 0.4 * ends[1]
    angle = rng.uniform(0.0, 2.0 * np.pi)
    along = 0.5 + 0.7 * ((x - 0.5) * np.cos(angle) + (y - 0.5) * np.sin(angle))
    return ends[0] + np.clip(along, 0.0, 1.0)[..., None] * (ends[1] - ends[0])


def _over(picture, colour, inside):
    return picture + inside[..., None] * (colour - picture)


def _panels(rng, x, y, picture):
    """Pictures on a wall, and a lamp."""
    for _ in range(rng.integers(3, 7)):
        middle, size = rng.uniform(0.0, 1.0, 2), rng.uniform(0.05, 0.22, 2)
        box = (*(middle - size), *(middle + size))
        picture = _over(picture, muted(rng, 0.05, 0.95), soft_box(x, y, box, _EDGE))
        inner = (*(middle - 0.82 * size), *(middle + 0.82 * size))
        content = muted(rng, 0.1, 0.9) + 0.11 * lattice_noise(rng, x, y, 14, channels=3)
        picture = _over(picture, content, soft_box(x, y, inner, _EDGE))
    return _discs(rng, x, y, picture, 1, (0.04, 0.12))


def _shelves(rng, x, y, picture):
    """Shelves of books."""
    top, height = rng.uniform(-0.15, 0.0), rng.uniform(0.2, 0.32)
    wood = muted(rng, 0.15, 0.6)
    for shelf in range(6):
        base = top + (shelf + 1) * height
        position = rng.uniform(-0.1, 0.0)
        while position < 1.05:
            width = rng.uniform(0.018, 0.055)
            tall = height * rng.uniform(0.55, 0.88)
            spine = (position, base - tall, position + width, base)
            colour = muted(rng, 0.05, 0.9)
            picture = _over(picture, colour, soft_box(x, y, spine, 0.6 * _EDGE))
            label = base - tall * rng.uniform(0.3, 0.8)
            band = (position, label, position + width, label + 0.15 * tall)
            lighter = np.clip(colour + rng.uniform(-0.3, 0.4), 0.0, 1.0)
            picture = _over(picture, lighter, soft_box(x, y, band, 0.6 * _EDGE))
            position += width + (rng.uniform() < 0.12) * rng.uniform(0.0, 0.15)
        picture = _over(picture, wood, soft_box(x, y, (-1, base, 2, base + 0.022), _EDGE))
    return picture


def _bricks(rng, x, y, picture):
    """A wall of bricks or tiles."""
    rows = rng.integers(9, 18)
    ratio, shift = rng.uniform(0.35, 0.55), rng.choice([0.0, 0.5])
    v = y * rows
    u = x * rows * ratio + shift * (np.floor(v) % 2)
    shade = rng.uniform(-1.0, 1.0, (40, 40, 1))[np.floor(v).astype(int), np.floor(u).astype(int)]
    tint = muted(rng, 0.25, 0.8)
    brick = np.clip(tint * (1.0 + rng.uniform(0.06, 0.22) * shade), 0.0, 1.0)
    joint = rng.uniform(0.05, 0.1)
    to_side = np.minimum(u % 1.0, 1.0 - u % 1.0) / ratio
    to_row = np.minimum(v % 1.0, 1.0 - v % 1.0)
    inside = smooth((np.minimum(to_side, to_row) - joint) / 0.14 + 0.5)
    return _over(picture, brick, inside)


def _curtain(rng, x, y, picture):
    """Folds that hang, or planks."""
    bend = 0.02 * np.sin(4.0 * y + rng.uniform(0, 6)) * rng.uniform()
    count = rng.uniform(6, 16)
    fold = 0.5 + 0.5 * np.sin(2 * np.pi * count * (x + bend) + 2.0 * np.sin(9.0 * x))
    amount = rng.uniform(0.25, 0.6)
    picture = picture * (1.0 - amount * fold[..., None])
    if rng.uniform() < 0.5:
        stripes = np.sin(2 * np.pi * rng.uniform(5, 14) * y + rng.uniform(0, 6))
        picture = _over(picture, muted(rng, 0.1, 0.9), 0.5 * smooth(2.0 * stripes))
    return picture


def _garden(rng, x, y, picture):
    """Leaves and light between them, out of focus."""
    green = np.array([0.26, 0.36, 0.18]) * rng.uniform(0.5, 1.2)
    picture = 0.4 * picture + 0.6 * green
    for cells in (6, 12, 24, 40):
        leaf = lattice_noise(rng, x, y, cells)[..., 0]
        tone = np.clip(green * rng.uniform(0.3, 1.6) + rng.uniform(-0.04, 0.08, 3), 0.0, 1.0)
        picture = _over(picture, tone, 0.8 * smooth((leaf - 0.05) / 0.25))
    return _discs(rng, x, y, picture, rng.integers(6, 18), (0.012, 0.04))


def _lights(rng, x, y, picture):
    """A town at night."""
    picture = 0.3 * picture
    return _discs(rng, x, y, picture, rng.integers(20, 45), (0.012, 0.05))


def _discs(rng, x, y, picture, count, radii):
    for _ in range(count):
        middle, radius = rng.uniform(0.0, 1.0, 2), rng.uniform(*radii)
        distance = np.hypot(x - middle[0], y - middle[1])
        inside = smooth((radius - distance) / _EDGE + 0.5)
        picture = _over(picture, muted(rng, 0.3, 1.1), rng.uniform(0.35, 0.9) * inside)
    return picture


_KINDS = (_panels, _shelves, _bricks, _curtain, _garden, _lights)
_SHARES = (0.28, 0.18, 0.16, 0.14, 0.16, 0.08)
