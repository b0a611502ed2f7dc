"""The exact edge function against rational arithmetic."""

from fractions import Fraction

import jax
import numpy as np

from rasterizer.predicates import exact_edge


def test_signs_agree_with_rational_arithmetic_where_float32_fails():
    rng = np.random.default_rng(0)
    count = 400
    # Pixels on the segment from a to b up to rounding: float32 gets many of these signs wrong.
    a = rng.uniform(-1000, 1000, (2, count)).astype(np.float32)
    pixel = (np.round(rng.uniform(-1000, 1000, (2, count))) + 0.5).astype(np.float32)
    b = (pixel + (pixel - a) * rng.uniform(0.1, 3, count)).astype(np.float32)
    one = np.ones(count, np.float32)
    _, side = jax.jit(exact_edge)((*a, one), (*b, one), *pixel)
    _, reverse = jax.jit(exact_edge)((*b, one), (*a, one), *pixel)
    expected = []
    for k in range(count):
        (ax, ay), (bx, by), (px, py) = (
            [Fraction(float(value)) for value in point[:, k]] for point in (a, b, pixel)
        )
        value = (ax - px) * (by - py) - (ay - py) * (bx - px)
        expected.append(int(value > 0) - int(value < 0))
    naive = np.sign((a[0] - pixel[0]) * (b[1] - pixel[1]) - (a[1] - pixel[1]) * (b[0] - pixel[0]))
    assert np.sum(naive != expected) > 20, "the cases are not hard enough to test anything"
    np.testing.assert_array_equal(side, expected)
    np.testing.assert_array_equal(reverse, -np.asarray(side))


def test_a_pixel_on_the_line_is_decided_by_direction_and_a_point_by_nothing():
    zero, one = np.float32([0.0]), np.float32([1.0])

    def side(dx, dy):
        start, end = (-one * dx, -one * dy, one), (one * dx, one * dy, one)
        return float(exact_edge(start, end, zero, zero)[1][0])

    # The pixel moves right, then down: it gets the sign of dx * e^2 - dy * e.
    assert [side(1, 0), side(-1, 0), side(0, 1), side(0, -1)] == [1, -1, -1, 1]
    assert side(0, 0) == 0
