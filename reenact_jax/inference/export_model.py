"""Makes a model folder of a run: parameters, configuration, card; on demand function and clips."""

import json
import platform
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax

from reenact_jax import __version__
from reenact_jax.config import Config
from reenact_jax.data import prepared
from reenact_jax.data.frames import open_frames
from reenact_jax.data.info import check_face_model
from reenact_jax.errors import UserError
from reenact_jax.inference import exported_function, shipped
from reenact_jax.inference.model_card import data_licence, model_card, weights_licence
from reenact_jax.inference.model_folder import CARD, StoredModel, is_model_folder, write_files
from reenact_jax.inference.run import TrainedRun


def export_model(
    run: TrainedRun,
    out: Path,
    *,
    metrics_path: Path | None = None,
    licence: str | None = None,
    licence_of_weights: str | None = None,
    with_function: bool = False,
    examples: tuple[Path, Path] | None = None,
) -> None:
    """Writes a model folder, whole or not at all.

    Args:
      run: the trained model.
      out: the folder; a model folder that is there already is replaced.
      metrics_path: metrics.json of the run, for the card; None or a missing file = not measured.
      licence: of the data, where the project does not know it.
      licence_of_weights: of the model, where it is not of the project's own data.
      with_function: add `reenact.jax_export`, see `exported_function`.
      examples: prepared clips (folders) to add: source, driver.

    Raises:
      UserError: if `out` is something else, the licence of the data is not known, the metrics are
        not readable, or a clip belongs to another face model.
    """
    if out.exists() and not is_model_folder(out) and (not out.is_dir() or any(out.iterdir())):
        raise UserError(
            f"{out} is there and is no model folder: give another --out, or remove it first"
        )
    licence = data_licence(run.config, licence)
    licence_of_weights = weights_licence(run.config, licence_of_weights)
    metrics = _read_metrics(metrics_path)
    dataset = _dataset(run.config, metrics)
    num_parameters = sum(leaf.size for leaf in jax.tree.leaves(run.params))
    model = StoredModel(run.config, run.params, run.step, run.face_model.fingerprint())
    facts = {
        "dataset": dataset,
        "data_licence": licence,
        "weights_licence": licence_of_weights,
        "num_parameters": num_parameters,
        "versions": _versions(),
    }
    card = model_card(
        run.config,
        folder_name=out.name if out.resolve().parent == shipped.MODELS else "",
        step=run.step,
        num_parameters=num_parameters,
        dataset=dataset,
        licence=licence,
        licence_of_weights=licence_of_weights,
        metrics=metrics,
        has_function=with_function,
        has_examples=examples is not None,
    )
    function = exported_function.export_reenactment(run) if with_function else None
    with prepared.storage_errors(out), prepared.NewFolder(out) as folder:
        write_files(folder, model, facts)
        (folder / CARD).write_text(card)
        if function:
            (folder / exported_function.FILE).write_bytes(function)
        if examples:
            _write_examples(folder / shipped.EXAMPLES, run, examples)


def _write_examples(root: Path, run: TrainedRun, examples: tuple[Path, Path]) -> None:
    for role, path in zip((shipped.SOURCE, shipped.DRIVING), examples, strict=True):
        path = path.resolve()
        info = prepared.read_dataset_info(path.parents[1])
        check_face_model(info, run.face_model)
        prepared.write_dataset_info(
            root,
            name=info.name,
            image_size=info.image_size,
            face_model=run.face_model,
            specification=info.specification,
        )
        clip = prepared.read_clip(path.parents[1], path.name)
        if role == shipped.SOURCE:  # its first frame is what is reenacted
            clip = replace(clip, frames=clip.frames[:1], parameters=clip.parameters[:1])
        prepared.write_clip(root, replace(clip, clip_id=role))


def _dataset(config: Config, metrics: dict[str, Any] | None) -> dict[str, Any]:
    """What is known of the data: of the packed dataset or, where that is gone, of the metrics'."""
    name = config.data.name
    try:
        frames = open_frames(config.data.data_dir, name, "train")
    except UserError:
        is_same = metrics is not None and metrics["dataset"]["name"] == name
        return metrics["dataset"] if is_same else {"name": name}
    return frames.info.to_dict() | {"content": frames.content}


def _read_metrics(path: Path | None) -> dict[str, Any] | None:
    if path is None or not path.is_file():
        return None
    try:
        return json.loads(path.read_text())
    except ValueError as error:
        raise UserError(
            f"{path}: expected JSON ({error}): run `python -m reenact_jax.evaluate` again"
        ) from error


def _versions() -> dict[str, str]:
    packages = {name: version(name) for name in ("jax", "flax", "numpy", "safetensors")}
    return {"reenact-jax": __version__, "python": platform.python_version()} | packages
