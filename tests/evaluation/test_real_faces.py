"""Real clips from the command to the report: the open measures see faces and say what they see."""

import argparse
import dataclasses
import json

import pytest

from reenact_jax.config import from_config_dict
from reenact_jax.data import builders
from reenact_jax.data.frames import open_pairs
from reenact_jax.evaluation.commands import run_protocol
from reenact_jax.face_model.load import load_face_model
from scripts import prepare_clips
from tests.helpers.copier import Copier
from tests.helpers.tiny import tiny_values

CLIPS = ("d12", "s29")
OPEN = ("aed_open", "apd_open", "mouth_error", "eyes_error")


@pytest.fixture(scope="module")
def report(shared_dir, tiny_world, tmp_path_factory):
    """Three frames of each test clip, prepared, packed and answered by copying the source."""
    pytest.importorskip("mediapipe")
    root = tmp_path_factory.mktemp("real")
    (root / "videos").mkdir()
    for name in CLIPS:
        (root / "videos" / f"{name}.mp4").symlink_to(shared_dir / "clips" / f"{name}.mp4")
    face_model = shared_dir / "assets" / "ict_facekit.npz"
    prepare_clips.main(
        argparse.Namespace(
            videos=root / "videos",
            face_model=face_model,
            out=root / "prepared",
            name="clips",
            test=list(CLIPS),
            image_size=128,
            stride=40,
            max_frames=3,
            on_missing="skip",
            face="largest",
            format="png",
            overlays=None,
            landmarker=None,
            workers=1,
        )
    )
    builders.pack(root / "prepared", root / "data", "clips")
    values = tiny_values(tiny_world, **{"face_model.name": "ict", "image_size": 128})
    config = from_config_dict(values)
    config = dataclasses.replace(
        config, evaluate=dataclasses.replace(config.evaluate, batch_size=8)
    )
    run = Copier(config, load_face_model("ict", str(face_model)))
    pairs = open_pairs(root / "data", "clips")
    run_protocol(run, pairs, protocol="own", out=root / "metrics.json", parts_dir=None)
    return json.loads((root / "metrics.json").read_text())


def test_without_asking_the_open_measures_are_made_of_real_clips(report):
    for kind in ("self", "cross"):
        assert {f"{kind}/{name}" for name in OPEN} <= report["metrics"].keys()
    assert {"open_motion", "landmarks"}.isdisjoint(report["absent"])
    networks = {weights["network"] for weights in report["weights"]}
    assert any("ict_facekit" in name for name in networks)


def test_a_copied_source_is_in_the_wrong_pose(report):
    for kind in ("self", "cross"):
        assert report["metrics"][f"{kind}/apd_open"] > 2 * report["noise_floor"][f"{kind}/apd_open"]
    assert not report["failures"].get("model", {}).keys() & {f"self/{name}" for name in OPEN}


def test_a_copied_source_is_its_own_person(report):
    pytest.importorskip("face_recognition_models", reason="dlib's weights: the extra `dlib`")
    metrics = report["metrics"]
    for kind in ("self", "cross"):
        assert metrics[f"{kind}/csim_dlib"] == pytest.approx(1, abs=1e-6)
    assert metrics["self/csim_dlib_to_driving"] > metrics["cross/csim_dlib_to_driving"]
