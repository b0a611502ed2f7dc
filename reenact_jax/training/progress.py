"""How far a run is, on the terminal: rate, time left, share of the time spent waiting for data."""

import datetime
import logging
import sys
import time

from tqdm import tqdm

logger = logging.getLogger(__name__)


class Progress:
    """A bar on a terminal; elsewhere (a batch job's output) one line per log step."""

    def __init__(self, name: str, start_step: int, num_train_steps: int, *, enabled: bool):
        self._num_train_steps = num_train_steps
        self._lines = enabled and not sys.stderr.isatty()
        self._bar = tqdm(
            desc=f"train {name}",
            initial=start_step,
            total=num_train_steps,
            unit="step",
            disable=not enabled or self._lines,
        )
        self._step = start_step
        # Where the clock started. Not before the first step: that one waits for the compiler.
        self._counted_from: tuple[int, float] | None = None

    def advance(self) -> None:
        """One step more has been started."""
        self._step += 1
        self._bar.update()
        if self._counted_from is None:
            self._counted_from = self._step, time.monotonic()

    def log(self, loss: float, data_wait: float) -> float:
        """Shows where the run is.

        Args:
          loss: mean since the last call.
          data_wait: share of the time that was spent waiting for data, in [0, 1].

        Returns:
          Steps per second since the last call; 0 where none was made.
        """
        step, start = self._counted_from or (self._step, time.monotonic())
        rate = (self._step - step) / max(time.monotonic() - start, 1e-9)
        self._bar.set_postfix(loss=f"{loss:.4g}", data_wait=f"{data_wait:.0%}")
        if self._lines:
            left = "?"
            if rate:
                seconds = round((self._num_train_steps - self._step) / rate)
                left = str(datetime.timedelta(seconds=seconds))
            logger.info(
                "step %d of %d  loss %.4g  %.2f steps/s  %s left  %.0f%% waiting for data",
                self._step,
                self._num_train_steps,
                loss,
                rate,
                left,
                100 * data_wait,
            )
        self._counted_from = self._step, time.monotonic()
        return rate

    def close(self) -> None:
        self._bar.close()
