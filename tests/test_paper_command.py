"""The paper's own command on files of the paper's own formats, from raw clips to metrics.json.

The files have made-up content (helpers/paper_files.py). The fast test narrows the networks and
shrinks the pictures; the slow one runs configs/vox.py as it is.
"""

import dataclasses
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from reenact_jax import metrics
from reenact_jax.config import from_json
from reenact_jax.training.log import read_records
from tests.helpers import paper_files
from tests.helpers.tiny import SMALL, overrides

REPOSITORY = Path(__file__).parents[1]
CONFIG = REPOSITORY / "configs" / "vox.py"
VIDEO = "id10011#aaaaaaaaaaA#000001#000065"

WIDTHS = {key: value for key, value in SMALL.items() if key.startswith(("network", "guidance"))}


@dataclasses.dataclass(frozen=True)
class Workplace:
    """Where the files of the paper are, and what one types there."""

    root: Path

    @property
    def paths(self) -> dict[str, Path]:
        """What configs/vox.py must be told: where things are."""
        return {
            "data.data_dir": self.root / "data",
            "face_model.path": self.root / "BFM_model_front.mat",
            "loss.vgg_weights": self.root / "vgg19.safetensors",
        }

    def run(self, *arguments, devices: int = 1) -> subprocess.CompletedProcess:
        environment = os.environ | {"JAX_NUM_CPU_DEVICES": str(devices)}
        return subprocess.run(
            [sys.executable, *map(str, arguments)],
            cwd=REPOSITORY,
            env=environment,
            capture_output=True,
            text=True,
        )

    def command(self, name: str, workdir: Path, changes: dict, *, devices: int = 1) -> str:
        """`python -m reenact_jax.NAME --config configs/vox.py ...`; returns what it said."""
        arguments = ["-m", f"reenact_jax.{name}", "--config", CONFIG, "--workdir", workdir]
        if name == "evaluate":
            arguments.append("--measures=pixels")  # the pictures show no faces
        done = self.run(*arguments, *overrides(self.paths | changes), devices=devices)
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr


@pytest.fixture(scope="module")
def workplace():
    """A VoxCeleb-shaped folder, prepared and packed by the scripts, beside BFM and VGG files."""
    with tempfile.TemporaryDirectory() as folder:  # 200 MB, which pytest's own would keep
        place = Workplace(Path(folder))
        root = place.root
        bfm = paper_files.write_synthetic_bfm_front(root / "BFM_model_front.mat")
        paper_files.write_synthetic_vgg19(root / "vgg19.safetensors")
        raw = paper_files.write_synthetic_voxceleb(root, bfm, as_video=(VIDEO,))
        prepare = ["scripts/prepare_voxceleb.py", raw.videos, "--coefficients", raw.coefficients]
        pack = ["scripts/pack.py", root / "prepared", "--name", "voxceleb_pairs"]
        for arguments in (
            [*prepare, "--face-model", bfm, "--out", root / "prepared"],
            [*pack, "--data-dir", root / "data"],
        ):
            done = place.run(*arguments)
            assert done.returncode == 0, done.stderr
        yield place


def rates(workdir):
    return [record["learning_rate"] for record in read_records(workdir / "metrics.jsonl")]


def check_report(workdir, *, image_size, step):
    report = json.loads((workdir / "metrics.json").read_text())
    schema = Path(metrics.__file__).parent / "metrics.schema.json"
    jsonschema.validate(report, json.loads(schema.read_text()))
    # Two test clips of four frames: all 12 self pairs of each, and 20 cross pairs as everywhere.
    expected = {"self/pairs": 24, "cross/pairs": 40, "cross/without_answer": 40}
    assert expected.items() <= report["counts"].items()
    assert report["protocol"]["image_size"] == image_size and report["protocol"]["step"] == step
    assert report["protocol"]["vgg_weights"].endswith("vgg19.safetensors")
    assert report["dataset"]["face_model"]["name"] == "bfm2009"
    assert {"self/psnr", "self/psnr_face", "self/ssim", "self/l1"} <= set(report["metrics"])
    assert set(report["metrics"]) <= {f"self/{m}" for m in report["protocol"]["metrics"]}
    assert (workdir / "samples.png").stat().st_size > 10_000


def test_small_networks_train_stop_go_on_and_are_scored(workplace, tmp_path):
    small = WIDTHS | {"image_size": 64, "train.steps_per_epoch": 1, "train.log_every_steps": 1}
    small |= {"train.batch_size": 4, "train.decay_after_epochs": 2}
    said = workplace.command("train", tmp_path, small | {"train.num_epochs": 2}, devices=4)
    assert "RANDOM" not in said
    said = workplace.command("train", tmp_path, small | {"train.num_epochs": 4}, devices=4)
    assert "going on after step 2" in said
    np.testing.assert_allclose(rates(tmp_path), [1e-4, 1e-4, 1e-5, 1e-5], rtol=1e-6)
    for record in read_records(tmp_path / "metrics.jsonl"):
        # Eq. 10
        total = record["loss_perceptual"] + 250 * record["loss_style"]
        np.testing.assert_allclose(record["loss"], total, rtol=1e-5)
    # As many at a time as in a sample grid, so that both share a compiled program.
    workplace.command("evaluate", tmp_path, small | {"evaluate.batch_size": 6}, devices=4)
    check_report(tmp_path, image_size=64, step=4)


@pytest.mark.parametrize(
    "key, missing, message",
    [
        ("face_model.path", "BFM_2009.mat", "BFM_model_front.mat is made from the Basel Face"),
        ("loss.vgg_weights", "vgg.pth", "downloads https://download.pytorch.org/models/vgg19"),
    ],
)
def test_a_missing_file_of_the_paper_is_named(workplace, tmp_path, key, missing, message):
    arguments = ["-m", "reenact_jax.train", "--config", CONFIG, "--workdir", tmp_path / "run"]
    done = workplace.run(*arguments, *overrides(workplace.paths | {key: tmp_path / missing}))
    assert done.returncode == 1
    assert missing in done.stderr and message in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_the_rate_drops_after_epoch_60(workplace, tmp_path):
    small = WIDTHS | {"image_size": 64, "train.steps_per_epoch": 1, "train.log_every_steps": 1}
    small |= {"train.batch_size": 4, "train.num_epochs": 62}
    workplace.command("train", tmp_path, small, devices=4)
    np.testing.assert_allclose(rates(tmp_path), [1e-4] * 60 + [1e-5] * 2, rtol=1e-6)


@pytest.mark.slow
def test_the_papers_configuration_runs_on_one_and_on_four_devices(workplace):
    """As in the paper but for paths and the number of steps: 256 pixels, batch 8, full width.

    Takes 17 GB of memory and ten minutes of two cores.
    """
    steps = {"train.steps_per_epoch": 1, "train.log_every_steps": 1}
    records = {}
    for devices in (1, 4):
        workdir = workplace.root / f"on_{devices}"  # checkpoints of 300 MB
        workplace.command("train", workdir, steps | {"train.num_epochs": 1}, devices=devices)
        said = workplace.command("train", workdir, steps | {"train.num_epochs": 2}, devices=devices)
        assert "going on after step 1" in said
        records[devices] = read_records(workdir / "metrics.jsonl")
        assert [record["step"] for record in records[devices]] == [1, 2]
        assert all(np.isfinite(list(record.values())).all() for record in records[devices])
        assert (workdir / "samples" / "step_000002.png").is_file()
    for name in ("loss", "loss_perceptual", "loss_style", "gradient_norm"):
        np.testing.assert_allclose(records[1][0][name], records[4][0][name], rtol=1e-3)
    workdir = workplace.root / "on_4"
    workplace.command("evaluate", workdir, steps)
    check_report(workdir, image_size=256, step=2)

    # Nothing but paths and the number of steps was changed.
    spec = importlib.util.spec_from_file_location("vox", CONFIG)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    expected = module.get_config().to_dict()
    found = dataclasses.asdict(from_json(workdir / "config.json"))
    for key in (*workplace.paths, *steps, "train.num_epochs"):
        section, name = key.split(".")
        del expected[section][name], found[section][name]
    # The width of the descriptor follows from the face model.
    del found["network"]["completion"]["descriptor_dim"]
    assert found == expected
