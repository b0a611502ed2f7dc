"""A run is stopped, killed, starved or finds its folder damaged: what it says, and how it ends."""

import errno
import logging
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np
import pytest

from reenact_jax.checkpoint import Checkpoints
from reenact_jax.config import to_json
from reenact_jax.errors import UserError
from reenact_jax.files import write_text
from reenact_jax.training import loop, watch
from reenact_jax.training.fixed_pairs import Drawn
from reenact_jax.training.log import read_records
from reenact_jax.training.run_folder import RunFolder
from tests.helpers.tiny import tiny_config

REPOSITORY = Path(__file__).parents[2]


def steps_of(folder):
    return sorted(int(path.name) for path in (folder / "checkpoints").iterdir())


def assert_same_run(folder, other, state, other_state):
    """Bit for bit: the final state and everything written but the choice of checkpoints."""
    jax.tree.map(np.testing.assert_array_equal, state, other_state)
    names = sorted(
        str(path.relative_to(other))
        for path in other.rglob("*")
        if path.is_file() and "checkpoints" not in path.parts and path.suffix != ".png"
    )
    names += [f"samples/{path.name}" for path in (other / "samples").iterdir()]
    for name in names:
        assert (folder / name).read_bytes() == (other / name).read_bytes(), name


# A log line means three steps, and the run stops between two.
CADENCE = {"train__log_every_steps": 3, "train__checkpoint_every_steps": 4}


@pytest.fixture(scope="module")
def straight(tiny_world, tmp_path_factory):
    """Folder and final state of a run that nobody disturbed."""
    folder = tmp_path_factory.mktemp("straight")
    return folder, loop.train(tiny_config(tiny_world, **CADENCE), folder)


@pytest.fixture(scope="module")
def stopped(tiny_world, tmp_path_factory):
    """Folder of the runs `terminated` and `interrupted`, and what they said."""
    folder = tmp_path_factory.mktemp("stopped")
    write_text(folder / "config.json", to_json(tiny_config(tiny_world, **CADENCE)))
    done = subprocess.run(
        [sys.executable, "-m", "tests.helpers.stopped_runs", folder],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=3600,  # one that waits for ever
    )
    assert done.returncode == 0, done.stderr
    return folder, done.stderr


def test_sigterm_saves_and_the_run_goes_on_exactly(stopped, straight, tiny_world):
    folder, said = stopped[0] / "terminated", stopped[1]
    assert steps_of(folder) == [2]
    assert "SIGTERM: saving a checkpoint after this step" in said
    assert "stopped after step 2; the same command goes on" in said
    state = loop.train(tiny_config(tiny_world, **CADENCE), folder)
    assert_same_run(folder, straight[0], state, straight[1])


def test_ctrl_c_ends_a_wait_for_data(stopped, straight, tiny_world):
    """The fourth batch never comes. Three steps are made and saved."""
    folder, said = stopped[0] / "interrupted", stopped[1]
    assert steps_of(folder) == [3]
    assert "SIGINT: saving a checkpoint after this step" in said
    state = loop.train(tiny_config(tiny_world, **CADENCE), folder)
    assert_same_run(folder, straight[0], state, straight[1])


def test_a_damaged_newest_checkpoint_is_set_aside(tiny_run, tiny_world, tmp_path, caplog):
    shutil.copytree(tiny_run, tmp_path, dirs_exist_ok=True)
    for path in (tmp_path / "checkpoints" / "4" / "params").rglob("*"):
        if path.is_file():
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    config = tiny_config(tiny_world)
    state = loop.train(config, tmp_path)
    assert "checkpoints/4 cannot be read" in caplog.text
    assert f"moved to {tmp_path}/checkpoints_unreadable/4; going on after step 2" in caplog.text
    assert steps_of(tmp_path) == [2, 4]
    assert_same_run(tmp_path, tiny_run, state, loop.train(config, tiny_run))


def test_a_run_whose_only_checkpoint_is_damaged_stops(tiny_run, tiny_world, tmp_path):
    shutil.copytree(tiny_run, tmp_path, dirs_exist_ok=True)
    shutil.rmtree(tmp_path / "checkpoints" / "2")
    (tmp_path / "checkpoints" / "4" / "progress" / "metadata").write_text("{")
    with pytest.raises(UserError, match=r"checkpoints/4 cannot be read .*: there is no other one"):
        loop.train(tiny_config(tiny_world), tmp_path)
    assert steps_of(tmp_path) == [4]


def test_another_number_of_devices_is_named(tiny_run, tiny_world, tmp_path, caplog):
    shutil.copytree(tiny_run, tmp_path, dirs_exist_ok=True)
    progress = tmp_path / "checkpoints" / "4" / "progress" / "metadata"
    text = progress.read_text()
    assert '"num_devices": 4' in text
    progress.write_text(text.replace('"num_devices": 4', '"num_devices": 8'))
    with caplog.at_level(logging.INFO):
        loop.train(tiny_config(tiny_world), tmp_path)
    assert "going on with 4 devices instead of 8" in caplog.text


def test_a_full_disk_is_named(tiny_run, tiny_world, tmp_path):
    """/dev/full is a disk without room."""
    params = {"a": np.zeros(3, np.float32)}
    folder = RunFolder(tmp_path, tiny_config(tiny_world), params, start_step=0)
    for name in ("metrics.jsonl", "scores.jsonl"):
        (tmp_path / name).unlink()
        (tmp_path / name).symlink_to("/dev/full")
    message = f"cannot be written to .*{os.strerror(errno.ENOSPC)}.*make room there"
    with pytest.raises(UserError, match=message):
        folder.log(1, {"loss": 1.0}, {})
    drawn = Drawn(grid=np.zeros((8, 8, 3), np.uint8), maps={})
    with pytest.raises(UserError, match=message):
        folder.show(1, drawn, 20.0)


def test_a_data_stall_is_named(monkeypatch, caplog):
    """On a clock of its own: the watching thread looks at it every 5 ms."""
    clock = {"now": 100.0}
    monkeypatch.setattr(watch.time, "monotonic", lambda: clock["now"])

    def said(number):
        """Waits for so many messages, and for some more looks."""
        end = time.perf_counter() + 60
        while len(caplog.records) < number and time.perf_counter() < end:
            time.sleep(0.005)
        time.sleep(0.05)
        return [record.getMessage() for record in caplog.records]

    with watch.DataWait("talking_heads in data", stall_seconds=0.05) as wait:
        with wait.waiting(7):
            clock["now"] += 0.04
            assert said(0) == []
        clock["now"] += 0.02
        with wait.waiting(8):
            clock["now"] += 0.06
            messages = said(1)
            assert len(messages) == 1  # one per stall_seconds, not one per look at the clock
            clock["now"] += 0.06
            assert len(said(2)) == 2
        assert "step 8 waits for data from talking_heads in data" in messages[0]
        np.testing.assert_allclose(wait.share(), 0.16 / 0.18)


def start(folder):
    """Trains folder/config.json in folder, in a process of its own."""
    code = (
        "from pathlib import Path; from reenact_jax.config import from_json; "
        "from reenact_jax.training.loop import train; "
        "train(from_json(Path('config.json')), Path('.'))"
    )
    return subprocess.Popen([sys.executable, "-c", code], cwd=folder)


def kill(folder, num_records, *, while_saving, delay):
    """Starts, and sends SIGKILL when so many log lines are there."""
    process = start(folder)
    while len(read_records(folder / "metrics.jsonl")) < num_records or (
        while_saving and not [*folder.glob("checkpoints/*tmp*")]
    ):
        assert process.poll() is None
        time.sleep(0.002)
    time.sleep(delay)
    process.kill()
    process.wait()


@pytest.mark.slow
def test_a_run_killed_ten_times_ends_with_the_same_bits(tiny_world, tmp_path):
    """Half of the kills come while a checkpoint is being written."""
    num_steps, whole, killed = 120, tmp_path / "whole", tmp_path / "killed"
    cadences = {"log": 2, "checkpoint": 3, "sample": 20}
    changes = {f"train__{name}_every_steps": every for name, every in cadences.items()}
    config = tiny_config(tiny_world, train__num_epochs=num_steps, **changes)
    state = loop.train(config, whole)
    write_text(killed / "config.json", to_json(config))
    rng = np.random.default_rng(0)
    for number in range(10):
        records = len(read_records(killed / "metrics.jsonl")) + int(rng.integers(1, 4))
        kill(killed, records, while_saving=number % 2 == 0, delay=rng.uniform(0, 0.05))
    assert 10 < len(read_records(killed / "metrics.jsonl")) < num_steps // 2
    assert start(killed).wait() == 0
    assert_same_run(killed, whole, loop.train(config, killed), state)
    with Checkpoints(killed / "checkpoints") as one, Checkpoints(whole / "checkpoints") as other:
        assert (one.steps, one.best_step) == (other.steps, other.best_step)
    assert not [*killed.glob("checkpoints/*tmp*")]
