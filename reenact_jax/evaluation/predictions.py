"""Pictures that other code has made of the pairs, scored like those of a trained run."""

import dataclasses
import hashlib
from pathlib import Path
from typing import Any

import jax
import numpy as np

from reenact_jax import method
from reenact_jax.config import Config
from reenact_jax.data.frames import PairDataset
from reenact_jax.errors import UserError
from reenact_jax.face_model.load import load_face_model
from reenact_jax.face_model.morphable import MorphableModel
from reenact_jax.guidance import Guidance
from reenact_jax.media import read_image
from reenact_jax.visual import from_uint8


@dataclasses.dataclass(frozen=True)
class Predictions:
    """Stands where `score_pairs` takes a `TrainedRun`; made by `open_predictions`.

    Attributes:
      config: name of the method, size of the pictures, batch size, and how the guidance of the
        baselines is computed. The rest of it is not used.
      face_model: of the pairs.
      folder: with PAIR_ID.png, RGB of `config.image_size`.
      params: pair id -> SHA-256 of its file, uint8 (32,). Their `params_hash` names the pictures.
      step: 0.
    """

    config: Config
    face_model: MorphableModel
    folder: Path
    params: dict[str, np.ndarray]
    step: int = 0

    def answer(self, batch: dict, **transfer: bool) -> tuple[np.ndarray, Guidance]:
        """Pictures (B, S, S, 3) in [-1, 1] of a batch of `pair_batches`, and its guidance.

        Raises:
          UserError: for a picture of another size, or a transfer that is not whole.
        """
        if not all(transfer.values()):
            raise UserError("pictures of other code are scored on whole transfers alone")
        size = self.config.image_size
        pictures = []
        for pair_id in batch["pair_id"]:
            path = _path(self.folder, pair_id)
            pictures.append(read_image(path))
            if pictures[-1].shape != (size, size, 3):
                raise UserError(
                    f"{path}: expected {size} x {size} pixels, found {pictures[-1].shape[:2]}"
                )
        guidance, _ = _guide(
            self.face_model,
            self.config.guidance,
            batch["source_image"],
            batch["source"],
            batch["driving"],
        )
        return from_uint8(np.stack(pictures)), guidance

    def facts(self) -> dict[str, Any]:
        """What of the configuration decided the numbers."""
        return {
            "name": self.config.name,
            "image_size": self.config.image_size,
            "guidance": dataclasses.asdict(self.config.guidance),
        }


_guide = jax.jit(method.guide, static_argnums=1)


def open_predictions(
    config: Config, folder: str | Path, pairs: PairDataset, kind: str | None = None
) -> Predictions:
    """The pictures of a folder, named after it.

    Args:
      config: see `Predictions`.
      folder: with PAIR_ID.png for every pair.
      pairs: what they answer.
      kind: pairs that have to be there; None for all.

    Raises:
      UserError: if pictures are missing.
    """
    folder = Path(folder)
    headers = [pairs.header(row) for row in range(len(pairs))]
    wanted = [one.pair_id for one in headers if kind in (None, one.kind)]
    missing = [pair_id for pair_id in wanted if not _path(folder, pair_id).is_file()]
    if missing:
        raise UserError(
            f"{folder}: expected a picture PAIR_ID.png for each of {len(wanted)} pairs, "
            f"{len(missing)} are missing, such as {missing[0]}.png"
        )
    hashes = {pair_id: hashlib.sha256(_path(folder, pair_id).read_bytes()) for pair_id in wanted}
    return Predictions(
        dataclasses.replace(config, name=folder.resolve().name),
        load_face_model(config.face_model.name, config.face_model.path),
        folder,
        {name: np.frombuffer(digest.digest(), np.uint8) for name, digest in hashes.items()},
    )


def _path(folder: Path, pair_id: str) -> Path:
    return folder / f"{pair_id}.png"
