"""Guidance against pictures that were rendered by other code: the synthetic world's."""

import jax
import numpy as np
from PIL import Image
from scipy import ndimage

from reenact_jax import method
from reenact_jax.data.frames import open_pairs
from reenact_jax.data.pipeline import pair_batches
from reenact_jax.face_model.procedural import procedural_head
from reenact_jax.guidance import GuidanceConfig
from tests.helpers.tiny import DATASET


def test_guidance_agrees_with_the_truth_of_the_world(tiny_world):
    """I_r, the face mask and O_c against answers and masks, self and across identities.

    The people of the world are more than the model says, so agreement has its bounds.
    """
    pairs = open_pairs(tiny_world / "data", DATASET)
    batch = next(pair_batches(pairs, batch_size=len(pairs), image_size=64))
    guide = jax.jit(method.guide, static_argnums=1)
    guidance, _ = guide(
        procedural_head("light"),
        GuidanceConfig(depth_raster_size=256),
        batch["source_image"],
        batch["source"],
        batch["driving"],
    )
    for row, pair_id in enumerate(batch["pair_id"]):
        face, visible = (
            np.asarray(Image.open(tiny_world / "prepared" / "truth" / pair_id / f"{name}.png")) > 0
            for name in ("face", "visible")
        )
        mask = np.asarray(guidance.mask[row, ..., 0]) > 0
        # Hair and glasses cover some of the face.
        assert (face & ~mask).sum() < 0.05 * mask.sum(), pair_id
        # The outline is blended with the background in the world and not in I_r.
        inner = ndimage.binary_erosion(mask & face, iterations=2)
        target, rendering = batch["target_image"][row], np.asarray(guidance.rendering[row])

        def distance(picture, inner=inner, target=target) -> float:
            return float(np.sqrt(np.square(picture - target)[inner].mean()))

        # [-1, 1]: 0.2 is 25 grey levels.
        assert distance(rendering) < 0.3, pair_id
        moved = [np.roll(rendering, shift, axis) for axis in (0, 1) for shift in (-5, 5)]
        assert distance(rendering) < 0.9 * min(distance(each) for each in moved), pair_id
        occlusion = np.asarray(guidance.occlusion[row, ..., 0]) > 0
        # What hair and glasses hide in the source is not occluded to the model.
        assert (visible & ~occlusion)[inner].mean() < 0.03, pair_id
        assert (visible == occlusion)[inner].mean() > 0.75, pair_id
