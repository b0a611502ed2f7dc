"""Tables (Markdown and CSV) and plots of the study."""

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from reenact_jax.evaluation.pictures import BASELINES
from reenact_jax.files import replacing, write_text
from reenact_jax.study.analysis import Estimate
from reenact_jax.study.occlusion_use import TOLD
from reenact_jax.study.plan import CONDITIONS, VARIANTS
from reenact_jax.study.results import AGAINST, BIN_NAMES, KINDS, METRICS, STEPS, Row

# Columns of the tables of differences: the primary one first.
_COMPARED = ("face/l1", "frame/l1", "hidden/l1", "frame/ssim", "frame/landmarks", "frame/identity")
_MARK = "paired by seed and pair, with 95 % intervals; `=` where the interval holds 0."
_COLOURS = {"base": "#888888", "fg": "#4c9ed9", "fg_og": "#2a6f3b", "full": "#c0392b"}


def markdown(rows: Sequence[Row], reader_errors: dict[str, float]) -> str:
    """All tables of the plan's comparisons."""
    index = {(r.what, r.who, r.condition, r.kind, r.column, r.bin): r for r in rows}

    def cell(*key: str, digits: int, signed: bool = False, interval: bool = True) -> str:
        row = index.get(key)
        if row is None or not np.isfinite(row.estimate.value):
            return "-"
        if not interval:
            return f"{row.estimate.value:.{digits}f}"
        return _marked(row.estimate, digits) if signed else row.estimate.text(digits)

    names = {**{name: name.replace("_", " ") for name in BASELINES}, **VARIANTS}
    lines: list[str] = []
    for kind in KINDS:
        for condition in CONDITIONS:
            lines += [f"### {kind} pairs, {condition} guidance", ""]
            lines += _header(["", "seeds", *(name for name, _ in METRICS.values())])
            for who, name in names.items():
                row = index.get(("mean", who, condition, kind, "frame/l1", "all"))
                if row is None:
                    continue
                seeds = str(row.seeds) if who in VARIANTS else ""
                cells = (
                    cell("mean", who, condition, kind, c, "all", digits=d, interval=False)
                    for c, (_, d) in METRICS.items()
                )
                lines.append(_line([name, seeds, *cells]))
            lines.append("")
    lines += ["### What each step changes", ""]
    lines += [
        f"Second minus first; {_MARK}",
        "",
    ]
    for kind in KINDS:
        for condition in CONDITIONS:
            lines += _header([f"{kind}, {condition}", *(METRICS[c][0] for c in _COMPARED)])
            for step in (*STEPS, *AGAINST):
                who = "->".join(step)
                cells = (
                    cell("gain", who, condition, kind, c, "all", digits=METRICS[c][1], signed=True)
                    for c in _COMPARED
                )
                lines.append(_line([_step_name(step), *cells]))
            lines.append("")
    lines += ["### By difference of pose: L1 in the face", ""]
    lines += _header(["part of the face that is hidden", *BIN_NAMES, "all"])
    for kind in KINDS:
        cells = (
            cell("share", "truth", "", kind, "hidden", b, digits=3, interval=False)
            for b in (*BIN_NAMES, "all")
        )
        lines.append(_line([f"{kind} pairs", *cells]))
    lines.append("")
    for kind in KINDS:
        for condition in CONDITIONS:
            lines += _header([f"{kind}, {condition}", *BIN_NAMES, "slope per 10 degrees"])
            for who, name in names.items():
                cells = (
                    cell("mean", who, condition, kind, "face/l1", b, digits=4, interval=False)
                    for b in BIN_NAMES
                )
                lines.append(_line([name, *cells, ""]))
            for step in (*STEPS, *AGAINST):
                who, key = "->".join(step), (condition, kind, "face/l1")
                cells = (cell("gain", who, *key, b, digits=4, signed=True) for b in BIN_NAMES)
                slope = cell("slope", who, *key, "all", digits=5, signed=True)
                lines.append(_line([_step_name(step), *cells, slope]))
            lines.append("")
    lines += ["### Hidden and visible areas: gain in L1 of each step", ""]
    lines += _header(["", "visible", "hidden", "hidden minus visible"])
    for kind in KINDS:
        for condition in CONDITIONS:
            for step in STEPS:
                who = "->".join(step)
                cells = [
                    cell("gain", who, condition, kind, f"{r}/l1", "all", digits=4, signed=True)
                    for r in ("visible", "hidden")
                ]
                key = ("hidden-visible", who, condition, kind, "l1", "all")
                cells.append(cell(*key, digits=4, signed=True))
                lines.append(_line([f"{kind}, {condition}: {_step_name(step)}", *cells]))
    lines += ["", "### The reader on true frames of the test people", ""]
    columns = {"": "off by", "mean_": "always the mean: off by", "rank_": "rank correlation"}
    lines += _header(["", *columns.values()])
    for name in ("landmarks", "pose", "expression", "identity"):
        label = METRICS[f"frame/{name}"][0]
        numbers = [f"{reader_errors[prefix + name]:.2f}" for prefix in columns]
        lines.append(_line([label, *numbers]))
    lines += [
        "",
        "Rank correlation: of distances between two frames, read and true. Same person closer in "
        f"identity than another: {reader_errors['same_person_auc']:.3f} (AUC).",
        "",
    ]
    return "\n".join(lines)


def leakage_markdown(rows: Sequence[Row]) -> str:
    """The table of `results.leakage_rows`."""
    index = {(r.who, r.condition, r.column): r for r in rows if r.what == "leakage"}
    lines = _header(["", "region", "the two apart", "error", "source to answer", "seeds"])
    for variant, fit in dict.fromkeys((who, condition) for who, condition, _ in index):
        for region in ("frame", "face"):
            found = [index[variant, fit, f"{region}/{m}"] for m in ("apart", "error", "moved")]
            cells = [row.estimate.text(5) for row in found]
            lines.append(
                _line([f"{VARIANTS[variant]}, {fit}", region, *cells, str(found[0].seeds)])
            )
    return "\n".join(lines) + "\n"


def occlusion_markdown(rows: Sequence[Row]) -> str:
    """The table of `results.occlusion_rows`."""
    index = {(r.who, r.condition, r.column): r for r in rows}
    passed = ("visible-hidden/O_c", "visible/O", "hidden/O", "visible-hidden/O", "face/M_o")
    wrong = [(told, f"{region}/l1") for told in TOLD[1:] for region in ("visible", "hidden")]
    lines = _header(
        [
            "",
            "O_c, visible minus hidden",
            "O, visible",
            "O, hidden",
            "O, visible minus hidden",
            "M_o, face",
            *(f"L1 {column.split('/')[0]}, told {told}" for told, column in wrong),
            "seeds",
        ]
    )
    for variant in dict.fromkeys(who for who, _, _ in index):
        found = [index.get((variant, TOLD[0], column)) for column in passed]
        cells = [row.estimate.text(3) if row else "-" for row in found]
        for key in wrong:
            row = index.get((variant, *key))
            cells.append(_marked(row.estimate, 4) if row else "-")
        lines.append(_line([VARIANTS[variant], *cells, str(found[0].seeds)]))
    lines += ["", f"L1 as its change from the computed map; {_MARK}"]
    return "\n".join(lines) + "\n"


def tolerance_markdown(levels: dict[str, float], rows: Sequence[Row]) -> str:
    """The table of `results.tolerance_rows`; levels: name -> landmark error px, exact first."""
    index = {(r.what, r.condition, r.column): r.estimate for r in rows}
    lines = _header(["guidance", "landmarks off by (px)", *(METRICS[c][0] for c in _COMPARED)])
    first, *others = levels
    cells = (index["tolerance", first, c].text(METRICS[c][1]) for c in _COMPARED)
    lines.append(_line([first, f"{levels[first]:.2f}", *cells]))
    for name in others:
        cells = (_marked(index["tolerance-change", name, c], METRICS[c][1]) for c in _COMPARED)
        lines.append(_line([name, f"{levels[name]:.2f}", *cells]))
    lines += ["", f"The first row is the score, the others are changes from it; {_MARK}"]
    return "\n".join(lines) + "\n"


def _marked(change: Estimate, digits: int) -> str:
    return change.text(digits, signed=True) + ("" if change.excludes_zero else " =")


def write_csv(path: Path, rows: Iterable[Row]) -> None:
    """Every number with its interval."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow("what who condition kind column pose_bin seeds value low high".split())
    for r in rows:
        e = r.estimate
        numbers = (f"{x:.6g}" for x in (e.value, e.low, e.high))
        writer.writerow([r.what, r.who, r.condition, r.kind, r.column, r.bin, r.seeds, *numbers])
    write_text(path, buffer.getvalue())


def plot_pose(path: Path, rows: Sequence[Row], kind: str, column: str = "face/l1") -> None:
    """A metric over the difference of pose, a panel for each condition."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    panels = figure.subplots(1, len(CONDITIONS), sharey=True)
    places = np.arange(len(BIN_NAMES))
    for panel, condition in zip(panels, CONDITIONS, strict=True):
        for shift, who in enumerate([*BASELINES, *VARIANTS]):
            found = {
                r.bin: r.estimate
                for r in rows
                if (r.what, r.who, r.condition, r.kind, r.column)
                == ("mean", who, condition, kind, column)
            }
            if not found or (who == "copy_source"):
                continue
            middle, low, high = (
                np.array([getattr(found[name], end) for name in BIN_NAMES])
                for end in ("value", "low", "high")
            )
            known = who in VARIANTS
            panel.errorbar(
                places + 0.04 * (shift - 4),
                middle,
                [middle - low, high - middle],
                label=VARIANTS.get(who, who.replace("_", " ")),
                color=_COLOURS.get(who, "#c9b458" if who == "warp" else "#9b6fb0"),
                linestyle="-" if known else ":",
                capsize=2,
                linewidth=1.3,
            )
        panel.set_xticks(places, BIN_NAMES)
        panel.set_xlabel("difference of pose (degrees)")
        panel.set_title(f"{kind} pairs, {condition} guidance", fontsize=10)
    panels[0].set_ylabel(METRICS[column][0])
    panels[0].legend(fontsize=8)
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=110)


def plot_tolerance(path: Path, levels: dict[str, float], rows: Sequence[Row]) -> None:
    """L1 in the face over the error of the landmarks; wrong face models as crosses."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 3.4), layout="constrained")
    panel = figure.subplots()
    found = {
        r.condition: r.estimate for r in rows if (r.what, r.column) == ("tolerance", "face/l1")
    }
    fits = [name for name in levels if name.endswith("px")]
    for names, style in ((fits, "o-"), ([n for n in levels if n not in fits], "x")):
        middle, low, high = (
            np.array([getattr(found[n], end) for n in names]) for end in ("value", "low", "high")
        )
        errors = [middle - low, high - middle]
        panel.errorbar([levels[n] for n in names], middle, errors, fmt=style, capsize=2)
        if style == "x":
            for name in names:
                at = levels[name], found[name].value
                panel.annotate(f"{name} ", at, fontsize=8, ha="right", va="bottom")
    panel.set_xticks(np.arange(0.0, max(levels.values()) + 0.5, 0.5))
    panel.set_xlim(left=-0.5 - 0.2 * max(levels.values()))  # room for the names
    panel.set_xlabel("landmarks off by (pixels of 256)")
    panel.set_ylabel("L1 face, cross pairs")
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=110)


def _step_name(step: tuple[str, str]) -> str:
    first, second = step
    if second == "full" and first != "fg_og":
        return f"full - {VARIANTS.get(first, first.replace('_', ' '))}"
    return f"{VARIANTS[second]} - {VARIANTS[first]}"


def _header(cells: Sequence[str]) -> list[str]:
    return [_line(cells), "|---" * len(cells) + "|"]


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def plots(folder: Path, rows: Sequence[Row]) -> None:
    """pose_KIND.png of both kinds."""
    for kind in KINDS:
        plot_pose(folder / f"pose_{kind}.png", rows, kind)
