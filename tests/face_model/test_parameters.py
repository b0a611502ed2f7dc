"""Rotations, recombination and the motion descriptor."""

import jax
import numpy as np
import pytest

from reenact_jax.face_model import morphable
from reenact_jax.face_model.parameters import (
    CAMERA_DISTANCE,
    CANONICAL_CAMERA,
    FIELDS,
    FaceParameters,
    fixed_camera_translation,
    motion_descriptor,
    recombine,
)
from reenact_jax.face_model.procedural import procedural_head
from reenact_jax.face_model.rotation import euler_angles, rotation_matrix


def random_parameters(seed: int, batch: int = 3) -> FaceParameters:
    rng = np.random.default_rng(seed)
    widths = dict(zip(FIELDS, (5, 4, 3, 27, 3, 3, 4), strict=True))
    return FaceParameters(
        **{name: rng.normal(size=(batch, n)).astype(np.float32) for name, n in widths.items()}
    )


def test_rotation_is_the_product_of_elementary_matrices():
    pitch, yaw, roll = 0.3, -0.7, 1.1
    c, s = np.cos, np.sin
    rx = np.array([[1, 0, 0], [0, c(pitch), -s(pitch)], [0, s(pitch), c(pitch)]])
    ry = np.array([[c(yaw), 0, s(yaw)], [0, 1, 0], [-s(yaw), 0, c(yaw)]])
    rz = np.array([[c(roll), -s(roll), 0], [s(roll), c(roll), 0], [0, 0, 1]])
    matrix = rotation_matrix(np.float32([pitch, yaw, roll]))
    np.testing.assert_allclose(matrix, rz @ ry @ rx, atol=1e-6)


def test_euler_angles_invert_the_rotation():
    rng = np.random.default_rng(0)
    angles = rng.uniform(-1.4, 1.4, (50, 3)).astype(np.float32)
    np.testing.assert_allclose(euler_angles(rotation_matrix(angles)), angles, atol=2e-5)


@pytest.mark.parametrize(
    "angles, axis, sign",
    [((0.3, 0, 0), 1, 1), ((0, 0.3, 0), 0, 1)],
    ids=["pitch lowers the nose", "yaw turns it to image right"],
)
def test_signs_of_angles_in_the_image(angles, axis, sign):
    nose = np.float32([[0.0, 0.0, 1.0]])
    camera = np.float32(CANONICAL_CAMERA)
    points = morphable.to_camera(nose, np.float32(angles), np.zeros(3, np.float32))
    moved = morphable.project(points, camera)[0] - 0.5
    assert sign * moved[axis] > 0.05


def test_roll_turns_counter_clockwise_in_the_image():
    right_of_centre = np.float32([[1.0, 0.0, 0.0]])
    points = morphable.to_camera(right_of_centre, np.float32([0, 0, 0.3]), np.zeros(3, np.float32))
    # Counter-clockwise moves a point at the right upwards, to smaller v.
    assert morphable.project(points, np.float32(CANONICAL_CAMERA))[0, 1] < 0.45


def test_recombination_takes_each_part_from_its_person():
    source, driving = random_parameters(0), random_parameters(1)
    target = recombine(source, driving)
    for name in ("identity", "texture", "lighting"):
        assert getattr(target, name) is getattr(source, name)
    for name in ("expression", "rotation", "translation", "camera"):
        assert getattr(target, name) is getattr(driving, name)


def test_pose_and_expression_transfer_separately():
    source, driving = random_parameters(0), random_parameters(1)
    pose_only = recombine(source, driving, transfer_expression=False)
    assert pose_only.expression is source.expression
    assert pose_only.rotation is driving.rotation
    expression_only = recombine(source, driving, transfer_pose=False)
    assert expression_only.expression is driving.expression
    assert expression_only.camera is source.camera
    kept = recombine(source, driving, transfer_pose=False, transfer_expression=False)
    assert kept == source


def test_descriptor_is_the_same_however_the_frame_was_cropped():
    """Two aligned crops of one frame: other focal length and centre, other fitted translation."""
    rng = np.random.default_rng(0)
    translation = rng.normal(0, 0.3, (4, 3)).astype(np.float32)
    fixed = np.broadcast_to(np.float32(CANONICAL_CAMERA), (4, 4))
    # The same place and size in the image, seen through a camera 1.4 times longer, off-centre.
    fx, cx, cy = 1.4 * CANONICAL_CAMERA[0], 0.62, 0.37
    depth = CAMERA_DISTANCE - translation[:, 2]
    far = 1.4 * depth
    x = (0.5 + CANONICAL_CAMERA[0] * translation[:, 0] / depth - cx) * far / fx
    y = -(0.5 - CANONICAL_CAMERA[0] * translation[:, 1] / depth - cy) * far / fx
    other = np.stack([x, y, CAMERA_DISTANCE - far], axis=-1).astype(np.float32)
    camera = np.broadcast_to(np.float32([fx, fx, cx, cy]), (4, 4))
    np.testing.assert_allclose(fixed_camera_translation(translation, fixed), translation, atol=1e-5)
    np.testing.assert_allclose(fixed_camera_translation(other, camera), translation, atol=1e-4)


def test_descriptor_is_expression_angles_and_translation():
    parameters = random_parameters(2).replace(
        camera=np.broadcast_to(np.float32(CANONICAL_CAMERA), (3, 4))
    )
    descriptor = motion_descriptor(parameters)
    assert descriptor.shape == (3, 4 + 6)
    np.testing.assert_array_equal(descriptor[:, :4], parameters.expression)
    np.testing.assert_allclose(descriptor[:, 4:7], parameters.rotation, atol=1e-5)
    np.testing.assert_allclose(descriptor[:, 7:], parameters.translation, atol=1e-5)


def test_parameters_are_a_pytree_that_maps_and_indexes():
    parameters = random_parameters(0)
    doubled = jax.tree.map(lambda leaf: 2 * leaf, parameters)
    np.testing.assert_array_equal(doubled[1].rotation, 2 * parameters.rotation[1])


def test_fingerprint_changes_with_the_model():
    import dataclasses

    model = procedural_head("light")
    assert model.fingerprint() == procedural_head("light").fingerprint()
    moved = dataclasses.replace(model, mean=model.mean + np.float32(1e-3))
    assert moved.fingerprint() != model.fingerprint()


def test_make_model_names_the_field_that_does_not_fit():
    model = procedural_head("light")
    arguments = {
        "name": "bad",
        "mean": model.mean,
        "identity_basis": model.identity_basis,
        "expression_basis": model.expression_basis[:, :-1],
        "triangles": model.triangles,
        "landmarks68": model.landmarks68,
    }
    with pytest.raises(ValueError, match="expression_basis: expected shape"):
        morphable.make_model(**arguments)
    arguments["expression_basis"] = model.expression_basis
    arguments["triangles"] = model.triangles + model.num_vertices
    with pytest.raises(ValueError, match="triangles: expected indices in"):
        morphable.make_model(**arguments)
