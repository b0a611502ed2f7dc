"""A few pairs that stay the same while a run goes on: what is made of them, and how good it is."""

import dataclasses
from collections.abc import Callable, Sequence
from functools import partial

import jax
import numpy as np

from reenact_jax import image_ops, method
from reenact_jax.config import Config
from reenact_jax.data.frames import PairDataset, has_pairs, open_pairs
from reenact_jax.data.pipeline import TrainBatches, pair_batches
from reenact_jax.face_model.morphable import MorphableModel
from reenact_jax.metrics.image import psnr
from reenact_jax.nn.model import FaceReenactor
from reenact_jax.samples import draw_samples, fixed_samples, training_samples
from reenact_jax.visual import flow_to_colour, grey

# So many pairs of the list are looked at; those with a known answer among them are scored.
_NUM_CONSIDERED = 48


@dataclasses.dataclass(frozen=True)
class Drawn:
    """Pictures of the sample pairs, uint8.

    Attributes:
      grid: the sheet that people look at, (H, W, 3).
      maps: name -> (B, s, s, 3): the fused flow F as colour, and the masks M_f and M_o that the
        completion network fuses by.
    """

    grid: np.ndarray
    maps: dict[str, np.ndarray]


class FixedPairs:
    """Draws and scores what parameters make of fixed pairs; see `open_fixed_pairs`."""

    def __init__(
        self,
        config: Config,
        network: FaceReenactor,
        face_model: MorphableModel,
        samples: dict,
        scored: Sequence[dict],
    ):
        """Takes the pairs.

        Args:
          samples: the batch to draw, of `fixed_samples` or `training_samples`.
          scored: batches with `target_image` and `valid`; of the same size, where one program is
            to do for both.
        """
        self._samples, self._scored, self._face_model = samples, scored, face_model
        self._reenact = jax.jit(partial(method.reenact, network, config.guidance))
        self._psnr = jax.jit(_psnr)

    def draw(self, params: dict) -> Drawn:
        images, intermediates, guidance = self._apply(params, self._samples)
        maps = jax.device_get({name: intermediates[name] for name in ("F", "M_f", "M_o")})
        scale = float(np.percentile(np.linalg.norm(maps["F"], axis=-1), 99.5))
        return Drawn(
            grid=draw_samples(self._samples, images, guidance),
            maps={
                "flow": np.stack([flow_to_colour(flow, scale) for flow in maps["F"]]),
                "mask_flow": grey(maps["M_f"]),
                "mask_occlusion": grey(maps["M_o"]),
            },
        )

    def score(self, params: dict) -> float:
        """Mean PSNR in dB over the scored pairs."""
        values = []
        for batch in self._scored:
            images, _, _ = self._apply(params, batch)
            values.append(np.asarray(self._psnr(images, batch["target_image"]))[batch["valid"]])
        return float(np.concatenate(values).mean(dtype=np.float64))

    def _apply(self, params: dict, batch: dict) -> tuple:
        inputs = batch["source_image"], batch["source"], batch["driving"]
        return self._reenact(params, self._face_model, *inputs)


def open_fixed_pairs(
    config: Config,
    network: FaceReenactor,
    face_model: MorphableModel,
    first_batches: Callable[[], TrainBatches],
) -> FixedPairs:
    """Pairs of the dataset's evaluation list; for a dataset without one, the first training pairs.

    Args:
      first_batches: makes an iterator that begins with the first training batch.
    """
    name, folder = config.data.name, config.data.data_dir
    samples, scored = None, []
    if has_pairs(folder, name):
        pairs = open_pairs(folder, name)
        samples = fixed_samples(pairs, config.image_size)
        scored = _answered(pairs, len(samples["valid"]), config.image_size)
    if not scored:
        batches = first_batches()
        training = training_samples(batches)
        batches.close()
        scored = [training | {"valid": np.ones(len(training["target_image"]), bool)}]
        samples = samples or training
    return FixedPairs(config, network, face_model, samples, scored)


def _answered(pairs: PairDataset, batch_size: int, image_size: int) -> list[dict]:
    """Batches of pairs with a known answer, spread evenly over the list.

    Those of the source's own clip (`self`), if there are any; the others have an answer in a
    synthetic world alone.
    """
    rows = np.unique(np.linspace(0, len(pairs) - 1, _NUM_CONSIDERED).round().astype(int))
    answered = [pair for row in rows if (pair := pairs[int(row)])["has_target"]]
    chosen = [pair for pair in answered if pair["kind"] == "self"] or answered
    return list(pair_batches(chosen, batch_size=batch_size, image_size=image_size))


def _psnr(images: jax.Array, target: jax.Array) -> jax.Array:
    return psnr(image_ops.to_unit(images), image_ops.to_unit(target))
