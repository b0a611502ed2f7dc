"""ArcFace's iresnet50 against PyTorch's answers, and its two published forms of file."""

import runpy
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
from safetensors.numpy import save_file

from reenact_jax.errors import UserError
from reenact_jax.pretrained import arcface
from reenact_jax.pretrained.arcface_onnx import read_iresnet_onnx
from tests.helpers.evaluation_weights import draw_arrays, draw_images

ROOT = Path(__file__).parents[2]
FIXTURES = ROOT / "tests" / "fixtures" / "torch"
TORCH_NETWORKS = ROOT / "scripts" / "make_evaluation_fixtures.py"
EMBEDDING = jax.jit(arcface.arcface_embedding)
TINY_STAGES = ((2, 4), (1, 6), (2, 8), (1, 8))


@pytest.fixture(scope="module")
def stored():
    return dict(np.load(FIXTURES / "arcface.npz"))


def test_embeddings_agree_with_torch_s_stored_ones_and_the_file_is_read(stored, tmp_path):
    seed = int(stored["seed"])
    path = tmp_path / "arcface.safetensors"
    save_file(draw_arrays(seed, arcface.FILE.shapes), path)
    params, _ = arcface.load_arcface(path)
    path.unlink()
    found = EMBEDDING(params, draw_images(seed, 2, 112, 112))
    assert found.shape == (2, 512) and found.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, rtol=1e-6)
    expected = stored["embeddings"]
    assert expected[0] @ expected[1] < 0.9
    print(f"\nlargest difference to PyTorch {np.abs(found - expected).max():.1e}", end=" ")
    print(f"of numbers up to {np.abs(expected).max():.2f}")
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_file_of_torch_gives_torch_s_embeddings(tmp_path):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed (the extra `convert`)")
    networks = runpy.run_path(str(TORCH_NETWORKS))
    module = networks["drawn"](networks["iresnet50"](), 5)
    path = tmp_path / "backbone.pth"
    torch.save(module.state_dict(), path)
    params, _ = arcface.load_arcface(path)
    images = draw_images(8, 2, 112, 112)
    with torch.no_grad():
        expected = module(networks["channels_first"](2 * images - 1))
    expected = torch.nn.functional.normalize(expected).numpy()
    np.testing.assert_allclose(EMBEDDING(params, images), expected, atol=1e-5)


def test_the_arrays_fill_the_published_file():
    numbers = sum(int(np.prod(shape)) for shape in arcface.FILE.shapes.values())
    # What is left are names and counters.
    assert 0 < 174_680_546 - 4 * numbers < 200_000


@pytest.mark.parametrize("form", ["folded", "unfolded"])
def test_an_onnx_file_of_torch_gives_torch_s_embeddings(stored, form):
    pytest.importorskip("onnx")
    arrays = read_iresnet_onnx(FIXTURES / f"iresnet_{form}.onnx")
    assert {n: a.shape for n, a in arrays.items()} == arcface.iresnet_shapes(TINY_STAGES, 16)
    images = draw_images(int(stored["seed"]), 2, 112, 112)
    found = EMBEDDING(arcface.fold_iresnet(arrays), images)
    expected = stored["tiny_embeddings"]
    assert expected[0] @ expected[1] < 0.9
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_an_unfolded_onnx_file_holds_the_arrays_of_the_state_dict(stored):
    pytest.importorskip("onnx")
    arrays = read_iresnet_onnx(FIXTURES / "iresnet_unfolded.onnx")
    expected = draw_arrays(int(stored["seed"]), arcface.iresnet_shapes(TINY_STAGES, 16))
    assert arrays.keys() == expected.keys()
    for name, array in arrays.items():
        np.testing.assert_allclose(array, expected[name], atol=1e-7, err_msg=name)


def test_onnx_exports_of_the_full_network_are_read_live(tmp_path):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed (the extra `convert`)")
    pytest.importorskip("onnx")
    networks = runpy.run_path(str(TORCH_NETWORKS))
    module = networks["drawn"](networks["iresnet50"](), 6)
    path = tmp_path / "w600k_r50.onnx"
    networks["export_iresnet"](module, path, folded=True)
    params, provenance = arcface.load_arcface(path)
    assert not provenance.known and provenance.sha256 == provenance.source_sha256
    images = draw_images(9, 2, 112, 112)
    with torch.no_grad():
        expected = module(networks["channels_first"](2 * images - 1))
    expected = torch.nn.functional.normalize(expected).numpy()
    np.testing.assert_allclose(EMBEDDING(params, images), expected, atol=1e-5)


def named(stages):
    """Arrays of length 1 under the names of another iresnet."""
    return {name: np.zeros(1, np.float32) for name in arcface.iresnet_shapes(stages)}


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (
            named(((3, 64), (13, 128), (30, 256), (3, 512))),
            "expected the weights of ArcFace's iresnet50, found those of iresnet100, of 3, 13, 30",
        ),
        (named(((2, 64), (2, 128), (2, 256), (2, 512))), "found those of iresnet18"),
        (named(((3, 64), (4, 128), (15, 256), (3, 512))), r"unknown \['layer3.14.bn1.bias'"),
        ({"fc.weight": np.zeros(1)}, r"missing \['bn1.bias'"),
    ],
    ids=["iresnet100", "iresnet18", "one block more", "not an iresnet"],
)
def test_weights_of_another_network_are_refused(tmp_path, arrays, message):
    path = tmp_path / "other.safetensors"
    save_file(arrays, path)
    with pytest.raises(UserError, match=message):
        arcface.load_arcface(path)


def written(tmp_path, change):
    """The folded file with something in its graph changed."""
    onnx = pytest.importorskip("onnx")
    model = onnx.load(FIXTURES / "iresnet_folded.onnx")
    change(model.graph)
    path = tmp_path / "changed.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def stride_one(graph):
    conv = [node for node in graph.node if node.op_type == "Conv"][2]
    next(a for a in conv.attribute if a.name == "strides").ints[:] = [1, 1]


def relu_for_prelu(graph):
    node = next(node for node in graph.node if node.op_type == "PRelu")
    node.op_type = "Relu"
    del node.input[1]


def weights_elsewhere(graph):
    graph.initializer[0].data_location = 1


def weights_missing(graph):
    del graph.initializer[0]


def other_sum(graph):
    node = [node for node in graph.node if node.op_type == "Add"][1]
    node.input[1] = graph.input[0].name


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (stride_one, r"layer1.0.conv2 with \{'strides': \[2, 2\].*found \{'strides': \[1, 1\]"),
        (relu_for_prelu, r"PRelu after value .*found \['Relu'\]"),
        (weights_elsewhere, "arrays inside the file; found some in a file beside it"),
        (weights_missing, "found "),
        (other_sum, "expected an iresnet's graph"),
        (lambda graph: None, "expected the weights of ArcFace's iresnet50"),
    ],
    ids=["stride", "activation", "external weights", "no array", "sum", "another iresnet"],
)
def test_onnx_graphs_of_another_network_are_refused(tmp_path, change, message):
    with pytest.raises(UserError, match=message):
        arcface.load_arcface(written(tmp_path, change))


@pytest.mark.parametrize("length", [0, 30_000], ids=["empty", "truncated"])
def test_damaged_onnx_files_are_refused(tmp_path, length):
    pytest.importorskip("onnx")
    path = tmp_path / "w600k_r50.onnx"
    path.write_bytes((FIXTURES / "iresnet_folded.onnx").read_bytes()[:length])
    with pytest.raises(UserError, match="expected an (ONNX file|iresnet's graph)"):
        arcface.load_arcface(path)


def test_an_onnx_file_without_the_package_names_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    path = tmp_path / "w600k_r50.onnx"
    path.write_bytes(b"")
    with pytest.raises(UserError, match=r"pip install onnx.*convert_evaluation\.py"):
        arcface.load_arcface(path)


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [((112, 112, 3), np.float32), ((1, 256, 256, 3), np.float32), ((1, 112, 112, 3), np.uint8)],
    ids=str,
)
def test_images_of_another_kind_are_refused(shape, dtype):
    with pytest.raises(ValueError, match=r"expected float32 aligned images \(B, 112, 112, 3\)"):
        arcface.arcface_embedding({}, np.zeros(shape, dtype))
