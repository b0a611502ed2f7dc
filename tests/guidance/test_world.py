"""Guidance against pictures that were rendered by other code: the synthetic world's."""

import jax
import numpy as np
from scipy import ndimage

from reenact_jax import method
from reenact_jax.data.frames import open_pairs
from reenact_jax.data.pipeline import pair_batches
from reenact_jax.face_model.procedural import procedural_head
from reenact_jax.guidance import GuidanceConfig
from tests.helpers.tiny import DATASET


def test_rendering_and_warp_show_the_true_answer_inside_the_face(tiny_world):
    """I_r and the F_c-warped source against the world's answers, self and across identities."""
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
    for row, kind in enumerate(batch["kind"]):
        # The outline is blended with the background in the world and not in I_r.
        inner = ndimage.binary_erosion(np.asarray(guidance.mask[row, ..., 0]) > 0, iterations=2)
        difference = (np.asarray(guidance.rendering[row]) - batch["target_image"][row])[inner]
        own = (batch["source_image"][row] - batch["target_image"][row])[inner]
        # [-1, 1]: 0.1 is 13 grey levels; eyes and teeth are finer than a pixel.
        assert np.sqrt(np.square(difference).mean()) < 0.1, (row, kind)
        # Frames of one clip may differ by less than that.
        assert np.square(difference).mean() < max(np.square(own).mean(), 0.07**2), (row, kind)
