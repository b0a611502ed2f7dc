"""The run's metrics as JSON lines, exact across restarts."""

import json
from pathlib import Path

from reenact_jax.files import write_text


class MetricsLog:
    """`metrics.jsonl`: one line per log step.

    After a restart the lines behind the restored step are dropped, so the file reads as if the run
    had never stopped. Only one process of a run writes (`enabled`).
    """

    def __init__(self, path: Path, *, start_step: int, enabled: bool = True):
        self._path = path
        self._enabled = enabled
        self.records = [r for r in read_records(path) if r["step"] <= start_step]
        if enabled:
            write_text(path, "".join(json.dumps(record) + "\n" for record in self.records))

    def append(self, record: dict[str, float]) -> None:
        """Adds one line; `record` holds `step` and numbers."""
        self.records.append(record)
        if not self._enabled:
            return
        with self._path.open("a") as file:
            file.write(json.dumps(record) + "\n")


def read_records(path: Path) -> list[dict[str, float]]:
    """JSON lines -> records. A last line cut short by a kill is left out."""
    if not path.is_file():
        return []
    records = []
    for line in path.read_text().splitlines():
        try:
            records.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return records
