"""The pictures that are scored: what a run makes of a batch of pairs, and three baselines."""

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from reenact_jax import image_ops
from reenact_jax.data.truth_masks import TruthMasks
from reenact_jax.evaluation.pair_table import FACE, FRAME, HIDDEN, MODEL, VISIBLE
from reenact_jax.evaluation.predictions import Predictions
from reenact_jax.face_model.parameters import FaceParameters
from reenact_jax.guidance import Guidance
from reenact_jax.inference.run import TrainedRun

BASELINES = {
    "copy_source": "the source image as it is",
    "warp": "the source image warped by F_c",
    "warp_and_paste": "I_r pasted over the source image warped by F_c",
}
REAL = ("source", "driving", "target")


@dataclasses.dataclass(frozen=True)
class PictureBatch:
    """Pictures of B pairs as they would be saved; the last batch of a list has B rows too.

    Attributes:
      methods: `model` and the baselines -> uint8 (B, S, S, 3).
      real: `source`, `driving` and `target` -> the same; a target that nobody knows is black.
      regions: `frame`, `face`, `visible`, `hidden` -> bool (B, S, S).
      has_target, valid: bool (B,); rows that are not valid fill the batch up.
      pair_id, kind: lists of str.
      source, driving: FaceParameters with NumPy leaves (B, K).
      real_features: whether features of the real pictures are wanted; off where they are known.
    """

    methods: dict[str, np.ndarray]
    real: dict[str, np.ndarray]
    regions: dict[str, np.ndarray]
    has_target: np.ndarray
    valid: np.ndarray
    pair_id: list[str]
    kind: list[str]
    source: FaceParameters
    driving: FaceParameters
    real_features: bool = True


@jax.jit
def as_saved(images: jax.Array) -> jax.Array:
    """uint8 of images in [-1, 1]: clipped and rounded, not compressed."""
    return jnp.round(jnp.clip(image_ops.to_unit(images), 0.0, 1.0) * 255.0).astype(jnp.uint8)


@jax.jit
def baseline_images(source_images: jax.Array, guidance: Guidance) -> dict[str, jax.Array]:
    """The three baselines, (B, S, S, 3) in [-1, 1] each; see `BASELINES`."""
    warped = jax.vmap(image_ops.warp)(source_images, guidance.flow)
    pasted = jnp.where(guidance.mask > 0, guidance.rendering, warped)
    return {"copy_source": source_images, "warp": warped, "warp_and_paste": pasted}


def make_pictures(
    run: TrainedRun | Predictions,
    batch: dict,
    truth: TruthMasks | None,
    **transfer: bool,
) -> PictureBatch:
    """Runs the model on a batch of `pair_batches`.

    Args:
      run: the trained run, or pictures that other code has made.
      batch: the pairs.
      truth: their true masks; None takes face and occlusion of the guidance instead.
      **transfer: switches of `TrainedRun.reenact`.
    """
    if isinstance(run, Predictions):
        images, guidance = run.answer(batch, **transfer)
    else:
        images, guidance = run.reenact(
            batch["source_image"], batch["source"], batch["driving"], **transfer
        )
    candidates = {MODEL: images} | baseline_images(batch["source_image"], guidance)
    real = {name: batch[f"{name}_image"] for name in REAL}
    saved: Callable = lambda tree: jax.device_get({k: as_saved(v) for k, v in tree.items()})  # noqa: E731
    return PictureBatch(
        methods=saved(candidates),
        real=saved(real),
        regions=_regions(guidance, truth, batch["pair_id"]),
        has_target=batch["has_target"],
        valid=batch["valid"],
        pair_id=list(batch["pair_id"]),
        kind=list(batch["kind"]),
        source=batch["source"],
        driving=batch["driving"],
    )


def _regions(
    guidance: Guidance, truth: TruthMasks | None, pair_ids: list[str]
) -> dict[str, np.ndarray]:
    if truth is None:
        mask, occlusion = jax.device_get((guidance.mask[..., 0], guidance.occlusion[..., 0]))
        return _split(mask > 0, occlusion > 0)
    return true_regions(truth, pair_ids, guidance.mask.shape[1])


def true_regions(truth: TruthMasks, pair_ids: list[str], size: int) -> dict[str, np.ndarray]:
    """The regions of some pairs by their true masks, bool (B, size, size) each."""
    masks = truth.masks(pair_ids, size)
    return _split(masks["face"], masks["visible"])


def _split(face: np.ndarray, visible: np.ndarray) -> dict[str, np.ndarray]:
    visible = face & visible
    return {FRAME: np.ones_like(face), FACE: face, VISIBLE: visible, HIDDEN: face & ~visible}
