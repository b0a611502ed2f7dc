"""Tables beside the paper's numbers; what is not there is a dash with a reason."""

import copy
import functools
import json
import re

import numpy as np
import pytest

from reenact_jax.errors import UserError
from reenact_jax.evaluation import paper_tables
from reenact_jax.evaluation.paper_tables import PUBLISHED, read_report, tables_markdown
from reenact_jax.evaluation.pose_plot import draw_pose_plot
from reenact_jax.evaluation.report import evaluate
from reenact_jax.media import read_image
from reenact_jax.pretrained import arcface


@pytest.fixture(scope="module")
def report(copier, pairs):
    absent = {"fid": "no file of Inception", "csim": "no file of ArcFace"}
    made = evaluate(copier, pairs, absent=absent, progress=False).report
    return json.loads(json.dumps(made))


def celebv(report, *, flow, occlusion, synthesis, **numbers):
    """A report of a variant on CelebV."""
    changed = copy.deepcopy(report)
    changed["protocol"]["name"] = "celebv_cross"
    network = changed["config"]["network"]
    network["flow_guidance"], network["occlusion_guidance"] = flow, occlusion
    network["reenactment"]["synthesis_guidance"] = synthesis
    changed["metrics"] = {f"cross/{name}": value for name, value in numbers.items()}
    return changed


def table(text, title):
    return re.search(rf"## {title}.*?(?=\n## |\Z)", text, re.DOTALL).group(0)


def test_the_papers_numbers_stand_in_their_tables():
    text = tables_markdown([])
    first = table(text, "Table 1")
    assert "| the paper's [2] | self | 0.761 | 1.255 | 0.0372 | 8.51 |" in first
    assert "| 0.625 | 2.919 | 0.0589 | 16.77 |" in first
    second = table(text, "Table 2")
    assert second.count("\n| ") == 2 and "| 0.62 | 2.944 | 0.0484 | 21.96 |" in second
    third = table(text, "Table 3")
    names = [line.split("|")[1].split("[")[0].strip() for line in third.splitlines()[4:8]]
    assert names == ["Base", "+FG", "+FG+OG", "+FG+OG+SG"]
    # As in the paper: flow guidance alone makes FID worse, and all three together best.
    fid = [float(line.split("|")[6]) for line in third.splitlines()[4:8]]
    assert fid[1] > fid[0] > fid[2] > fid[3]


def test_every_published_number_has_its_source():
    published = json.loads(PUBLISHED.read_text())
    for entry in published["rows"] + published["elsewhere"]:
        assert published["sources"][entry["source"]]


def test_runs_stand_in_the_row_that_their_configuration_says(report):
    files = [
        celebv(report, flow=False, occlusion=False, synthesis=False, fid=31.0, csim=0.4),
        celebv(report, flow=True, occlusion=True, synthesis=True, fid=29.0),
    ]
    third = table(tables_markdown(files), "Table 3")
    assert re.search(r"\| Base \(ours\) \[\d\] \| cross \| 0\.4 \| .* \| 31 \|", third)
    row = next(line for line in third.splitlines() if "+FG+OG+SG (ours)" in line)
    mark = re.search(r"cross \| - (\[\d\])", row).group(1)
    assert f"{mark} no file of ArcFace." in third
    assert "step 0" in third and report["protocol"]["pairs"] in third


def test_other_pairs_have_a_table_of_their_own(report):
    text = table(tables_markdown([report]), "Other pairs")
    assert f"{report['metrics']['cross/psnr_face']:.4g}" in text
    assert f"{report['baselines']['warp']['self/l1']:.4g}" in text
    assert "PSNR, hidden" in text


def test_baselines_of_the_same_pairs_stand_there_once(report):
    second, third = copy.deepcopy(report), copy.deepcopy(report)
    third["baselines"]["warp"] = {k: v + 0.1 for k, v in third["baselines"]["warp"].items()}
    lines = table(tables_markdown([report, second, third]), "Other pairs").splitlines()
    counts = {
        name: sum(line.startswith(f"| {name} (") and "| self |" in line for line in lines)
        for name in ("copy_source", "warp", "warp_and_paste", report["protocol"]["run"])
    }
    assert list(counts.values()) == [1, 2, 1, 3]


def test_every_dash_has_a_footnote(report):
    for part in tables_markdown([report]).split("\n## "):
        marks = set(re.findall(r"\[(\d+)\]", part.split("\n\n[1]")[0]))
        notes = set(re.findall(r"^\[(\d+)\] .", part, re.MULTILINE))
        assert marks == notes
        assert not re.search(r"\| - \|", part)


def test_a_file_of_something_else_is_refused(tmp_path):
    path = tmp_path / "other.json"
    for content in ("{}", "[]", "no json"):
        path.write_text(content)
        with pytest.raises(UserError, match="expected a file of"):
            read_report(path)
    with pytest.raises(UserError, match="expected a file of"):
        read_report(tmp_path / "nothing.json")


@pytest.mark.parametrize(
    "lost", ["counts", "protocol.transfer", "dataset.specification", "config.network.reenactment"]
)
def test_a_file_of_another_version_is_refused_by_what_it_lacks(report, tmp_path, lost):
    path, other = tmp_path / "metrics.json", copy.deepcopy(report)
    path.write_text(json.dumps(report))
    assert read_report(path) == report
    *folders, leaf = lost.split(".")
    functools.reduce(lambda part, key: part[key], folders, other).pop(leaf)
    path.write_text(json.dumps(other))
    with pytest.raises(UserError, match=f"without {folders[0] if len(folders) > 1 else lost}"):
        read_report(path)


def test_csim_by_other_weights_than_the_papers_has_a_footnote(report):
    weights = {"network": arcface.NETWORK, "file": "w600k_r50.onnx", "sha256": "0" * 64}
    note = "CSIM by w600k_r50.onnx, not comparable with the paper's"
    for official in ("w600k_r50.onnx", "backbone.pth"):
        file = celebv(report, flow=True, occlusion=True, synthesis=True, csim=0.6)
        file["weights"] = [weights | {"official": official, "known": True}]
        assert (note in tables_markdown([file])) == (official != "backbone.pth")


def test_pictures_of_other_code_are_no_variant(report):
    file = celebv(report, flow=True, occlusion=True, synthesis=True, csim=0.6)
    file["config"] = {"name": "theirs", "image_size": 64, "guidance": {}}
    file["protocol"]["run"] = "theirs"
    third = table(tables_markdown([file]), "Table 3")
    assert "| theirs (other code) [" in third and "(ours)" not in third


def test_the_plot_has_the_means_of_the_bins(report, tmp_path):
    pytest.importorskip("matplotlib")
    draw_pose_plot([report], tmp_path / "fig6.png")
    image = read_image(tmp_path / "fig6.png")
    # Lines of several colours, not an empty frame.
    assert len(np.unique(image.reshape(-1, 3), axis=0)) > 100
    other = copy.deepcopy(report)
    other["protocol"]["pairs"] = "0" * 16
    with pytest.raises(UserError, match="expected reports on one list of pairs"):
        draw_pose_plot([report, other], tmp_path / "both.png")
    with pytest.raises(UserError, match="found none"):
        draw_pose_plot([report | {"bins": []}], tmp_path / "none.png")
    assert [path.name for path in tmp_path.iterdir()] == ["fig6.png"]


def test_columns_do_not_overlap():
    names = [*paper_tables.COLUMNS, *paper_tables.OPEN_COLUMNS, *paper_tables.PIXEL_COLUMNS]
    assert len(names) == len(set(names))
