"""What the loop watches about itself: time spent waiting for data, and numbers gone wrong."""

import contextlib
import io
import logging
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import jax
import numpy as np

from reenact_jax.errors import UserError
from reenact_jax.files import write_bytes

logger = logging.getLogger(__name__)

STALL_SECONDS = 60.0


class DataWait:
    """How long the loop waits for data; a wait that does not end is named.

    A context manager: while it is open, a thread looks at the clock.
    """

    def __init__(self, source: str, stall_seconds: float = STALL_SECONDS):
        """Watches the waits for batches of `source`, which the warning names."""
        self._source = source
        self._stall_seconds = stall_seconds
        self._window_start = time.monotonic()
        self._waited = 0.0
        self._step = 0
        self._since: float | None = None
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> "DataWait":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        self._thread.join()

    @contextlib.contextmanager
    def waiting(self, step: int) -> Iterator[None]:
        """Around the wait for the batch of a step."""
        self._step, self._since = step, time.monotonic()
        try:
            yield
        finally:
            self._waited += time.monotonic() - self._since
            self._since = None

    def share(self) -> float:
        """Share of the time since the last call that was spent waiting, in [0, 1]."""
        now = time.monotonic()
        share = self._waited / max(now - self._window_start, 1e-9)
        self._window_start, self._waited = now, 0.0
        return min(share, 1.0)

    def _look(self) -> None:
        warned_at = 0.0
        while not self._closed.wait(self._stall_seconds / 10):
            since, now = self._since, time.monotonic()
            if since is None or now - max(since, warned_at) < self._stall_seconds:
                continue
            warned_at = now
            logger.warning(
                "no batch for %.0f s: step %d waits for data from %s; is its disk slow or gone? "
                "(Ctrl-C saves and ends the run)",
                now - since,
                self._step,
                self._source,
            )


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
