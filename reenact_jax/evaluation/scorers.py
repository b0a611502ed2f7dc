"""What is measured on pictures: a scorer turns a batch of them into columns of the pair table."""

import dataclasses
from typing import Any, Protocol

import jax
import numpy as np

from reenact_jax.evaluation.pictures import PictureBatch
from reenact_jax.metrics import image as image_metrics

# A region of fewer pixels, as a share of the picture, has no score of its own: the mean over a
# handful of pixels would weigh as much as that over a face.
MIN_REGION_SHARE = 0.001


@dataclasses.dataclass(frozen=True)
class Scores:
    """Columns of one batch, named as in `PairTable`: scores and reasons (B,), features (B, D)."""

    scores: dict[str, np.ndarray]
    reasons: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)
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
                "psnr": "dB, peak 1, mean over pairs",
                "ssim": "Gaussian window 11, sigma 1.5, biased variances, RGB mean; in a region: "
                "of windows whose middle lies in it",
            }
        }

    def score(self, batch: PictureBatch) -> Scores:
        columns = {}
        target = _unit(batch.real["target"])
        for method, pictures in batch.methods.items():
            unit = _unit(pictures)
            for region, mask in batch.regions.items():
                found = jax.device_get(_compare(unit, target, mask[..., None]))
                for metric, values in found.items():
                    columns[f"{method}/{region}/{metric}"] = np.where(
                        scored_in(batch, region), np.float64(values), np.nan
                    )
        return Scores(columns)


def scored_in(batch: PictureBatch, region: str) -> np.ndarray:
    """bool (B,): the answer is known and the region is not (nearly) empty."""
    return batch.has_target & (batch.regions[region].mean(axis=(1, 2)) >= MIN_REGION_SHARE)


def _unit(pictures: np.ndarray) -> np.ndarray:
    # Not in `_compare`: fused with the difference, equal pictures would differ in the last bit and
    # score 160 dB.
    return np.float32(pictures) / np.float32(255.0)


@jax.jit
def _compare(unit: jax.Array, target: jax.Array, mask: jax.Array) -> dict[str, jax.Array]:
    return {
        name: getattr(image_metrics, name)(unit, target, mask) for name in ("l1", "psnr", "ssim")
    }
