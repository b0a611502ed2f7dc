"""SIGTERM and Ctrl-C: the run saves a checkpoint after the step that it is in, and ends."""

import contextlib
import logging
import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType

import jax

from reenact_jax.training import hosts

logger = logging.getLogger(__name__)


class Interrupted(Exception):
    """A signal came while there was nothing to do but wait."""


class StopRequest:
    """Whether someone wants the run to end.

    One process notes SIGTERM and SIGINT. Of several, all stop after the same step: JAX's preemption
    service takes SIGTERM and agrees with the others, and SIGINT is turned into SIGTERM. A second
    SIGINT ends the process at once.

    Attributes:
      signal: what came; None as long as nothing did.
      agreed: whether the run ends with the step that was asked about last.
    """

    def __init__(self):
        self.signal: signal.Signals | None = None
        self.agreed = False
        self._several = jax.process_count() > 1
        self._waiting = False
        self._before: dict[signal.Signals, object] = {}

    def __enter__(self) -> "StopRequest":
        # Python gives signals to the main thread alone.
        if threading.current_thread() is threading.main_thread():
            wanted = (signal.SIGINT,) if self._several else (signal.SIGINT, signal.SIGTERM)
            self._before = {number: signal.signal(number, self._note) for number in wanted}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def ask(self, step: int) -> None:
        """To be called after every step: decides whether it is the last one, see `agreed`."""
        if not self._several:
            self.agreed = self.signal is not None
        elif hosts.stop_is_agreed(step):
            self.agreed, self.signal = True, self.signal or signal.SIGTERM

    @contextlib.contextmanager
    def ends_waiting(self) -> Iterator[None]:
        """Within it, a signal raises Interrupted: between two steps, where nothing is half done."""
        if self.signal is not None and not self._several:
            raise Interrupted
        self._waiting = True
        try:
            yield
        finally:
            self._waiting = False

    def _note(self, number: int, frame: FrameType | None) -> None:
        del frame
        if self.signal is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.signal = signal.Signals(number)
        logger.info("%s: saving a checkpoint after this step", self.signal.name)
        if self._several:
            os.kill(os.getpid(), signal.SIGTERM)
        elif self._waiting:
            raise Interrupted
