"""What the loop watches about itself: time spent waiting for data, and numbers gone wrong."""

import contextlib
import io
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import jax
import numpy as np

from reenact_jax.errors import UserError
from reenact_jax.files import write_bytes


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


class FiniteWatch:
    """Finds the step at which a run's numbers went wrong, without waiting for each step.

    The numbers stay on the device until `check`.
    """

    def __init__(self):
        self._steps: list[tuple[int, tuple[jax.Array, ...]]] = []

    def add(self, step: int, *numbers: jax.Array) -> None:
        """Remembers what step number `step` computed."""
        self._steps.append((step, numbers))

    def check(self, batch_of: Callable[[int], dict], workdir: Path) -> None:
        """Looks at everything since the last call.

        Args:
          batch_of: step -> the batch that it was given.
          workdir: where the batch of the first wrong step is kept.

        Raises:
          UserError: names that step and the batch's file.
        """
        steps, self._steps = jax.device_get(self._steps), []
        for step, numbers in steps:
            if not np.isfinite(numbers).all():
                path = workdir / f"batch_of_step_{step}_host_{jax.process_index()}.npz"
                leaves = jax.tree_util.tree_flatten_with_path(batch_of(step))[0]
                buffer = io.BytesIO()
                np.savez(buffer, **{jax.tree_util.keystr(key): leaf for key, leaf in leaves})
                write_bytes(path, buffer.getvalue())
                raise UserError(
                    f"the loss or its gradient is not finite at step {step}: its batch is in "
                    f"{path}, and the newest checkpoint is from before; look at the batch, or "
                    "lower train.learning_rate and start again in another --workdir"
                )
