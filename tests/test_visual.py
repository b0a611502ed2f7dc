"""Pictures: value ranges, flow colours, grids, curves."""

import numpy as np
import pytest

from reenact_jax import visual


def test_uint8_survives_the_round_trip():
    pixels = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, -1)
    np.testing.assert_array_equal(visual.to_uint8(visual.from_uint8(pixels)), pixels)


def test_flow_colour_is_white_at_rest_and_saturated_at_the_scale():
    flow = np.zeros((1, 3, 2), np.float32)
    flow[0, 1], flow[0, 2] = (0.5, 0), (-0.5, 0)
    colours = visual.flow_to_colour(flow, scale=0.5)
    assert (colours[0, 0] == 255).all()
    assert colours[0, 1].min() == 0 and colours[0, 2].min() == 0
    # Opposite directions have complementary hues: red and cyan.
    np.testing.assert_allclose(colours[0, 1].astype(int) + colours[0, 2], 255, atol=4)


def test_grid_enlarges_small_pictures_and_keeps_them_in_order():
    pictures = [np.full((32, 32, 3), value, np.uint8) for value in (10, 200)]
    sheet = visual.grid({"left": pictures, "right": pictures[::-1]})
    height, width = sheet.shape[:2]
    assert sheet[height // 4 + 7, width // 4].max() == 10
    assert sheet[height // 4 + 7, 3 * width // 4].min() == 200
    assert width >= 2 * 96


def test_curves_are_written(tmp_path):
    pytest.importorskip("matplotlib")
    records = [{"step": step, "loss": 1 / step, "learning_rate": 1e-3} for step in (1, 2, 3)]
    visual.plot_curves(records, tmp_path / "loss.png")
    assert (tmp_path / "loss.png").read_bytes().startswith(b"\x89PNG")
