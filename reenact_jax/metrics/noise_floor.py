"""What a metric says about a picture and the same picture moved by one or two pixels.

No regressor and no tracker gives the same answer twice for what is the same to the eye. The score
of a picture against its own shifted copy is the least that a difference must exceed to mean
anything, and belongs beside every AED and APD.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from reenact_jax.metrics.scores import Scores

# (right, down) in whole pixels, so that nothing is interpolated.
SHIFTS = ((1, 0), (0, 1), (2, 0), (0, 2))


def shift_images(images: np.ndarray, right: int, down: int) -> np.ndarray:
    """Moves pictures (..., H, W, C) by whole pixels; the border's pixels are repeated."""
    height, width = images.shape[-3:-1]
    rows = np.clip(np.arange(height) - down, 0, height - 1)
    columns = np.clip(np.arange(width) - right, 0, width - 1)
    return images[..., rows, :, :][..., columns, :]


def noise_floor(
    fit: Callable[[np.ndarray], Any],
    compare: Callable[[Any, Any], Scores],
    images: np.ndarray,
    shifts: Sequence[tuple[int, int]] = SHIFTS,
) -> dict[tuple[int, int], Scores]:
    """Scores of pictures against their shifted copies.

    Args:
      fit: pictures (N, H, W, C) -> whatever `compare` compares: coefficients, embeddings.
      compare: (of the shifted pictures, of the pictures) -> the scores of the N pairs.
      images: (N, H, W, C), as `fit` wants them.
      shifts: (right, down) in pixels of `images`.

    Returns:
      Per shift the scores; a picture in which no face is found is a failure in them.
    """
    still = fit(images)
    return {
        (right, down): compare(fit(shift_images(images, right, down)), still)
        for right, down in shifts
    }
