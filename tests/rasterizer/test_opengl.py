"""OpenGL's frames against matrices that are built by hand, and there and back."""

import jax.numpy as jnp
import numpy as np
import pytest

from rasterizer import (
    Camera,
    flip_opengl,
    flip_opengl_clip,
    intrinsics_from_opengl,
    look_at,
    perspective_clip,
    pose_from_opengl,
    pose_to_opengl,
    projection_to_opengl,
    rasterize,
)

HEIGHT, WIDTH, NEAR, FAR = 11, 14, 0.5, 20.0
INTRINSICS = np.array([18.0, 20.0, 6.5, 5.75], np.float32)
EYE, TARGET, UP = np.array([3.0, 1, -2]), np.array([0.5, 0, 1]), np.array([0.0, 1, 0])


def test_points_make_a_round_trip():
    points = np.random.default_rng(0).normal(size=(9, 3)).astype(np.float32)
    np.testing.assert_array_equal(flip_opengl(flip_opengl(jnp.asarray(points))), points)
    np.testing.assert_array_equal(flip_opengl(jnp.array([1.0, 2.0, -3.0])), [1, -2, 3])


def test_the_pose_is_the_inverse_of_opengls_look_at():
    # gluLookAt's axes: the camera looks along -z, so z points from the target to the eye.
    backward = (EYE - TARGET) / np.linalg.norm(EYE - TARGET)
    right = np.cross(UP, backward) / np.linalg.norm(np.cross(UP, backward))
    camera_to_world = np.eye(4)
    camera_to_world[:3] = np.c_[right, np.cross(backward, right), backward, EYE]
    rotation, translation = pose_from_opengl(jnp.asarray(camera_to_world, jnp.float32))
    expected_rotation, expected_translation = look_at(EYE, TARGET, UP)
    np.testing.assert_allclose(rotation, expected_rotation, atol=1e-6)
    np.testing.assert_allclose(translation, expected_translation, atol=1e-5)
    back = pose_to_opengl(rotation, translation)
    np.testing.assert_allclose(back, camera_to_world, atol=1e-5)
    assert np.all(np.asarray(back)[3] == [0, 0, 0, 1])


def test_the_projection_is_glfrustums():
    fx, fy, cx, cy = INTRINSICS.astype(np.float64)
    # The near rectangle in OpenGL's frame, from the pin-hole formula at depth NEAR.
    left, right = -cx / fx * NEAR, (WIDTH - cx) / fx * NEAR
    bottom, top = -(HEIGHT - cy) / fy * NEAR, cy / fy * NEAR
    expected = [
        [2 * NEAR / (right - left), 0, (right + left) / (right - left), 0],
        [0, 2 * NEAR / (top - bottom), (top + bottom) / (top - bottom), 0],
        [0, 0, -(FAR + NEAR) / (FAR - NEAR), -2 * FAR * NEAR / (FAR - NEAR)],
        [0, 0, -1, 0],
    ]
    found = projection_to_opengl(INTRINSICS, HEIGHT, WIDTH, near=NEAR, far=FAR)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    np.testing.assert_allclose(intrinsics_from_opengl(found, HEIGHT, WIDTH), INTRINSICS, rtol=1e-5)


def test_a_mesh_through_opengls_matrices_is_drawn_where_our_camera_draws_it():
    rng = np.random.default_rng(1)
    world = rng.normal(size=(30, 3)).astype(np.float32)
    triangles = rng.integers(0, 30, (10, 3)).astype(np.int32)
    camera = Camera(*look_at(EYE, TARGET, UP), INTRINSICS)
    view = np.linalg.inv(np.asarray(pose_to_opengl(camera.rotation, camera.translation)))
    projection = np.asarray(
        projection_to_opengl(INTRINSICS, HEIGHT, WIDTH, near=NEAR, far=FAR), np.float64
    )
    clip = (np.c_[world, np.ones(30)] @ (projection @ view).T).astype(np.float32)
    ours = flip_opengl_clip(jnp.asarray(clip))
    np.testing.assert_array_equal(flip_opengl_clip(ours), clip)
    expected = rasterize(camera.to_clip(world, HEIGHT, WIDTH), triangles, HEIGHT, WIDTH)
    found = rasterize(ours, triangles, HEIGHT, WIDTH)
    assert (np.asarray(expected.triangle_id) >= 0).mean() > 0.1
    np.testing.assert_array_equal(found.triangle_id, expected.triangle_id)
    np.testing.assert_allclose(found.depth, expected.depth, atol=1e-4)


def test_near_and_far_are_the_ends_of_opengls_range():
    points = np.array([[0, 0, NEAR], [0, 0, FAR]], np.float32)
    projection = projection_to_opengl(INTRINSICS, HEIGHT, WIDTH, near=NEAR, far=FAR)
    clip = np.asarray(np.c_[np.asarray(flip_opengl(points)), [1, 1]] @ np.asarray(projection).T)
    np.testing.assert_allclose(clip[:, 2] / clip[:, 3], [-1, 1], atol=1e-5)
    ours = np.asarray(perspective_clip(points, INTRINSICS, HEIGHT, WIDTH))
    np.testing.assert_allclose(clip[:, :2], [1, -1] * ours[:, :2], rtol=1e-4)


def test_what_is_no_such_matrix_is_named():
    with pytest.raises(ValueError, match=r"\(4, 4\), found \(3, 4\)"):
        pose_from_opengl(jnp.zeros((3, 4)))
    with pytest.raises(ValueError, match=r"\(4, 4\), found \(3, 3\)"):
        intrinsics_from_opengl(jnp.zeros((3, 3)), HEIGHT, WIDTH)
    with pytest.raises(ValueError, match="near < far, found near 2 and far 1"):
        projection_to_opengl(INTRINSICS, HEIGHT, WIDTH, near=2, far=1)
