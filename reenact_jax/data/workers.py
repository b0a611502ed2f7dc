"""Independent jobs over the processes of one machine.

A job is a plain function of one argument that writes its result whole or not at all and returns at
once when the result is already there. Then nothing else is needed to stop at any moment and go on
later: Ctrl-C, and the death of this process by any means, ends the workers; the same call finishes
what is left.
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import Connection
from typing import TypeVar

from tqdm import tqdm

from reenact_jax.errors import UserError

Job = TypeVar("Job")
Result = TypeVar("Result")


def run_jobs(
    function: Callable[[Job], Result],
    jobs: Sequence[Job],
    *,
    num_workers: int = 1,
    label: str = "",
    unit: str = "job",
    sizes: Sequence[float] | None = None,
    progress: bool = True,
) -> Iterator[tuple[Job, Result | UserError]]:
    """Runs all jobs and yields each as it ends, under a bar with progress and the time left.

    Args:
      function: of one job; a function of a module, so that a new process can import it. What it
        needs for many jobs (a model, a landmarker) it keeps in a `functools.cache`.
      jobs: picklable.
      num_workers: processes; with 1 the jobs run here, one after the other. They are started afresh
        ("spawn"), so a script that calls this has `if __name__ == "__main__"`.
      label, unit: of the bar.
      sizes: how much each job adds to the bar; 1 where not given.
      progress: whether to show the bar.

    Yields:
      (job, what the function returned, or its UserError), in the order in which they end. A
      UserError does not stop the others; any other exception does.

    Raises:
      UserError: if a worker died, which happens when memory runs out.
    """
    if num_workers < 1:
        raise UserError(f"expected at least one worker, found {num_workers}")
    sizes = [1] * len(jobs) if sizes is None else sizes
    ended = (
        _one_after_the_other(function, jobs)
        if num_workers == 1 or len(jobs) < 2
        else _in_processes(function, jobs, min(num_workers, len(jobs)))
    )
    with tqdm(total=sum(sizes), desc=label, unit=unit, disable=not progress) as bar:
        for number, result in ended:
            bar.update(sizes[number])
            yield jobs[number], result


def _one_after_the_other(function: Callable, jobs: Sequence) -> Iterator[tuple[int, object]]:
    for number, job in enumerate(jobs):
        yield number, _call(function, job)


def _in_processes(
    function: Callable, jobs: Sequence, num_workers: int
) -> Iterator[tuple[int, object]]:
    context = multiprocessing.get_context("spawn")
    # The workers hold the reading end alone. It ends when this process closes the other end or is
    # gone, whatever ended it.
    reading, writing = context.Pipe(duplex=False)
    executor = ProcessPoolExecutor(
        num_workers,
        mp_context=context,
        initializer=_start_worker,
        initargs=(reading, context.Value("i", 0), num_workers),
    )
    try:
        futures = {executor.submit(_call, function, job): i for i, job in enumerate(jobs)}
        # The executor starts a process at a submission and looks for dead ones from the next on.
        executor.submit(os.getpid)
        for future in as_completed(futures):
            yield futures[future], future.result()
    except BrokenProcessPool as err:
        raise UserError(
            "a worker process died; the usual cause is too little memory: run it again with fewer "
            "workers (what is finished is kept)"
        ) from err
    finally:
        writing.close()
        executor.shutdown(wait=True, cancel_futures=True)


def _call(function: Callable[[Job], Result], job: Job) -> Result | UserError:
    try:
        return function(job)
    except UserError as err:
        return err


def _start_worker(lifeline: Connection, started, num_workers: int) -> None:
    with started.get_lock():
        number = started.value
        started.value += 1
    if hasattr(os, "sched_setaffinity"):
        # Each has its own cores, so that libraries make no more threads than these can run: with a
        # worker on every core, preparing a clip takes half of the processor time.
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, cores[number % len(cores) :: num_workers])
    # Ctrl-C reaches every process of the terminal; the parent decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_die_with_parent, args=(lifeline,), daemon=True).start()


def _die_with_parent(lifeline: Connection) -> None:
    try:
        lifeline.recv_bytes()
    except EOFError:
        pass
    # No farewell: a job may be in the middle of C code. Its result is whole or absent.
    os._exit(1)
