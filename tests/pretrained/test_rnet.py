"""R-Net against PyTorch's answers, its readers against written files and broken ones."""

import runpy
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from reenact_jax.errors import UserError
from reenact_jax.pretrained import rnet
from tests.helpers import rnet_weights

ROOT = Path(__file__).parents[2]
FIXTURE = ROOT / "tests" / "fixtures" / "torch" / "rnet.npz"
CONVERT = ROOT / "scripts" / "convert_rnet.py"


@pytest.fixture(scope="module")
def stored():
    return dict(np.load(FIXTURE))


@pytest.fixture(scope="module")
def params():
    return rnet.fold(rnet_weights.drawn_state())


def pictures(stored):
    """uint8 (2, 224, 224, 3): the fixture's squares, 16 pixels each."""
    return stored["squares"].repeat(16, axis=1).repeat(16, axis=2)


def test_coefficients_agree_with_torch_s_stored_ones(stored, params):
    found = jax.jit(rnet.rnet_coefficients)(params, pictures(stored))
    assert found.shape == (2, 257) and found.dtype == np.float32
    # The two pictures' answers lie far more than the tolerance apart.
    assert np.abs(stored["output"][0] - stored["output"][1]).mean() > 0.3
    print(f"\nlargest difference to PyTorch {np.abs(found - stored['output']).max():.1e}", end=" ")
    print(f"of numbers up to {np.abs(stored['output']).max():.1f}")
    np.testing.assert_allclose(found, stored["output"], atol=1e-4)


def test_coefficients_agree_with_torch_live(params):
    pytest.importorskip("torch", reason="PyTorch is not installed (the extra `convert`)")
    import torch

    from scripts.torch_fixtures.rnet import RNet

    module = RNet().eval()
    state = {name: torch.from_numpy(a) for name, a in rnet_weights.drawn_state().items()}
    missing, unexpected = module.load_state_dict(state, strict=False)
    assert not unexpected and all(name.endswith("num_batches_tracked") for name in missing)
    crops = np.random.default_rng(3).integers(0, 256, (2, 224, 224, 3), np.uint8)
    with torch.no_grad():
        expected = module(torch.from_numpy(crops.transpose(0, 3, 1, 2)).float() / 255)
    found = jax.jit(rnet.rnet_coefficients)(params, crops)
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-4)


def test_the_network_has_the_published_number_of_parameters():
    shapes = rnet.state_shapes()
    heads = sum(np.prod(s) for name, s in shapes.items() if name.startswith("final_layers"))
    statistics = sum(np.prod(s) for name, s in shapes.items() if ".running_" in name)
    total = sum(np.prod(s) for s in shapes.values())
    assert heads == 526_593
    # ResNet-50 has 25,557,032, its classifier 2,049,000 of them.
    assert total - heads - statistics == 25_557_032 - 2_049_000


def test_the_parameters_are_those_that_the_module_asks_for(params):
    crops = jax.ShapeDtypeStruct((1, 224, 224, 3), np.uint8)
    asked = jax.eval_shape(rnet.RNet().init, jax.random.key(0), crops)["params"]
    assert jax.tree.map(np.shape, params) == jax.tree.map(lambda leaf: leaf.shape, asked)


def test_the_heads_lie_in_the_vector_s_order():
    # Biases that count the outputs, on a network whose features vanish.
    arrays = {name: np.zeros_like(a) for name, a in rnet_weights.drawn_state().items()}
    count = iter(range(257))
    for number, width in enumerate((80, 64, 80, 3, 27, 2, 1)):
        bias = [next(count) for _ in range(width)]
        arrays[f"final_layers.{number}.bias"] = np.float32(bias)
    heads = rnet.fold(arrays)["heads"]
    np.testing.assert_array_equal(heads["bias"], np.arange(257))


def test_an_untrained_network_of_zero_heads_answers_with_the_mean_face(params):
    zero = params | {"heads": jax.tree.map(np.zeros_like, params["heads"])}
    crops = np.full((2, 224, 224, 3), 90, np.uint8)
    np.testing.assert_array_equal(jax.jit(rnet.rnet_coefficients)(zero, crops), 0.0)


def test_both_kinds_of_safetensors_are_read(tmp_path, params):
    plain = rnet_weights.write_safetensors(tmp_path / "rnet.safetensors")
    state = {f"face_3drecon.{n}": a for n, a in rnet_weights.drawn_state().items()}
    bundle = tmp_path / "bundle.safetensors"
    save_file(state | {"generator.conv.weight": np.zeros((3, 3), np.float32)}, bundle)
    for path in (plain, bundle):
        jax.tree.map(np.testing.assert_array_equal, rnet.load_rnet(path), params)


def changed(name, array):
    return rnet_weights.drawn_state() | {name: array}


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"fc.weight": np.zeros((1000, 2048), np.float32)}, r"missing \[.* more; unknown \['fc.w"),
        (
            changed("backbone.conv1.weight", np.zeros((64, 1, 7, 7), np.float32)),
            r"conv1.weight: expected \(64, 3, 7, 7\), found \(64, 1, 7, 7\)",
        ),
        (changed("backbone.layer1.3.conv1.weight", np.zeros(1)), r"unknown \['backbone.layer1.3"),
        (changed("final_layers.3.bias", np.full(3, np.nan)), "final_layers.3.bias: .* NaN"),
        (
            changed("backbone.bn1.running_var", np.full(64, -1.0)),
            "bn1.running_var: expected variances, found -1.0",
        ),
    ],
    ids=["another network", "shape", "too many blocks", "not finite", "no variance"],
)
def test_weights_of_another_network_are_refused(tmp_path, state, message):
    path = tmp_path / "other.safetensors"
    save_file({name: np.ascontiguousarray(array) for name, array in state.items()}, path)
    with pytest.raises(UserError, match=message):
        rnet.load_rnet(path)


def test_missing_truncated_and_foreign_files_are_refused(tmp_path):
    with pytest.raises(UserError, match="found no such file; it is epoch_20.pth"):
        rnet.load_rnet(tmp_path / "epoch_20.pth")
    whole = rnet_weights.write_safetensors(tmp_path / "rnet.safetensors")
    cut = tmp_path / "cut.safetensors"
    with open(whole, "rb") as file:
        cut.write_bytes(file.read(5_000_000))
    with pytest.raises(UserError, match="expected a safetensors file, found"):
        rnet.load_rnet(cut)
    other = tmp_path / "weights.npz"
    other.write_bytes(b"nothing of the kind")
    with pytest.raises(UserError, match=r"expected a \.pth or \.safetensors file"):
        rnet.load_rnet(other)


def test_a_pth_without_torch_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    path = tmp_path / "epoch_20.pth"
    path.write_bytes(b"")
    with pytest.raises(UserError, match=r"reenact-jax\[convert\].*convert_rnet\.py"):
        rnet.load_rnet(path)


def checkpoint(torch):
    """A dict like the published file's: weights, optimiser and schedule."""
    state = {name: torch.from_numpy(a) for name, a in rnet_weights.drawn_state().items()}
    state["backbone.bn1.num_batches_tracked"] = torch.tensor(7)
    layer = torch.nn.Linear(2, 2)
    adam = torch.optim.Adam(layer.parameters())
    layer(torch.ones(1, 2)).sum().backward()
    adam.step()
    schedule = torch.optim.lr_scheduler.StepLR(adam, 10, 0.2)
    return {"net_recon": state, "opt_00": adam.state_dict(), "sched_00": schedule.state_dict()}


def test_a_checkpoint_of_torch_is_read_and_converted(tmp_path, params, monkeypatch, capsys):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    path, target = tmp_path / "epoch_20.pth", tmp_path / "rnet.safetensors"
    torch.save(checkpoint(torch), path)
    jax.tree.map(np.testing.assert_array_equal, rnet.load_rnet(path), params)

    monkeypatch.setattr(sys, "argv", [str(CONVERT), str(path), str(target)])
    runpy.run_path(str(CONVERT), run_name="__main__")
    assert "wrote" in capsys.readouterr().out
    converted = load_file(target)
    assert converted.keys() == rnet.state_shapes().keys()
    jax.tree.map(np.testing.assert_array_equal, rnet.load_rnet(target), params)
    assert sorted(p.name for p in tmp_path.iterdir()) == [path.name, target.name]


def test_a_pth_that_holds_code_is_truncated_or_has_no_weights_is_refused(tmp_path):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    path = tmp_path / "epoch_20.pth"
    torch.save({"net_recon": torch.nn.Linear(2, 2)}, path)
    with pytest.raises(UserError, match="objects other than tensors; such objects are never"):
        rnet.load_rnet(path)
    torch.save({"opt_00": {"lr": 1e-4}}, path)
    with pytest.raises(UserError, match="state dict .* under 'net_recon' or at its top"):
        rnet.load_rnet(path)
    torch.save({"net_recon": {"conv1.weight": torch.zeros(64, 3, 7, 7)}}, path)
    with pytest.raises(UserError, match="expected the weights of Deep3DFaceRecon's R-Net"):
        rnet.load_rnet(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match="broke off"):
        rnet.load_rnet(path)


def test_the_converter_writes_nothing_when_its_source_is_bad(tmp_path, monkeypatch):
    source, target = tmp_path / "bad.safetensors", tmp_path / "rnet.safetensors"
    source.write_bytes(b"nothing")
    monkeypatch.setattr(sys, "argv", [str(CONVERT), str(source), str(target)])
    with pytest.raises(SystemExit, match="error: expected a safetensors file"):
        runpy.run_path(str(CONVERT), run_name="__main__")
    assert [p.name for p in tmp_path.iterdir()] == [source.name]


def test_an_unknown_pth_is_named_by_its_hash(tmp_path, caplog):
    path = tmp_path / "epoch_20.pth"
    path.write_bytes(b"abc")
    with caplog.at_level("WARNING", logger="absl"):
        # The published example of SHA-256.
        assert rnet.file_sha256(path).startswith("ba7816bf8f01cfea414140de5dae2223")
    assert "is not that of the published epoch_20.pth" in caplog.text


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [((1, 256, 256, 3), np.uint8), ((224, 224, 3), np.uint8), ((1, 224, 224, 3), np.float32)],
    ids=str,
)
def test_crops_of_another_kind_are_refused(shape, dtype):
    with pytest.raises(ValueError, match=r"expected uint8 crops \(B, 224, 224, 3\)"):
        rnet.rnet_coefficients({}, np.zeros(shape, dtype))
