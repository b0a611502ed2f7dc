"""Guidance that is worse than exact by known amounts: what does a better tracker buy?

Changes of a pair's parameters, for `scoring.ChangedPairs`. All draws follow from the names of clips
and frames, so that every run is given the same wrong parameters.
"""

import dataclasses
import zlib
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from reenact_jax.data.talking_heads.guidance_conditions import (
    CLIP_NOISE,
    FRAME_NOISE,
    fitted,
    landmark_distance,
    project_landmarks,
)
from reenact_jax.face_model.parameters import FaceParameters, recombine

# Mean distance of landmarks from their true places, pixels of 256.
LEVELS_PX = (0.5, 1.0, 2.0)
# Coefficients of people are cut off at this many standard deviations, as in the world.
_LIMIT = 2.0


@dataclasses.dataclass(frozen=True)
class Noise:
    """Noise as a fit makes it: constant in a clip for person and light, new in every frame for
    expression and pose. `amount` 1 is that of `guidance_conditions`."""

    amount: float

    def __call__(self, pair: dict) -> dict:
        changed = {
            role: self._noisy(pair[role], pair[f"{role}_clip_id"], pair[f"{role}_frame_index"])
            for role in ("source", "driving")
        }
        return pair | changed

    def _noisy(self, face: FaceParameters, clip_id: str, frame: int) -> FaceParameters:
        of_clip, of_frame = _rng(clip_id), _rng(clip_id, str(frame))
        leaves = {}
        for rng, deviations in ((of_clip, CLIP_NOISE), (of_frame, FRAME_NOISE)):
            for name, deviation in deviations.items():
                values = getattr(face, name)
                normal = rng.normal(size=values.shape)
                leaves[name] = values + self.amount * np.asarray(deviation) * normal
        leaves["expression"] = np.clip(leaves["expression"], 0.0, 1.0)
        return face.replace(**{name: leaf.astype(np.float32) for name, leaf in leaves.items()})


@dataclasses.dataclass(frozen=True)
class WrongPerson:
    """Exact motion on a wrong person: the mean head, or with `stranger` a random other one."""

    stranger: bool

    def __call__(self, pair: dict) -> dict:
        face = pair["source"]
        leaves = {}
        for name in ("identity", "texture"):
            values = np.zeros_like(getattr(face, name))
            if self.stranger:
                person = pair["source_clip_id"].split("-")[0]
                normal = _rng("stranger of", person, name).normal(size=values.shape)
                values = np.clip(normal, -_LIMIT, _LIMIT).astype(np.float32)
            leaves[name] = values
        return pair | {"source": face.replace(**leaves)}


@dataclasses.dataclass(frozen=True)
class SmallerModel:
    """Exact parameters in a face model of fewer modes: those that a fit keeps, without noise.

    `head` is the size of the procedural head.
    """

    head: str

    def __call__(self, pair: dict) -> dict:
        unused = np.random.default_rng(0)
        return pair | {
            role: fitted(unused, self.head, pair[role][None], noise=0.0)[0]
            for role in ("source", "driving")
        }


def _rng(*names: str) -> np.random.Generator:
    words = [zlib.crc32(name.encode()) for name in names]
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(words)))


def landmark_error(pairs: Iterable[dict], change: Callable[[dict], dict], head: str) -> float:
    """Mean distance of the target's landmarks from their true places, pixels of 256."""
    errors = []
    for pair in pairs:
        changed = change(pair)
        exact, wrong = (recombine(one["source"], one["driving"]) for one in (pair, changed))
        points = [project_landmarks(head, face[None]) for face in (exact, wrong)]
        errors.append(landmark_distance(*points))
    return float(np.mean(errors))


def noise_for(pairs: Sequence[dict], error_px: float, head: str) -> Noise:
    """The noise that amounts to an error in pixels, to 1 %."""
    amount = 1.0
    for _ in range(6):  # nearly proportional
        amount *= error_px / landmark_error(pairs, Noise(amount), head)
    return Noise(round(amount, 4))
