"""Prepared folders: what is written is read back, what does not fit is refused."""

import dataclasses

import numpy as np
import pytest

from reenact_jax.data import images, prepared
from reenact_jax.data.info import FaceModelInfo, check_face_model
from reenact_jax.face_model.morphable import make_model
from reenact_jax.face_model.parameters import FIELDS, FaceParameters

MODEL = FaceModelInfo(name="toy", fingerprint="0123", identity=3, expression=2, texture=0)

_NOISE = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
ENCODED = {name: images.encode_image(_NOISE, name) for name in ("png", "jpg")}


def make_parameters(rng, num_frames, model=MODEL):
    leaves = {
        name: rng.normal(size=(num_frames, width)).astype(np.float32)
        for name, width in model.field_widths.items()
    }
    return FaceParameters(**leaves)


def make_clip(num_frames=3, size=16, seed=0, **changes):
    rng = np.random.default_rng(seed)
    clip = prepared.PreparedClip(
        clip_id="a#b#000001",
        person_id="a",
        split="train",
        fps=25.0,
        frames=[rng.integers(0, 256, (size, size, 3), np.uint8) for _ in range(num_frames)],
        parameters=make_parameters(rng, num_frames),
        origin="made up",
    )
    return dataclasses.replace(clip, **changes)


@pytest.fixture
def root(tmp_path):
    prepared.write_dataset_info(tmp_path, name="toy", image_size=16, face_model=MODEL)
    return tmp_path


def test_a_clip_is_read_back_as_it_was_written(root):
    clip = make_clip()
    assert not prepared.has_clip(root, clip.clip_id)
    prepared.write_clip(root, clip)
    assert prepared.has_clip(root, clip.clip_id)
    assert prepared.list_clips(root) == [clip.clip_id]
    found = prepared.read_clip(root, clip.clip_id)
    for expected, encoded in zip(clip.frames, found.frames, strict=True):
        np.testing.assert_array_equal(images.decode_image(encoded), expected)
    for name in FIELDS:
        np.testing.assert_array_equal(
            getattr(found.parameters, name), getattr(clip.parameters, name)
        )
    for name in ("clip_id", "person_id", "split", "fps", "origin"):
        assert getattr(found, name) == getattr(clip, name)


def test_encoded_frames_are_written_as_they_are(root):
    encoded = [images.encode_image(frame, "jpg") for frame in make_clip().frames]
    prepared.write_clip(root, make_clip(frames=encoded))
    assert prepared.read_clip(root, make_clip().clip_id).frames == encoded
    paths = sorted((root / "clips" / make_clip().clip_id / "frames").iterdir())
    assert [path.name for path in paths] == ["000000.jpg", "000001.jpg", "000002.jpg"]


def test_what_other_programs_write_behind_a_picture_is_no_damage(root):
    encoded = [ENCODED["jpg"] + extra for extra in (b"", b"\0\0", b"a comment")]
    prepared.write_clip(root, make_clip(frames=encoded))
    assert prepared.read_clip(root, make_clip().clip_id).frames == encoded


def test_a_clip_written_twice_is_the_second_one(root):
    prepared.write_clip(root, make_clip(num_frames=3))
    prepared.write_clip(root, make_clip(num_frames=2, seed=1))
    assert len(prepared.read_clip(root, make_clip().clip_id).frames) == 2
    assert [path.name for path in (root / "clips").iterdir()] == [make_clip().clip_id]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"frames": [np.zeros((8, 8, 3), np.uint8)] * 3}, "frame 0: expected 16 x 16 pixels"),
        ({"frames": [np.zeros((16, 16, 3), np.uint8)] * 2}, r"identity: expected shape \(2, 3\)"),
        ({"frames": []}, "at least one frame"),
        ({"frames": [b"GIF89a"] * 3}, "expected PNG or JPEG bytes"),
        ({"frames": [ENCODED["png"][:-60]] * 3}, "frame 0: expected a complete PNG or JPEG"),
        ({"frames": [ENCODED["jpg"][:-20]] * 3}, "frame 0: expected a complete PNG or JPEG"),
        ({"frames": [np.zeros((16, 16, 3), np.float32)] * 3}, "expected uint8"),
        ({"split": "validation"}, "split: expected one of"),
        ({"clip_id": "a/b"}, "expected a clip_id"),
    ],
)
def test_a_clip_that_does_not_fit_is_refused_and_leaves_nothing(root, changes, message):
    with pytest.raises(ValueError, match=message):
        prepared.write_clip(root, make_clip(**changes))
    assert prepared.list_clips(root) == []
    assert not list((root / "clips").glob("*")) if (root / "clips").exists() else True


def test_parameters_of_another_width_or_not_finite_are_refused(root):
    rng = np.random.default_rng(0)
    other = make_parameters(rng, 3, dataclasses.replace(MODEL, expression=5))
    with pytest.raises(ValueError, match=r"expression: expected shape \(3, 2\).*toy"):
        prepared.write_clip(root, make_clip(parameters=other))
    broken = make_parameters(rng, 3)
    broken.lighting[1, 4] = np.nan
    with pytest.raises(ValueError, match="lighting: .*frame 1"):
        prepared.write_clip(root, make_clip(parameters=broken))


def test_a_clip_that_lost_a_frame_is_named(root):
    prepared.write_clip(root, make_clip())
    (root / "clips" / make_clip().clip_id / "frames" / "000001.png").unlink()
    with pytest.raises(ValueError, match="a#b#000001: expected frames 000000 to 000002"):
        prepared.read_clip(root, make_clip().clip_id)


def test_what_a_killed_run_left_behind_is_not_listed_and_is_cleared(root):
    left_behind = root / "clips" / ".incomplete-a#b#000001"
    (left_behind / "frames").mkdir(parents=True)
    (left_behind / "clip.json").write_text("{}")
    assert prepared.list_clips(root) == []
    prepared.write_clip(root, make_clip())
    assert not left_behind.exists()


def test_a_folder_is_continued_only_with_the_same_facts(root):
    prepared.write_dataset_info(root, name="toy", image_size=16, face_model=MODEL)
    other = dataclasses.replace(MODEL, fingerprint="4567")
    with pytest.raises(ValueError, match="expected face_model .*4567.* found .*0123"):
        prepared.write_dataset_info(root, name="toy", image_size=16, face_model=other)
    with pytest.raises(ValueError, match="expected image_size 32, found 16"):
        prepared.write_dataset_info(root, name="toy", image_size=32, face_model=MODEL)


def test_a_folder_without_dataset_json_is_no_prepared_folder(tmp_path):
    with pytest.raises(ValueError, match="prepare the clips first"):
        prepared.read_dataset_info(tmp_path)


def test_pairs_are_read_back_with_and_without_a_target(root):
    prepared.write_clip(root, make_clip())
    target = make_clip(seed=5).frames[0]
    for pair_id, answer in (("p0", target), ("p1", None)):
        pair = prepared.PreparedPair(pair_id, "cross", ("a#b#000001", 0), ("a#b#000001", 2), answer)
        prepared.write_pair(root, pair)
    assert prepared.list_pairs(root) == ["p0", "p1"]
    found = prepared.read_pair(root, "p0")
    assert (found.kind, found.source, found.driving) == (
        "cross",
        ("a#b#000001", 0),
        ("a#b#000001", 2),
    )
    np.testing.assert_array_equal(images.decode_image(found.target), target)
    assert prepared.read_pair(root, "p1").target is None


def test_a_pair_must_point_at_frames_that_exist(root):
    prepared.write_clip(root, make_clip())
    pair = prepared.PreparedPair("p", "self", ("a#b#000001", 0), ("a#b#000001", 3))
    with pytest.raises(ValueError, match=r"driving: expected a frame in \[0, 3\)"):
        prepared.write_pair(root, pair)
    missing = dataclasses.replace(pair, driving=("nobody", 0))
    with pytest.raises(ValueError, match="no clip nobody"):
        prepared.write_pair(root, missing)


def toy_model(name="toy", scale=1.0):
    rng = np.random.default_rng(3)
    return make_model(
        name=name,
        mean=scale * rng.normal(size=(70, 3)),
        identity_basis=rng.normal(size=(3, 70, 3)),
        expression_basis=rng.normal(size=(2, 70, 3)),
        triangles=np.arange(69).reshape(23, 3),
        landmarks68=np.arange(68),
    )


def test_a_dataset_refuses_another_face_model(tmp_path):
    model = toy_model()
    info = prepared.write_dataset_info(tmp_path, name="set", image_size=16, face_model=model)
    check_face_model(prepared.read_dataset_info(tmp_path), model)
    assert info.face_model.identity == 3
    for other in (toy_model(name="other"), toy_model(scale=2.0)):
        with pytest.raises(ValueError, match=f"expected .*face model {other.name}.*found.*toy"):
            check_face_model(info, other)


@pytest.mark.parametrize("name, drawn", [("ict_facekit", False), ("procedural-full", True)])
def test_faces_are_drawn_if_they_are_the_procedural_head(tmp_path, name, drawn):
    model = toy_model(name=name)
    info = prepared.write_dataset_info(
        tmp_path, name="set", image_size=16, face_model=model, specification="stride=2"
    )
    assert info.drawn_faces == drawn
