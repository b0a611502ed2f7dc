"""Reenactment of clips: frames, rates, panels, and what is transferred."""

import dataclasses
from fractions import Fraction

import numpy as np
import pytest

from reenact_jax import media
from reenact_jax.data import prepared
from reenact_jax.errors import UserError
from reenact_jax.inference.inputs import load_clip
from reenact_jax.inference.reenactment import reenact_clip, write_reenactment
from reenact_jax.inference.run import load_run
from tests.helpers.tiny import TEST_CLIPS, WORLD, tiny_config


@pytest.fixture(scope="module")
def run(tiny_run, tiny_world):
    return load_run(tiny_config(tiny_world), tiny_run)


@pytest.fixture(scope="module")
def paths(tiny_world):
    return [tiny_world / "prepared" / "clips" / clip_id for clip_id in TEST_CLIPS]


@pytest.fixture(scope="module")
def clips(run, paths):
    return [load_clip(path, run.face_model, run.config.image_size) for path in paths]


def test_a_prepared_clip_is_read_with_its_parameters(clips, tiny_world):
    stored = prepared.read_clip(tiny_world / "prepared", TEST_CLIPS[0])
    assert clips[0].frames.shape == (4, 64, 64, 3) and clips[0].frames.dtype == np.uint8
    assert clips[0].fps == Fraction(8)
    np.testing.assert_array_equal(clips[0].parameters.rotation, stored.parameters.rotation)


@pytest.mark.parametrize("compare", [False, True])
def test_the_video_has_the_drivers_frames_and_rate(run, paths, tmp_path, compare):
    out = tmp_path / "out.mp4"
    write_reenactment(run, *paths, out, compare=compare)
    info = media.probe_video(out)
    frames = list(media.iterate_video(out))
    assert len(frames) == WORLD.frames_per_clip and info.fps == WORLD.fps
    assert frames[0].shape == (64, 64 * (3 if compare else 1), 3)
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]


def test_the_panels_are_source_driver_and_result(run, paths, clips, tmp_path):
    out = tmp_path / "out.mp4"
    write_reenactment(run, *paths, out, compare=True)
    results = list(reenact_clip(run, *clips))
    for i, frame in enumerate(media.iterate_video(out)):
        panels = np.split(frame.astype(float), 3, axis=1)
        for panel, picture in zip(
            panels, (clips[0].frames[0], clips[1].frames[i], results[i]), strict=True
        ):
            # the video is compressed, its colours at half the resolution
            assert np.abs(panel - picture).mean() < 8


def test_a_longer_driver_gives_the_same_frames_as_its_parts(run, clips):
    source, driver = clips
    long = dataclasses.replace(
        driver,
        frames=np.concatenate([driver.frames] * 2)[:6],
        parameters=driver.parameters[np.array([0, 1, 2, 3, 0, 1])],
    )
    short, whole = list(reenact_clip(run, source, driver)), list(reenact_clip(run, source, long))
    assert len(short) == 4 and len(whole) == 6
    for i, frame in enumerate(whole):
        np.testing.assert_array_equal(frame, short[i % 4])


def test_each_part_of_the_motion_can_be_kept(run, clips):
    source, driver = clips

    def results(driving, **transfer):
        return np.stack(list(reenact_clip(run, source, driving, **transfer)))

    def with_of(parameters, other, *fields):
        values = {name: np.repeat(getattr(other, name)[:1], 4, axis=0) for name in fields}
        return dataclasses.replace(driver, parameters=parameters.replace(**values))

    pose = ("rotation", "translation")
    # Without a part, the driver's part makes no difference: it may as well be the source's own.
    keeps_expression = results(driver, transfer_expression=False)
    own_expression = with_of(driver.parameters, source.parameters, "expression")
    np.testing.assert_array_equal(keeps_expression, results(own_expression))
    keeps_pose = results(driver, transfer_pose=False)
    own_pose = with_of(driver.parameters, source.parameters, *pose)
    np.testing.assert_allclose(keeps_pose, results(own_pose), atol=1)
    # With it, it does.
    everything = results(driver).astype(int)
    assert np.abs(everything - keeps_expression).max() > 1
    assert np.abs(everything - keeps_pose).max() > 1
    # Without both, the picture stands still.
    still = results(driver, transfer_pose=False, transfer_expression=False)
    np.testing.assert_array_equal(still, still[:1].repeat(4, axis=0))
    assert np.ptp(everything, axis=0).max() > 1


def test_what_is_no_clip_is_refused_and_leaves_no_file(run, paths, tmp_path):
    (tmp_path / "empty").mkdir()
    out = tmp_path / "out.mp4"
    for path, message in (
        (tmp_path / "empty", "found no clip.json"),
        (tmp_path / "nothing.mp4", "is not there"),
    ):
        with pytest.raises(UserError, match=message):
            write_reenactment(run, paths[0], path, out)
    assert not out.exists()


def test_a_clip_of_another_face_model_is_refused(run, paths, tmp_path):
    other = dataclasses.replace(run.face_model, mean=run.face_model.mean * 1.01)
    with pytest.raises(UserError, match="expected parameters of face model procedural-light"):
        load_clip(paths[0], other, 64)
