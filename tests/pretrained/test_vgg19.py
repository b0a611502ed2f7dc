"""VGG-19 against PyTorch's activations, its readers against written files and broken ones."""

import builtins
import importlib.util
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
from safetensors.numpy import save_file

from reenact_jax.pretrained import vgg19
from tests.helpers.vgg19_weights import drawn_arrays

ROOT = Path(__file__).parents[2]
FIXTURE = ROOT / "tests" / "fixtures" / "torch" / "vgg19.npz"


@pytest.fixture(scope="module")
def stored():
    return dict(np.load(FIXTURE))


@pytest.fixture(scope="module")
def safetensors_file(stored, tmp_path_factory):
    path = tmp_path_factory.mktemp("vgg") / "vgg19.safetensors"
    save_file(drawn_arrays(int(stored["seed"])), path)
    return path


def test_activations_agree_with_torch_at_the_five_layers(stored, safetensors_file):
    params = vgg19.load_vgg19(safetensors_file)
    features = jax.jit(vgg19.vgg19_features)(params, stored["images"])
    for number, feature in zip((1, 6, 11, 20, 29), features, strict=True):
        feature = np.asarray(feature)
        name = f"relu{number}"
        assert feature.shape == tuple(stored[f"{name}_shape"])
        samples = feature.reshape(-1)[stored[f"{name}_indices"]]
        assert stored[f"{name}_samples"].max() > 1
        np.testing.assert_allclose(samples, stored[f"{name}_samples"], atol=1e-4)
        moments = [feature.mean(dtype=np.float64), feature.std(dtype=np.float64)]
        np.testing.assert_allclose(moments, stored[f"{name}_moments"], atol=1e-5)


def test_random_weights_repeat_and_have_he_deviation():
    params, again = vgg19.random_vgg19(3), vgg19.random_vgg19(3)
    jax.tree.map(np.testing.assert_array_equal, params, again)
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == 12_944_960
    for layer in params.values():
        inputs = layer["kernel"].shape[2]
        assert float(layer["kernel"].std()) == pytest.approx(np.sqrt(2 / (9 * inputs)), rel=0.05)
        np.testing.assert_array_equal(layer["bias"], 0.0)
    other = vgg19.random_vgg19(4)
    assert not np.array_equal(other["features.0"]["kernel"], params["features.0"]["kernel"])


def test_resolving_random_is_logged_and_a_path_is_read(safetensors_file, caplog):
    with caplog.at_level("INFO", logger="absl"):
        params = vgg19.resolve_vgg19("random")
        assert "RANDOM weights" in caplog.text
        caplog.clear()
        loaded = vgg19.resolve_vgg19(str(safetensors_file))
        assert str(safetensors_file) in caplog.text
    assert jax.tree.map(np.shape, params) == jax.tree.map(np.shape, loaded)
    assert not np.array_equal(params["features.0"]["bias"], loaded["features.0"]["bias"])


@pytest.mark.parametrize("spec", ["", "no/such/vgg19-dcbb9e9d.pth"], ids=["empty", "missing"])
def test_without_weights_the_error_tells_where_to_get_them(spec):
    with pytest.raises((ValueError, FileNotFoundError)) as error:
        vgg19.resolve_vgg19(spec)
    assert "https://download.pytorch.org/models/vgg19-dcbb9e9d.pth" in str(error.value)
    assert "vgg_weights = 'random'" in str(error.value)


def test_wrong_names_and_shapes_are_listed_from_both_sides(tmp_path, safetensors_file):
    arrays = drawn_arrays(0)
    del arrays["features.28.bias"]
    arrays["features.29.bias"] = np.zeros(512, np.float32)
    arrays["features.0.weight"] = np.zeros((64, 1, 3, 3), np.float32)
    path = tmp_path / "other.safetensors"
    save_file(arrays, path)
    with pytest.raises(ValueError) as error:
        vgg19.load_vgg19(path)
    message = str(error.value)
    assert "missing ['features.28.bias']" in message
    assert "unknown ['features.29.bias']" in message
    assert "features.0.weight: expected (64, 3, 3, 3), found (64, 1, 3, 3)" in message


def test_layers_of_the_complete_network_are_welcome(tmp_path, safetensors_file):
    arrays = drawn_arrays(7) | {
        "features.34.bias": np.zeros(512, np.float32),
        "classifier.6.bias": np.zeros(1000, np.float32),
    }
    path = tmp_path / "complete.safetensors"
    save_file(arrays, path)
    jax.tree.map(
        np.testing.assert_array_equal,
        vgg19.load_vgg19(path),
        vgg19.load_vgg19(safetensors_file),
    )


@pytest.mark.parametrize("name", ["vgg19.safetensors", "vgg19.npz"])
def test_files_of_another_kind_are_refused(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(ValueError, match=r"expected a .*safetensors file, found"):
        vgg19.load_vgg19(path)


def test_a_pth_without_torch_names_the_extra(tmp_path, monkeypatch):
    real_import = builtins.__import__

    def without_torch(name, *args, **kwargs):
        if name == "torch":
            raise ImportError("No module named 'torch'")
        return real_import(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_torch)
    path = tmp_path / "vgg19-dcbb9e9d.pth"
    path.write_bytes(b"")
    with pytest.raises(ImportError, match=r"reenact-jax\[convert\].*convert_vgg19\.py"):
        vgg19.load_vgg19(path)


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_a_pth_written_by_torch_is_read_and_converted(tmp_path, stored, zipped, monkeypatch):
    torch = pytest.importorskip("torch")
    arrays = drawn_arrays(int(stored["seed"]))
    path = tmp_path / "vgg19-dcbb9e9d.pth"
    state = {name: torch.from_numpy(array) for name, array in arrays.items()}
    # The official file is of the older, unzipped kind.
    torch.save(state, path, _use_new_zipfile_serialization=zipped)
    loaded = vgg19.load_vgg19(path)

    target = tmp_path / "converted.safetensors"
    spec = importlib.util.spec_from_file_location("convert", ROOT / "scripts" / "convert_vgg19.py")
    convert = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(convert)
    monkeypatch.setattr(sys, "argv", ["convert_vgg19.py", str(path), str(target)])
    convert.main()
    jax.tree.map(np.testing.assert_array_equal, loaded, vgg19.load_vgg19(target))
    np.testing.assert_array_equal(
        loaded["features.5"]["kernel"], arrays["features.5.weight"].transpose(2, 3, 1, 0)
    )
    assert sorted(p.name for p in tmp_path.iterdir()) == [target.name, path.name]


def test_a_pth_that_holds_code_or_nothing_is_refused(tmp_path):
    torch = pytest.importorskip("torch")
    path = tmp_path / "vgg19.pth"
    for content in (torch.nn.Linear(2, 2), [torch.zeros(2)]):
        torch.save(content, path)
        with pytest.raises(ValueError, match=r"expected a .*PyTorch state dict"):
            vgg19.load_vgg19(path)
    path.write_bytes(b"")
    with pytest.raises(ValueError, match="expected a PyTorch state dict"):
        vgg19.load_vgg19(path)


@pytest.mark.parametrize("shape", [(1, 8, 8, 3), (1, 32, 32, 1), (32, 32, 3)], ids=str)
def test_images_of_another_shape_are_refused(shape):
    with pytest.raises(ValueError, match=r"expected images \(B, H, W, 3\) with sides >= 16"):
        vgg19.vgg19_features({}, np.zeros(shape, np.float32))
