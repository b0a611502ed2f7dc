"""Two runs that signals stop, in a process of their own: a signal must not reach pytest.

`python -m tests.helpers.stopped_runs FOLDER` trains FOLDER/config.json in FOLDER/terminated, which
gets SIGTERM while it is busy with its second step, and in FOLDER/interrupted, whose fourth batch
never comes and which gets SIGINT while it waits. Ends with 0 if both stop as they should.
"""

import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from unittest import mock

from reenact_jax.config import from_json
from reenact_jax.data.pipeline import TrainBatches
from reenact_jax.training import loop, parallel

SIGNALS = (signal.SIGTERM, signal.SIGINT)


def before_call(
    number: int, owner: object, name: str, action: Callable[[], None]
) -> AbstractContextManager:
    """Within it, call `number` (from 1) of `owner.name` begins with `action`."""
    count, original = iter(range(1, 10**6)), getattr(owner, name)

    def call(*args):
        if next(count) == number:
            action()
        return original(*args)

    return mock.patch.object(owner, name, call)


def send(number: signal.Signals) -> None:
    os.kill(os.getpid(), number)


def hang() -> None:
    send(signal.SIGINT)
    time.sleep(10**6)


def main(folder: Path) -> None:
    # Anew: what has been imported has its own handler, which drops these lines.
    logging.basicConfig(level=logging.INFO, force=True)
    config = from_json(folder / "config.json")
    before = [signal.getsignal(number) for number in SIGNALS]
    with before_call(2, parallel, "shard", lambda: send(signal.SIGTERM)):
        state = loop.train(config, folder / "terminated")
    assert state.step == 2
    try:
        with before_call(4, TrainBatches, "__next__", hang):
            loop.train(config, folder / "interrupted")
    except KeyboardInterrupt:
        pass
    else:
        sys.exit("expected a KeyboardInterrupt after SIGINT")
    assert [signal.getsignal(number) for number in SIGNALS] == before


if __name__ == "__main__":
    main(Path(sys.argv[1]))
