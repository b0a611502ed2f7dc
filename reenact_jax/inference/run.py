"""A trained run, read back for evaluation and inference."""

import dataclasses
from pathlib import Path

import jax
import numpy as np

from reenact_jax import method
from reenact_jax.checkpoint import LATEST, Checkpoints
from reenact_jax.config import Config, from_json
from reenact_jax.errors import UserError
from reenact_jax.face_model.load import load_face_model
from reenact_jax.face_model.morphable import MorphableModel
from reenact_jax.face_model.parameters import FaceParameters
from reenact_jax.guidance import Guidance
from reenact_jax.nn.initialise import parameter_shapes
from reenact_jax.nn.model import FaceReenactor


@dataclasses.dataclass(frozen=True)
class TrainedRun:
    """What a run of `reenact_jax.train` leaves behind.

    Attributes:
      config: its configuration.
      face_model: its face model.
      network: its networks.
      params: their parameters.
      step: completed updates of the checkpoint.
    """

    config: Config
    face_model: MorphableModel
    network: FaceReenactor
    params: dict
    step: int

    def reenact(
        self,
        source_images: np.ndarray,
        source: FaceParameters,
        driving: FaceParameters,
        *,
        transfer_pose: bool = True,
        transfer_expression: bool = True,
    ) -> tuple[jax.Array, Guidance]:
        """Pictures (B, S, S, 3) in [-1, 1] and their guidance; compiled once per batch size."""
        images, _, guidance = _reenact(
            self.network,
            self.config.guidance,
            self.params,
            self.face_model,
            source_images,
            source,
            driving,
            transfer_pose=transfer_pose,
            transfer_expression=transfer_expression,
        )
        return images, guidance


_reenact = jax.jit(
    method.reenact, static_argnums=(0, 1), static_argnames=("transfer_pose", "transfer_expression")
)


def load_run(config: Config, workdir: Path, checkpoint: str = LATEST) -> TrainedRun:
    """Reads a checkpoint of a run.

    Args:
      config: of the run.
      workdir: its folder.
      checkpoint: `latest`, `best` (by the score of the fixed pairs) or the number of a step.

    Raises:
      UserError: if it is not there, or if it is of another model.
    """
    folder = workdir / "checkpoints"
    if not folder.is_dir():
        raise UserError(
            f"{folder} is not there: expected a run trained by "
            "`python -m reenact_jax.train --config ...` in that folder"
        )
    face_model = load_face_model(config.face_model.name, config.face_model.path)
    network = method.make_network(config, face_model)
    checkpoints = Checkpoints(folder)
    try:
        step = checkpoints.find(checkpoint)
        _check_trained_so(config, workdir)
        params = checkpoints.restore_params(parameter_shapes(network.config), step)
    finally:
        checkpoints.close()
    return TrainedRun(config, face_model, network, params, step)


def _check_trained_so(config: Config, workdir: Path) -> None:
    # Arrays of another configuration may have the same shapes; the picture would be wrong.
    if not (workdir / "config.json").is_file():
        return  # checkpoints alone: their arrays' shapes are all there is to compare
    trained = from_json(workdir / "config.json")
    for name, now, then in (
        ("image_size", config.image_size, trained.image_size),
        ("face_model.name", config.face_model.name, trained.face_model.name),
        ("network", config.network, trained.network),
    ):
        if now != then:
            raise UserError(
                f"{workdir} holds a checkpoint of another model: it was trained with config.{name} "
                f"= {then}, found {now} now; give its own configuration, or another --workdir"
            )
