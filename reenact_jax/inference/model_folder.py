"""A trained model outside its run: one folder of safetensors, JSON and a model card.

    model.safetensors   parameters, named by their paths in the network, float32
    config.json         what the folder is, the hash of the parameters, the configuration
    README.md           model card, for people

Reading needs neither optax nor Orbax, nor any code of training. docs/export.md has the details.
"""

import dataclasses
import hashlib
import json
from pathlib import Path, PurePath
from typing import Any

import jax
import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from reenact_jax.config import Config, from_config_dict, from_json
from reenact_jax.errors import UserError
from reenact_jax.pretrained.weight_files import check_shapes

FORMAT = "reenact_jax model"
FORMAT_VERSION = 1
WEIGHTS = "model.safetensors"
CONFIG = "config.json"
CARD = "README.md"


@dataclasses.dataclass(frozen=True)
class StoredModel:
    """What a model folder holds.

    Attributes:
      config: of the run that the model comes from. Its paths may be another machine's.
      params: of both networks, NumPy leaves.
      step: completed updates.
      face_model_fingerprint: of the face model that it was trained with.
    """

    config: Config
    params: dict
    step: int
    face_model_fingerprint: str


def is_model_folder(folder: Path) -> bool:
    """Whether this is a model folder, complete or not, rather than the folder of a run."""
    if (folder / WEIGHTS).exists():
        return True
    try:
        return "format" in json.loads((folder / CONFIG).read_text())
    except (OSError, ValueError, TypeError):
        return False


def write_files(folder: Path, model: StoredModel, facts: dict[str, Any]) -> None:
    """Writes parameters and config.json into an empty folder.

    Args:
      folder: see `prepared.NewFolder` for one that is there whole or not at all.
      model: what to write.
      facts: more to say in config.json, fit for JSON (dataset, versions); nothing reads it back.
    """
    content = save({name: np.asarray(leaf) for name, leaf in named_leaves(model.params).items()})
    (folder / WEIGHTS).write_bytes(content)
    values = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "weights": {"file": WEIGHTS, "sha256": hashlib.sha256(content).hexdigest()},
        "step": model.step,
        "face_model_fingerprint": model.face_model_fingerprint,
        **facts,
        "config": dataclasses.asdict(_portable(model.config)),
    }
    (folder / CONFIG).write_text(json.dumps(values, indent=2) + "\n")


def read_config(folder: Path) -> Config:
    """The configuration of a run or of a model folder.

    Raises:
      UserError: if the folder is neither.
    """
    if is_model_folder(folder):
        return _read_description(folder)[0]
    return from_json(folder / CONFIG)


def read_files(folder: Path, shapes: dict) -> StoredModel:
    """Reads what `write_files` wrote and checks that it is whole.

    Args:
      folder: a model folder.
      shapes: of the network's parameters, jax.ShapeDtypeStruct leaves.

    Raises:
      UserError: if the folder is not complete, comes from another program or a newer version, or if
        its parameters are not those that config.json speaks of.
    """
    config, values = _read_description(folder)
    path = folder / WEIGHTS
    if not path.is_file():
        raise _incomplete(folder, f"{WEIGHTS} is missing")
    content = path.read_bytes()
    expected, found = values["weights"]["sha256"], hashlib.sha256(content).hexdigest()
    if found != expected:
        raise UserError(
            f"{path}: expected SHA-256 {expected} (of {CONFIG}), found {found}: the file is "
            "damaged, or of another model; copy the whole folder again"
        )
    try:
        arrays = load(content)
        wanted = {name: leaf.shape for name, leaf in named_leaves(shapes).items()}
        check_shapes(arrays, wanted, network="this configuration", path=path)
    except (SafetensorError, ValueError) as error:
        raise UserError(f"{path}: {error}") from error
    params = jax.tree_util.tree_map_with_path(lambda key, _: arrays[_name(key)], shapes)
    return StoredModel(config, params, int(values["step"]), values["face_model_fingerprint"])


def named_leaves(tree: dict) -> dict[str, Any]:
    """Path, parts joined by `/`, -> leaf."""
    return {_name(key): leaf for key, leaf in jax.tree_util.tree_flatten_with_path(tree)[0]}


def _name(key: tuple) -> str:
    return jax.tree_util.keystr(key, simple=True, separator="/")


def _read_description(folder: Path) -> tuple[Config, dict[str, Any]]:
    path = folder / CONFIG
    if not path.is_file():
        raise _incomplete(folder, f"{CONFIG} is missing")
    try:
        values = json.loads(path.read_text())
    except ValueError as error:
        raise UserError(f"{path}: expected JSON ({error}): copy the folder again") from error
    found = values.get("format") if isinstance(values, dict) else None
    if found != FORMAT:
        raise UserError(
            f"{path}: expected format {FORMAT!r}, found {found!r}: this is a model of another "
            "program; expected a folder written by `python -m reenact_jax.export`"
        )
    version = values.get("format_version")
    if version != FORMAT_VERSION:
        raise UserError(
            f"{path}: expected format_version {FORMAT_VERSION}, found {version!r}: use the version "
            "of reenact_jax that wrote it, or a newer one"
        )
    needed = {"weights", "step", "face_model_fingerprint", "config"}
    if missing := sorted(needed - values.keys()):
        raise _incomplete(folder, f"{CONFIG} lacks {', '.join(missing)}")
    return from_config_dict(values["config"]), values


def _incomplete(folder: Path, what: str) -> UserError:
    return UserError(
        f"{folder}: expected a model folder with {WEIGHTS} and {CONFIG}, but {what}: copy the "
        "whole folder again, or write it with `python -m reenact_jax.export`"
    )


def _portable(config: Config) -> Config:
    """Paths of the machine that trained, absolute ones, become `assets/NAME` (and `data`)."""

    def shorten(path: str, folder: str) -> str:
        pure = PurePath(path)
        return f"{folder}/{pure.name}" if pure.is_absolute() else path

    face_model = config.face_model
    data_dir = "data" if PurePath(config.data.data_dir).is_absolute() else config.data.data_dir
    return dataclasses.replace(
        config,
        face_model=dataclasses.replace(face_model, path=shorten(face_model.path, "assets")),
        data=dataclasses.replace(config.data, data_dir=data_dir),
        loss=dataclasses.replace(
            config.loss, vgg_weights=shorten(config.loss.vgg_weights, "assets")
        ),
    )
