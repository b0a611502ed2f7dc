"""What is measured on pictures: a scorer turns a batch of them into columns of the pair table."""

import dataclasses
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from reenact_jax.evaluation.pair_table import FRAME
from reenact_jax.evaluation.pictures import PictureBatch
from reenact_jax.metrics import image as image_metrics

# A region of fewer pixels, as a share of the picture, has no score of its own: the mean over a
# handful of pixels would weigh as much as that over a face.
MIN_REGION_SHARE = 0.001


@dataclasses.dataclass(frozen=True)
class Scores:
    """Columns of one batch: scores (B,) and features (B, D), named as in `PairTable`."""

    scores: dict[str, np.ndarray]
    features: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)


class Scorer(Protocol):
    """Something that scores pictures."""

    def describe(self) -> dict[str, Any]:
        """What decides the numbers, for JSON: definitions of the metrics, hashes of weights."""

    def score(self, batch: PictureBatch) -> Scores:
        """Scores of every method in the batch."""


class ImageScorer:
    """Pixel by pixel against the true answer: L1, PSNR and SSIM, over the frame and in regions."""

    def describe(self) -> dict[str, Any]:
        return {
            "metrics": {
                "l1": "mean absolute difference in [0, 1]",
                "psnr": "dB, peak 1",
                "ssim": "Gaussian window 11, sigma 1.5, biased variances, RGB mean",
            }
        }

    def score(self, batch: PictureBatch) -> Scores:
        target = batch.real["target"]
        columns = {}
        for method, pictures in batch.methods.items():
            for region, mask in batch.regions.items():
                enough = mask.mean(axis=(1, 2)) >= MIN_REGION_SHARE
                counts = enough & batch.has_target
                for metric, values in jax.device_get(_compare(pictures, target, mask)).items():
                    if metric != "ssim" or region == FRAME:
                        columns[f"{method}/{region}/{metric}"] = np.where(counts, values, np.nan)
        return Scores({name: np.float64(values) for name, values in columns.items()})


# From integers, so that equal pictures have an infinite PSNR and not one of 155 dB.
@jax.jit
def _compare(pictures: jax.Array, target: jax.Array, mask: jax.Array) -> dict[str, jax.Array]:
    unit, target = (images.astype(jnp.float32) / 255.0 for images in (pictures, target))
    weight = mask[..., None].astype(jnp.float32)
    total = jnp.maximum(weight.sum(axis=(1, 2, 3)), 1.0) * unit.shape[-1]
    return {
        "l1": (jnp.abs(unit - target) * weight).sum(axis=(1, 2, 3)) / total,
        "psnr": image_metrics.psnr(unit, target, weight),
        "ssim": image_metrics.ssim(unit, target),
    }
