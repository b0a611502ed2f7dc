"""The loss and its gradient against PyTorch's, on VGG-19 with drawn weights."""

import functools

import jax
import numpy as np
import pytest
from safetensors.numpy import save_file

from reenact_jax.losses.total import LossWeights, reconstruction_loss
from reenact_jax.pretrained.vgg19 import load_vgg19, vgg19_features
from tests.helpers.torch_values import ORIGINS, torch_values
from tests.helpers.vgg19_weights import drawn_arrays


@pytest.mark.parametrize("origin", ORIGINS)
def test_terms_and_gradient_agree_with_torch(origin, tmp_path):
    stored = torch_values("losses", origin)
    generated, target = (stored[name].astype(np.float32) / 127 for name in ("generated", "target"))
    save_file(drawn_arrays(int(stored["seed"])), tmp_path / "vgg19.safetensors")
    features = functools.partial(vgg19_features, load_vgg19(tmp_path / "vgg19.safetensors"))

    @functools.partial(jax.value_and_grad, has_aux=True)
    def objective(generated):
        total, terms = reconstruction_loss(generated, target, features, LossWeights())
        return total.sum(), terms

    (total, terms), gradient = jax.jit(objective)(generated)
    assert stored["perceptual"].min() > 0.1
    np.testing.assert_allclose(terms["perceptual"], stored["perceptual"], rtol=1e-5)
    np.testing.assert_allclose(terms["style"], stored["style"], rtol=1e-4)
    expected = (stored["perceptual"] + 250 * stored["style"]).sum()
    np.testing.assert_allclose(total, expected, rtol=1e-4)
    # Stored as float16. Where |a - b| or a ReLU is at its kink, rounding chooses the side.
    difference = np.abs(np.asarray(gradient) - stored["gradient"].astype(np.float32))
    scale = np.abs(stored["gradient"]).mean(dtype=np.float32)
    assert np.mean(difference) < 2e-3 * scale
    assert np.quantile(difference, 0.99) < 2e-2 * scale
