"""The run's metrics: means since the last line, and lines of JSON that restarts do not change."""

import json
from collections.abc import Sequence
from pathlib import Path

import jax
import numpy as np
from clu import metrics as clu_metrics

from reenact_jax.files import write_text


class RunningMeans:
    """Metrics of all steps since the last line, merged. A checkpoint keeps them exactly."""

    def __init__(self, stored: Sequence[float] = ()):
        """Starts empty, or where `state` was taken."""
        self._stored = list(stored)
        self._merged: clu_metrics.Collection | None = None

    def add(self, step_metrics: clu_metrics.Collection) -> None:
        """Adds what one step computed; does not wait for it."""
        if self._stored:
            leaves, structure = jax.tree.flatten(step_metrics)
            pairs = zip(self._stored, leaves, strict=True)
            # Through float64 and back: exact for float32 and for counts.
            restored = [np.asarray(number, leaf.dtype) for number, leaf in pairs]
            self._merged, self._stored = jax.tree.unflatten(structure, restored), []
        merged = self._merged
        self._merged = step_metrics if merged is None else merged.merge(step_metrics)

    def take(self) -> dict[str, float]:
        """The means; begins anew."""
        values = {name: float(value) for name, value in self._merged.compute().items()}
        self._merged = None
        return values

    def state(self) -> list[float]:
        """What to store beside a checkpoint; fit for JSON."""
        if self._merged is None:
            return self._stored
        return [float(leaf) for leaf in jax.device_get(jax.tree.leaves(self._merged))]


class MetricsLog:
    """One JSON line per log step.

    After a restart the lines behind the restored step are dropped, so the file reads as if the run
    had never stopped.
    """

    def __init__(self, path: Path, *, start_step: int):
        self._path = path
        self.records = [r for r in read_records(path) if r["step"] <= start_step]
        write_text(path, "".join(json.dumps(record) + "\n" for record in self.records))

    def append(self, record: dict[str, float]) -> None:
        """Adds one line; `record` holds `step` and numbers."""
        self.records.append(record)
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
