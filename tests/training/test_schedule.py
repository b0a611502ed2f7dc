"""Learning rate, cadences and log lines."""

import numpy as np
import pytest

from configs import vox
from reenact_jax.config import from_config_dict
from reenact_jax.training.cadence import Cadence
from reenact_jax.training.log import MetricsLog, read_records
from reenact_jax.training.optimizer import learning_rate_schedule


def test_papers_learning_rate_drops_after_epoch_60():
    train = from_config_dict(vox.get_config()).train
    schedule = learning_rate_schedule(train)
    boundary = 60 * train.steps_per_epoch
    # The schedule counts completed updates: the update number `boundary` is the first lower one.
    for step, rate in [(0, 1e-4), (boundary - 1, 1e-4), (boundary, 1e-5), (boundary + 1, 1e-5)]:
        np.testing.assert_allclose(schedule(step), rate, rtol=1e-6)
    assert train.num_train_steps == 100 * 2239


@pytest.mark.parametrize("every, total, expected", [(3, 7, [3, 6, 7]), (0, 4, [4]), (5, 5, [5])])
def test_cadence_is_due_regularly_and_at_the_end(every, total, expected):
    cadence = Cadence(every_steps=every, num_train_steps=total)
    assert [step for step in range(total + 1) if cadence.due(step)] == expected


def test_log_drops_what_lies_behind_the_restored_step(tmp_path):
    path = tmp_path / "metrics.jsonl"
    log = MetricsLog(path, start_step=0)
    for step in (1, 2, 3):
        log.append({"step": step, "loss": 1.0 / step})
    with path.open("a") as file:
        file.write('{"step": 4, "lo')  # killed while writing
    again = MetricsLog(path, start_step=2)
    again.append({"step": 3, "loss": 0.25})
    assert [r["step"] for r in read_records(path)] == [1, 2, 3]
    assert read_records(path)[-1]["loss"] == 0.25
