"""A trained model outside its run: what is written, what is read back, what is refused."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

from reenact_jax import method
from reenact_jax.data.info import FaceModelInfo
from reenact_jax.errors import UserError
from reenact_jax.face_model.load import load_face_model
from reenact_jax.inference import export_model as export_module
from reenact_jax.inference import model_folder, shipped
from reenact_jax.inference.export_model import export_model
from reenact_jax.inference.run import TrainedRun, load_run
from reenact_jax.nn.initialise import initial_parameters
from tests.helpers.tiny import TEST_CLIPS, WORLD, tiny_config

STEP = 7
# Of a small metrics.json, what the card reads.
METRICS = {
    "protocol": {"step": STEP, "pairs": "0123abcd"},
    "metrics": {"self/psnr": 21.5, "cross/psnr": None},
    "baselines": {"copy_source": {"self/psnr": 17.25}},
    "dataset": {"name": "talking_heads", "specification": "cafe"},
}


@pytest.fixture(scope="module")
def run() -> TrainedRun:
    """As read from a run, though never trained."""
    config = tiny_config(Path("/home/someone/world"), loss__vgg_weights="/home/someone/vgg19.pth")
    face_model = load_face_model(config.face_model.name)
    network = method.make_network(config, face_model)
    params = initial_parameters(network.config, jax.random.key(0))
    return TrainedRun(config, face_model, network, params, STEP)


@pytest.fixture
def folder(run, tmp_path) -> Path:
    """A model folder that may be spoiled."""
    export_model(run, tmp_path / "model")
    return tmp_path / "model"


def read(folder: Path) -> TrainedRun:
    return load_run(model_folder.read_config(folder), folder)


def change_description(folder: Path, **changes) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_what_is_written_is_read_back(run, folder):
    assert sorted(path.name for path in folder.iterdir()) == [
        "README.md",
        "config.json",
        "model.safetensors",
    ]
    found = read(folder)
    assert found.step == STEP and found.network == run.network
    assert jax.tree.structure(found.params) == jax.tree.structure(run.params)
    for one, other in zip(jax.tree.leaves(found.params), jax.tree.leaves(run.params), strict=True):
        np.testing.assert_array_equal(one, other)


def test_no_path_of_the_training_machine_is_written(run, folder):
    assert "someone" not in (folder / "config.json").read_text()
    config = read(folder).config
    assert config.data.data_dir == "data" and config.loss.vgg_weights == "assets/vgg19.pth"
    same = dataclasses.replace(config, data=run.config.data, loss=run.config.loss)
    assert same == run.config


def test_a_run_of_the_same_parameters_is_read_the_same(tiny_run, tiny_world, tmp_path):
    config = tiny_config(tiny_world)
    trained = load_run(config, tiny_run)
    export_model(trained, tmp_path / "model", metrics_path=tiny_run / "metrics.json")
    found = load_run(config, tmp_path / "model")
    assert found.step == trained.step
    jax.tree.map(np.testing.assert_array_equal, found.params, trained.params)


def test_the_card_says_what_the_issue_of_a_model_owes(run, tmp_path):
    (tmp_path / "metrics.json").write_text(json.dumps(METRICS))
    export_model(run, tmp_path / "model", metrics_path=tmp_path / "metrics.json")
    card = (tmp_path / "model" / "README.md").read_text()
    for heading in ("Data", "Training", "Metrics", "Limits", "Intended use", "Unintended use"):
        assert f"\n## {heading}\n" in card
    assert "Licence of the data: Apache-2.0" in card and "No person is in it" in card
    assert f"\n{STEP} steps of 4 pairs" in card
    assert "| self/psnr | 21.5 | 17.25 |" in card and "cross/psnr" not in card
    assert "Not measured" not in card
    # The data are no longer where they were; what the metrics say of them is taken.
    assert "Hash of the specification `cafe`." in card
    assert ", seed 0. Loss" in card
    assert "Licence of the weights: Apache-2.0" in card
    assert "reenact --run THIS_FOLDER" in card


def test_the_card_names_the_data_of_the_run_not_of_other_metrics(run, tiny_world, tmp_path):
    (tmp_path / "metrics.json").write_text(json.dumps(METRICS))
    here = dataclasses.replace(run, config=tiny_config(tiny_world))
    export_model(here, tmp_path / "model", metrics_path=tmp_path / "metrics.json")
    card = (tmp_path / "model" / "README.md").read_text()
    assert f"Hash of the specification `{WORLD.hash()}-exact` and of the content `" in card
    dataset = json.loads((tmp_path / "model" / "config.json").read_text())["dataset"]
    assert dataset["specification"] == WORLD.condition_hash("exact")


def test_a_model_of_the_package_is_called_by_its_name(run, tmp_path, monkeypatch):
    monkeypatch.setattr(shipped, "MODELS", tmp_path)
    export_model(run, tmp_path / "large")
    assert "reenact --model large --source" in (tmp_path / "large" / "README.md").read_text()


def test_metrics_of_another_step_are_called_so(run, tmp_path):
    (tmp_path / "metrics.json").write_text(json.dumps(METRICS))
    older = dataclasses.replace(run, step=STEP + 1)
    export_model(older, tmp_path / "model", metrics_path=tmp_path / "metrics.json")
    assert (
        "These are of step 7, not of this model's 8"
        in (tmp_path / "model" / "README.md").read_text()
    )


def test_a_card_without_metrics_says_so(folder):
    assert "Not measured" in (folder / "README.md").read_text()


def test_unknown_data_need_a_stated_licence(run, tmp_path):
    data = dataclasses.replace(run.config.data, name="holiday_videos")
    own = dataclasses.replace(run, config=dataclasses.replace(run.config, data=data))
    with pytest.raises(UserError, match="holiday_videos is not known.*--data_licence"):
        export_model(own, tmp_path / "model")
    export_model(own, tmp_path / "model", licence="mine, not to be copied")
    card = (tmp_path / "model" / "README.md").read_text()
    assert "Licence of the data: mine" in card and "Licence of the weights: not stated" in card
    assert "Which state of it was used is not recorded" in card
    export_model(own, tmp_path / "model", licence="mine", licence_of_weights="yours")
    assert "Licence of the weights: yours" in (tmp_path / "model" / "README.md").read_text()


def test_a_model_is_there_whole_or_not_at_all(run, tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(export_module, "_write_examples", fail)
    examples = (tmp_path, tmp_path)
    with pytest.raises(UserError, match="make room"):
        export_model(run, tmp_path / "model", examples=examples)
    assert not list(tmp_path.iterdir())

    export_model(run, tmp_path / "model")
    before = (tmp_path / "model" / "model.safetensors").read_bytes()
    changed = dataclasses.replace(run, params=jax.tree.map(lambda leaf: leaf + 1, run.params))
    with pytest.raises(UserError, match="make room"):
        export_model(changed, tmp_path / "model", examples=examples)
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    assert (tmp_path / "model" / "model.safetensors").read_bytes() == before


def test_only_a_model_folder_is_replaced(run, tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "thesis.tex").write_text("years of work")
    with pytest.raises(UserError, match="is no model folder"):
        export_model(run, tmp_path / "thesis")
    assert (tmp_path / "thesis" / "thesis.tex").read_text() == "years of work"
    export_model(run, tmp_path / "model")
    export_model(dataclasses.replace(run, step=8), tmp_path / "model")
    assert read(tmp_path / "model").step == 8


def test_a_damaged_file_is_refused(folder):
    path = folder / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match="SHA-256.*damaged, or of another model"):
        read(folder)


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_an_incomplete_folder_is_refused(folder, name):
    (folder / name).unlink()
    with pytest.raises(UserError, match=f"expected a model folder .*{name} is missing"):
        read(folder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": "stable diffusion"}, "this is a model of another program"),
        ({"format_version": 2}, "expected format_version 1, found 2"),
        ({"weights": {"file": "model.safetensors", "sha256": "0"}}, "SHA-256 0 .*found"),
        ({"face_model_fingerprint": "0123"}, "trained with the face model .*0123.*found another"),
    ],
    ids=["foreign", "newer", "hash", "face model"],
)
def test_a_folder_that_is_not_what_it_says_is_refused(folder, changes, message):
    change_description(folder, **changes)
    with pytest.raises(UserError, match=message):
        read(folder)


def test_parameters_of_another_network_are_refused(folder):
    values = json.loads((folder / "config.json").read_text())["config"]
    values["network"]["reenactment"]["base_channels"] = 8
    change_description(folder, config=values)
    with pytest.raises(UserError, match="expected the weights of this configuration.*wrong shapes"):
        read(folder)


def test_a_model_is_not_read_under_another_configuration(run, folder):
    other = dataclasses.replace(run.config, image_size=128)
    with pytest.raises(UserError, match="trained with config.image_size = 64, found 128"):
        load_run(other, folder)


def test_a_folder_of_nothing_names_both_kinds(run, tmp_path):
    with pytest.raises(UserError, match="expected a run .* or a model folder"):
        load_run(run.config, tmp_path)


def without(*modules: str) -> str:
    """Code that puts modules out of reach, and those of training with them."""
    names = ("optax", "reenact_jax.training", "reenact_jax.checkpoint", *modules)
    return "import sys\n" + "".join(f"sys.modules[{name!r}] = None\n" for name in names)


def test_reenact_works_without_the_training_code(run, tiny_world, tmp_path):
    clips = tuple(tiny_world / "prepared" / "clips" / clip for clip in TEST_CLIPS)
    export_model(run, tmp_path / "model", examples=clips)
    code = without("orbax", "orbax.checkpoint") + (
        "from absl import app\n"
        "from reenact_jax import reenact\n"
        "from reenact_jax.errors import parse_flags\n"
        "app.run(reenact.main, flags_parser=parse_flags)\n"
    )
    out = tmp_path / "out.mp4"
    command = [sys.executable, "-c", code, f"--run={tmp_path / 'model'}", f"--out={out}"]
    subprocess.run(command, check=True, cwd=tmp_path)
    assert out.stat().st_size > 0


def test_evaluate_reads_a_model_without_the_training_code(folder):
    # Orbax stays: grain, which reads the data, uses it.
    code = without() + (
        "from pathlib import Path\n"
        "import reenact_jax.evaluate, reenact_jax.evaluation.scoring\n"
        "from reenact_jax.inference.model_folder import read_config\n"
        "from reenact_jax.inference.run import load_run\n"
        "folder = Path(sys.argv[1])\n"
        f"assert load_run(read_config(folder), folder).step == {STEP}\n"
    )
    subprocess.run([sys.executable, "-c", code, str(folder)], check=True)


def test_examples_of_another_face_model_are_refused(run, tiny_world, tmp_path):
    clips = tuple(tiny_world / "prepared" / "clips" / clip for clip in TEST_CLIPS)
    face_model = dataclasses.replace(run.face_model, mean=run.face_model.mean + 1)
    assert FaceModelInfo.of(face_model) != FaceModelInfo.of(run.face_model)
    other = dataclasses.replace(run, face_model=face_model)
    with pytest.raises(UserError, match="expected parameters of face model"):
        export_model(other, tmp_path / "model", examples=clips)
    assert not (tmp_path / "model").exists()
