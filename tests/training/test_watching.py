"""What people see of a run: the terminal's lines, TensorBoard, the report."""

import importlib.util
import logging
import re

import numpy as np
import pytest

from reenact_jax.media import write_image
from reenact_jax.training import progress, run_folder
from reenact_jax.training.fixed_pairs import Drawn
from reenact_jax.training.log import RunningMeans
from reenact_jax.training.progress import Progress
from reenact_jax.training.report import write_report
from reenact_jax.training.run_folder import RunFolder
from reenact_jax.training.tensorboard import open_tensorboard
from reenact_jax.training.train_metrics import train_metrics
from tests.helpers.tiny import tiny_config

PARAMS = {"completion": {"kernel": np.zeros((2, 3), np.float32)}}
DRAWN = Drawn(
    grid=np.zeros((20, 30, 3), np.uint8),
    maps={name: np.zeros((4, 8, 8, 3), np.uint8) for name in ("flow", "mask_flow")},
)


def test_a_batch_jobs_output_shows_rate_time_left_and_data_wait(monkeypatch, caplog):
    clock = {"now": 100.0}
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock["now"])
    shown = Progress("tiny", 10, 110, enabled=True)
    with caplog.at_level(logging.INFO):
        clock["now"] += 300.0  # compiling
        shown.advance()
        for _ in range(20):
            clock["now"] += 0.5
            shown.advance()
        assert shown.log(1.25, 0.034) == pytest.approx(2.0)
    assert caplog.messages == [
        "step 31 of 110  loss 1.25  2.00 steps/s  0:00:40 left  3% waiting for data"
    ]
    shown.close()


class Recorder:
    """Takes what a clu MetricWriter takes."""

    def __init__(self):
        self.scalars, self.images, self.ended = {}, {}, []

    def write_scalars(self, step, scalars):
        self.scalars.setdefault(step, {}).update(scalars)

    def write_images(self, step, images):
        self.images.setdefault(step, {}).update(images)

    def flush(self):
        self.ended.append("flush")

    def close(self):
        self.ended.append("close")


def test_tensorboard_gets_scalars_grids_masks_and_flow(tmp_path, monkeypatch):
    recorder = Recorder()
    monkeypatch.setattr(run_folder, "open_tensorboard", lambda folder: recorder)
    folder = RunFolder(tmp_path, tiny_config(tmp_path), PARAMS, start_step=0)
    folder.log(2, {"loss": 1.5}, {"steps_per_second": 3.0})
    folder.show(4, DRAWN, 21.5)
    folder.close()
    assert recorder.scalars == {
        2: {"train/loss": 1.5, "timing/steps_per_second": 3.0},
        4: {"fixed_pairs/psnr": 21.5},
    }
    shapes = {name: images.shape for name, images in recorder.images[4].items()}
    assert shapes == {
        "samples/grid": (1, 20, 30, 3),
        "samples/flow": (4, 8, 8, 3),
        "samples/mask_flow": (4, 8, 8, 3),
    }
    assert recorder.ended == ["flush", "close"]


def test_event_files_can_be_read_back(tmp_path):
    if not all(map(importlib.util.find_spec, ("tensorflow", "tensorboard"))):
        assert open_tensorboard(tmp_path) is None
        pytest.skip("needs the extra `tensorboard`")
    folder = RunFolder(tmp_path, tiny_config(tmp_path), PARAMS, start_step=0)
    folder.log(2, {"loss": 1.5}, {})
    folder.show(4, DRAWN, 21.5)
    folder.close()
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(tmp_path / "tensorboard"), {"tensors": 0, "images": 0})
    events.Reload()
    assert {"train/loss", "fixed_pairs/psnr", "samples/flow"} <= set(events.Tags()["tensors"])


def test_the_report_shows_the_best_score_and_the_newest_sheets(tmp_path):
    (tmp_path / "samples").mkdir()
    scores = []
    for step, psnr in ((10, 20.0), (20, 24.0), (30, 22.0), (40, 21.0), (50, 23.0)):
        scores.append({"step": step, "psnr": psnr})
        write_image(tmp_path / "samples" / f"step_{step:06d}.png", DRAWN.grid)
    metrics = [{"step": step, "loss": 1 / step, "learning_rate": 1e-4} for step in range(5, 55, 5)]
    write_report(tmp_path, tiny_config(tmp_path), metrics, scores)
    text = (tmp_path / "report.md").read_text()
    assert "| 20 (best) | 24.00 |" in text and "| 50 | 23.00 |" in text
    assert "| 10 |" not in text
    assert "| loss | 0.02 |" in text
    pictures = re.findall(r"!\[.*\]\((.*)\)", text)
    sheets = [f"samples/step_0000{step}.png" for step in (50, 40, 30, 10)]
    assert pictures == ["loss.png", "score.png", *sheets]
    assert all((tmp_path / picture).is_file() for picture in pictures)


def test_means_continue_exactly_where_they_were_stored(tmp_path):
    rng = np.random.default_rng(0)
    metrics = train_metrics(tiny_config(tmp_path).loss.weights)
    steps = [
        metrics.single_from_model_output(
            loss=np.float32(rng.normal()),
            loss_multi_scale_l1=np.float32(rng.normal()),
            gradient_norm=np.float32(rng.normal()),
            learning_rate=np.float32(rng.uniform()),
        )
        for _ in range(7)
    ]
    whole = RunningMeans()
    for step in steps:
        whole.add(step)
    for cut in range(8):
        first = RunningMeans()
        for step in steps[:cut]:
            first.add(step)
        second = RunningMeans(first.state())
        for step in steps[cut:]:
            second.add(step)
        assert second.state() == whole.state()
    taken = whole.take()
    losses = [float(step.loss.total) for step in steps]
    assert taken["loss"] == pytest.approx(np.mean(losses), rel=1e-5)
    assert taken["learning_rate"] == float(steps[-1].learning_rate.total)
    assert whole.state() == []
