"""Independent jobs over the processes of one machine.

A job is a plain function of one argument that writes its result whole or not at all and returns at
once when the result is already there. Then nothing else is needed to stop at any moment and go on
later: Ctrl-C, and the death of this process by any means, ends the workers; the same call finishes
what is left.
"""

import functools
import multiprocessing
import os
import queue
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import Connection
from typing import TypeVar

from tqdm import tqdm

from reenact_jax.errors import UserError

Job = TypeVar("Job")
Result = TypeVar("Result")

# Seconds between two looks at how far the jobs of other processes are.
_LOOK_SECONDS = 0.5

# What `advance` has said of the job that runs in this process, and whom it tells.
_said = 0
_tell: Callable[[int], object] | None = None


def advance(amount: int) -> None:
    """Called by a job: moves the bar of `run_jobs` before the job ends.

    Args:
      amount: how much more of the job's size is done. When the job has ended, the bar stands at
        its whole size, whatever it said.
    """
    global _said
    if _tell is not None:
        _said += amount
        _tell(amount)


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
      sizes: how much each job adds to the bar; 1 where not given. Of long jobs the bar shows what
        they say to `advance`.
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
    with tqdm(total=sum(sizes), desc=label, unit=unit, disable=not progress) as bar:
        ended = (
            _one_after_the_other(function, jobs, bar.update)
            if num_workers == 1 or len(jobs) < 2
            else _in_processes(function, jobs, min(num_workers, len(jobs)), bar.update)
        )
        for number, result, said in ended:
            bar.update(sizes[number] - said)
            yield jobs[number], result


def _one_after_the_other(
    function: Callable, jobs: Sequence, update: Callable[[int], object]
) -> Iterator[tuple[int, object, int]]:
    for number, job in enumerate(jobs):
        yield number, *_call(function, job, update)


def _in_processes(
    function: Callable, jobs: Sequence, num_workers: int, update: Callable[[int], object]
) -> Iterator[tuple[int, object, int]]:
    context = multiprocessing.get_context("spawn")
    # The workers hold the reading end alone. It ends when this process closes the other end or is
    # gone, whatever ended it.
    reading, writing = context.Pipe(duplex=False)
    meter, shown = context.Value("q", 0), 0
    executor = ProcessPoolExecutor(
        num_workers,
        mp_context=context,
        initializer=_start_worker,
        initargs=(reading, context.Value("i", 0), num_workers, meter),
    )
    ended: queue.SimpleQueue[tuple[int, Future]] = queue.SimpleQueue()
    try:
        for number, job in enumerate(jobs):
            future = executor.submit(_call, function, job)
            future.add_done_callback(functools.partial(_put, ended, number))
        # The executor starts a process at a submission and looks for dead ones from the next on.
        executor.submit(os.getpid)
        left = len(jobs)
        while left:
            try:
                number, future = ended.get(timeout=_LOOK_SECONDS)
            except queue.Empty:
                future = None
            now = meter.get_obj().value  # without the lock, which a dead worker may hold
            update(now - shown)
            shown = now
            if future is not None:
                left -= 1
                yield number, *future.result()
    except BrokenProcessPool as err:
        raise UserError(
            "a worker process died; the usual cause is too little memory: run it again with fewer "
            "workers (what is finished is kept)"
        ) from err
    finally:
        writing.close()
        executor.shutdown(wait=True, cancel_futures=True)


def _put(ended: queue.SimpleQueue, number: int, future: Future) -> None:
    ended.put((number, future))


def _call(
    function: Callable[[Job], Result], job: Job, tell: Callable[[int], object] | None = None
) -> tuple[Result | UserError, int]:
    """Result of a job, or its UserError, and what it has said to `advance`.

    `tell` is what `advance` tells; None in a worker, which knows since its start.
    """
    global _said, _tell
    before = _said, _tell
    _said, _tell = 0, tell or _tell
    try:
        try:
            return function(job), _said
        except UserError as err:
            return err, _said
    finally:
        _said, _tell = before


def _add(meter, amount: int) -> None:
    with meter.get_lock():
        meter.value += amount


def _start_worker(lifeline: Connection, started, num_workers: int, meter) -> None:
    global _tell
    _tell = functools.partial(_add, meter)
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
