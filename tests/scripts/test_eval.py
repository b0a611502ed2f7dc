"""scripts/eval*.py: a run's folder in, a JSON file out."""

import json
import runpy
import sys
from pathlib import Path

import jsonschema
import pytest

from reenact_jax import metrics
from reenact_jax.config import from_json
from reenact_jax.data import pair_lists
from reenact_jax.data.evaluation_pairs import PairCounts, draw_pairs
from reenact_jax.data.frames import open_frames, open_pairs
from reenact_jax.errors import UserError
from reenact_jax.evaluation.commands import evaluation_parser, main
from reenact_jax.evaluation.protocols import OWN
from reenact_jax.inference.export_model import export_model
from reenact_jax.inference.run import load_run
from reenact_jax.media import read_image, write_image
from tests.helpers.blank_reader import write_reader

SCRIPTS = Path(__file__).parents[2] / "scripts"
SCHEMA = Path(metrics.__file__).with_name("metrics.schema.json")


def score(run, *arguments, protocol=OWN, dataset=None):
    parser = evaluation_parser("", dataset=dataset)
    main(parser.parse_args([str(run), "--fresh", *map(str, arguments)]), protocol)


def test_a_run_is_scored_into_the_file_that_was_asked_for(tiny_run, tmp_path, capsys):
    out = tmp_path / "scores" / "metrics.json"
    score(tiny_run, "--out", out)
    report = json.loads(out.read_text())
    jsonschema.validate(report, json.loads(SCHEMA.read_text()))
    # The pairs of helpers/tiny.py, all with true answers.
    assert report["counts"]["self/pairs"] == report["counts"]["cross/pairs"] == 2
    # Measures for real faces are not made of drawn ones, and the report says so.
    assert "drawn" in report["absent"]["landmarks"]
    printed = capsys.readouterr().out
    assert f"{report['metrics']['cross/psnr_face']:.4g}" in printed
    assert str(out) in printed and "pairs/s" in printed
    assert not (tiny_run / "metrics.json").exists() and not (tiny_run / "evaluation").exists()


def test_nothing_is_written_into_a_model_folder(tiny_run, tmp_path, monkeypatch):
    config = from_json(tiny_run / "config.json")
    export_model(load_run(config, tiny_run), tmp_path / "model")
    before = sorted((tmp_path / "model").rglob("*"))
    monkeypatch.chdir(tmp_path)
    data = ("--data-dir", Path(config.data.data_dir).resolve())
    main(evaluation_parser("").parse_args(["model", *map(str, data), "--measures", "pixels"]), OWN)
    assert sorted((tmp_path / "model").rglob("*")) == before
    assert (tmp_path / "runs" / f"{config.name}-model" / "metrics.json").is_file()
    assert list((tmp_path / "runs" / f"{config.name}-model" / "evaluation").iterdir())


def test_the_pairs_of_a_list_are_scored_in_place_of_the_packed_ones(tiny_run, tmp_path):
    config = from_json(tiny_run / "config.json")
    frames = open_frames(config.data.data_dir, config.data.name, "test")
    pairs = draw_pairs(frames.clips, PairCounts(self_per_clip=2, cross_per_clip=1), seed=5)
    listed = pair_lists.measure_pairs(pairs, frames)
    pair_lists.write_pair_list(tmp_path / "pairs.csv", listed)
    out = tmp_path / "metrics.json"
    score(tiny_run, "--out", out, "--pairs", tmp_path / "pairs.csv", "--measures", "pixels")
    report = json.loads(out.read_text())
    assert report["protocol"]["pairs"] == listed.hash
    # Nobody knows the answers of drawn cross pairs.
    expected = {"self/pairs": 4, "cross/pairs": 2, "cross/without_answer": 2}
    assert expected.items() <= report["counts"].items()
    assert report["absent"]["fid"] == "not asked for"


@pytest.fixture
def pictures(tiny_run, tmp_path):
    """The true answers as pictures of other code, and the packed dataset's folder."""
    config = from_json(tiny_run / "config.json")
    folder = tmp_path / "theirs"
    folder.mkdir()
    for pair in open_pairs(config.data.data_dir, config.data.name):
        write_image(folder / f"{pair['pair_id']}.png", pair["target_image"])
    return folder


def test_pictures_of_other_code_are_scored_in_the_runs_place(tiny_run, pictures, tmp_path):
    out = tmp_path / "row.json"
    score(tiny_run, "--predictions", pictures, "--out", out)
    report = json.loads(out.read_text())
    jsonschema.validate(report, json.loads(SCHEMA.read_text()))
    assert report["metrics"]["cross/l1"] == 0 and report["metrics"]["self/ssim_face"] > 0.99999
    assert report["baselines"]["warp"]["cross/l1"] > 0.01
    assert report["protocol"]["run"] == "theirs" and "network" not in report["config"]
    before = report["checkpoint"]["params"]

    changed = next(iter(sorted(pictures.glob("cross*.png"))))
    write_image(changed, read_image(changed)[::-1])
    score(tiny_run, "--predictions", pictures, "--out", out)
    report = json.loads(out.read_text())
    assert report["metrics"]["cross/l1"] > 0.01 and report["checkpoint"]["params"] != before
    write_image(changed, read_image(changed)[:32, :32])
    with pytest.raises(UserError, match="expected 64 x 64 pixels, found .32, 32."):
        score(tiny_run, "--predictions", pictures, "--out", out)
    changed.unlink()
    with pytest.raises(UserError, match=f"1 are missing, such as {changed.name}"):
        score(tiny_run, "--predictions", pictures, "--out", out)


def test_the_studys_reader_scores_pictures_of_other_code(tiny_run, pictures, tmp_path, monkeypatch):
    config = from_json(tiny_run / "config.json")
    reader, out = tmp_path / "reader.npz", tmp_path / "row.json"
    write_reader(reader, open_pairs(config.data.data_dir, config.data.name), seed=0)
    arguments = [tiny_run, "--predictions", pictures, "--reader", reader, "--out", out]
    monkeypatch.setattr(sys, "argv", ["eval.py", *map(str, arguments)])
    runpy.run_path(str(SCRIPTS / "eval.py"), run_name="__main__")
    report = json.loads(out.read_text())
    assert report["metrics"]["cross/landmarks"] == 0  # they are the true answers
    assert report["baselines"]["copy_source"]["cross/landmarks"] > 0
    assert report["weights"][0]["file"] == "reader.npz"


def test_the_packed_list_is_exported_and_keeps_its_answers(tiny_run, tmp_path, monkeypatch):
    config = from_json(tiny_run / "config.json")
    out = tmp_path / "pairs.csv"
    arguments = [config.data.name, "--data-dir", config.data.data_dir, "--out", str(out)]
    monkeypatch.setattr(sys, "argv", ["draw_pairs.py", *arguments])
    runpy.run_path(str(SCRIPTS / "draw_pairs.py"), run_name="__main__")
    packed = open_pairs(config.data.data_dir, config.data.name)
    listed = pair_lists.open_listed_pairs(out, config.data.data_dir, config.data.name)
    assert json.loads(out.with_suffix(".json").read_text())["hash"] == packed.list_hash
    assert [pair["pair_id"] for pair in listed] == [pair["pair_id"] for pair in packed]
    assert all(pair["has_target"] for pair in listed)
    monkeypatch.setattr(sys, "argv", ["draw_pairs.py", *arguments, "--seed", "5"])
    runpy.run_path(str(SCRIPTS / "draw_pairs.py"), run_name="__main__")
    drawn = pair_lists.open_listed_pairs(out, config.data.data_dir, config.data.name)
    assert drawn.list_hash != packed.list_hash and len(drawn) > 4


def test_the_papers_protocols_refuse_other_data(tiny_run, tmp_path):
    with pytest.raises(UserError, match="expected pairs of dataset celebv, found those of talking"):
        score(tiny_run, "--out", tmp_path / "x.json", protocol="celebv_cross")
    with pytest.raises(UserError, match="expected it at .*voxceleb_pairs"):
        score(tiny_run, protocol="vox_self", dataset="voxceleb_pairs")
    assert not list(tmp_path.iterdir())


def test_a_measure_that_is_named_must_be_possible(tiny_run, tmp_path, monkeypatch):
    monkeypatch.setenv("REENACT_ASSETS", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="pt_inception-2015-12-05-6726825d"):
        score(tiny_run, "--measures", "pixels,fid")
    with pytest.raises(UserError, match="expected measures among pixels, .*, found 'psnr'"):
        score(tiny_run, "--measures", "psnr")


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(UserError, match="expected the folder of a run"):
        score(tmp_path)


def test_every_script_parses_its_options(capsys, monkeypatch):
    for path in sorted(SCRIPTS.glob("eval*.py")):
        monkeypatch.setattr(sys, "argv", [path.name, "--help"])
        with pytest.raises(SystemExit) as end:
            runpy.run_path(str(path), run_name="__main__")
        assert end.value.code == 0
        assert "--measures" in capsys.readouterr().out
