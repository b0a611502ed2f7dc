"""The training loop: what it writes, where it ends, how it goes on, what it refuses."""

import dataclasses
import re

import jax
import numpy as np
import pytest
from PIL import Image

from reenact_jax.checkpoint import Checkpoints
from reenact_jax.config import from_json
from reenact_jax.data import builders
from reenact_jax.data.pipeline import TrainBatches
from reenact_jax.data.talking_heads import write_world
from reenact_jax.errors import UserError
from reenact_jax.training import loop
from reenact_jax.training.log import read_records
from tests.helpers.tiny import DATASET, WORLD, tiny_config


class Killed(BaseException):
    """Stands for whatever ends a process in the middle of a run."""


def steps_of(folder):
    return sorted(int(path.name) for path in (folder / "checkpoints").iterdir())


def assert_same_state(one, other):
    jax.tree.map(np.testing.assert_array_equal, one, other)


def kill_after(monkeypatch, num_batches):
    """Ends the run when it asks for one batch more than `num_batches`."""
    count, original = iter(range(num_batches)), TrainBatches.__next__

    def stop(batches):
        if next(count, None) is None:
            raise Killed
        return original(batches)

    monkeypatch.setattr(TrainBatches, "__next__", stop)


def test_a_run_leaves_its_files_and_learns(tiny_run, tiny_world):
    assert from_json(tiny_run / "config.json") == tiny_config(tiny_world)
    records = read_records(tiny_run / "metrics.jsonl")
    assert [record["step"] for record in records] == [1, 2, 3, 4]
    assert records[-1]["loss"] < 0.9 * records[0]["loss"]
    assert steps_of(tiny_run) == [2, 4]
    with Image.open(tiny_run / "samples" / "step_000004.png") as grid:
        assert min(grid.size) > 5 * 64
    assert (tiny_run / "loss.png").stat().st_size > 1000
    scores = read_records(tiny_run / "scores.jsonl")
    assert [list(record) for record in scores] == [["step", "psnr"]]
    assert 5 < scores[0]["psnr"] < 40
    report = (tiny_run / "report.md").read_text()
    assert "# tiny, step 4 of 4" in report and f"| 4 (best) | {scores[0]['psnr']:.2f} |" in report
    for picture in re.findall(r"!\[.*\]\((.*)\)", report):
        assert (tiny_run / picture).is_file()
    assert "completion" in (tiny_run / "parameters.txt").read_text()
    assert not [path for path in tiny_run.rglob("*") if "tmp" in path.name]


def test_the_rate_drops_where_the_configuration_says(tiny_run):
    rates = [record["learning_rate"] for record in read_records(tiny_run / "metrics.jsonl")]
    # decay_after_epochs = 3 epochs of one step
    np.testing.assert_allclose(rates, [1e-3, 1e-3, 1e-3, 1e-4], rtol=1e-6)


def test_a_killed_run_ends_with_the_same_bits(tiny_run, tiny_world, tmp_path, monkeypatch):
    config = tiny_config(tiny_world)
    with monkeypatch.context() as context:
        kill_after(context, 3)
        with pytest.raises(Killed):
            loop.train(config, tmp_path)
    # Three steps were made and logged, two are in the checkpoint.
    assert [record["step"] for record in read_records(tmp_path / "metrics.jsonl")] == [1, 2, 3]
    assert steps_of(tmp_path) == [2]
    (tmp_path / "metrics.jsonl").open("a").write('{"step": 3, "lo')
    state = loop.train(config, tmp_path)

    again = loop.train(config, tiny_run)  # nothing is left to do: the final state is read back
    assert_same_state(state, again)
    assert state.step == 4
    files = ["metrics.jsonl", "scores.jsonl", "config.json", "report.md", "samples/step_000004.png"]
    for name in files:
        assert (tmp_path / name).read_bytes() == (tiny_run / name).read_bytes(), name


def test_log_lines_are_the_same_where_a_checkpoint_lies_between_two(
    tiny_world, tmp_path, monkeypatch
):
    config = tiny_config(tiny_world, train__log_every_steps=3)
    loop.train(config, tmp_path / "straight")
    with monkeypatch.context() as context:
        kill_after(context, 3)
        with pytest.raises(Killed):
            loop.train(config, tmp_path / "killed")
    loop.train(config, tmp_path / "killed")
    straight, killed = (tmp_path / name / "metrics.jsonl" for name in ("straight", "killed"))
    assert [record["step"] for record in read_records(straight)] == [3, 4]
    assert killed.read_bytes() == straight.read_bytes()


def test_a_dataset_without_test_clips_can_be_trained_on(tmp_path):
    spec = dataclasses.replace(WORLD, num_test_people=0, num_self_pairs=0, num_cross_pairs=0)
    write_world(spec, tmp_path / "prepared")
    builders.pack(tmp_path / "prepared", tmp_path / "data", DATASET)
    config = tiny_config(tmp_path, train__num_epochs=1, train__checkpoint_every_steps=0)
    loop.train(config, tmp_path / "run")
    # The grid shows training pairs instead.
    assert (tmp_path / "run" / "samples" / "step_000001.png").is_file()


def test_a_longer_run_goes_on_where_a_shorter_one_ended(tiny_run, tiny_world, tmp_path):
    # The log's cadence does not divide the number of steps, nor does the checkpoints'.
    changes = {"train__checkpoint_every_steps": 3, "train__log_every_steps": 3}
    loop.train(tiny_config(tiny_world, train__num_epochs=2, **changes), tmp_path)
    assert steps_of(tmp_path) == [2]
    state = loop.train(tiny_config(tiny_world, **changes), tmp_path)
    assert steps_of(tmp_path) == [2, 3, 4]
    assert [record["step"] for record in read_records(tmp_path / "metrics.jsonl")] == [2, 3, 4]
    assert_same_state(state, loop.train(tiny_config(tiny_world), tiny_run))


def test_another_learning_configuration_is_refused(tiny_run, tiny_world):
    before = (tiny_run / "config.json").read_bytes()
    with pytest.raises(UserError, match=r"config\.train\.learning_rate = 0\.001, found 0\.01"):
        loop.train(tiny_config(tiny_world, train__learning_rate=1e-2), tiny_run)
    assert (tiny_run / "config.json").read_bytes() == before


def test_a_checkpoint_of_another_network_is_refused(tiny_run, tiny_world, tmp_path):
    (tmp_path / "checkpoints").symlink_to(tiny_run / "checkpoints")
    config = tiny_config(tiny_world, network__reenactment__base_channels=8)
    with pytest.raises(UserError, match=r"checkpoint of another model.*arrays differ, first"):
        loop.train(config, tmp_path)
    # Nothing claims that this folder is a run of the wider network.
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoints"]


def test_a_checkpoint_of_other_clips_is_refused(tiny_run, tiny_world, tmp_path):
    config = tiny_config(tiny_world)
    checkpoints = Checkpoints(tiny_run / "checkpoints")
    state = loop.train(config, tiny_run)
    _, _, progress = checkpoints.restore(**state.checkpoint_items())
    checkpoints.close()
    progress["data"]["dataset"] = "of other clips"
    written = Checkpoints(tmp_path / "checkpoints", keep=1)
    written.save(4, **state.checkpoint_items(), progress=progress)
    written.close()
    with pytest.raises(UserError, match=r"expected dataset '\w+' .* found 'of other clips'"):
        loop.train(config, tmp_path)


def test_a_dataset_of_another_face_model_is_refused(tiny_world, tmp_path):
    config = tiny_config(tiny_world, face_model__name="procedural-full")
    with pytest.raises(UserError, match="parameters of face model procedural-full"):
        loop.train(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_missing_feature_weights_are_refused(tiny_world, tmp_path):
    path = str(tmp_path / "vgg19.pth")
    config = tiny_config(tiny_world, loss__perceptual=1.0, loss__vgg_weights=path)
    with pytest.raises(UserError, match=r"loss\.vgg_weights: .*vgg19\.pth.*downloads https://"):
        loop.train(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_loss_that_is_not_finite_stops_the_run_and_keeps_the_batch(
    tiny_world, tmp_path, monkeypatch
):
    original = TrainBatches.__init__

    def spoil(batches, make_batch, *args):
        def spoiled(number):
            made = make_batch(number)
            if number == 2:
                made.batch["driving_image"][1] = np.nan
            return made

        original(batches, spoiled, *args)

    monkeypatch.setattr(TrainBatches, "__init__", spoil)
    config = tiny_config(tiny_world, train__log_every_steps=4)
    with pytest.raises(
        UserError, match=r"not finite at step 3: its batch is in .*step_3_host_0\.npz"
    ):
        loop.train(config, tmp_path)
    with np.load(tmp_path / "batch_of_step_3_host_0.npz") as batch:
        wrong = np.isnan(batch["['driving_image']"]).all(axis=(1, 2, 3))
        assert wrong.tolist() == [False, True, False, False]
        assert batch["['source'].rotation"].shape == (4, 3)
    assert steps_of(tmp_path) == [2]
    assert read_records(tmp_path / "metrics.jsonl") == []
