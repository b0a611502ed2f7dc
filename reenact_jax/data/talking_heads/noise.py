"""Random textures that come out the same at every resolution they are sampled at."""

import functools

import numpy as np
from scipy import fft


def band_noise(rng: np.random.Generator, shape: tuple[int, int], *sigmas: float) -> np.ndarray:
    """Smooth Gaussian noise, once for every sigma (texels): (len(sigmas), H, W) float32,
    of deviation 1.

    One white picture is filtered, so that the bands cost one transform; it wraps round.
    """
    spectrum = fft.rfft2(rng.standard_normal(shape, np.float32))
    bands = []
    for sigma in sigmas:
        band = fft.irfft2(spectrum * _low_pass(shape, sigma), s=shape)
        bands.append((band - band.mean()) / band.std())
    return np.stack(bands)


@functools.lru_cache(maxsize=16)
def _low_pass(shape: tuple[int, int], sigma: float) -> np.ndarray:
    """Transform of a Gaussian window of deviation `sigma`, float32, for `rfft2`."""
    square = fft.fftfreq(shape[0])[:, None] ** 2 + fft.rfftfreq(shape[1])[None] ** 2
    return np.exp(-2.0 * np.pi**2 * sigma**2 * square).astype(np.float32)


def lattice_noise(
    rng: np.random.Generator, x: np.ndarray, y: np.ndarray, cells: int, channels: int = 1
) -> np.ndarray:
    """Values in [-1, 1] on a random lattice of `cells` per unit, smoothly interpolated.

    Args:
      rng: where the lattice comes from.
      x, y: coordinates in [0, 1], any common shape.
      cells: lattice cells along each axis.
      channels: number of independent values.

    Returns:
      (*x.shape, channels).
    """
    lattice = rng.uniform(-1.0, 1.0, (cells + 2, cells + 2, channels))
    column, row = np.clip(x, 0.0, 1.0) * cells, np.clip(y, 0.0, 1.0) * cells
    i, j = row.astype(int), column.astype(int)
    s, t = (smooth(row - i)[..., None], smooth(column - j)[..., None])
    upper = lattice[i, j] * (1.0 - t) + lattice[i, j + 1] * t
    lower = lattice[i + 1, j] * (1.0 - t) + lattice[i + 1, j + 1] * t
    return upper * (1.0 - s) + lower * s


def smooth(x: np.ndarray) -> np.ndarray:
    """0 below 0, 1 above 1, smooth between."""
    x = np.clip(x, 0.0, 1.0)
    return x * x * (3.0 - 2.0 * x)


def soft_box(
    x: np.ndarray, y: np.ndarray, box: tuple[float, float, float, float], edge: float
) -> np.ndarray:
    """1 inside (x0, y0, x1, y1), 0 outside, `edge` wide in between."""
    x0, y0, x1, y1 = box
    inside = smooth((x - x0) / edge + 0.5) * smooth((x1 - x) / edge + 0.5)
    return inside * smooth((y - y0) / edge + 0.5) * smooth((y1 - y) / edge + 0.5)


def muted(rng: np.random.Generator, low: float, high: float) -> np.ndarray:
    """A random colour (3,), less colourful as independent channels would be."""
    colour = rng.uniform(low, high, 3)
    return colour.mean() + 0.4 * (colour - colour.mean())
