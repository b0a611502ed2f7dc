"""FID's Inception against PyTorch's answers, its pooling and its preprocessing."""

import dataclasses
import runpy
from pathlib import Path

import jax
import numpy as np
import pytest
from safetensors.numpy import save_file

from reenact_jax.errors import UserError
from reenact_jax.pretrained import inception
from tests.helpers.evaluation_weights import draw_arrays, draw_images

ROOT = Path(__file__).parents[2]
FIXTURE = ROOT / "tests" / "fixtures" / "torch" / "inception.npz"
TORCH_NETWORKS = ROOT / "scripts" / "make_evaluation_fixtures.py"
FEATURES = jax.jit(inception.inception_features)


def drawn(seed):
    return draw_arrays(seed, inception.FILE.shapes)


def test_features_agree_with_torch_s_stored_ones_and_the_file_is_read(tmp_path):
    stored = np.load(FIXTURE)
    seed = int(stored["seed"])
    path = tmp_path / "inception.safetensors"
    save_file(drawn(seed), path)
    params, provenance = inception.load_inception(path)
    path.unlink()
    assert dataclasses.asdict(provenance)["known"] is False

    # Smaller in height, larger in width: 299 x 299 is reached by resizing both ways.
    found = FEATURES(params, draw_images(seed, 2, 320, 272))
    assert found.shape == (2, 2048) and found.dtype == np.float32
    expected = stored["features"]
    # What the two pictures differ by is far more than the tolerance.
    assert np.abs(expected[0] - expected[1]).mean() > 0.05
    print(f"\nlargest difference to PyTorch {np.abs(found - expected).max():.1e}", end=" ")
    print(f"of numbers up to {expected.max():.1f}")
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_a_file_of_torch_gives_torch_s_features(tmp_path):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed (the extra `convert`)")
    networks = runpy.run_path(str(TORCH_NETWORKS))
    module = networks["drawn"](networks["FidInception"](), 5)
    path = tmp_path / "pt_inception.pth"
    # Like the published file, it has the classifier too.
    torch.save(module.state_dict(), path)
    params, _ = inception.load_inception(path)
    images = draw_images(8, 2, 320, 272)
    with torch.no_grad():
        expected = module(networks["channels_first"](images)).numpy()
    np.testing.assert_allclose(FEATURES(params, images), expected, atol=1e-4)


def test_the_arrays_fill_the_published_file():
    numbers = sum(int(np.prod(shape)) for shape in inception.FILE.shapes.values())
    numbers += 1008 * (2048 + 1)  # the classifier
    # What is left are names and counters.
    assert 0 < 95_628_359 - 4 * numbers < 100_000


def test_means_leave_out_what_lies_outside():
    x = np.random.default_rng(0).normal(size=(2, 4, 5, 3)).astype(np.float32)
    expected = np.zeros_like(x)
    for row in range(4):
        for column in range(5):
            around = x[:, max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2]
            expected[:, row, column] = around.mean(axis=(1, 2))
    np.testing.assert_allclose(inception.mean_inside(x), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"AuxLogits.fc.bias": np.zeros(1000)}, "found torchvision's Inception v3"),
        ({"fc.bias": np.zeros(1000)}, "found torchvision's Inception v3"),
        ({"fc.bias": np.zeros(1008)}, r"missing \['Conv2d_1a_3x3.bn.bias'.* more; unknown \[\]"),
    ],
    ids=["torchvision's", "torchvision's without auxiliary", "the classifier alone"],
)
def test_weights_of_another_inception_are_refused(tmp_path, arrays, message):
    path = tmp_path / "other.safetensors"
    save_file(arrays, path)
    with pytest.raises(UserError, match=message):
        inception.load_inception(path)


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [((299, 299, 3), np.float32), ((1, 299, 299, 1), np.float32), ((1, 64, 64, 3), np.uint8)],
    ids=str,
)
def test_images_of_another_kind_are_refused(shape, dtype):
    with pytest.raises(ValueError, match=r"expected float32 images \(B, H, W, 3\)"):
        inception.inception_features({}, np.zeros(shape, dtype))
