"""Frames and points -> coefficients and FaceParameters, with made-up weights."""

import jax
import numpy as np
import pytest

from reenact_jax.errors import UserError
from reenact_jax.face_model.coefficients import join_coefficients
from reenact_jax.face_model.morphable import make_model, project, to_camera
from reenact_jax.face_model.parameters import CANONICAL_CAMERA
from reenact_jax.pretrained import rnet
from reenact_jax.tracking import alignment, deng, face_points
from tests.helpers import paper_files, rnet_weights

BATCH = 2
rng = np.random.default_rng


@pytest.fixture(scope="module")
def params():
    return rnet.fold(rnet_weights.drawn_state())


def frames_and_points(count, seed=0, sizes=((256, 256),)):
    """Random pictures, and five points in the shape of a face somewhere in them."""
    random = rng(seed)
    frames, points = [], []
    for k in range(count):
        height, width = sizes[k % len(sizes)]
        frames.append(paper_files.random_background(max(height, width), seed + k)[:height, :width])
        template = alignment.TEMPLATE[:, :2] * [1, -1]
        size = random.uniform(0.25, 0.45) * height
        points.append([width / 2, height / 2] + size * template + random.normal(0, 2, (5, 2)))
    return frames, np.asarray(points)


def test_rows_are_those_of_single_crops_whatever_the_batch(params):
    frames, points = frames_and_points(3, sizes=((256, 256), (200, 300)))
    found = deng.reconstruct_frames(frames, points, params, batch_size=BATCH)
    assert found.coefficients.shape == (3, 257) and found.crops.dtype == np.uint8
    for k, (frame, five) in enumerate(zip(frames, points, strict=True)):
        crop = alignment.align(five, *frame.shape[:2])
        row = [crop.width, crop.height, crop.scale, crop.t0, crop.t1]
        np.testing.assert_array_equal(found.transforms[k], row)
        np.testing.assert_array_equal(found.crops[k], alignment.crop_aligned(frame, crop))
    # The third row shares its batch with filling; alone in another place it is the same.
    alone = jax.jit(rnet.rnet_coefficients)(params, found.crops[[2, 0]])
    np.testing.assert_allclose(found.coefficients[[2, 0]], alone, atol=1e-5)
    assert np.abs(found.coefficients[1] - found.coefficients[0]).max() > 0.01


def test_landmarks_of_68_points_are_reduced(params):
    frames, points = frames_and_points(1)
    ibug = np.zeros((1, 68, 2))
    ibug[:, [36, 39]], ibug[:, [42, 45]] = points[:, [0]], points[:, [1]]
    ibug[:, [30, 48, 54]] = points[:, 2:]
    many = deng.reconstruct_frames(frames, ibug, params, batch_size=BATCH)
    few = deng.reconstruct_frames(frames, points, params, batch_size=BATCH)
    np.testing.assert_array_equal(many.transforms, few.transforms)


def test_parameters_see_the_frame_and_keep_the_vector(params):
    frames, points = frames_and_points(2)
    found = deng.reconstruct_frames(frames, points, params, batch_size=BATCH)
    parameters = found.parameters()
    np.testing.assert_array_equal(join_coefficients(parameters), found.coefficients)
    for camera, row in zip(parameters.camera, found.transforms, strict=True):
        np.testing.assert_array_equal(camera, deng.crop_of_transform(row).camera())
    wide = deng.DengFrames(np.zeros((1, 257)), np.array([[320, 240, 1, 160, 120.0]]), None)
    with pytest.raises(ValueError, match="expected a square frame, found 320 x 240"):
        wide.parameters()


def test_no_frames_give_no_rows(params):
    found = deng.reconstruct_frames([], np.zeros((0, 5, 2)), params, batch_size=BATCH)
    assert found.coefficients.shape == (0, 257) and found.crops.shape == (0, 224, 224, 3)
    assert found.parameters().camera.shape == (0, 4)


def test_a_frame_whose_points_are_no_face_is_named(params):
    frames, points = frames_and_points(3)
    points[1] = 50.0
    with pytest.raises(UserError, match="frame 1: expected the five points of a face"):
        deng.reconstruct_frames(frames, points, params, batch_size=BATCH)
    with pytest.raises(UserError, match="frame 14: expected"):
        deng.reconstruct_frames(frames, points, params, batch_size=BATCH, frame_indices=[7, 14, 21])


def small_bfm():
    """A model with the widths of the coefficients and 68 vertices."""
    random = rng(3)
    return make_model(
        name="bfm2009",
        mean=random.uniform(-0.8, 0.8, (68, 3)),
        identity_basis=random.normal(0, 0.02, (80, 68, 3)),
        expression_basis=random.normal(0, 0.02, (64, 68, 3)),
        texture_mean=np.full((68, 3), 0.5),
        texture_basis=np.zeros((80, 68, 3)),
        triangles=np.arange(66).reshape(-1, 3),
        landmarks68=random.permutation(68),
    )


def test_the_landmark_error_is_the_distance_in_the_crop():
    model = small_bfm()
    coefficients = paper_files.random_coefficients(3, seed=1)
    transforms = paper_files.random_transforms(3, seed=1)
    points = []
    for vector, transform in zip(coefficients.astype(float), transforms, strict=True):
        offset = np.tensordot(vector[:80], np.asarray(model.identity_basis), 1)
        offset += np.tensordot(vector[80:144], np.asarray(model.expression_basis), 1)
        shape = (np.asarray(model.mean) + offset)[np.asarray(model.landmarks68)]
        file = {"meanshape": shape.reshape(1, -1), "idBase": np.zeros((204, 80))}
        file["exBase"] = np.zeros((204, 64))
        # The reference recentres its mean; move back by what it takes away.
        posed = paper_files.reference_vertices(file, vector)
        centre = to_camera(np.float32(shape.mean(axis=0))[None], vector[224:227], np.zeros(3))[0]
        posed += np.asarray(centre) * [1, -1, -1] + [0, 0, 10]
        crop = paper_files.reference_crop_pixels(posed)
        points.append(alignment.five_points(paper_files.reference_frame_pixels(crop, transform)))
    points = np.asarray(points)
    error = deng.landmark_error_px(model, coefficients, transforms, points)
    np.testing.assert_allclose(error, 0, atol=2e-3)
    # Three pixels to the right in a frame that is enlarged s times.
    moved = points + [3.0, 0.0]
    error = deng.landmark_error_px(model, coefficients, transforms, moved)
    resized = np.floor(256 * transforms[:, 2])
    np.testing.assert_allclose(error, 3 * resized / 256, atol=3e-3)


def test_the_camera_of_a_crop_is_the_canonical_one():
    coefficients = paper_files.random_coefficients(2, seed=0)
    parameters = deng.crop_parameters(coefficients)
    np.testing.assert_array_equal(parameters.camera, np.float32([CANONICAL_CAMERA] * 2))
    placed = to_camera(np.zeros((1, 3), np.float32), np.zeros(3), parameters.translation[0])
    seen = 224 * np.asarray(project(placed, parameters.camera[0]))
    tx, ty, tz = coefficients[0, 254:257]
    expected = [112 + 1015 * tx / (10 - tz), 112 - 1015 * ty / (10 - tz)]
    np.testing.assert_allclose(seen[0], expected, atol=1e-3)


# Points by policy.


def gappy():
    points = np.arange(6 * 10, dtype=float).reshape(6, 5, 2)
    points[[0, 3, 4]] = np.nan
    return points


def test_holding_takes_the_place_of_the_frame_before():
    points, indices = face_points.stand_in(gappy(), "hold")
    np.testing.assert_array_equal(indices, np.arange(6))
    np.testing.assert_array_equal(points, gappy()[[1, 1, 2, 2, 2, 5]])


def test_skipping_leaves_the_frames_out():
    points, indices = face_points.stand_in(gappy(), "skip")
    np.testing.assert_array_equal(indices, [1, 2, 5])
    np.testing.assert_array_equal(points, gappy()[[1, 2, 5]])


def test_failing_names_the_first_frame_without_a_face():
    with pytest.raises(UserError, match="no face found in frame 0"):
        face_points.stand_in(gappy(), "fail")
    points, _ = face_points.stand_in(gappy()[1:3], "fail")
    np.testing.assert_array_equal(points, gappy()[1:3])


@pytest.mark.parametrize("policy", face_points.ON_MISSING)
def test_a_clip_without_any_face_is_refused(policy):
    points = np.full((4, 5, 2), np.nan)
    with pytest.raises(UserError, match="no face found in (4 frames|frame 0)"):
        face_points.stand_in(points, policy)


# Landmarks in files.


def write(path, points):
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savetxt(path, np.reshape(points, (-1, 2)), fmt="%.3f")
    return path


def test_files_count_from_the_first_pixel_s_centre(tmp_path):
    _, points = frames_and_points(3)
    path = write(tmp_path / "clip.txt", points)
    np.testing.assert_allclose(face_points.read_clip_points(path, 3), points + 0.5, atol=1e-3)


def test_68_points_a_frame_and_frames_that_a_detector_gave_up(tmp_path):
    _, points = frames_and_points(2)
    ibug = np.full((3, 68, 2), -1.0)
    for k, frame in enumerate((0, 2)):
        ibug[frame] = 0
        ibug[frame, [36, 39]], ibug[frame, [42, 45]] = points[k, 0], points[k, 1]
        ibug[frame, [30, 48, 54]] = points[k, 2:]
    found = face_points.read_clip_points(write(tmp_path / "clip.txt", ibug), 3)
    np.testing.assert_allclose(found[[0, 2]], points + 0.5, atol=1e-3)
    assert np.isnan(found[1]).all()


def test_a_file_for_each_frame_and_none_where_there_is_no_face(tmp_path):
    _, points = frames_and_points(2)
    write(tmp_path / "a.txt", points[0])
    write(tmp_path / "c.txt", points[1])
    found = face_points.read_frame_points(tmp_path, ["a", "b", "c"])
    np.testing.assert_allclose(found[[0, 2]], points + 0.5, atol=1e-3)
    assert np.isnan(found[1]).all()
    with pytest.raises(UserError, match=r"named like the frames \(x.txt, ...\), found none"):
        face_points.read_frame_points(tmp_path, ["x", "y"])


def test_landmark_files_of_another_form_are_refused(tmp_path):
    _, points = frames_and_points(2)
    path = write(tmp_path / "clip.txt", points)
    with pytest.raises(UserError, match="for each of 3 frames, found 20 numbers"):
        face_points.read_clip_points(path, 3)
    (tmp_path / "words.txt").write_text("nose 3 4\n")
    with pytest.raises(UserError, match="words.txt: expected landmarks as numbers"):
        face_points.read_clip_points(tmp_path / "words.txt", 1)
    exchanged = write(tmp_path / "order.txt", points[:, [1, 0, 2, 4, 3]])
    with pytest.raises(UserError, match="a face from behind: is the order another one"):
        face_points.read_clip_points(exchanged, 2)
