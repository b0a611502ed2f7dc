"""Checkpoints: what was saved comes back, and what is not this network's is refused."""

import resource

import jax
import numpy as np
import optax
import pytest

from reenact_jax.checkpoint import Checkpoints, UnreadableCheckpoint
from reenact_jax.errors import UserError

PARAMS = {"encoder": {"kernel": np.arange(6, dtype=np.float32).reshape(2, 3)}}
OPTIMIZER = {
    "step": np.array(7, np.int32),
    "opt_state": optax.adam(1e-3).init(PARAMS),
}
PROGRESS = {"data": {"next_batch": 7}, "means": [0.1, 3.0]}


@pytest.fixture
def folder(tmp_path):
    checkpoints = Checkpoints(tmp_path / "checkpoints", keep=2)
    for step, score in ((1, None), (2, 8.0), (3, 9.0), (5, None), (7, 8.5)):
        checkpoints.save(step, PARAMS, OPTIMIZER, PROGRESS, score=score)
    checkpoints.close()
    return tmp_path / "checkpoints"


def test_the_newest_checkpoint_comes_back_whole(folder):
    checkpoints = Checkpoints(folder)
    assert checkpoints.latest_step == 7
    params, optimizer, progress = checkpoints.restore(PARAMS, OPTIMIZER)
    np.testing.assert_array_equal(params["encoder"]["kernel"], PARAMS["encoder"]["kernel"])
    assert optimizer["step"] == 7
    assert optimizer["opt_state"][0].mu["encoder"]["kernel"].shape == (2, 3)
    assert progress == PROGRESS
    alone = checkpoints.restore_params(PARAMS)
    np.testing.assert_array_equal(alone["encoder"]["kernel"], PARAMS["encoder"]["kernel"])
    checkpoints.close()


def test_the_newest_and_the_best_are_kept(folder):
    assert sorted(path.name for path in folder.iterdir()) == ["3", "5", "7"]
    # Another process, which has to read the scores, keeps the same and finds a better one.
    checkpoints = Checkpoints(folder, keep=1)
    checkpoints.save(9, PARAMS, OPTIMIZER, PROGRESS)
    checkpoints.close()
    assert sorted(path.name for path in folder.iterdir()) == ["3", "9"]
    checkpoints = Checkpoints(folder, keep=1)
    checkpoints.save(11, PARAMS, OPTIMIZER, PROGRESS, score=9.5)
    checkpoints.close()
    assert [path.name for path in folder.iterdir()] == ["11"]


def test_a_checkpoint_is_found_by_a_word_or_its_step(folder):
    checkpoints = Checkpoints(folder)
    found = [checkpoints.find(choice) for choice in ("latest", "best", "5")]
    assert found == [7, 3, 5]
    for wrong in ("2", "newest", "-5"):
        with pytest.raises(UserError, match=f"one of the steps 3, 5, 7 in .*, found '{wrong}'"):
            checkpoints.find(wrong)
    checkpoints.close()


def test_words_for_checkpoints_that_are_not_there(tmp_path):
    with Checkpoints(tmp_path, keep=3) as checkpoints:
        with pytest.raises(UserError, match="holds no complete checkpoint yet"):
            checkpoints.find("latest")
        checkpoints.save(4, PARAMS, OPTIMIZER, PROGRESS)
        with pytest.raises(UserError, match="has a score: take `latest` or one of the steps 4"):
            checkpoints.find("best")


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


@pytest.mark.parametrize("item", ["params", "optimizer", "progress"])
def test_a_checkpoint_cut_short_is_named(folder, item):
    damage(folder / "7" / item)
    with (
        Checkpoints(folder) as checkpoints,
        pytest.raises(UnreadableCheckpoint, match=r"checkpoints/7 cannot be read .*one \(3, 5\)"),
    ):
        checkpoints.restore(PARAMS, OPTIMIZER)


def damage(path):
    """Cuts a file, or every file of a folder, in the middle."""
    for file in [path, *path.rglob("*")]:
        if file.is_file():
            file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_file_cut_short_is_noticed_or_not_needed(folder):
    """Never wrong numbers: each file of a checkpoint, halved and emptied in turn."""
    noticed = 0
    for file in sorted(path for path in (folder / "7").rglob("*") if path.is_file()):
        whole = file.read_bytes()
        for size in (len(whole) // 2, 0):
            file.write_bytes(whole[:size])
            with Checkpoints(folder) as checkpoints:
                try:
                    params, optimizer, progress = checkpoints.restore(PARAMS, OPTIMIZER)
                except UnreadableCheckpoint:
                    noticed += 1
                    continue
            assert progress == PROGRESS
            jax.tree.map(np.testing.assert_array_equal, (params, optimizer), (PARAMS, OPTIMIZER))
        file.write_bytes(whole)
    assert noticed >= 6


def test_an_unfinished_checkpoint_does_not_count(folder):
    (folder / "9.orbax-checkpoint-tmp" / "params").mkdir(parents=True)
    checkpoints = Checkpoints(folder)
    assert checkpoints.latest_step == 7
    checkpoints.close()


def test_a_checkpoint_that_does_not_fit_on_the_disk_is_named(folder):
    """A limit on the size of files stands for a disk without room."""
    noise = np.random.default_rng(0).normal(size=(200, 1000)).astype(np.float32)
    params = {"encoder": {"kernel": noise}}
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with (
            pytest.raises(UserError, match=r"cannot be written to .*make room.*step 7 is complete"),
            Checkpoints(folder, keep=2) as checkpoints,
        ):
            checkpoints.save(9, params, OPTIMIZER, PROGRESS)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    with Checkpoints(folder, keep=2) as checkpoints:
        assert checkpoints.steps == [3, 5, 7]
        checkpoints.restore(PARAMS, OPTIMIZER)
        checkpoints.save(9, PARAMS, OPTIMIZER, PROGRESS)
    # What could not be finished is gone.
    assert sorted(path.name for path in folder.iterdir()) == ["3", "7", "9"]
