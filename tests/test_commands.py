"""Bad input on the real command lines: one message, no trace, no half-written file."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from reenact_jax import media
from tests.helpers.tiny import TEST_CLIPS, overrides

REPOSITORY = Path(__file__).parents[1]


@pytest.fixture
def command(tmp_path):
    """Runs `python ARGUMENTS` in an empty folder, expects it to fail well, returns the message."""

    def fail(*arguments, leaves=()):
        environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
        expected = sorted([*tmp_path.rglob("*"), *(tmp_path / name for name in leaves)])
        done = subprocess.run(
            [sys.executable, *map(str, arguments)],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=600,
        )
        assert done.returncode == 1, done.stderr
        assert "Traceback" not in done.stderr, done.stderr
        messages = re.findall(r"^error: .*", done.stderr, flags=re.MULTILINE | re.DOTALL)
        assert len(messages) == 1 and messages[0].count("error: ") == 1, done.stderr
        assert sorted(tmp_path.rglob("*")) == expected
        return messages[0]

    return fail


TRAIN = ("-m", "reenact_jax.train", "--config")
EVALUATE = ("-m", "reenact_jax.evaluate", "--config")
REENACT = ("-m", "reenact_jax.reenact")
DEMO = REPOSITORY / "configs" / "demo.py"


def test_the_papers_command_without_its_dataset(command):
    message = command(*TRAIN, REPOSITORY / "configs" / "vox.py")
    assert "voxceleb_pairs: expected it at data/voxceleb_pairs" in message
    assert "python scripts/pack.py" in message and "docs/data.md" in message
    assert "configs/demo.py runs without" in message


def test_a_configuration_file_with_an_argument(command):
    message = command(*TRAIN, f"{REPOSITORY / 'configs' / 'study.py'}:fg,seed=3,condition=fitted")
    assert "talking_heads: expected it at data/fitted/talking_heads" in message


def test_an_unknown_key_on_the_command_line(command):
    message = command(*TRAIN, DEMO, "--config.train.batchsize=4")
    assert "--config.train.batchsize=4: the configuration file has no such key" in message
    assert "did you mean batch_size?" in message
    assert "--config.nonsense=1" in command(*EVALUATE, DEMO, "--config.nonsense=1")


@pytest.mark.parametrize(
    "arguments, expected",
    [
        (["nothing.py"], "expected a configuration file, found none at nothing.py"),
        ([DEMO, "--config.train.batch_size=four"], "--config.train.batch_size=four: invalid"),
        ([DEMO, "--config.train.batch_size.x=4"], "has no such key"),
        ([DEMO, "--workdri=here"], "Unknown command line flag 'workdri'. Did you mean: workdir"),
    ],
)
def test_other_mistakes_on_the_command_line(command, arguments, expected):
    assert expected in command(*TRAIN, *arguments)


def test_an_unknown_key_in_the_file(command, tmp_path):
    text = DEMO.read_text().replace("config.train.learning_rate", "config.train.learning_rat")
    (tmp_path / "mine.py").write_text(text)
    message = command("-B", *TRAIN, "mine.py")
    assert "config.train.learning_rat is not a configuration key" in message
    assert "did you mean config.train.learning_rate?" in message


def test_a_dataset_of_another_face_model(command, tiny_world):
    changes = {"data.data_dir": tiny_world / "data", "face_model.name": "procedural-full"}
    message = command(*TRAIN, DEMO, *overrides(changes))
    assert "expected parameters of face model procedural-full" in message
    assert "found those of procedural-light" in message


def test_a_checkpoint_of_another_model(command, tiny_world, tiny_run, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "checkpoints").symlink_to(tiny_run / "checkpoints")
    changes = {"data.data_dir": tiny_world / "data"}
    message = command(*EVALUATE, DEMO, "--workdir=run", *overrides(changes))
    assert "is a checkpoint of another model" in message
    assert "use the configuration that it was trained with" in message


def test_a_video_that_cannot_be_decoded(command, tiny_run, tiny_world, tmp_path):
    (tmp_path / "broken.mp4").write_bytes(b"\0\0\0\x18ftypmp42" + bytes(range(200)))
    source = tiny_world / "prepared" / "clips" / TEST_CLIPS[0]
    arguments = ("--run", tiny_run, "--source", source, "--out", "out.mp4")
    message = command(*REENACT, *arguments, "--driving", "broken.mp4")
    assert "broken.mp4: not a readable video" in message


def test_a_picture_without_a_face(command, tiny_run, tiny_world, tmp_path, shared_dir, monkeypatch):
    pytest.importorskip("mediapipe")
    monkeypatch.setenv("REENACT_ASSETS", str((shared_dir / "assets").resolve()))
    rng = np.random.default_rng(0)
    media.write_image(tmp_path / "wall.png", rng.integers(90, 110, (160, 160, 3), np.uint8))
    driving = tiny_world / "prepared" / "clips" / TEST_CLIPS[0]
    arguments = ("--run", tiny_run, "--driving", driving, "--out", "out.mp4")
    message = command(*REENACT, *arguments, "--source", "wall.png")
    assert "wall.png: no face found in the picture" in message


def test_a_folder_that_is_no_run(command, tiny_world):
    clip = tiny_world / "prepared" / "clips" / TEST_CLIPS[0]
    arguments = ("--source", clip, "--driving", clip, "--out", "out.mp4")
    message = command(*REENACT, *arguments, "--run", "nowhere")
    assert "nowhere/config.json is not there: expected the folder of a run" in message


def test_scripts_say_what_is_missing(command, tmp_path):
    scripts = REPOSITORY / "scripts"
    (tmp_path / "empty").mkdir()
    assert "expected a prepared folder" in command(scripts / "pack.py", "empty")
    model = ("--face-model", "BFM_model_front.mat", "--out", "prepared")
    message = command(scripts / "prepare_voxceleb.py", "empty", "--coefficients", "empty", *model)
    assert "expected BFM_model_front.mat, found no such file" in message


def test_a_video_that_cannot_be_prepared(command, tmp_path, shared_dir, monkeypatch):
    pytest.importorskip("mediapipe")
    monkeypatch.setenv("REENACT_ASSETS", str((shared_dir / "assets").resolve()))
    ict = shared_dir / "assets" / "ict_facekit.npz"
    if not ict.is_file():
        pytest.skip(f"{ict} is not there")
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "broken.mp4").write_bytes(b"no video")
    script = REPOSITORY / "scripts" / "prepare_clips.py"
    model = ("--face-model", ict.resolve())
    # What holds for the whole folder is written; of the clip, nothing is.
    left = ["prepared", "prepared/dataset.json", "prepared/report.json"]
    message = command(script, "videos", *model, "--out", "prepared", leaves=left)
    assert "broken" in json.loads((tmp_path / "prepared" / "report.json").read_text())["refused"]
    assert "1 videos failed" in message and "broken.mp4: not a readable video" in message
