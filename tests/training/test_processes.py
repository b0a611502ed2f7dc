"""One run on several devices and in several processes, by the documented command."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np
import pytest

from reenact_jax.checkpoint import Checkpoints
from reenact_jax.config import from_json
from reenact_jax.errors import UserError
from reenact_jax.inference.run import load_run
from reenact_jax.training import hosts
from reenact_jax.training.log import read_records
from tests.helpers.tiny import SMALL, SYNTHETIC, overrides

REPOSITORY = Path(__file__).parents[2]

# Seven steps: the cadences divide neither them nor each other. The paper's learning rate: with a
# larger one Adam, which divides gradients by their size, makes steps out of rounding.
RUN = {
    "train.num_epochs": 7,
    "train.learning_rate": 1e-4,
    "train.decayed_learning_rate": 1e-5,
    "train.log_every_steps": 2,
    "train.checkpoint_every_steps": 3,
    "train.sample_every_steps": 5,
}


def start(world, workdir, *more, devices, changes=None):
    """python -m reenact_jax.train --config configs/vox.py, made small, in a process of its own."""
    values = SMALL | SYNTHETIC | RUN | {"data.data_dir": world / "data"} | (changes or {})
    arguments = ["-m", "reenact_jax.train", "--config", REPOSITORY / "configs" / "vox.py"]
    arguments += ["--workdir", workdir, *more, *overrides(values)]
    workdir.mkdir(exist_ok=True)
    return subprocess.Popen(
        [sys.executable, *map(str, arguments)],
        cwd=REPOSITORY,
        env=os.environ | {"JAX_NUM_CPU_DEVICES": str(devices)},
        stderr=subprocess.PIPE,
        text=True,
    )


def start_two(world, workdir, **options):
    """Two processes with two devices each."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    together = ("--coordinator", f"localhost:{port}", "--num_processes", 2, "--process_id")
    return [start(world, workdir, *together, i, devices=2, **options) for i in range(2)]


def finish(*processes):
    """Waits; returns what each one said."""
    said = [process.communicate(timeout=900)[1] for process in processes]
    for process, text in zip(processes, said, strict=True):
        assert process.returncode == 0, text
    return said


@pytest.fixture(scope="module")
def runs(tiny_world, tmp_path_factory):
    """Name -> folder of the same run on 1, 2 and 4 devices and in 2 processes."""
    root = tmp_path_factory.mktemp("runs")
    folders = {name: root / name for name in ("1", "2", "4", "2x2")}
    for name in ("1", "2", "4"):
        finish(start(tiny_world, folders[name], devices=int(name)))
    finish(*start_two(tiny_world, folders["2x2"]))
    return folders


@pytest.mark.slow
@pytest.mark.parametrize("name", ["2", "4", "2x2"])
def test_devices_and_processes_do_not_change_the_losses(name, runs):
    expected = read_records(runs["1"] / "metrics.jsonl")
    found = read_records(runs[name] / "metrics.jsonl")
    assert [record["step"] for record in found] == [2, 4, 6, 7]
    for key in ("loss", "loss_multi_scale_l1", "learning_rate"):
        values, others = ([r[key] for r in records] for records in (found, expected))
        np.testing.assert_allclose(values, others, rtol=1e-5)
    scores = [read_records(runs[n] / "scores.jsonl") for n in (name, "1")]
    assert [record["step"] for record in scores[0]] == [5, 7]
    np.testing.assert_allclose(scores[0][1]["psnr"], scores[1][1]["psnr"], rtol=1e-4)


@pytest.mark.slow
def test_two_processes_write_one_run(runs):
    """The files of one process, none twice; every reader can use them."""
    names, others = (
        sorted(path.name for path in runs[name].iterdir() if path.is_file())
        for name in ("2x2", "4")
    )
    assert names == others
    with Checkpoints(runs["2x2"] / "checkpoints") as checkpoints:
        assert checkpoints.steps == [5, 6, 7]
        assert checkpoints.best_step in (5, 7)
    run = load_run(from_json(runs["2x2"] / "config.json"), runs["2x2"])
    other = load_run(from_json(runs["4"] / "config.json"), runs["4"])
    assert run.step == other.step == 7
    # Rounding can turn a whole step of Adam around where a gradient is nearly zero.
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=0, atol=2 * 4e-4),
        run.params,
        other.params,
    )


@pytest.mark.slow
def test_sigterm_to_one_process_stops_both_and_one_device_goes_on(runs, tiny_world, tmp_path):
    processes = start_two(tiny_world, tmp_path, changes={"train.num_epochs": 400})
    while len(read_records(tmp_path / "metrics.jsonl")) < 5:
        assert all(process.poll() is None for process in processes)
        time.sleep(0.01)
    processes[1].send_signal(signal.SIGTERM)
    said = finish(*processes)
    stops = [text[text.index("stopped after step") :].split(";")[0] for text in said]
    assert stops[0] == stops[1]
    with Checkpoints(tmp_path / "checkpoints") as checkpoints:
        step = checkpoints.latest_step
    assert stops[0] == f"stopped after step {step}" and 10 <= step < 400
    text = finish(start(tiny_world, tmp_path, devices=1, changes={"train.num_epochs": step + 1}))
    assert "going on with 1 devices instead of 4" in text[0]
    losses = {r["step"]: r["loss"] for r in read_records(tmp_path / "metrics.jsonl")}
    expected = {r["step"]: r["loss"] for r in read_records(runs["1"] / "metrics.jsonl")}
    np.testing.assert_allclose([losses[s] for s in (2, 4)], [expected[s] for s in (2, 4)], 1e-5)
    assert losses[step + 1] < losses[2]


@pytest.mark.parametrize(
    "arguments, message",
    [
        ((None, 2, 0), "expected --coordinator HOST:PORT too"),
        (("localhost", 2, 0), "expected HOST:PORT, found 'localhost'"),
        (("localhost:1", 2, None), "expected --num_processes and --process_id too"),
        (("localhost:1", 2, 2), "expected 0 to 1 .*, found 2"),
    ],
)
def test_flags_that_do_not_fit_together_are_refused(arguments, message):
    with pytest.raises(UserError, match=message):
        hosts.join(*arguments)
