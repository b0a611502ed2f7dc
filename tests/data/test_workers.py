"""Jobs over processes: results, errors, the death of a worker and of the parent."""

import os
import signal
import subprocess
import sys
import time

import pytest

from reenact_jax.data import workers
from reenact_jax.data.workers import advance, run_jobs
from reenact_jax.errors import UserError


def square(number):
    if number == 3:
        raise UserError("three is bad")
    return number**2


@pytest.mark.parametrize("num_workers", [1, 2])
def test_every_job_is_done_and_an_error_stops_only_its_own(num_workers):
    results = dict(run_jobs(square, range(6), num_workers=num_workers, progress=False))
    error = results.pop(3)
    assert isinstance(error, UserError) and str(error) == "three is bad"
    assert results == {0: 0, 1: 1, 2: 4, 4: 16, 5: 25}


def test_the_bar_counts_sizes(capsys):
    list(run_jobs(square, [1, 2], sizes=[10, 30], label="squares", unit="thing"))
    assert "squares: 100%" in (text := capsys.readouterr().err) and "40/40" in text


def two_steps(mark):
    advance(3)
    if mark is not None:  # the others see the bar before this job ends
        end = time.monotonic() + 60
        while not mark.exists() and time.monotonic() < end:
            time.sleep(0.02)
    advance(4)
    return 7


class Bar(list):
    """In place of tqdm: remembers where the bar stood, and what to do at 3, 13, 23, ..."""

    def __init__(self, at_three=lambda: None):
        super().__init__([0])
        self.at_three = at_three

    def __call__(self, **_):
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def update(self, amount):
        self.append(self[-1] + amount)
        if self[-1] % 10 == 3:
            self.at_three()


def test_the_bar_moves_while_a_job_runs_and_ends_at_its_size(monkeypatch):
    monkeypatch.setattr(workers, "tqdm", bar := Bar())
    assert dict(run_jobs(two_steps, [None], sizes=[10])) == {None: 7}
    assert bar == [0, 3, 7, 10]
    advance(5)  # outside of a job nothing happens
    assert bar[-1] == 10


def test_the_bar_moves_while_jobs_of_other_processes_run(monkeypatch, tmp_path):
    mark = tmp_path / "seen"
    monkeypatch.setattr(workers, "tqdm", bar := Bar(mark.touch))
    monkeypatch.setattr(workers, "_LOOK_SECONDS", 0.02)
    list(run_jobs(square_or_two_steps, [mark, 2], num_workers=2, sizes=[10, 30]))
    # The job of two steps went on because the bar was seen at 3 (or 33) before it ended.
    assert mark.exists() and bar[-1] == 40


def square_or_two_steps(job):
    if isinstance(job, int):
        return square(job)
    return two_steps(job)


def test_no_workers_are_refused():
    with pytest.raises(UserError, match="expected at least one worker, found 0"):
        list(run_jobs(square, [1], num_workers=0))


def wait_for(condition):
    end = time.monotonic() + 300
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def cores_of_worker(mark):
    mark.touch()
    wait_for(lambda: len(list(mark.parent.iterdir())) == 2)  # the other worker has the other job
    return os.sched_getaffinity(0)


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="needs Linux")
def test_workers_share_the_cores(tmp_path):
    before = os.sched_getaffinity(0)
    if len(before) < 2:
        pytest.skip("one core cannot be shared")
    marks = [tmp_path / "a", tmp_path / "b"]
    results = dict(run_jobs(cores_of_worker, marks, num_workers=2, progress=False))
    assert set.union(*results.values()) == before == os.sched_getaffinity(0)
    assert len({frozenset(cores) for cores in results.values()}) == 2


SCRIPT = """
import os, signal, sys, time
from pathlib import Path

def job(name):
    if name == "dies":
        os._exit(1)
    Path(name).write_text(str(os.getpid()))
    time.sleep(1000)

if __name__ == "__main__":
    # A shell starts background jobs with SIGINT ignored, and children inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    from reenact_jax.data.workers import run_jobs
    from reenact_jax.errors import run_command
    run_command(lambda: list(run_jobs(job, sys.argv[1:], num_workers=2, progress=False)))
"""


def start(tmp_path, *jobs):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([os.getcwd(), *sys.path])}
    return subprocess.Popen(
        [sys.executable, script, *map(str, jobs)],
        env=environment,
        stderr=subprocess.PIPE,
    )


def is_running(pid):
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="needs /proc")
@pytest.mark.parametrize("how, status", [(signal.SIGKILL, -9), (signal.SIGINT, 130)])
def test_workers_end_with_their_parent(tmp_path, how, status):
    marks = [tmp_path / "a", tmp_path / "b"]
    parent = start(tmp_path, *marks)
    wait_for(lambda: all(mark.exists() and mark.read_text() for mark in marks))
    pids = [int(mark.read_text()) for mark in marks]
    parent.send_signal(how)
    assert parent.wait(timeout=300) == status
    wait_for(lambda: not any(is_running(pid) for pid in pids))


def test_a_worker_that_dies_is_one_message(tmp_path):
    parent = start(tmp_path, "dies", tmp_path / "a")
    _, message = parent.communicate(timeout=300)
    assert parent.returncode == 1
    assert message.decode().startswith(
        "error: a worker process died; the usual cause is too little"
    )
