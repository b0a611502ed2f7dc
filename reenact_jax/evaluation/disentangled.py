"""True answers of disentangled reenactment: the source's person in the driver's pose alone, or with
the driver's expression alone (the paper's Fig. 8). Only a world that draws its pictures has them.
"""

import dataclasses
import functools
from collections.abc import Sequence

import jax
import numpy as np

from reenact_jax.data.frames import PairDataset
from reenact_jax.data.talking_heads.clips import Clip, clip_numbers, make_clip, make_shots
from reenact_jax.data.talking_heads.scene import Shot
from reenact_jax.data.talking_heads.spec import CONDITIONS, PRESETS, WorldSpec
from reenact_jax.data.talking_heads.studio import Studio
from reenact_jax.face_model.parameters import recombine


def find_world(specification: str) -> WorldSpec | None:
    """The preset whose hash a dataset's specification is, under whichever condition; or None."""
    for spec in PRESETS.values():
        if specification in {spec.condition_hash(condition) for condition in CONDITIONS}:
            return spec
    return None


class PartialAnswers(Sequence):
    """The pairs of a world, with the true answers of a partial transfer, drawn as they are read.

    Its elements and attributes are those of `PairDataset`; `transfer` says what is transferred.
    """

    def __init__(self, pairs: PairDataset, spec: WorldSpec, **transfer: bool):
        """
        Args:
          pairs: of the world.
          spec: the world.
          **transfer: switches of `recombine`.
        """
        self._pairs, self._spec, self.transfer = pairs, spec, transfer
        self._studio = Studio(spec.head, spec.image_size)

    def __getattr__(self, name: str):
        return getattr(self._pairs, name)

    def __len__(self) -> int:
        return len(self._pairs)

    def __getitem__(self, index: int) -> dict:
        pair = self._pairs[index]
        clip = _source_clip(self._spec, pair["source_clip_id"])
        driving = make_shots(self._spec, *clip_numbers(pair["driving_clip_id"]))
        answer = partial_shot(
            clip.shots[pair["source_frame_index"]],
            driving[pair["driving_frame_index"]],
            **self.transfer,
        )
        one = jax.tree.map(lambda leaf: np.asarray(leaf)[None], answer)
        return pair | {
            "target_image": self._studio.pictures(clip.stage, one)[0],
            "has_target": True,
        }


@functools.lru_cache(maxsize=8)
def _source_clip(spec: WorldSpec, clip_id: str) -> Clip:
    return make_clip(spec, *clip_numbers(clip_id))


def partial_shot(
    source: Shot, driving: Shot, *, transfer_pose: bool, transfer_expression: bool
) -> Shot:
    """The shot of the source's person with what is transferred; shoulders go with the pose."""
    body = driving if transfer_pose else source
    return dataclasses.replace(
        body,
        face=recombine(
            source.face,
            driving.face,
            transfer_pose=transfer_pose,
            transfer_expression=transfer_expression,
        ),
    )
