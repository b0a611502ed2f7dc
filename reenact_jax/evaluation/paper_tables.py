"""Reports as the paper's Tables 1 to 3 in Markdown, beside the paper's own numbers."""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from reenact_jax import metrics
from reenact_jax.errors import UserError
from reenact_jax.evaluation.pictures import BASELINES
from reenact_jax.evaluation.protocols import PROTOCOLS
from reenact_jax.pretrained import arcface

# In place of a variant, for pictures that this project has not made.
OTHER_CODE = "other code"
PUBLISHED = Path(__file__).with_name("published.json")
SCHEMA = Path(metrics.__file__).with_name("metrics.schema.json")

# The paper's columns, and what stands beside them where the files of the paper's are not at hand.
# Name -> (heading, whether more is better).
COLUMNS = {
    "csim": ("CSIM", True),
    "aed": ("AED", False),
    "apd": ("APD", False),
    "fid": ("FID", False),
}
OPEN_COLUMNS = {
    "csim_dlib": ("csim_dlib", True),
    "aed_open": ("aed_open", False),
    "apd_open": ("apd_open", False),
    "fd_dlib": ("fd_dlib", False),
}
PIXEL_COLUMNS = {
    "l1": ("L1", False),
    "psnr": ("PSNR", True),
    "ssim": ("SSIM", True),
    "l1_face": ("L1, face", False),
    "psnr_face": ("PSNR, face", True),
    "l1_hidden": ("L1, hidden", False),
    "psnr_hidden": ("PSNR, hidden", True),
}
# By the reader of docs/study.md; of pairs with true answers, as the pixels are.
READER_COLUMNS = {
    "landmarks": ("landmarks px", False),
    "pose": ("pose degrees", False),
    "expression": ("expression", False),
    "identity": ("identity", False),
}
TABLES = {
    1: ("VoxCeleb1", ("vox_self", "vox_cross")),
    2: ("CelebV", ("celebv_cross",)),
    3: ("Ablation on CelebV", ("celebv_cross",)),
}


@dataclasses.dataclass(frozen=True)
class Row:
    """A line of a table.

    Attributes:
      name: of the method.
      kind: `self` or `cross`.
      numbers: metric -> value.
      missing: metric -> why there is none.
      note: where the line comes from.
      of: what a baseline's numbers follow from: pairs, data and size; empty of other rows.
    """

    name: str
    kind: str
    numbers: dict[str, float]
    missing: dict[str, str]
    note: str
    of: tuple = ()


def read_report(path: str | Path) -> dict[str, Any]:
    """A file of the evaluation commands.

    Raises:
      UserError: if it is none.
    """
    try:
        report = json.loads(Path(path).read_text())
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: expected a file of scripts/eval.py, found {error}") from error
    missing = _missing(report, json.loads(SCHEMA.read_text()), "")
    if missing is None and "network" in report["config"]:
        try:
            ablation_name(report)
        except (KeyError, TypeError) as error:
            missing = f"config.network: {error}"
    if missing is not None:
        raise UserError(
            f"{path}: expected a file of this version's scripts/eval.py, found a JSON file without "
            f"{missing}: score the run again"
        )
    return report


def _missing(value: Any, schema: dict[str, Any], where: str) -> str | None:
    """The first part that the schema requires of an object, or of one in it, and is not there."""
    if schema.get("type") != "object":
        return None
    if not isinstance(value, dict):
        return f"{where or 'an object'} {{...}}"
    for key in schema.get("required", []):
        if key not in value:
            return f"{where}{key}"
    for key, inner in schema.get("properties", {}).items():
        if key in value:
            if (found := _missing(value[key], inner, f"{where}{key}.")) is not None:
                return found
    return None


def ablation_name(report: dict[str, Any]) -> str:
    """Which row of Table 3 a run is, by the switches of its configuration."""
    if "network" not in report["config"]:
        return OTHER_CODE
    network = report["config"]["network"]
    switches = {
        "FG": network["flow_guidance"],
        "OG": network["occlusion_guidance"],
        "SG": network["reenactment"]["synthesis_guidance"],
    }
    return "".join(f"+{name}" for name, on in switches.items() if on) or "Base"


def tables_markdown(reports: Sequence[dict[str, Any]]) -> str:
    """Tables 1 to 3, and one of the reports on other pairs; a dash has a footnote."""
    published = json.loads(PUBLISHED.read_text())
    parts = []
    for number, (title, protocols) in TABLES.items():
        rows = []
        for protocol in protocols:
            kind = PROTOCOLS[protocol].kind
            rows += [
                _published_row(entry, kind, published["sources"])
                for entry in published["rows"]
                if number in entry["tables"] and entry["protocol"] == protocol
            ]
            for report in reports:
                if report["protocol"]["name"] == protocol:
                    rows += _report_rows(report, kind, ablation=number == 3)
        columns = COLUMNS | _used(OPEN_COLUMNS, rows)
        parts.append(f"## Table {number}. {title}\n\n" + _markdown(rows, columns))
    others = [
        report for report in reports if report["protocol"]["name"] not in sum(_protocols(), ())
    ]
    if others:
        rows = [
            row
            for kind in ("self", "cross")
            for report in others
            if report["counts"][f"{kind}/pairs"]
            for row in _report_rows(report, kind, ablation=False)
        ]
        rows = _without_repeated_baselines(rows)
        columns = _used(COLUMNS | OPEN_COLUMNS | PIXEL_COLUMNS | READER_COLUMNS, rows)
        parts.append("## Other pairs\n\n" + _markdown(rows, columns))
    elsewhere = [
        f"* {one['method']}: {one['number']} on {one['data']}; source: "
        f"{published['sources'][one['source']]}. Not comparable: {one['difference']}."
        for one in published["elsewhere"]
    ]
    parts.append("## Published elsewhere\n\n" + "\n".join(elsewhere))
    return "\n\n".join(parts) + "\n"


def _without_repeated_baselines(rows: list[Row]) -> list[Row]:
    """Without baselines that an earlier file on the same pairs has, with the same numbers."""
    seen, kept = set(), []
    for row in rows:
        key = row.of, row.kind, *(f"{name} {value:.4g}" for name, value in row.numbers.items())
        if not row.of or key not in seen:
            kept.append(row)
        seen.add(key)
    return kept


def _protocols() -> list[tuple[str, ...]]:
    return [protocols for _, protocols in TABLES.values()]


def _published_row(entry: dict[str, Any], kind: str, sources: dict[str, str]) -> Row:
    names = COLUMNS | OPEN_COLUMNS
    missing = {name: "not among the numbers taken from the paper" for name in names}
    missing |= dict.fromkeys(OPEN_COLUMNS, "a measure of this project, not published")
    return Row(entry["method"], kind, entry["numbers"], missing, sources[entry["source"]])


def _report_rows(report: dict[str, Any], kind: str, *, ablation: bool) -> list[Row]:
    protocol, absent = report["protocol"], report["absent"]
    reasons = absent | {
        name: absent.get(
            measure,
            "no number: see `failures` and `warnings` of the file"
            if name in protocol["metrics"]
            else "not measured",
        )
        for name, measure in _MEASURE_OF.items()
    }
    counts = report["counts"]
    if counts.get(f"{kind}/without_answer") == counts[f"{kind}/pairs"]:
        answers = PIXEL_COLUMNS | READER_COLUMNS
        reasons |= dict.fromkeys(answers, "the pairs have no true answer")
    missing = {
        name: reasons.get(name, "the region is empty in every pair")
        for name in COLUMNS | OPEN_COLUMNS | PIXEL_COLUMNS
    }
    missing |= {name: reasons.get(name, "not measured") for name in READER_COLUMNS}
    where = report["dataset"]["name"]
    if specification := report["dataset"]["specification"]:
        where += f" {specification}"
    note = (
        f"run {protocol['run']}, step {protocol['step']}, {counts[f'{kind}/pairs']} pairs "
        f"(list {protocol['pairs']}) of {where}, {protocol['image_size']} pixels"
    )
    if not all(protocol["transfer"].values()):
        given = [name for name, on in protocol["transfer"].items() if on]
        note += f", {' and '.join(given) or 'nothing transferred'} alone"
    foreign = [
        one["file"]
        for one in report["weights"]
        if one["network"] == arcface.NETWORK and one["official"] != arcface.MS1MV3
    ]
    if foreign:
        note += f"; CSIM by {foreign[0]}, not comparable with the paper's"
    name = ablation_name(report)
    ours = ablation and name != OTHER_CODE
    methods = {name + " (ours)" if ours else f"{protocol['run']} ({name})": report["metrics"]}
    if not ablation:
        methods |= {f"{base} ({protocol['run']})": n for base, n in report["baselines"].items()}
    pairs = protocol["pairs"], report["dataset"]["specification"], protocol["image_size"]
    return [
        Row(
            method,
            kind,
            {k.split("/")[1]: v for k, v in numbers.items() if k.startswith(f"{kind}/")},
            missing,
            note,
            (baseline, *pairs) if (baseline := method.split(" (")[0]) in BASELINES else (),
        )
        for method, numbers in methods.items()
    ]


# Metric -> the measure that makes it, where the names differ.
_MEASURE_OF = {
    "csim": "csim",
    "aed": "motion",
    "apd": "motion",
    "fid": "fid",
    "csim_dlib": "csim_dlib",
    "fd_dlib": "csim_dlib",
    "aed_open": "open_motion",
    "apd_open": "open_motion",
}


def _used(columns: dict[str, tuple[str, bool]], rows: list[Row]) -> dict[str, tuple[str, bool]]:
    """The columns in which some row has a number."""
    return {n: column for n, column in columns.items() if any(n in row.numbers for row in rows)}


def _markdown(rows: list[Row], columns: dict[str, tuple[str, bool]]) -> str:
    notes: dict[str, int] = {}

    def mark(note: str) -> str:
        return f"[{notes.setdefault(note, len(notes) + 1)}]"

    headings = [f"{title} {'↑' if more else '↓'}" for title, more in columns.values()]
    lines = ["| method | pairs | " + " | ".join(headings) + " |", "|---" * (len(columns) + 2) + "|"]
    for row in rows:
        cells = [
            f"{round(row.numbers[name], 9):.4g}"
            if name in row.numbers
            else f"- {mark(row.missing[name])}"
            for name in columns
        ]
        lines.append(f"| {row.name} {mark(row.note)} | {row.kind} | " + " | ".join(cells) + " |")
    footnotes = [f"[{number}] {note}." for note, number in notes.items()]
    return "\n".join(lines) + "\n\n" + "  \n".join(footnotes)
