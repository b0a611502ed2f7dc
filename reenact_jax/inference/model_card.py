"""The model card: what a trained model is, what it is for, and what it is not for."""

from collections.abc import Mapping
from typing import Any

from reenact_jax.config import Config
from reenact_jax.data import sources
from reenact_jax.errors import UserError
from reenact_jax.inference import shipped

# What is known of the datasets that the project itself makes or packs, by their names.
KNOWN_DATA = {
    "talking_heads": (
        sources.TALKING_HEADS,
        "talking_heads: synthetic heads, drawn by this project's own code. No person is in it.",
    ),
    "voxceleb_pairs": (
        sources.VOXCELEB,
        "VoxCeleb: interviews of celebrities, from the web. It shows real people, who were not "
        "asked, and by far not all kinds of people equally often.",
    ),
    "celebv": (
        sources.CELEBV,
        "CelebV: videos of five celebrities, from the web. It shows real people, who were not "
        "asked.",
    ),
}


def data_licence(config: Config, stated: str | None) -> str:
    """The licence of the data: what the user states, or what is known.

    Raises:
      UserError: if neither is there.
    """
    if stated:
        return stated
    if config.data.name not in KNOWN_DATA:
        raise UserError(
            f"the licence of the dataset {config.data.name} is not known here (known: "
            f"{', '.join(KNOWN_DATA)}): say it with --data_licence='...', because whoever uses "
            "the model needs to know"
        )
    return KNOWN_DATA[config.data.name][0].license


def weights_licence(config: Config, stated: str | None) -> str:
    """The licence of the weights: what the user states, or what the project says of its own data.

    Data of real people bind whoever publishes a model of them, so nothing is said for them.
    """
    if stated:
        return stated
    if config.data.name == "talking_heads":
        return "Apache-2.0, as this project: the data are its own synthetic pictures."
    return "not stated. Those of the data and of the face model have to be kept."


def model_card(
    config: Config,
    *,
    folder_name: str,
    step: int,
    num_parameters: int,
    dataset: Mapping[str, Any],
    licence: str,
    licence_of_weights: str,
    metrics: Mapping[str, Any] | None,
    has_function: bool,
    has_examples: bool,
) -> str:
    """The text of README.md.

    Args:
      config: of the run.
      folder_name: of the model folder, if it is one of the package's own (`shipped`); else empty.
      step: completed updates.
      num_parameters: of both networks.
      dataset: `name` of the data and, where known, `specification` and `content`: the hashes of
        the recipe and of what was packed.
      licence: of the data.
      licence_of_weights: of the model itself.
      metrics: content of the run's metrics.json, or None.
      has_function: whether `reenact.jax_export` lies beside.
      has_examples: whether example clips lie beside.
    """
    sections = [
        f"# {config.name}: face reenactment guided by a 3D morphable model",
        "One picture of a person and the motion of another one in; the first person in that motion "
        f"out, at {config.image_size} x {config.image_size} pixels. {num_parameters:,} parameters. "
        f"Face model: {config.face_model.name}.",
        f"Licence of the weights: {licence_of_weights}",
        _usage(folder_name, has_function, has_examples),
        "## Data",
        _data(config, dataset),
        f"Licence of the data: {licence}",
        "## Training",
        _training(config, step),
        "## Metrics",
        _metrics(metrics, step),
        "## Limits",
        _bullets(
            "It is as good as its data: people, poses, light and backgrounds that the data lacks "
            "come out worse, or not as themselves.",
            "What the source picture does not show (the other side of the head, the inside of the "
            "mouth) is made up.",
            "One picture at a time: nothing makes neighbouring frames agree.",
            "It follows the face model's fit. Where the fit is wrong, so is the picture; hair, "
            "glasses, hands and shoulders are outside of the face model.",
            "It has not been examined for differences between groups of people.",
        ),
        "## Intended use",
        _bullets(
            "Research on face reenactment: comparison, ablation, measurement.",
            "Moving faces of synthetic people, or of people who have agreed to it, where viewers "
            "are told that the picture is generated.",
        ),
        "## Unintended use",
        _bullets(
            "Pictures of a real person without that person's consent.",
            "Deception: making someone appear to say or do what he or she did not, passing "
            "identity or liveness checks, pictures of generated people as evidence.",
            "Identifying people, or judging character, health, origin or emotion by a face.",
        ),
    ]
    return "\n\n".join(sections) + "\n"


def _usage(folder_name: str, has_function: bool, has_examples: bool) -> str:
    model = f"--model {folder_name}" if folder_name else "--run THIS_FOLDER"
    command = f"python -m reenact_jax.reenact {model} --source A --driving B --out OUT.mp4"
    text = f"```\n{command}\n```"
    if has_examples:
        text += (
            f"\n\n`{shipped.EXAMPLES}/clips/{shipped.SOURCE}` and "
            f"`{shipped.EXAMPLES}/clips/{shipped.DRIVING}` are clips to try it with, taken where "
            "`--source` or `--driving` is left out."
        )
    if has_function:
        text += (
            "\n\n`reenact.jax_export` is the whole function for programs that have JAX alone: "
            "source image, its parameters and the driver's in, image out; docs/export.md of the "
            "project says how to call it. It carries the face model, whose licence holds for it."
        )
    return text


def _data(config: Config, dataset: Mapping[str, Any]) -> str:
    known = KNOWN_DATA.get(config.data.name)
    text = known[1] if known else f"{config.data.name}: prepared by whoever trained this model."
    hashes = [
        f"{what} `{dataset[key]}`"
        for key, what in (("specification", "of the specification"), ("content", "of the content"))
        if dataset.get(key)
    ]
    if not hashes:
        return f"{text} Which state of it was used is not recorded."
    return f"{text} Hash {' and '.join(hashes)}."


def _training(config: Config, step: int) -> str:
    train, loss = config.train, config.loss
    vgg = f"of VGG-19 with {'random' if loss.vgg_weights == 'random' else 'trained'} weights"
    weighted = {
        f"perceptual, {vgg}": loss.perceptual,
        f"style, {vgg}": loss.style,
        "L1 on an image pyramid": loss.multi_scale_l1,
    }
    terms = [f"{weight:g} {name}" for name, weight in weighted.items() if weight]
    return (
        f"{step:,} steps of {train.batch_size} pairs ({train.num_train_steps:,} were planned), "
        f"Adam, learning rate {train.learning_rate:g}, then {train.decayed_learning_rate:g}, seed "
        f"{config.seed}. Loss: "
        f"{' + '.join(terms)}. The whole configuration is in `config.json`."
    )


def _metrics(metrics: Mapping[str, Any] | None, step: int) -> str:
    if metrics is None:
        return "Not measured. `python -m reenact_jax.evaluate` measures them."
    protocol, rows = metrics["protocol"], {"this model": metrics["metrics"]}
    rows |= metrics["baselines"]
    names = sorted(name for name, value in metrics["metrics"].items() if value is not None)
    scored = protocol["step"]
    note = "" if scored == step else f" These are of step {scored:,}, not of this model's {step:,}."
    lines = [
        f"On the fixed pairs of {metrics['dataset']['name']} (list {protocol['pairs']}).{note}",
        "",
        "| | " + " | ".join(rows) + " |",
        "|---" * (len(rows) + 1) + "|",
    ]
    for name in names:
        values = (row.get(name) for row in rows.values())
        cells = ("-" if value is None else f"{value:.4g}" for value in values)
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _bullets(*lines: str) -> str:
    return "\n".join(f"* {line}" for line in lines)
