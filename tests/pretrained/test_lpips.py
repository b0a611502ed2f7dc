"""LPIPS against PyTorch's answers, its properties, and the files that may be confused."""

import runpy
from pathlib import Path

import jax
import numpy as np
import pytest
from safetensors.numpy import save_file

from reenact_jax.errors import UserError
from reenact_jax.pretrained import lpips
from tests.helpers.evaluation_weights import draw_arrays, draw_images

ROOT = Path(__file__).parents[2]
FIXTURE = ROOT / "tests" / "fixtures" / "torch" / "lpips.npz"
TORCH_NETWORKS = ROOT / "scripts" / "make_evaluation_fixtures.py"
DISTANCE = jax.jit(lpips.lpips_distance)


def write_files(folder, network, seed):
    trunk, linear = folder / "trunk.safetensors", folder / "linear.safetensors"
    save_file(draw_arrays(seed, lpips.TRUNK_FILES[network].shapes), trunk)
    save_file(draw_arrays(seed, lpips.LINEAR_FILES[network].shapes), linear)
    return trunk, linear


@pytest.fixture(scope="module")
def stored():
    return dict(np.load(FIXTURE))


@pytest.fixture(scope="module")
def pairs(stored):
    return draw_images(int(stored["seed"]), 4, 67, 80).reshape(2, 2, 67, 80, 3)


@pytest.fixture(scope="module")
def params(stored, tmp_path_factory):
    """network -> parameters, read from files."""
    folder = tmp_path_factory.mktemp("lpips")
    seed = int(stored["seed"])
    found = {n: lpips.load_lpips(n, *write_files(folder, n, seed))[0] for n in lpips.NETWORKS}
    for path in folder.iterdir():
        path.unlink()
    return found


@pytest.mark.parametrize("network", lpips.NETWORKS)
def test_distances_and_activations_agree_with_torch_s_stored_ones(stored, params, pairs, network):
    a, b = pairs
    expected = stored[f"{network}_distance"]
    found = DISTANCE(params[network], a, b)
    assert found.shape == (2,) and abs(expected[0] - expected[1]) > 0.01
    print(f"\nlargest difference to PyTorch {np.abs(found - expected).max():.1e}", end=" ")
    np.testing.assert_allclose(found, expected, atol=1e-5)
    features = jax.jit(lpips.lpips_features)(params[network], a)
    for index, feature in enumerate(features):
        samples = stored[f"{network}_activations{index}"]
        values = np.asarray(feature).reshape(-1)
        picked = np.linspace(0, values.size - 1, len(samples)).astype(np.int64)
        np.testing.assert_allclose(values[picked], samples, atol=1e-4)


@pytest.mark.parametrize("network", lpips.NETWORKS)
def test_files_of_torch_give_torch_s_distances(tmp_path, pairs, network):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed (the extra `convert`)")
    networks = runpy.run_path(str(TORCH_NETWORKS))
    module = networks["drawn_lpips"](network, 5)
    trunk, linear = tmp_path / "trunk.pth", tmp_path / "linear.pth"
    # The published files are of the older kind.
    old = {"_use_new_zipfile_serialization": False}
    unused = "classifier.6.bias"
    torch.save(module.trunk.state_dict() | {unused: torch.zeros(1000)}, trunk, **old)
    weights = {f"lin{i}.model.1.weight": w.data for i, w in enumerate(module.weights)}
    torch.save(weights, linear, **old)
    params, provenances = lpips.load_lpips(network, trunk, linear)
    assert [p.file for p in provenances] == ["trunk.pth", "linear.pth"]
    with torch.no_grad():
        expected = module(*(networks["channels_first"](x) for x in pairs)).numpy()
    np.testing.assert_allclose(DISTANCE(params, *pairs), expected, atol=1e-5)


def test_the_distance_is_symmetric_and_zero_for_equal_pictures(params, pairs):
    a, b = pairs
    there, back = DISTANCE(params["alex"], a, b), DISTANCE(params["alex"], b, a)
    np.testing.assert_allclose(there, back, rtol=1e-5)
    np.testing.assert_array_equal(DISTANCE(params["alex"], a, a), 0.0)
    mixed = DISTANCE(params["alex"], a, np.stack([a[0], b[1]]))
    np.testing.assert_allclose(mixed, [0, there[1]], rtol=1e-5)


def test_units_are_of_length_one_and_silent_pixels_stay_finite():
    x = np.float32([[0.0, 0.0], [3.0, 4.0]]).reshape(1, 2, 1, 2)
    value, pullback = jax.vjp(lpips.unit_length, x)
    np.testing.assert_allclose(value.reshape(2, 2), [[0, 0], [0.6, 0.8]], rtol=1e-6)
    assert np.isfinite(pullback(np.ones_like(x))[0]).all()


def test_files_of_the_other_network_or_part_are_named(tmp_path):
    alex_trunk, alex_linear = write_files(tmp_path, "alex", 0)
    other = tmp_path / "other"
    other.mkdir()
    vgg_linear = other / "vgg.safetensors"
    save_file(draw_arrays(0, lpips.LINEAR_FILES["vgg"].shapes), vgg_linear)
    for arguments, message in (
        (("vgg", alex_trunk, vgg_linear), "expected the weights of VGG-16, found AlexNet"),
        (("alex", alex_trunk, vgg_linear), "found LPIPS's linear layers for VGG-16"),
        (("alex", alex_trunk, alex_trunk), "linear layers for AlexNet, found AlexNet"),
        (("alex", alex_linear, alex_trunk), "found LPIPS's linear layers for AlexNet"),
        (("alex", alex_trunk, tmp_path / "alex.pth"), "linear layers for AlexNet, found no such"),
    ):
        with pytest.raises(UserError, match=message):
            lpips.load_lpips(*arguments)
    with pytest.raises(ValueError, match="expected a network among alex, vgg, found 'squeeze'"):
        lpips.load_lpips("squeeze", alex_trunk, alex_linear)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([f"features.{n}.weight" for n in (0, 2, 34)], "expected .* VGG-16, found VGG-19"),
        (["features.0.weight", "features.1.running_mean"], "found a VGG with batch normal"),
        (["features.0.weight"], r"missing \['features.0.bias'.*more; .*wrong shapes"),
    ],
    ids=["VGG-19", "batch normalisation", "a part"],
)
def test_trunks_of_relatives_are_named(tmp_path, names, message):
    path = tmp_path / "trunk.safetensors"
    save_file({name: np.zeros(1, np.float32) for name in names}, path)
    with pytest.raises(UserError, match=message):
        lpips.load_lpips("vgg", path, path)


@pytest.mark.parametrize("missing", [0, 4])
def test_missing_linear_layers_are_listed(tmp_path, missing):
    trunk, linear = write_files(tmp_path, "alex", 0)
    arrays = draw_arrays(0, lpips.LINEAR_FILES["alex"].shapes)
    del arrays[f"lin{missing}.model.1.weight"]
    save_file(arrays, linear)
    with pytest.raises(
        UserError, match=rf"missing \['lin{missing}.model.1.weight'\]; unknown \[\]"
    ):
        lpips.load_lpips("alex", trunk, linear)


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        ((1, 64, 64, 3), (2, 64, 64, 3), "expected images of one shape"),
        ((1, 31, 64, 3), (1, 31, 64, 3), "sides >= 32"),
        ((64, 64, 3), (64, 64, 3), r"expected images \(B, H, W, 3\)"),
    ],
    ids=["two shapes", "too small", "no batch"],
)
def test_images_of_another_shape_are_refused(params, a, b, message):
    with pytest.raises(ValueError, match=message):
        lpips.lpips_distance(params["alex"], np.zeros(a, np.float32), np.zeros(b, np.float32))
    images = np.zeros((1, 64, 64, 3), np.uint8)
    with pytest.raises(ValueError, match="expected float32 images"):
        lpips.lpips_distance(params["alex"], images, images)
