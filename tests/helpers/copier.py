"""A run without networks, for tests of what happens around them: it returns the source image."""

import dataclasses
from typing import Any

import numpy as np

from reenact_jax.guidance import Guidance


@dataclasses.dataclass(frozen=True)
class Copier:
    """Stands in for a `TrainedRun`; its guidance sees the face in the upper half of the picture."""

    config: Any
    face_model: Any
    params: dict = dataclasses.field(default_factory=dict)
    step: int = 0

    def reenact(self, source_images, source, driving, **transfer):
        shape = source_images.shape[:3]
        mask = np.zeros((*shape, 1), np.float32)
        mask[:, : shape[1] // 2] = 1.0
        guidance = Guidance(
            flow=np.zeros((*shape, 2), np.float32),
            occlusion=mask.copy(),
            rendering=np.full((*shape, 3), -1.0, np.float32),
            mask=mask,
        )
        return source_images, guidance

    def in_batches_of(self, size: int) -> "Copier":
        evaluate = dataclasses.replace(self.config.evaluate, batch_size=size)
        return dataclasses.replace(self, config=dataclasses.replace(self.config, evaluate=evaluate))
