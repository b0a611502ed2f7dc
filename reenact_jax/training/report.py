"""report.md: what a run is, its curves and its pictures, for people."""

import importlib.util
import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from reenact_jax.config import Config
from reenact_jax.files import write_text
from reenact_jax.visual import plot_curves

logger = logging.getLogger(__name__)

# Sheets and scores shown: so many of the newest, beside the first sheet and the best score.
_NUM_SHEETS = 3

Records = Sequence[Mapping[str, float]]


def write_report(folder: Path, config: Config, metrics: Records, scores: Records) -> None:
    """Writes report.md, and with matplotlib (the extra `plots`) loss.png and score.png.

    Args:
      folder: of the run; `samples/` and `parameters.txt` are taken as they lie there.
      config: of the run.
      metrics: records of metrics.jsonl.
      scores: records of scores.jsonl.
    """
    curves = _write_curves(folder, metrics, scores)
    step = int(max([r["step"] for r in (*metrics, *scores)], default=0))
    sections = [
        f"# {config.name}, step {step} of {config.train.num_train_steps}",
        _facts(config),
        _last_metrics(metrics),
        _scores_table(scores),
        *[f"![{name}]({name}.png)" for name in curves],
        _sheets(folder),
        "Files: `config.json` (configuration), `parameters.txt` (every parameter), "
        "`metrics.jsonl` (all numbers), `scores.jsonl`, `samples/`, `checkpoints/`.",
    ]
    write_text(folder / "report.md", "\n\n".join(filter(None, sections)) + "\n")


def _facts(config: Config) -> str:
    train, loss = config.train, config.loss
    rows = {
        "data": f"{config.data.name}, {config.image_size} x {config.image_size} pixels",
        "face model": config.face_model.name,
        "guidance": ", ".join(
            f"{name} {'on' if on else 'off'}"
            for name, on in (
                ("flow", config.network.flow_guidance),
                ("occlusion", config.network.occlusion_guidance),
                ("synthesis", config.network.reenactment.synthesis_guidance),
            )
        ),
        "loss": f"{loss.perceptual:g} perceptual + {loss.style:g} style + "
        f"{loss.multi_scale_l1:g} L1, VGG-19 weights: "
        + ("random" if loss.vgg_weights == "random" else "trained"),
        "batch": f"{train.batch_size} pairs",
        "learning rate": f"{train.learning_rate:g}, after epoch {train.decay_after_epochs} "
        f"{train.decayed_learning_rate:g}",
        "length": f"{train.num_epochs} epochs of {train.steps_per_epoch} steps",
        "seed": str(config.seed),
    }
    return _table(["", ""], rows.items())


def _last_metrics(metrics: Records) -> str:
    if not metrics:
        return ""
    last = metrics[-1]
    rows = [(name, f"{value:.5g}") for name, value in last.items() if name != "step"]
    return f"Means before step {int(last['step'])}:\n\n" + _table(["metric", "value"], rows)


def _scores_table(scores: Records) -> str:
    if not scores:
        return ""
    best = max(scores, key=lambda record: record["psnr"])
    newest = list(scores[-_NUM_SHEETS:])
    shown = newest if best in newest else [best, *newest]
    rows = [
        (f"{int(record['step'])}{' (best)' if record is best else ''}", f"{record['psnr']:.2f}")
        for record in shown
    ]
    return "PSNR of the fixed pairs:\n\n" + _table(["step", "dB"], rows)


def _sheets(folder: Path) -> str:
    sheets = sorted((folder / "samples").glob("step_*.png"))
    chosen = sheets if len(sheets) <= _NUM_SHEETS + 1 else [sheets[0], *sheets[-_NUM_SHEETS:]]
    return "\n\n".join(
        f"Step {int(sheet.stem.removeprefix('step_'))}:\n\n![{sheet.stem}](samples/{sheet.name})"
        for sheet in reversed(chosen)
    )


def _write_curves(folder: Path, metrics: Records, scores: Records) -> list[str]:
    if importlib.util.find_spec("matplotlib") is None:
        logger.warning("no loss.png: it needs pip install 'reenact-jax[plots]'")
        return []
    if metrics:
        plot_curves(metrics, folder / "loss.png")
    if len(scores) > 1:
        plot_curves(scores, folder / "score.png", prefix="psnr", title="fixed pairs, PSNR (dB)")
    return [name for name in ("loss", "score") if (folder / f"{name}.png").is_file()]


def _table(header: Sequence[str], rows: Iterable[tuple[str, str]]) -> str:
    lines = ["| " + " | ".join(header) + " |", "|---" * len(header) + "|"]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines)
