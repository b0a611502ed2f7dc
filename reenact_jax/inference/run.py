"""A trained run, read back for evaluation and inference.

It is read from the folder of the run, or from a model folder that `reenact_jax.export` made of it.
"""

import dataclasses
from pathlib import Path

import jax
import numpy as np

from reenact_jax import method
from reenact_jax.config import Config
from reenact_jax.errors import UserError
from reenact_jax.face_model.load import load_face_model
from reenact_jax.face_model.morphable import MorphableModel
from reenact_jax.face_model.parameters import FaceParameters
from reenact_jax.guidance import Guidance
from reenact_jax.inference import model_folder
from reenact_jax.nn.initialise import parameter_shapes
from reenact_jax.nn.model import FaceReenactor


@dataclasses.dataclass(frozen=True)
class TrainedRun:
    """What a run of `reenact_jax.train` leaves behind, or a model folder holds.

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


def load_run(config: Config, workdir: Path, checkpoint: str = "latest") -> TrainedRun:
    """Reads a checkpoint of a run, or a model folder.

    Args:
      config: of the run; `model_folder.read_config` reads what the folder keeps.
      workdir: the folder.
      checkpoint: `latest`, `best` (by the score of the fixed pairs) or the number of a step. A
        model folder has one checkpoint and is not asked.

    Raises:
      UserError: if it is not there, or if it is of another model.
    """
    is_model = model_folder.is_model_folder(workdir)
    folder = workdir / "checkpoints"
    if not is_model and not folder.is_dir():
        raise UserError(
            f"{folder} is not there: expected a run trained by "
            "`python -m reenact_jax.train --config ...` in that folder, or a model folder of "
            "`python -m reenact_jax.export`"
        )
    face_model = load_face_model(config.face_model.name, config.face_model.path)
    network = method.make_network(config, face_model)
    if is_model:
        _check_trained_so(config, workdir)
        stored = model_folder.read_files(workdir, parameter_shapes(network.config))
        _check_face_model(face_model, stored.face_model_fingerprint, workdir)
        return TrainedRun(config, face_model, network, stored.params, stored.step)

    from reenact_jax.checkpoint import Checkpoints  # Orbax; a model folder does without it

    checkpoints = Checkpoints(folder)
    try:
        step = checkpoints.find(checkpoint)
        _check_trained_so(config, workdir)
        params = checkpoints.restore_params(parameter_shapes(network.config), step)
    finally:
        checkpoints.close()
    return TrainedRun(config, face_model, network, params, step)


def _check_face_model(face_model: MorphableModel, trained_with: str, folder: Path) -> None:
    if face_model.fingerprint() != trained_with:
        raise UserError(
            f"{folder} was trained with the face model {face_model.name} ({trained_with}), found "
            f"another one of that name ({face_model.fingerprint()}): use the file, or the version "
            "of reenact_jax, that it was trained with"
        )


def _check_trained_so(config: Config, workdir: Path) -> None:
    # Arrays of another configuration may have the same shapes; the picture would be wrong.
    if not (workdir / "config.json").is_file():
        return  # checkpoints alone: their arrays' shapes are all there is to compare
    trained = model_folder.read_config(workdir)
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
