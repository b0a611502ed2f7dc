"""One battery of hand-made cases for the JAX rasterizer and for the slow reference."""

import numpy as np
import pytest

BACKGROUND = -1


def drawing(ids):
    """Ids as text, one character per pixel, a dot for the background."""
    return ["".join("." if i < 0 else str(i) for i in row) for row in ids]


def test_an_asymmetric_triangle_covers_the_pixels_counted_by_hand(run, clip):
    # From (1, 1) right to (7, 1) and down to (1, 4): x/6 + y/3 <= 1 measured from the corner.
    # Row 1 (y 1.5) reaches x = 6, row 2 x = 4, row 3 x = 2; a centre is half a pixel in.
    ids, _, _ = run(clip([[1, 1, 2], [7, 1, 2], [1, 4, 2]], 8, 8), [[0, 1, 2]], 8, 8)
    assert drawing(ids) == [
        "........",
        ".00000..",
        ".000....",
        ".0......",
        "........",
        "........",
        "........",
        "........",
    ]


def test_rows_go_down_and_columns_right_in_an_image_that_is_not_square(run, clip):
    ids, _, _ = run(
        clip([[3, 0, 1], [5, 0, 1], [5, 2, 1], [3, 2, 1]], 11, 14), [[0, 1, 2], [0, 2, 3]], 11, 14
    )
    assert [row.replace("1", "0") for row in drawing(ids)] == [
        "...00.........",
        "...00.........",
        *["." * 14] * 9,
    ]


def test_pixels_on_edges_follow_the_top_left_rule(run, clip):
    # The square's outline passes through pixel centres: left and top belong to it, the others not.
    # The diagonal's centres belong to one triangle each.
    square = clip([[1.5, 1.5, 1], [4.5, 1.5, 1], [4.5, 4.5, 1], [1.5, 4.5, 1]], 8, 8)
    ids, _, _ = run(square, [[0, 1, 2], [0, 2, 3]], 8, 8)
    assert drawing(ids)[:5] == ["........", ".000....", ".100....", ".110....", "........"]


def test_the_nearest_triangle_wins_whatever_the_order(run, clip):
    near, far = [[0, 0, 2], [8, 0, 2], [0, 8, 2]], [[0, 0, 3], [16, 0, 3], [0, 16, 3]]
    for order in ([0, 1], [1, 0]):
        vertices = clip(np.concatenate([[near, far][k] for k in order]), 8, 8)
        ids, _, depth = run(vertices, [[0, 1, 2], [3, 4, 5]], 8, 8)
        assert ids[1, 1] == order.index(0) and ids[6, 6] == order.index(1)
        np.testing.assert_allclose([depth[1, 1], depth[6, 6]], [2, 3], rtol=1e-6)


def test_equal_depth_goes_to_the_smallest_index(run, clip):
    vertices = clip([[0, 0, 2], [16, 0, 2], [0, 16, 2]], 8, 8)
    ids, _, _ = run(vertices, [[0, 0, 1], [0, 1, 2], [0, 1, 2], [2, 1, 0]], 8, 8)
    assert np.all(ids == 1)


def test_barycentrics_and_depth_are_perspective_correct(run, clip):
    # An edge from depth 1 to depth 3 seen at the middle of its picture: 1/w is (1 + 1/3)/2 there,
    # so the depth is 1.5 and the weights 3/4 and 1/4.
    vertices = clip([[0.5, 2.5, 1], [6.5, 2.5, 3], [0.5, 50.5, 1]], 8, 8)
    ids, weights, depth = run(vertices, [[0, 1, 2]], 8, 8)
    assert ids[2, 3] == 0
    np.testing.assert_allclose(weights[2, 3], [0.75, 0.25, 0], atol=1e-6)
    np.testing.assert_allclose(depth[2, 3], 1.5, rtol=1e-6)


def test_background_has_id_minus_one_and_zeros(run, clip):
    ids, weights, depth = run(clip([[1, 1, 2], [3, 1, 2], [1, 3, 2]], 8, 8), [[0, 1, 2]], 8, 8)
    empty = ids == BACKGROUND
    assert empty.sum() == 63  # the two centres on the hypotenuse are not its own
    assert not weights[empty].any() and not depth[empty].any()
    np.testing.assert_allclose(weights[~empty].sum(axis=-1), 1, rtol=1e-6)


def test_culling_leaves_out_positive_signed_area(run, clip):
    vertices = clip([[0, 0, 2], [16, 0, 2], [0, 16, 2]], 8, 8)
    clockwise, counter_clockwise = [[0, 1, 2]], [[0, 2, 1]]
    assert np.all(run(vertices, clockwise, 8, 8, cull_backfaces=True)[0] == BACKGROUND)
    assert np.all(run(vertices, counter_clockwise, 8, 8, cull_backfaces=True)[0] == 0)


def test_a_floor_that_runs_behind_the_camera_ends_at_the_horizon(run):
    # The plane Y = 1 of a camera with its horizon in the middle row: depth is 1 / (2 y - 1) with y
    # in [0, 1] downwards. One triangle, its first corner far behind the camera.
    vertices = [[0, 1, -1, -50], [-300, 1, -1, 100], [300, 1, -1, 100]]
    ids, _, depth = run(vertices, [[0, 1, 2]], 8, 8)
    assert np.all(ids[:4] == BACKGROUND) and np.all(ids[4:] == 0)
    y = 2 * (np.arange(4, 8) + 0.5) / 8 - 1
    np.testing.assert_allclose(depth[4:], np.broadcast_to(1 / y[:, None], (4, 8)), rtol=1e-5)


def test_triangles_behind_the_camera_vanish(run):
    vertices = np.array([[-9, -9, 0, -1], [9, -9, 0, -1], [0, 9, 0, -1], [0, 0, 0, 0]])
    ids, _, _ = run(vertices, [[0, 1, 2], [0, 1, 3], [3, 3, 3]], 8, 8)
    assert np.all(ids == BACKGROUND)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 3e38, 1e-42], ids=str)
@pytest.mark.parametrize("coordinate", range(4), ids="xyzw")
def test_a_broken_vertex_takes_only_its_own_triangles_along(run, clip, value, coordinate):
    whole = [[0, 0, 2], [4, 0, 2], [0, 8, 2]]
    vertices = clip(whole + [[8, 0, 2], [8, 8, 2], [4, 8, 2]], 8, 8)
    vertices[5, coordinate] = value
    ids, weights, depth = run(vertices, [[3, 4, 5], [0, 1, 2]], 8, 8)
    alone, _, _ = run(vertices, [[-1, -1, -1], [0, 1, 2]], 8, 8)
    assert np.array_equal(ids == 1, alone == 1) and (ids == 1).sum() > 10
    assert np.all(np.isfinite(weights)) and np.all(np.isfinite(depth))
    if not np.isfinite(value):
        assert not np.any(ids == 0)


def test_degenerate_and_edge_on_triangles_vanish(run, clip):
    points = [[1, 1, 2], [7, 7, 2], [4, 4, 2], [1, 1, 3], [4, 0.5, 2], [4, 0.5, 5], [4, 7.5, 2]]
    triangles = [[0, 1, 2], [0, 0, 1], [0, 0, 0], [0, 3, 1], [4, 5, 6]]
    assert np.all(run(clip(points, 8, 8), triangles, 8, 8)[0] == BACKGROUND)


def test_far_off_screen_corners_do_not_move_the_edge_on_screen(run, clip):
    # A half plane left of x = 3 whose corners are up to 100,000 pixels away.
    ids, _, _ = run(clip([[3, -1e5, 2], [3, 1e5, 2], [-1e5, 0, 2]], 8, 8), [[0, 1, 2]], 8, 8)
    assert drawing(ids) == ["000....."] * 8


@pytest.mark.parametrize("away", [(-40, 0), (40, 0), (0, -40), (0, 40)], ids=str)
def test_triangles_beside_the_image_are_not_drawn_and_those_across_its_border_are_cut(
    run, clip, away
):
    triangle = np.array([[-6, -6, 2], [14, -6, 2], [4, 14, 2]])
    points = np.concatenate([triangle, triangle + [*away, 0], [[1, 1, 3], [3, 1, 3], [1, 3, 3]]])
    ids, _, _ = run(clip(points, 8, 8), [[6, 7, 8], [3, 4, 5], [0, 1, 2]], 8, 8)
    centre = np.arange(8) + 0.5
    # The slanted sides: x goes from -6 to 4 and from 14 to 4 while y goes from -6 to 14.
    inside = np.abs(centre[None, :] - 4) < (14 - centre[:, None]) / 2
    np.testing.assert_array_equal(ids, np.where(inside, 2, BACKGROUND))
    assert 0 < inside.sum() < 64


def test_a_single_pixel_image(run, clip):
    ids, weights, _ = run(clip([[0, 0, 1], [2, 0, 1], [0, 2, 1]], 1, 1), [[0, 1, 2]], 1, 1)
    assert ids.shape == (1, 1) and ids[0, 0] == 0
    np.testing.assert_allclose(weights[0, 0], [0.5, 0.25, 0.25], atol=1e-6)


def test_an_empty_mesh_is_background(run):
    ids, weights, depth = run(np.zeros((0, 4)), np.zeros((0, 3), int), 8, 8)
    assert np.all(ids == BACKGROUND) and not weights.any() and not depth.any()
