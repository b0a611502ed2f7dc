"""Models that ship with the package, and the example clips that come with them."""

from pathlib import Path

from reenact_jax.errors import UserError
from reenact_jax.inference.model_folder import CONFIG

MODELS = Path(__file__).parents[1] / "models"
EXAMPLES = "examples"
SOURCE, DRIVING = "source", "driving"


def shipped_models() -> list[str]:
    """Names of the models that are there."""
    return sorted(path.parent.name for path in MODELS.glob(f"*/{CONFIG}"))


def shipped_model(name: str) -> Path:
    """Folder of a shipped model; no network is needed.

    Raises:
      UserError: if there is no such model.
    """
    if name not in (names := shipped_models()):
        raise UserError(
            f"--model: expected a model that ships with reenact_jax ({', '.join(names) or 'none'})"
            f", found {name!r}: a model of your own is given by --run FOLDER"
        )
    return MODELS / name


def example_clip(model: Path, role: str) -> Path:
    """Prepared clip in a model folder: `source` or `driving`."""
    return model / EXAMPLES / "clips" / role


def choose(
    run: str | None, model: str | None, source: str | None, driving: str | None
) -> tuple[Path, Path, Path]:
    """What `reenact` is to work on: model, source and driver.

    Args:
      run: folder of a run or a model, or None.
      model: name of a shipped model, or None.
      source, driving: files or folders; None takes the example of a model that has one.

    Raises:
      UserError: if something is missing, or given twice.
    """
    if (run is None) == (model is None):
        raise UserError("expected either --run FOLDER or --model NAME; --help names the flags")
    folder = Path(run) if model is None else shipped_model(model)
    chosen = []
    for role, given in ((SOURCE, source), (DRIVING, driving)):
        path = Path(given) if given else example_clip(folder, role)
        if not given and not path.is_dir():
            raise UserError(f"expected --{role} FILE: {folder} has no example to take its place")
        chosen.append(path)
    return folder, *chosen
