"""Where a run starts: at the beginning, or at its newest readable checkpoint."""

import logging
from typing import Any

import jax

from reenact_jax.checkpoint import Checkpoints, UnreadableCheckpoint
from reenact_jax.training import hosts
from reenact_jax.training.log import RunningMeans
from reenact_jax.training.state import TrainState

logger = logging.getLogger(__name__)


def newest_state(
    checkpoints: Checkpoints, state: TrainState
) -> tuple[TrainState, dict[str, Any] | None]:
    """The state to go on from.

    A newest checkpoint that cannot be read is moved aside by the process that writes, and the one
    before is taken; the run then repeats the steps between them, with the same result.

    Args:
      checkpoints: of the run.
      state: the state before the first step, leaves of the host.

    Returns:
      The state, and what `stored_progress` gave; None for a new run.

    Raises:
      UserError: if no checkpoint can be read, or they are of another network.
    """
    step, restored = None, None
    if hosts.is_writer():
        step, restored = _newest_readable(checkpoints, state)
    step = hosts.writers_choice(step)
    if step is None:
        return state, None
    if restored is None:
        checkpoints.reload()
        restored = checkpoints.restore(**state.checkpoint_items(), step=step)
    params, optimizer, progress = restored
    devices = progress["num_devices"]
    if devices != jax.device_count():
        logger.info(
            "going on with %d devices instead of %d: same pairs, same global batch; the sums are "
            "rounded in another order",
            jax.device_count(),
            devices,
        )
    return TrainState.from_checkpoint_items(params, optimizer), progress


def stored_progress(position: dict[str, Any], means: RunningMeans) -> dict[str, Any]:
    """What a checkpoint keeps beside the state, fit for JSON.

    `data` is the position in the data, `means` the metrics since the last log line.
    """
    return {"data": position, "means": means.state(), "num_devices": jax.device_count()}


def _newest_readable(checkpoints: Checkpoints, state: TrainState) -> tuple[int | None, Any]:
    unreadable: list[tuple[int, UnreadableCheckpoint]] = []
    for step in reversed(checkpoints.steps):
        try:
            restored = checkpoints.restore(**state.checkpoint_items(), step=step)
        except UnreadableCheckpoint as error:
            unreadable.append((step, error))
            continue
        for bad, error in unreadable:
            logger.warning("%s", error)
            logger.warning("moved to %s; going on after step %d", checkpoints.set_aside(bad), step)
        return step, restored
    if unreadable:  # all of them: more likely a mistake than damage, so nothing is moved
        raise unreadable[0][1]
    return None, None
