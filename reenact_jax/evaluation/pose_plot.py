"""Metrics over the difference of pose, as in the paper's Fig. 6."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from reenact_jax.errors import UserError
from reenact_jax.evaluation.pair_table import MODEL
from reenact_jax.evaluation.paper_tables import (
    COLUMNS,
    OPEN_COLUMNS,
    PIXEL_COLUMNS,
    ablation_name,
)
from reenact_jax.files import replacing

# At most so many panels; the paper's metrics come first, distances between sets have no bins.
_PANELS = 4
_PIXELS = {name: PIXEL_COLUMNS[name] for name in ("psnr_face", "psnr_hidden", "psnr", "ssim")}
_CHOICE = (COLUMNS | OPEN_COLUMNS | _PIXELS).items()


def draw_pose_plot(
    reports: Sequence[dict[str, Any]], path: str | Path, kind: str = "cross"
) -> None:
    """Writes a PNG with one panel a metric: means by bin with their intervals, and the baselines.

    Args:
      reports: of the evaluation, on the same list of pairs; a line each.
      path: of the PNG file.
      kind: which pairs.

    Raises:
      UserError: if the lists differ, no bin has a number, or Matplotlib is not installed.
    """
    try:
        import matplotlib

        matplotlib.use("Agg")
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise UserError(
            "the plot needs Matplotlib, which is not installed: pip install 'reenact-jax[plots]'"
        ) from error
    lists = {report["protocol"]["pairs"] for report in reports}
    if len(lists) != 1:
        raise UserError(
            f"expected reports on one list of pairs, found the lists {', '.join(sorted(lists))}: "
            "plot them in two calls"
        )
    lines = {
        f"{report['protocol']['run']} ({ablation_name(report)})": (report, MODEL)
        for report in reports
    }
    lines |= {name: (reports[0], name) for name in reports[0]["baselines"]}
    bins = [one["degrees"] for one in reports[0]["bins"] if one["kind"] == kind]
    panels = [
        (name, heading, more)
        for name, (heading, more) in _CHOICE
        if bins
        and any(np.isfinite(_points(*line, kind, name, bins)[0]).any() for line in lines.values())
    ][:_PANELS]
    if not panels:
        raise UserError(f"expected numbers of {kind} pairs by bin of pose difference, found none")
    figure, axes = plt.subplots(
        1, len(panels), figsize=(1.0 + 3.4 * len(panels), 3.6), squeeze=False, layout="constrained"
    )
    places = np.arange(len(bins))
    for axis, (name, heading, more) in zip(axes[0], panels, strict=True):
        for number, (label, line) in enumerate(lines.items()):
            mean, low, high = _points(*line, kind, name, bins)
            is_model = line[1] == MODEL
            shift = 0.06 * (number - (len(lines) - 1) / 2)
            axis.errorbar(
                places + shift,
                mean,
                yerr=np.stack([mean - low, high - mean]),
                label=label,
                marker="o" if is_model else ".",
                linestyle="-" if is_model else ":",
                linewidth=1.8 if is_model else 1.0,
                capsize=2,
            )
        axis.set_title(f"{heading} ({'higher' if more else 'lower'} is better)", fontsize=10)
        axis.set_xticks(places, bins)
        axis.set_xlim(-0.5, len(bins) - 0.5)
        axis.set_xlabel("difference of pose, degrees")
        axis.grid(alpha=0.3)
    figure.legend(*axes[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=120)
    plt.close(figure)


def _points(
    report: dict[str, Any], method: str, kind: str, name: str, bins: list[str]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean, low and high end by bin; NaN where there is no number, the mean where no interval."""
    by_bin = {one["degrees"]: one for one in report["bins"] if one["kind"] == kind}
    rows = []
    for degrees in bins:
        one = by_bin.get(degrees)
        mean = np.nan if one is None else one["means"].get(method, {}).get(name, np.nan)
        rows.append(
            (mean, *((one or {}).get("intervals", {}).get(method, {}).get(name, (mean,) * 2)))
        )
    return tuple(np.array(column, float) for column in zip(*rows, strict=True))
