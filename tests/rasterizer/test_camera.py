import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rasterizer import (
    Camera,
    field_of_view_intrinsics,
    framing_camera,
    look_at,
    orthographic_clip,
    perspective_clip,
    rasterize,
)

INTRINSICS = np.array([50.0, 60.0, 20.5, 11.25], np.float32)
POINTS = np.random.default_rng(0).uniform([-1, -1, 2], [1, 1, 5], (9, 3)).astype(np.float32)


def pixels(clip, height, width):
    return np.stack(
        [(clip[:, 0] / clip[:, 3] + 1) / 2 * width, (clip[:, 1] / clip[:, 3] + 1) / 2 * height], 1
    )


def test_perspective_puts_points_where_the_pinhole_formula_says():
    clip = np.asarray(perspective_clip(POINTS, INTRINSICS, 24, 40))
    expected = INTRINSICS[:2] * POINTS[:, :2] / POINTS[:, 2:] + INTRINSICS[2:]
    np.testing.assert_allclose(pixels(clip, 24, 40), expected, atol=1e-4)
    np.testing.assert_array_equal(clip[:, 3], POINTS[:, 2])
    order = np.argsort(clip[:, 2] / clip[:, 3])
    np.testing.assert_array_equal(order, np.argsort(POINTS[:, 2]))


def test_normalised_intrinsics_with_unit_size_give_the_same_clip_space():
    normalised = INTRINSICS / np.array([40, 24, 40, 24], np.float32)
    found = perspective_clip(POINTS, normalised, 1, 1)
    np.testing.assert_allclose(found, perspective_clip(POINTS, INTRINSICS, 24, 40), atol=1e-5)


def test_near_scales_z_alone():
    far, near = (perspective_clip(POINTS, INTRINSICS, 24, 40, near=n) for n in (2.0, 0.5))
    np.testing.assert_allclose(far[:, 2], 4 * near[:, 2])
    np.testing.assert_array_equal(far[:, [0, 1, 3]], near[:, [0, 1, 3]])


def test_orthographic_ignores_depth_but_orders_by_it():
    clip = np.asarray(orthographic_clip(POINTS, INTRINSICS, 24, 40))
    expected = INTRINSICS[:2] * POINTS[:, :2] + INTRINSICS[2:]
    np.testing.assert_allclose(pixels(clip, 24, 40), expected, atol=1e-4)
    vertices = np.zeros((30, 4), np.float32)
    square = np.array([[-9, -9], [9, -9], [0, 9]])
    near_and_far = np.concatenate([np.c_[square, np.full(3, z)] for z in (3.0, 2.0)])
    vertices[:6] = orthographic_clip(near_and_far.astype(np.float32), INTRINSICS, 8, 8)
    triangles = np.full((10, 3), -1, np.int32)
    triangles[:2] = np.arange(6).reshape(2, 3)
    ids = np.asarray(rasterize(vertices, triangles, 8, 8).triangle_id)
    assert set(np.unique(ids)) <= {-1, 1} and np.any(ids == 1)


def test_look_at_sees_the_target_ahead_and_up_towards_the_top():
    eye, target, up = np.array([3.0, 1, -2]), np.array([0.5, 0, 1]), np.array([0.0, 1, 0])
    rotation, translation = (np.asarray(part) for part in look_at(eye, target, up))
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-6)
    assert np.linalg.det(rotation) > 0.99
    np.testing.assert_allclose(rotation @ eye + translation, 0, atol=1e-6)
    distance = np.linalg.norm(target - eye)
    np.testing.assert_allclose(rotation @ target + translation, [0, 0, distance], atol=1e-5)
    assert (rotation @ up)[1] < 0 and abs((rotation @ up)[0]) < 1e-6  # y is down


def test_look_at_refuses_a_view_along_up_and_can_be_traced():
    with pytest.raises(ValueError, match="line|along up"):
        look_at(np.zeros(3), np.array([0.0, 2, 0]), np.array([0.0, 1, 0]))
    rotation, _ = jax.jit(look_at)(jnp.zeros(3), jnp.array([0.0, 0, 1]), jnp.array([0.0, 1, 0]))
    np.testing.assert_allclose(rotation, np.diag([-1, -1, 1]), atol=1e-6)


def test_a_camera_projects_like_its_matrix():
    rng = np.random.default_rng(1)
    rotation, translation = look_at(*(np.float32([3, 1, -2]), np.zeros(3, np.float32), [0.0, 1, 0]))
    camera = Camera(rotation, translation, INTRINSICS)
    world = rng.normal(size=(9, 3)).astype(np.float32)
    fx, fy, cx, cy = INTRINSICS.astype(np.float64)
    matrix = np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]]) @ np.c_[rotation, translation]
    homogeneous = np.c_[world, np.ones(9)] @ matrix.T
    clip = np.asarray(jax.jit(lambda c, p: c.to_clip(p, 24, 40))(camera, world))
    expected = homogeneous[:, :2] / homogeneous[:, 2:]
    np.testing.assert_allclose(pixels(clip, 24, 40), expected, atol=1e-3)
    np.testing.assert_allclose(camera.position, [3, 1, -2], atol=1e-5)


def test_the_field_of_view_is_that_of_the_top_border():
    fx, fy, cx, cy = np.asarray(field_of_view_intrinsics(np.radians(50), 24, 40))
    assert fx == fy and (cx, cy) == (20, 12)
    np.testing.assert_allclose(np.arctan2(cy, fy), np.radians(25), rtol=1e-6)


@pytest.mark.parametrize(
    ("height", "width", "orthographic"), [(30, 60, False), (60, 30, True)], ids=str
)
def test_a_framing_camera_sees_every_point_and_wastes_little(height, width, orthographic):
    @jax.jit
    def frame(points):
        camera = framing_camera(points, height, width, orthographic=orthographic)
        return camera.to_clip(points, height, width)

    rng = np.random.default_rng(2)
    for scale in (1e-3, 1, 1e4):
        points = rng.normal(size=(40, 3))
        points = scale * (points / np.linalg.norm(points, axis=1, keepdims=True) + [5, -3, 2])
        broken = np.concatenate([points, [[np.nan, 0, 0], [0, np.inf, 0]]]).astype(np.float32)
        clip = np.asarray(frame(broken))[:40]
        assert np.all(clip[:, 3] > 0)
        xy = pixels(clip, height, width)
        assert np.all(xy > 0) and np.all(xy < [width, height])
        assert np.ptp(xy, axis=0).max() > 0.8 * 30


def test_a_framing_camera_of_nothing_or_of_one_point_is_finite():
    frame = jax.jit(lambda points: framing_camera(points, 8, 8))
    for points in (np.zeros((0, 3)), np.full((2, 3), 7.0), np.full((2, 3), np.nan)):
        camera = frame(points.astype(np.float32))
        assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(camera))


def test_points_of_the_wrong_shape_are_named():
    camera = Camera(np.eye(3), np.zeros(3), INTRINSICS)
    with pytest.raises(ValueError, match=r"points_world of shape \(V, 3\), found \(9, 2\)"):
        camera.to_clip(POINTS[:, :2], 24, 40)
    with pytest.raises(ValueError, match=r"\(V, 3\), found \(9, 2\)"):
        perspective_clip(POINTS[:, :2], INTRINSICS, 24, 40)
