"""Checkpoints: what was saved comes back, and what is not this network's is refused."""

import numpy as np
import optax
import pytest

from reenact_jax.checkpoint import Checkpoints
from reenact_jax.errors import UserError

PARAMS = {"encoder": {"kernel": np.arange(6, dtype=np.float32).reshape(2, 3)}}
OPTIMIZER = {
    "step": np.array(7, np.int32),
    "opt_state": optax.adam(1e-3).init(PARAMS),
}
POSITION = {"next_batch": 7, "dataset": "0123"}


@pytest.fixture
def folder(tmp_path):
    checkpoints = Checkpoints(tmp_path / "checkpoints", keep=2)
    for step in (3, 5, 7):
        checkpoints.save(step, PARAMS, OPTIMIZER, POSITION | {"next_batch": step})
    checkpoints.close()
    return tmp_path / "checkpoints"


def test_the_newest_checkpoint_comes_back_whole(folder):
    checkpoints = Checkpoints(folder)
    assert checkpoints.latest_step == 7
    params, optimizer, position = checkpoints.restore(PARAMS, OPTIMIZER)
    np.testing.assert_array_equal(params["encoder"]["kernel"], PARAMS["encoder"]["kernel"])
    assert optimizer["step"] == 7
    assert optimizer["opt_state"][0].mu["encoder"]["kernel"].shape == (2, 3)
    assert position == POSITION
    alone = checkpoints.restore_params(PARAMS)
    np.testing.assert_array_equal(alone["encoder"]["kernel"], PARAMS["encoder"]["kernel"])
    checkpoints.close()


def test_only_the_newest_are_kept(folder):
    assert sorted(path.name for path in folder.iterdir()) == ["5", "7"]


@pytest.mark.parametrize(
    "params, message",
    [
        ({"encoder": {"kernel": np.zeros((2, 4), np.float32)}}, r"expected \(2, 4\), found \(2, 3"),
        ({"decoder": {"kernel": np.zeros((2, 3), np.float32)}}, "2 of 2 arrays differ"),
    ],
)
def test_another_network_is_refused(folder, params, message):
    checkpoints = Checkpoints(folder)
    with pytest.raises(UserError, match=f"checkpoint of another model.*{message}"):
        checkpoints.restore_params(params)
    checkpoints.close()


def test_a_damaged_checkpoint_is_named(folder):
    for path in (folder / "7" / "params").rglob("*"):
        if path.is_file():
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    checkpoints = Checkpoints(folder)
    with pytest.raises(UserError, match=r"checkpoints/7 cannot be read .*go on from the one"):
        checkpoints.restore_params(PARAMS)
    checkpoints.close()


def test_an_unfinished_checkpoint_does_not_count(folder):
    (folder / "9.orbax-checkpoint-tmp" / "params").mkdir(parents=True)
    checkpoints = Checkpoints(folder)
    assert checkpoints.latest_step == 7
    checkpoints.close()
