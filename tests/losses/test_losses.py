"""Loss terms against hand-made values and a plain NumPy version."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reenact_jax.losses.perceptual import perceptual_loss
from reenact_jax.losses.style import gram_matrix, style_loss
from reenact_jax.losses.total import (
    LossWeights,
    image_pyramid,
    num_scales,
    reconstruction_loss,
)
from reenact_jax.pretrained.vgg19 import random_vgg19, vgg19_features


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def toy_features(images):
    """Two layers of different width and size, differentiable, cheap."""
    halved = (images[:, ::2, ::2] + images[:, 1::2, 1::2]) / 2
    return images, jnp.concatenate([halved**2, jnp.sin(halved[..., :1])], axis=-1)


def numpy_losses(a, b):
    """Eqs. 8-10 over `toy_features`, example by example, in float64."""

    def features(image):
        image = image.astype(np.float64)
        halved = (image[::2, ::2] + image[1::2, 1::2]) / 2
        return [image, np.concatenate([halved**2, np.sin(halved[..., :1])], axis=-1)]

    def gram(f):
        flat = f.reshape(-1, f.shape[-1])
        return flat.T @ flat / f.size

    def halve(image):
        return (image[::2, ::2] + image[1::2, ::2] + image[::2, 1::2] + image[1::2, 1::2]) / 4

    style = sum(
        np.abs(gram(f) - gram(g)).mean() for f, g in zip(features(a), features(b), strict=True)
    )
    perceptual, l1 = 0.0, []
    while min(a.shape[:2]) >= 32:
        perceptual += sum(
            np.abs(f - g).mean() for f, g in zip(features(a), features(b), strict=True)
        )
        l1.append(np.abs(a - b).mean())
        a, b = halve(a), halve(b)
    return {"perceptual": perceptual, "style": style, "multi_scale_l1": np.mean(l1)}


def test_every_term_and_the_total_agree_with_numpy_per_example(rng):
    generated = rng.uniform(-1, 1, (3, 64, 64, 3)).astype(np.float32)
    target = rng.uniform(-1, 1, (3, 64, 64, 3)).astype(np.float32)
    weights = LossWeights(perceptual=2.0, style=250.0, multi_scale_l1=0.5)
    total, terms = reconstruction_loss(generated, target, toy_features, weights)
    assert set(terms) == {"perceptual", "style", "multi_scale_l1"}
    for i in range(3):
        expected = numpy_losses(generated[i], target[i])
        for name, value in expected.items():
            assert float(terms[name][i]) == pytest.approx(value, rel=1e-4)
        weighted = sum(getattr(weights, name) * value for name, value in expected.items())
        assert float(total[i]) == pytest.approx(weighted, rel=1e-4)


def test_the_default_weights_are_the_papers():
    assert dataclasses.asdict(LossWeights()) == {
        "perceptual": 1.0,
        "style": 250.0,
        "multi_scale_l1": 0.0,
    }


def test_gram_matrix_of_a_hand_made_map():
    # 1 x 2 pixels, 2 channels: pixels (1, 2) and (3, -1); sums over pixels / (1 * 2 * 2).
    features = jnp.array([[[[1.0, 2.0], [3.0, -1.0]]]])
    np.testing.assert_allclose(gram_matrix(features)[0], [[10 / 4, -1 / 4], [-1 / 4, 5 / 4]])


def test_style_ignores_where_things_are_and_the_perceptual_term_does_not(rng):
    features = rng.standard_normal((2, 4, 4, 3)).astype(np.float32)
    moved = np.roll(features, 1, axis=2)
    np.testing.assert_allclose(style_loss([features], [moved]), 0.0, atol=1e-6)
    assert float(perceptual_loss([features], [moved]).min()) > 0.1


@pytest.mark.parametrize(
    ("size", "scales"), [(512, 4), (256, 4), (128, 3), (96, 2), (64, 2), (48, 1), (32, 1), (16, 1)]
)
def test_the_smallest_scale_stays_at_32(size, scales):
    assert num_scales(size) == scales


def test_pyramid_halves_by_means(rng):
    images = rng.standard_normal((1, 128, 128, 3)).astype(np.float32)
    pyramid = image_pyramid(images)
    assert [level.shape[1] for level in pyramid] == [128, 64, 32]
    np.testing.assert_allclose(pyramid[2][0, 3, 5], images[0, 12:16, 20:24].mean((0, 1)), atol=1e-6)


def test_equal_images_cost_nothing_and_gradients_stop_at_the_target(rng):
    generated = rng.uniform(-1, 1, (1, 32, 32, 3)).astype(np.float32)
    target = rng.uniform(-1, 1, (1, 32, 32, 3)).astype(np.float32)
    weights = LossWeights(1.0, 250.0, 1.0)

    def objective(generated, target):
        return reconstruction_loss(generated, target, toy_features, weights)[0].sum()

    assert float(objective(target, target)) == 0.0
    to_generated, to_target = jax.grad(objective, (0, 1))(generated, target)
    assert float(jnp.abs(to_generated).min()) > 0.0
    np.testing.assert_array_equal(to_target, 0.0)


@pytest.mark.parametrize(
    ("weights", "calls"),
    [
        (LossWeights(), 4),
        (LossWeights(perceptual=0.0), 2),
        (LossWeights(style=0.0), 4),
        (LossWeights(perceptual=0.0, style=0.0, multi_scale_l1=1.0), 0),
    ],
    ids=["both", "style", "perceptual", "l1"],
)
def test_features_are_computed_once_per_scale_and_only_where_needed(weights, calls):
    count = 0

    def counting(images):
        nonlocal count
        count += 1
        return toy_features(images)

    images = jnp.zeros((1, 64, 64, 3))
    _, terms = reconstruction_loss(images, images, counting, weights)
    assert count == calls
    assert set(terms) == {name for name, w in dataclasses.asdict(weights).items() if w}


def test_l1_alone_needs_no_features_and_the_others_do():
    images = jnp.zeros((2, 32, 32, 3))
    weights = LossWeights(0.0, 0.0, 1.0)
    total, _ = reconstruction_loss(images, images + 0.25, None, weights)
    np.testing.assert_allclose(total, [0.25, 0.25])
    with pytest.raises(ValueError, match="expected a feature function"):
        reconstruction_loss(images, images, None, LossWeights())


def test_bad_shapes_and_weights_are_errors():
    images = jnp.zeros((2, 32, 32, 3))
    with pytest.raises(ValueError, match="expected two equal shapes"):
        reconstruction_loss(images, images[:1], toy_features, LossWeights())
    with pytest.raises(ValueError, match="expected features of equal shapes"):
        perceptual_loss([images], [images[:, :16]])
    with pytest.raises(ValueError, match="expected weights >= 0"):
        LossWeights(style=-1.0)
    with pytest.raises(ValueError, match="expected weights >= 0 and one above 0"):
        LossWeights(0.0, 0.0, 0.0)


def smooth_images(seed):
    """Low-frequency pictures in [-1, 1], as unlike noise as photographs are."""
    low = np.random.default_rng(seed).standard_normal((1, 6, 6, 3)).astype(np.float32)
    return jnp.tanh(jax.image.resize(1.5 * low, (1, 64, 64, 3), "cubic"))


def test_target_features_cost_no_backward_pass():
    """Not even where the target itself could be differentiated."""
    images = jnp.zeros((1, 32, 32, 3))
    features = functools.partial(vgg19_features, random_vgg19(0))

    def objective(generated, target):
        return reconstruction_loss(generated, target, features, LossWeights())[0].sum()

    program = str(jax.make_jaxpr(jax.grad(objective, (0, 1)))(images, images))
    # 13 convolutions forward for each of the two images of the one scale, 13 back for one of them.
    assert program.count("conv_general_dilated[") == 3 * 13


@pytest.mark.slow  # half a minute of compiling
def test_memory_saving_features_give_the_same_loss_and_gradient():
    """Of a generated image near the truth, as it is for most of a training."""
    params, target = random_vgg19(0), smooth_images(1)[:, :32, :32]
    generated = target + 0.3 * smooth_images(2)[:, :32, :32]

    def value_and_gradient(**options):
        features = functools.partial(vgg19_features, params, **options)

        def objective(generated):
            return reconstruction_loss(generated, target, features, LossWeights())[0].sum()

        loss, gradient = jax.jit(jax.value_and_grad(objective))(generated)
        assert loss.dtype == gradient.dtype == jnp.float32
        return float(loss), np.ravel(gradient) / np.linalg.norm(gradient)

    loss, direction = value_and_gradient()
    again, again_direction = value_and_gradient(rematerialise=True)
    assert again == pytest.approx(loss, rel=1e-5)
    assert direction @ again_direction > 0.999999
    # Features of 8 bits: a relative error of 2^-9 each, which the signs of small differences feel
    # (the gradient of |a - b|) and the mean over thousands of them hardly does.
    half, half_direction = value_and_gradient(dtype=jnp.bfloat16)
    assert half == pytest.approx(loss, rel=1e-2)
    assert direction @ half_direction > 0.9


def test_random_vgg_features_balance_the_layers_and_the_two_terms():
    extract = jax.jit(functools.partial(vgg19_features, random_vgg19(0)))
    a, b = smooth_images(1), smooth_images(2)
    distances = [float(jnp.abs(f - g).mean()) for f, g in zip(extract(a), extract(b), strict=True)]
    # Flax's default initialisation lets relu5_1 fall a hundredfold below relu1_1.
    assert max(distances) / min(distances) < 6, distances
    total, terms = reconstruction_loss(a, b, extract, LossWeights())
    ratio = 250 * float(terms["style"][0] / terms["perceptual"][0])
    assert 0.1 < ratio < 10, ratio
    assert float(total[0]) == pytest.approx(float(terms["perceptual"][0]) * (1 + ratio), rel=1e-5)
