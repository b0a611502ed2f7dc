"""Fusion of predicted and computed guidance (Eqs. 6, 7) against hand-made values."""

import jax.numpy as jnp
import numpy as np
import pytest

from reenact_jax.nn.fusion import fuse


def constant_prediction(side, flow=(0.1, -0.2), occlusion=0.9, flow_weight=0.25, weight=0.75):
    plane = jnp.ones((1, side, side, 1))
    return {
        "F_p": plane * jnp.array(flow).reshape(1, 1, 1, 2),
        "O_p": occlusion * plane,
        "M_f": flow_weight * plane,
        "M_o": weight * plane,
    }


def computed(side):
    flow = jnp.full((1, side, side, 2), 0.4)
    occlusion = jnp.full((1, side, side, 1), 0.3)
    mask = jnp.zeros((1, side, side, 1)).at[:, :, : side // 2].set(1.0)
    return flow, occlusion, mask


SWITCHES = {"flow_guidance": True, "occlusion_guidance": True, "fusion": "full"}


@pytest.mark.parametrize("fusion", ["full", "pooled"])
def test_the_face_blends_by_the_mask_and_the_background_is_the_prediction(fusion):
    flow, occlusion = fuse(constant_prediction(4), *computed(16), **{**SWITCHES, "fusion": fusion})
    side = {"full": 16, "pooled": 4}[fusion]
    assert flow.shape == (1, side, side, 2) and occlusion.shape == (1, side, side, 1)
    half = side // 2
    # Eq. 6: 0.25 * 0.1 + 0.75 * 0.4 and 0.25 * -0.2 + 0.75 * 0.4; Eq. 7: 0.75 * 0.9 + 0.25 * 0.3.
    np.testing.assert_allclose(flow[0, :, :half, 0], 0.325, atol=1e-6)
    np.testing.assert_allclose(flow[0, :, :half, 1], 0.25, atol=1e-6)
    np.testing.assert_allclose(occlusion[0, :, :half], 0.75, atol=1e-6)
    np.testing.assert_allclose(flow[0, :, half:, 0], 0.1, atol=1e-6)
    np.testing.assert_allclose(flow[0, :, half:, 1], -0.2, atol=1e-6)
    np.testing.assert_allclose(occlusion[0, :, half:], 0.9, atol=1e-6)


def test_without_guidance_the_prediction_stands_alone():
    flow, occlusion = fuse(
        constant_prediction(4),
        *computed(16),
        flow_guidance=False,
        occlusion_guidance=False,
        fusion="full",
    )
    np.testing.assert_allclose(flow[..., 0], 0.1, atol=1e-6)
    np.testing.assert_allclose(occlusion, 0.9, atol=1e-6)


def test_the_switches_are_independent():
    flow, occlusion = fuse(
        constant_prediction(4), *computed(16), **{**SWITCHES, "occlusion_guidance": False}
    )
    np.testing.assert_allclose(flow[0, 0, 0], [0.325, 0.25], atol=1e-6)
    np.testing.assert_allclose(occlusion, 0.9, atol=1e-6)


def test_pooling_averages_the_flow_over_face_pixels_only():
    flow, occlusion, _ = computed(8)
    mask = jnp.zeros((1, 8, 8, 1)).at[0, 0, 0].set(1.0).at[0, 1, 0].set(1.0)
    flow = flow.at[0, 0, 0, 0].set(1.0).at[0, 1, 0, 0].set(0.0)
    fused, _ = fuse(
        constant_prediction(4, flow_weight=0.0),
        flow,
        occlusion,
        mask,
        **{**SWITCHES, "fusion": "pooled"},
    )
    # One cell of 2 x 2 holds both face pixels: mean flow 0.5, mask 0.5, prediction 0.1.
    np.testing.assert_allclose(fused[0, 0, 0, 0], 0.5 * 0.1 + 0.5 * 0.5, atol=1e-6)
    np.testing.assert_allclose(fused[0, 1:, 1:, 0], 0.1, atol=1e-6)
