"""Several processes of one run: how they find each other, and what they agree on.

Every process runs the same loop on its own devices and its own rows of each batch. Process 0 alone
writes the run's folder; all of them read it, so it must lie where every host sees it.
"""

from pathlib import Path

import jax
import numpy as np
from jax.experimental import multihost_utils

from reenact_jax.errors import UserError

# Seconds until processes that never came, or that stopped answering, are given up.
_START_TIMEOUT = 300
_HEARTBEAT_TIMEOUT = 100


def join(
    coordinator: str | None = None, num_processes: int | None = None, process_id: int | None = None
) -> None:
    """Joins the other processes of the run. Must come before anything else uses JAX.

    Args:
      coordinator: HOST:PORT that process 0 listens on; None = everything is found out from the
        cluster (SLURM, Open MPI, Kubernetes and what else `jax.distributed.initialize` knows).
      num_processes: how many processes there are.
      process_id: which one this is, from 0.

    Raises:
      UserError: if the numbers do not fit together, or the others are not found.
    """
    if coordinator is None and (num_processes is not None or process_id is not None):
        raise UserError("--num_processes and --process_id: expected --coordinator HOST:PORT too")
    if coordinator is not None:
        if ":" not in coordinator:
            raise UserError(f"--coordinator: expected HOST:PORT, found {coordinator!r}")
        if num_processes is None or process_id is None:
            raise UserError("--coordinator: expected --num_processes and --process_id too")
        if not 0 <= process_id < num_processes:
            raise UserError(
                f"--process_id: expected 0 to {num_processes - 1} (--num_processes - 1), found "
                f"{process_id}"
            )
    try:
        jax.distributed.initialize(
            coordinator,
            num_processes,
            process_id,
            initialization_timeout=_START_TIMEOUT,
            heartbeat_timeout_seconds=_HEARTBEAT_TIMEOUT,
        )
    except (ValueError, RuntimeError) as error:
        where = coordinator or "a cluster that jax.distributed knows (SLURM, Open MPI, ...)"
        raise UserError(
            f"the processes of the run did not find each other ({error}): expected {where}; "
            "docs/training.md says how several processes are started"
        ) from error


def is_writer() -> bool:
    """Whether this process writes the run's folder."""
    return jax.process_index() == 0


def writers_choice(number: int | None) -> int | None:
    """The number that process 0 gives, in every process; >= 0 or None."""
    if jax.process_count() == 1:
        return number
    sent = multihost_utils.broadcast_one_to_all(np.int32(-1 if number is None else number))
    return None if int(sent) < 0 else int(sent)


def check_shared_folder(folder: Path) -> None:
    """Waits until process 0 has made the run's folder, and looks whether every process sees it.

    Raises:
      UserError: in every process, if one does not.
    """
    if jax.process_count() == 1:
        return
    multihost_utils.sync_global_devices(f"folder {folder}")
    sees = multihost_utils.process_allgather(np.int32(folder.is_dir()))
    if not sees.all():
        blind = ", ".join(str(index) for index in np.flatnonzero(sees == 0))
        raise UserError(
            f"expected {folder} on a file system that all processes share; found that processes "
            f"{blind} do not see it: choose another --workdir"
        )


def stop_is_agreed(step: int) -> bool:
    """Whether all processes are to stop after `step`, because one of them got SIGTERM.

    JAX's preemption service chooses a step that none has passed. Called after every step.
    """
    return multihost_utils.reached_preemption_sync_point(step)
