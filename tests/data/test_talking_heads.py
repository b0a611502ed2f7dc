"""The synthetic world: deterministic, resumable, split by person, with answers that are true.

What its pictures show beyond the face model, and its masks: test_talking_heads_truth.py.
"""

import dataclasses
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from reenact_jax.data import images, prepared
from reenact_jax.data.talking_heads import PRESETS, WorldSpec, write_world
from reenact_jax.data.talking_heads.backgrounds import make_background
from reenact_jax.data.talking_heads.clips import POSE_BINS, make_clip, make_pairs, make_shots
from reenact_jax.data.talking_heads.motion import make_motion
from reenact_jax.data.talking_heads.scenery import make_lighting
from reenact_jax.data.talking_heads.studio import Studio
from reenact_jax.errors import UserError
from reenact_jax.face_model.procedural import procedural_head

SPEC = WorldSpec(
    num_train_people=2,
    num_test_people=3,
    frames_per_clip=5,
    image_size=32,
    num_cross_pairs=4,
    num_self_pairs=4,
)


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("world")
    write_world(SPEC, root)
    return root


@pytest.fixture(scope="module")
def studio() -> Studio:
    return Studio("light", SPEC.image_size)


def contents(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and path.suffix != ".npz"
    }


def pixels(frame: bytes) -> np.ndarray:
    return images.decode_image(frame)


def pairs_of(root: Path, kind: str) -> list[prepared.PreparedPair]:
    pairs = [prepared.read_pair(root, pair_id) for pair_id in prepared.list_pairs(root)]
    return [pair for pair in pairs if pair.kind == kind]


def frame(root: Path, at: tuple[str, int]) -> np.ndarray:
    return pixels(prepared.read_frame(root, *at)[0])


def test_the_folder_holds_what_the_specification_says(world):
    for root, condition in ((world, "exact"), (world / "fitted", "fitted")):
        info = prepared.read_dataset_info(root)
        assert (info.name, info.image_size) == ("talking_heads", 32)
        assert info.specification == f"{SPEC.hash()}-{condition}"
        assert info.face_model.fingerprint == procedural_head("light").fingerprint()
        assert len(prepared.list_clips(root)) == 5
        assert len(pairs_of(root, "self")) == len(pairs_of(root, "cross")) == 4
    for path in (world / "clips").rglob("*.png"):
        assert path.samefile(world / "fitted" / path.relative_to(world)), "frames are stored once"


def test_the_same_specification_gives_the_same_bytes(world, tmp_path):
    write_world(SPEC, tmp_path)
    assert contents(tmp_path) == contents(world)
    for folder in ("", "fitted"):
        for clip_id in prepared.list_clips(world):
            once, again = (prepared.read_clip(root / folder, clip_id) for root in (world, tmp_path))
            for name, values in vars(once.parameters).items():
                assert np.array_equal(values, getattr(again.parameters, name)), name


def test_two_processes_write_what_one_writes(world, tmp_path):
    write_world(SPEC, tmp_path, num_workers=2)
    assert contents(tmp_path) == contents(world)


def test_a_stopped_run_is_continued_and_keeps_what_was_there(world, tmp_path):
    root = tmp_path / "world"
    shutil.copytree(world, root)
    clips, pairs = prepared.list_clips(root), prepared.list_pairs(root)
    shutil.rmtree(root / "clips" / clips[1])
    # Killed between the two conditions, and between the truth of a pair and the pair.
    shutil.rmtree(root / "fitted" / "clips" / clips[2])
    shutil.rmtree(root / "pairs" / pairs[-1])
    shutil.rmtree(root / "fitted" / "pairs" / pairs[0])
    (root / "clips" / ".incomplete-person0001-00").mkdir()
    # A mark shows that the clip that is there is not rendered again.
    kept = root / "clips" / clips[0] / "frames" / "000000.png"
    os.utime(kept, (1, 1))
    write_world(SPEC, root)
    assert contents(root) == contents(world)
    assert kept.stat().st_mtime == 1


def test_another_specification_is_not_mixed_in(world):
    with pytest.raises(UserError, match="expected specification"):
        write_world(dataclasses.replace(SPEC, seed=1), world)


def test_every_field_changes_the_hash():
    other = {
        "seed": 1,
        "num_train_people": 3,
        "num_test_people": 4,
        "clips_per_person": 2,
        "frames_per_clip": 6,
        "fps": 9.0,
        "image_size": 64,
        "num_cross_pairs": 5,
        "num_self_pairs": 5,
        "max_yaw": 0.5,
        "head": "full",
    }
    assert set(other) == {field.name for field in dataclasses.fields(WorldSpec)}
    hashes = {dataclasses.replace(SPEC, **{name: value}).hash() for name, value in other.items()}
    assert len(hashes | {SPEC.hash()}) == len(other) + 1


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"frames_per_clip": 1}, "expected frames_per_clip >= 2, found 1"),
        ({"num_test_people": 1}, "at least 2 test people for cross pairs, found 1"),
        ({"num_test_people": 0, "num_cross_pairs": 0}, "at least 1 test person for self pairs"),
        ({"max_yaw": -0.1}, "expected max_yaw in .* found -0.1"),
        ({"head": "huge"}, "expected head .* found 'huge'"),
    ],
)
def test_a_specification_that_cannot_be_is_refused(values, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(SPEC, **values)


def test_splits_have_no_person_in_common_and_persons_keep_their_looks(world):
    people = {"train": {}, "test": {}}
    for clip_id in prepared.list_clips(world):
        clip = prepared.read_clip(world, clip_id)
        identity, texture = clip.parameters.identity, clip.parameters.texture
        assert (identity == identity[0]).all() and (texture == texture[0]).all()
        assert (clip.parameters.lighting == clip.parameters.lighting[0]).all()
        people[clip.split][clip.person_id] = identity[0]
    assert len(people["train"]) == 2 and len(people["test"]) == 3
    assert not set(people["train"]) & set(people["test"])
    everyone = np.stack([*people["train"].values(), *people["test"].values()])
    assert len(np.unique(everyone, axis=0)) == 5


def test_clips_of_a_person_differ_in_light_and_motion():
    spec = dataclasses.replace(SPEC, clips_per_person=2)
    first, second = (make_clip(spec, 1, clip) for clip in (0, 1))
    for name in ("skin", "mean", "identity"):
        own = [getattr(clip.stage.person, name) for clip in (first, second)]
        assert np.array_equal(*own), name
    for name in ("lighting", "rotation", "expression", "translation"):
        assert not np.array_equal(getattr(first.shots.face, name), getattr(second.shots.face, name))
    for name in ("background", "cloth"):
        assert not np.array_equal(getattr(first.stage, name), getattr(second.stage, name))


def test_the_answer_of_a_self_pair_is_the_driving_frame(world):
    for pair in pairs_of(world, "self"):
        assert pair.source[0] == pair.driving[0] and pair.source != pair.driving
        assert np.array_equal(pixels(pair.target), frame(world, pair.driving))


def test_cross_pairs_join_two_test_persons_and_their_answer_is_neither_frame(world):
    test = {c for c in prepared.list_clips(world) if prepared.read_clip(world, c).split == "test"}
    for pair in pairs_of(world, "cross"):
        assert {pair.source[0], pair.driving[0]} <= test
        assert pair.source[0].split("-")[0] != pair.driving[0].split("-")[0]
        target = pixels(pair.target).astype(int)
        # The source's room; the pose has changed, so the head covers other pixels.
        source, driving = (frame(world, at).astype(int) for at in (pair.source, pair.driving))
        corner = np.s_[:3, :3]
        assert np.abs(target[corner] - source[corner]).max() <= 1
        assert np.abs(target[corner] - driving[corner]).mean() > 1
        assert np.abs(target - source).mean() > 1 and np.abs(target - driving).mean() > 1


def test_a_frame_has_the_same_bits_whatever_is_rendered_beside_it(studio):
    clip = make_clip(SPEC, 0, 0)
    together = studio.pictures(clip.stage, clip.shots)
    alone = studio.pictures(clip.stage, clip.shots[3:4])
    assert np.array_equal(together[3], alone[0])


def test_the_background_stands_still_where_nothing_covers_it(studio):
    clip = make_clip(SPEC, 0, 0)
    frames = studio.pictures(clip.stage, clip.shots)
    blocks = clip.stage.background.reshape(32, 2, 32, 2, 3).mean((1, 3))
    still = np.abs(frames / 255.0 - blocks).max((0, 3)) < 0.51 / 255
    assert still[:4, :4].all() and still[:4, -4:].all(), "the upper corners are free"
    assert 0.15 < still.mean() < 0.8
    assert (frames[:, 16, 16].astype(int) - 255 * blocks[16, 16]).any(), "a head in the middle"


def test_motion_stays_within_its_bounds_and_shows_blinks_and_speech():
    names = procedural_head("light").expression_names
    motions = [make_motion(SPEC.rng(9, i), names, 40, 8.0, 0.6) for i in range(12)]
    for motion in motions:
        assert motion.expression.min() >= 0 and motion.expression.max() <= 1
        assert np.abs(motion.rotation[:, 1]).max() <= 0.6
        assert np.ptp(motion.rotation[:, 1]) > 0.3
        assert motion.expression[:, names.index("eyeBlink_L")].max() > 0.3
        # At eight frames a second no turn is faster than a person's.
        assert np.abs(np.diff(motion.rotation, axis=0)).max() < 0.35
    spoken = np.stack([motion.expression[:, names.index("jawOpen")] for motion in motions])
    assert spoken.max() > 0.4 and (spoken < 0.05).any()


def test_light_is_soft_and_neither_dark_nor_blown_out():
    rng = np.random.default_rng(0)
    directions = rng.normal(size=(400, 3))
    directions[:, 2] = np.abs(directions[:, 2])  # what a camera in front can see
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    basis = reference_basis(directions)
    for seed in range(40):
        bands = make_lighting(np.random.default_rng(seed)).reshape(3, 9).astype(np.float64)
        bands[:, 0] += 0.8
        light = basis @ bands.T
        assert 0.25 < light.min() and light.max() < 1.5
        assert 0.45 < light.mean() < 1.2


def reference_basis(n: np.ndarray) -> np.ndarray:
    """Nine bands written down independently of the rasterizer (order y, z, x)."""
    x, y, z = n.T
    first, second = 1.7724539, 2.4270324
    columns = [0.8862269 + 0 * x, -first * y, first * z, -first * x, second * x * y]
    columns += [-second * y * z, 0.7006239 * (3 * z * z - 1), -second * x * z]
    return np.stack([*columns, second / 2 * (x * x - y * y)], axis=1)


def test_a_background_is_the_same_picture_at_two_resolutions():
    for seed in range(12):
        small, large = (make_background(np.random.default_rng(seed), size) for size in (64, 128))
        reduced = large.reshape(64, 2, 64, 2, 3).mean((1, 3))
        difference = np.abs(small - reduced)
        # Outlines are as wide as a pixel of the smaller one, joints of tiles narrower.
        assert difference.mean() < 0.03, seed
        assert small.std() > 0.03


def test_pairs_visit_every_test_person():
    spec = dataclasses.replace(SPEC, num_cross_pairs=9, num_self_pairs=9)
    pairs = make_pairs(spec)
    assert len({pair.pair_id for pair in pairs}) == 18
    assert {pair.source[0] for pair in pairs} == {f"person{i:04d}-00" for i in (2, 3, 4)}


def test_pairs_of_the_benchmark_spread_over_pose_difference():
    spec = PRESETS["v1"]
    assert spec.num_train_people >= 200 and spec.num_test_people >= 20
    rotations = {}

    def matrix(at: tuple[str, int]) -> np.ndarray:
        if at[0] not in rotations:
            person, number = at[0].removeprefix("person").split("-")
            angles = make_shots(spec, int(person), int(number)).face.rotation
            # The same convention written down by another library.
            rotations[at[0]] = Rotation.from_euler("xyz", angles)
        return rotations[at[0]][at[1]]

    for kind in ("self", "cross"):
        own = [pair for pair in make_pairs(spec) if pair.kind == kind]
        degrees = np.degrees(
            [(matrix(p.source).inv() * matrix(p.driving)).magnitude() for p in own]
        )
        counts = np.histogram(degrees, POSE_BINS)[0]
        assert counts.sum() == len(own) == 400
        assert counts.min() > 0.1 * len(own), counts
    yaws = np.concatenate([np.abs(r.as_euler("xyz")[:, 1]) for r in rotations.values()])
    assert np.radians(50) < yaws.max() <= np.radians(60) + 1e-6
    assert np.quantile(yaws, 0.75) > np.radians(22)


def test_shoulders_stay_below_the_head_and_follow_it_less():
    names = procedural_head("light").expression_names
    for i in range(8):
        motion = make_motion(SPEC.rng(9, i), names, 40, 8.0, np.radians(60.0))
        assert np.abs(motion.torso_rotation).max() < 0.45 * np.abs(motion.rotation).max() + 0.1
        assert np.ptp(motion.torso_rotation[:, 1]) > 0.02
        neck = np.array([0.0, -1.15, -0.25])
        base = Rotation.from_euler("xyz", motion.rotation).apply(neck) + motion.translation
        below = Rotation.from_euler("xyz", motion.torso_rotation).apply(neck)
        # The neck of the head model is about 0.4 dm in radius.
        assert np.linalg.norm((below + motion.torso_translation - base)[:, ::2], axis=1).max() < 0.4
