"""The numbers of a report for the terminal."""

from typing import Any

from reenact_jax.evaluation.pair_table import MODEL


def table(report: dict[str, Any]) -> str:
    """A Markdown table, one row a metric, one column a method; the model with its interval."""
    methods = {MODEL: report["metrics"]} | report["baselines"]
    names = list(dict.fromkeys(name for numbers in methods.values() for name in numbers))
    lines = ["| | " + " | ".join(methods) + " |", "|---" * (len(methods) + 1) + "|"]
    for name in names:
        cells = [f"{numbers[name]:.4g}" if name in numbers else "-" for numbers in methods.values()]
        if name in report["intervals"][MODEL]:
            low, high = report["intervals"][MODEL][name]
            cells[0] += f" [{low:.4g}, {high:.4g}]"
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)
