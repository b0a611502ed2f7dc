"""Measures by networks that see the whole picture: LPIPS and the features of FID."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from reenact_jax.evaluation.pair_table import FACE, FRAME, HIDDEN
from reenact_jax.evaluation.pictures import PictureBatch
from reenact_jax.evaluation.scorers import Scores, scored_in
from reenact_jax.pretrained.inception import InceptionParams, inception_features
from reenact_jax.pretrained.lpips import LpipsParams, lpips_distance
from reenact_jax.pretrained.network_files import Provenance

INCEPTION = "inception"


class LpipsScorer:
    """LPIPS against the true answer, over the frame, in the face and in hidden areas.

    A region is measured on the answer with the result put in there, so that nothing else differs;
    its number grows with the region's size.
    """

    def __init__(self, params: LpipsParams, weights: tuple[Provenance, ...]):
        self._params, self._weights = params, weights
        self._metric = f"lpips_{params.network}"

    def describe(self) -> dict[str, Any]:
        return {
            "metrics": {
                self._metric: "LPIPS 0.1; in a region: of the answer with the result put in there"
            },
            "weights": [dataclasses.asdict(one) for one in self._weights],
        }

    def score(self, batch: PictureBatch) -> Scores:
        target = batch.real["target"]
        columns = {}
        for method, pictures in batch.methods.items():
            for region in (FRAME, FACE, HIDDEN):
                values = _lpips(self._params, pictures, target, batch.regions[region])
                columns[f"{method}/{region}/{self._metric}"] = np.where(
                    scored_in(batch, region), np.float64(values), np.nan
                )
        return Scores(columns)


@jax.jit
def _lpips(
    params: LpipsParams, pictures: jax.Array, target: jax.Array, mask: jax.Array
) -> jax.Array:
    inside = jnp.where(mask[..., None], pictures, target)
    return lpips_distance(params, *(x.astype(jnp.float32) / 255.0 for x in (inside, target)))


class InceptionFeatures:
    """The features whose distributions FID compares, of results, sources and driving frames."""

    def __init__(self, params: InceptionParams, weights: Provenance):
        self._params, self._weights = params, weights

    def describe(self) -> dict[str, Any]:
        return {
            "metrics": {},
            "distances": {
                INCEPTION: (
                    "fid",
                    "Frechet distance of 2048 features of the 2015 Inception graph, float64",
                )
            },
            "weights": [dataclasses.asdict(self._weights)],
        }

    def score(self, batch: PictureBatch) -> Scores:
        real = ("source", "driving") if batch.real_features else ()
        sets = batch.methods | {name: batch.real[name] for name in real}
        features = {
            f"{name}/{INCEPTION}": np.asarray(_inception(self._params, pictures))
            for name, pictures in sets.items()
        }
        return Scores({}, features=features)


@jax.jit
def _inception(params: InceptionParams, pictures: jax.Array) -> jax.Array:
    return inception_features(params, pictures.astype(jnp.float32) / 255.0)
