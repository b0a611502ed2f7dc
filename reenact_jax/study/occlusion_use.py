"""What do trained networks do with the occlusion map?

How much of the source's features a run lets through where the source shows the surface and where it
does not, and what its pictures lose if the computed map is replaced by a wrong one.
"""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np

from reenact_jax import method
from reenact_jax.data.frames import PairDataset
from reenact_jax.data.pipeline import pair_batches
from reenact_jax.data.truth_masks import TruthMasks
from reenact_jax.evaluation.pair_table import FACE, HIDDEN, VISIBLE
from reenact_jax.evaluation.pictures import as_saved, true_regions
from reenact_jax.evaluation.scorers import MIN_REGION_SHARE
from reenact_jax.face_model.morphable import MorphableModel
from reenact_jax.face_model.parameters import FaceParameters
from reenact_jax.guidance import GuidanceConfig
from reenact_jax.image_ops import resize_bilinear
from reenact_jax.inference.run import TrainedRun
from reenact_jax.nn.model import FaceReenactor

# The occlusion map that a run is given in place of O_c.
TOLD = ("computed", "nothing hidden", "all hidden", "inverted")
# Maps whose means are taken: the fused O, the weight of its prediction, and O_c itself.
MAPS = ("O", "M_o", "O_c")
REGIONS = (FACE, VISIBLE, HIDDEN)


def occlusion_use(run: TrainedRun, pairs: PairDataset, truth: TruthMasks) -> dict[str, np.ndarray]:
    """Of the N cross pairs of a list, (N,) each; NaN where a region is as small as no score counts.

    Args:
      run: the trained run. One without occlusion guidance is asked for `computed` alone: it never
        looks at the map.
      pairs: of a world with true answers.
      truth: their true masks.

    Returns:
      `source_identity`: their people; `REGION/MAP`: means of `MAPS` in a true region;
      `TOLD/REGION/l1`: mean absolute difference from the true answer, in [0, 1], with this map in
      place of O_c.
    """
    told = TOLD if run.config.network.occlusion_guidance else TOLD[:1]
    columns: dict[str, list[float]] = {}
    cross = [pairs[row] for row in range(len(pairs)) if pairs.kind(row) == "cross"]
    people = np.array([pair["source_clip_id"].split("-")[0] for pair in cross])
    size = run.config.image_size
    for batch in pair_batches(cross, batch_size=run.config.evaluate.batch_size, image_size=size):
        regions = true_regions(truth, batch["pair_id"], size)
        pictures, fused = _generate(
            run.network,
            run.config.guidance,
            told,
            run.params,
            run.face_model,
            batch["source_image"],
            batch["source"],
            batch["driving"],
        )
        target = np.asarray(as_saved(batch["target_image"]), np.float64)
        maps = {name: np.asarray(one)[..., 0] for name, one in fused.items()}
        for name, picture in pictures.items():
            error = np.abs(np.asarray(picture, np.float64) - target).mean(axis=-1) / 255.0
            maps[f"{name}/l1"] = error
        for name, values in maps.items():
            *of, quantity = name.split("/")
            for region in REGIONS:
                means = _mean_inside(values, regions[region])[batch["valid"]]
                columns.setdefault("/".join([*of, region, quantity]), []).extend(means)
    return {"source_identity": people} | {k: np.array(values) for k, values in columns.items()}


@functools.partial(jax.jit, static_argnums=(0, 1, 2))
def _generate(
    network: FaceReenactor,
    config: GuidanceConfig,
    told: tuple[str, ...],
    params: dict,
    face_model: MorphableModel,
    source_images: jax.Array,
    source: FaceParameters,
    driving: FaceParameters,
) -> tuple[dict[str, jax.Array], dict[str, jax.Array]]:
    """The picture under every map of `told`, uint8; `MAPS` (B, S, S, 1) under the computed one."""
    guidance, descriptor = method.guide(face_model, config, source_images, source, driving)
    maps = {
        "computed": guidance.occlusion,
        "nothing hidden": guidance.mask,
        "all hidden": jnp.zeros_like(guidance.occlusion),
        "inverted": guidance.mask - guidance.occlusion,
    }
    pictures, fused = {}, {}
    for name in told:
        changed = dataclasses.replace(guidance, occlusion=maps[name])
        image, found = method.generate(network, params, source_images, changed, descriptor)
        pictures[name] = as_saved(image)
        if name == "computed":
            found = found | {"O_c": guidance.occlusion}
            fused = {key: resize_bilinear(found[key], *source_images.shape[1:3]) for key in MAPS}
    return pictures, fused


def _mean_inside(values: np.ndarray, mask: np.ndarray) -> np.ndarray:
    means = (values * mask).sum(axis=(1, 2)) / np.maximum(mask.sum(axis=(1, 2)), 1)
    return np.where(mask.mean(axis=(1, 2)) >= MIN_REGION_SHARE, means, np.nan)
