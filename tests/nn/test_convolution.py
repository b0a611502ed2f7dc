"""conv2d: XLA's convolution, with a kernel gradient of its own on the CPU."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reenact_jax.nn.convolution import conv2d, kernel_gradient

# batch, height, width, inputs, outputs, kernel side, zeros before, zeros after
CASES = {
    "3x3": (2, 6, 8, 3, 5, 3, 1, 1),
    "more inputs than outputs": (2, 6, 8, 5, 2, 3, 1, 1),
    "7x7 on an image narrower than the kernel": (1, 4, 5, 2, 3, 7, 3, 3),
    "odd width": (3, 5, 7, 4, 4, 3, 1, 1),
    "2x2, padded on one side": (2, 6, 4, 3, 4, 2, 0, 1),
    "without padding": (1, 6, 6, 3, 2, 3, 0, 0),
    "1x1": (2, 4, 4, 3, 5, 1, 0, 0),
}


@pytest.fixture(params=CASES.values(), ids=CASES.keys())
def case(request):
    batch, height, width, inputs, outputs, side, before, after = request.param
    rng = np.random.default_rng(0)
    x = rng.normal(size=(batch, height, width, inputs)).astype(np.float32)
    kernel = rng.normal(size=(side, side, inputs, outputs)).astype(np.float32)
    return x, kernel, ((before, after), (before, after))


def by_definition(x, kernel, padding):
    """Sum over taps of shifted images, in float64."""
    x = np.pad(x.astype(np.float64), ((0, 0), *padding, (0, 0)))
    height, width = (x.shape[axis] - kernel.shape[axis - 1] + 1 for axis in (1, 2))
    return sum(
        x[:, row : row + height, column : column + width] @ kernel[row, column].astype(np.float64)
        for row in range(kernel.shape[0])
        for column in range(kernel.shape[1])
    )


def test_it_is_the_convolution_of_the_definition(case):
    np.testing.assert_allclose(conv2d(*case), by_definition(*case), rtol=1e-4, atol=1e-4)


def test_the_kernel_gradient_is_the_sum_of_the_definition(case):
    x, kernel, padding = case
    shape = by_definition(x, kernel, padding).shape
    cotangent = np.random.default_rng(1).normal(size=shape).astype(np.float32)
    found = kernel_gradient(jnp.asarray(x), jnp.asarray(cotangent), padding)
    padded = np.pad(x.astype(np.float64), ((0, 0), *padding, (0, 0)))
    expected = np.empty(kernel.shape)
    for row, column in np.ndindex(kernel.shape[:2]):
        seen = padded[:, row : row + shape[1], column : column + shape[2]]
        expected[row, column] = np.einsum("byxi,byxo->io", seen, cotangent)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_both_gradients_are_those_of_xla(case):
    x, kernel, padding = case

    def total(convolve):
        return lambda x, kernel: jnp.sum(jnp.sin(convolve(x, kernel)))

    def by_xla(x, kernel):
        return jax.lax.conv_general_dilated(
            x, kernel, (1, 1), padding, dimension_numbers=("NHWC", "HWIO", "NHWC")
        )

    found = jax.grad(total(lambda *a: conv2d(*a, padding)), argnums=(0, 1))(x, kernel)
    expected = jax.grad(total(by_xla), argnums=(0, 1))(x, kernel)
    for name, one, other in zip(("x", "kernel"), found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4, err_msg=name)


def test_bfloat16_gradients_keep_their_dtype_and_their_value():
    rng = np.random.default_rng(0)
    x = jnp.asarray(rng.normal(size=(2, 8, 8, 3)), jnp.bfloat16)
    kernel = jnp.asarray(rng.normal(size=(3, 3, 3, 4)), jnp.bfloat16)
    padding = ((1, 1), (1, 1))

    def total(x, kernel):
        return jnp.sum(conv2d(x, kernel, padding).astype(jnp.float32))

    found = jax.grad(total, argnums=1)(x, kernel)
    assert found.dtype == jnp.bfloat16
    exact = jax.grad(total, argnums=1)(x.astype(jnp.float32), kernel.astype(jnp.float32))
    np.testing.assert_allclose(found.astype(jnp.float32), exact, rtol=0.02, atol=0.05)
