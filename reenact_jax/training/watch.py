"""What the loop watches about itself: time spent waiting for data, and numbers gone wrong."""

import contextlib
import math
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import jax
import numpy as np

from reenact_jax.errors import UserError


class DataWait:
    """Share of the time since construction that was spent waiting for data."""

    def __init__(self):
        self._start = time.monotonic()
        self._waited = 0.0

    @contextlib.contextmanager
    def waiting(self) -> Iterator[None]:
        before = time.monotonic()
        yield
        self._waited += time.monotonic() - before

    def share(self) -> str:
        elapsed = max(time.monotonic() - self._start, 1e-9)
        return f"{100 * self._waited / elapsed:.0f}%"


def check_finite(record: Mapping[str, float], batch: dict, log_every_steps: int, workdir: Path):
    """Stops a run whose numbers are no longer finite and keeps the batch at hand.

    Raises:
      UserError: names the steps in question and the file that the last batch was saved to.
    """
    wrong = [name for name, value in record.items() if not math.isfinite(value)]
    if not wrong:
        return
    step = int(record["step"])
    path = workdir / f"batch_at_step_{step}.npz"
    leaves = jax.tree_util.tree_flatten_with_path(batch)[0]
    np.savez(path, **{jax.tree_util.keystr(key): np.asarray(leaf) for key, leaf in leaves})
    raise UserError(
        f"{', '.join(wrong)} not finite between steps {max(1, step - log_every_steps + 1)} and "
        f"{step}: the batch of step {step} is in {path}; lower train.learning_rate or look at the "
        "data; the newest checkpoint is from before"
    )
