"""A few fixed pairs of a dataset and the grid that shows what a model makes of them."""

from collections.abc import Iterator

import jax
import numpy as np

from reenact_jax import visual
from reenact_jax.data.frames import PairDataset
from reenact_jax.data.pipeline import pair_batches
from reenact_jax.guidance import Guidance

_NUM_SAMPLES = 6


def training_samples(batches: Iterator[dict]) -> dict:
    """The first training pairs, for a dataset without evaluation pairs."""
    batch = next(batches)
    return batch | {"target_image": batch["driving_image"]}


def fixed_samples(pairs: PairDataset, image_size: int) -> dict:
    """A batch (see `pair_batches`) of up to six pairs, spread evenly over the list."""
    chosen = np.unique(np.linspace(0, len(pairs) - 1, _NUM_SAMPLES).round().astype(int))
    examples = [pairs[int(index)] for index in chosen]
    return next(pair_batches(examples, batch_size=len(examples), image_size=image_size))


def draw_samples(batch: dict, images: jax.Array, guidance: Guidance) -> np.ndarray:
    """One row per pair: source, driving, guidance, result, truth (black where nobody knows it).

    Args:
      batch: of `fixed_samples`.
      images: results (B, S, S, 3) in [-1, 1].
      guidance: what guided them.

    Returns:
      uint8 (H, W, 3).
    """
    return visual.sample_grid(
        source=batch["source_image"],
        driving=batch["driving_image"],
        flow=guidance.flow,
        occlusion=guidance.occlusion,
        rendering=guidance.rendering,
        result=images,
        truth=batch["target_image"],
    )
