"""Reading of network files: what is refused, and how a file's origin is recorded."""

import dataclasses
import hashlib
import json
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from reenact_jax.errors import UserError
from reenact_jax.pretrained import lpips, network_files
from reenact_jax.pretrained.network_files import read_network, write_network
from tests.helpers.evaluation_weights import draw_arrays

CONVERT = Path(__file__).parents[2] / "scripts" / "convert_evaluation.py"
# The smallest of the published files stands for all.
KIND = lpips.LINEAR_FILES["alex"]
PUBLISHED = "df73285e35b22355a2df87cdb6b70b343713b667eddbda73e1977e0c860835c0"


@pytest.fixture
def arrays():
    return draw_arrays(0, KIND.shapes)


def test_an_unknown_file_is_read_and_said_aloud(tmp_path, arrays, caplog):
    path = tmp_path / "alex.safetensors"
    save_file(arrays, path)
    with caplog.at_level("WARNING", logger="absl"):
        found, provenance = read_network(KIND, path)
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert json.loads(json.dumps(dataclasses.asdict(provenance))) == {
        "network": "LPIPS's linear layers for AlexNet",
        "file": "alex.safetensors",
        "sha256": digest,
        "source_sha256": None,
        "official": None,
        "known": False,
    }
    assert "not known to be the published ones" in caplog.text
    assert digest in caplog.text and PUBLISHED in caplog.text


@pytest.mark.parametrize("source", [PUBLISHED, "0" * 64], ids=["published", "another"])
def test_a_converted_file_is_known_by_its_source(tmp_path, arrays, source, caplog):
    path = tmp_path / "renamed.safetensors"
    save_file(arrays, path, metadata={"source_sha256": source})
    with caplog.at_level("WARNING", logger="absl"):
        _, provenance = read_network(KIND, path)
    assert provenance.known == (source == PUBLISHED) == (not caplog.text)
    assert provenance.official == ("alex.pth" if source == PUBLISHED else None)
    assert provenance.source_sha256 == source and provenance.sha256 != source


def test_a_conversion_of_a_conversion_keeps_the_first_source(tmp_path, arrays):
    first, second = tmp_path / "first.safetensors", tmp_path / "second.safetensors"
    save_file(arrays, first, metadata={"source_sha256": PUBLISHED})
    write_network(second, KIND, *read_network(KIND, first))
    found, provenance = read_network(KIND, second)
    assert provenance.official == "alex.pth" and found.keys() == arrays.keys()


def test_a_published_pth_is_known_by_its_own_hash(tmp_path, arrays, monkeypatch):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed (the extra `convert`)")
    path = tmp_path / "renamed.pth"
    torch.save({name: torch.from_numpy(array) for name, array in arrays.items()}, path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    asset = dataclasses.replace(network_files.BY_NAME["alex.pth"], sha256=digest)
    monkeypatch.setitem(network_files.BY_NAME, "alex.pth", asset)
    _, provenance = read_network(KIND, path)
    assert provenance.known and provenance.official == "alex.pth"
    assert provenance.sha256 == provenance.source_sha256 == digest

    target = tmp_path / "alex.safetensors"
    monkeypatch.setattr(sys, "argv", [str(CONVERT), "lpips-alex", str(path), str(target)])
    runpy.run_path(str(CONVERT), run_name="__main__")
    found, provenance = read_network(KIND, target)
    assert provenance.known and provenance.source_sha256 == digest
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)


def test_a_pth_that_holds_code_or_breaks_off_is_refused(tmp_path, arrays):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed (the extra `convert`)")
    path = tmp_path / "alex.pth"
    torch.save(torch.nn.Linear(2, 2), path)
    with pytest.raises(UserError, match="objects other than tensors; such objects are never"):
        read_network(KIND, path)
    torch.save({name: torch.from_numpy(array) for name, array in arrays.items()}, path)
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(UserError, match="broke off.*Expected is LPIPS's linear .*: alex.pth"):
        read_network(KIND, path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lin0.model.1.weight": np.full((1, 64, 1, 1), np.nan)}, "lin0.model.1.weight: .* NaN"),
        ({"lin9.weight": np.zeros(1)}, r"unknown \['lin9.weight'\]"),
        ({"lin0.model.1.weight": np.zeros((64,))}, r"expected \(1, 64, 1, 1\), found \(64,\)"),
    ],
    ids=["not finite", "unknown", "shape"],
)
def test_arrays_that_are_not_the_network_s_are_refused(tmp_path, arrays, change, message):
    path = tmp_path / "alex.safetensors"
    save_file(arrays | change, path)
    with pytest.raises(UserError, match=message):
        read_network(KIND, path)


def test_negative_variances_are_refused(tmp_path):
    kind = dataclasses.replace(KIND, shapes={"bn.running_var": (2,)})
    path = tmp_path / "norm.safetensors"
    counter = {"bn.num_batches_tracked": np.array(3)}
    save_file({"bn.running_var": np.ones(2)} | counter, path)
    read_network(kind, path)
    save_file({"bn.running_var": np.float32([1, -1])} | counter, path)
    with pytest.raises(UserError, match="bn.running_var: expected variances, found -1"):
        read_network(kind, path)


def test_missing_truncated_and_foreign_files_are_refused(tmp_path, arrays):
    with pytest.raises(UserError, match="found no such file; `python -m reenact_jax.assets`"):
        read_network(KIND, tmp_path / "alex.pth")
    path = tmp_path / "alex.safetensors"
    save_file(arrays, path)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(UserError, match="expected a safetensors file, found"):
        read_network(KIND, path)
    other = tmp_path / "alex.npz"
    other.write_bytes(b"nothing of the kind")
    with pytest.raises(UserError, match=r"expected a \.pth or \.safetensors file"):
        read_network(KIND, other)


def test_a_pth_without_torch_names_the_extra_and_the_converter(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    path = tmp_path / "alex.pth"
    path.write_bytes(b"")
    with pytest.raises(UserError, match=r"reenact-jax\[convert\].*convert_evaluation\.py"):
        read_network(KIND, path)


def test_the_converter_refuses_in_one_line_and_leaves_nothing(tmp_path, arrays, monkeypatch):
    source, target = tmp_path / "source.safetensors", tmp_path / "target.pth"
    save_file(arrays, source)
    for network, message in (("lpips-alex", "ending in .safetensors"), ("vgg16", "found LPIPS's")):
        monkeypatch.setattr(sys, "argv", [str(CONVERT), network, str(source), str(target)])
        with pytest.raises(SystemExit, match=f"error: .*{message}"):
            runpy.run_path(str(CONVERT), run_name="__main__")
    assert list(tmp_path.iterdir()) == [source]
