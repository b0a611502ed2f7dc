"""Packing on Apache Beam gives the files of the plain build."""

import builtins

import numpy as np
import pytest

from reenact_jax.data import builders, frames, prepared_builder
from reenact_jax.data.beam_pack import pipeline_options, write_with_beam
from reenact_jax.errors import UserError
from tests.data.test_shards import content
from tests.helpers import toy_clips

# Twenty-five files: from eleven on, an order of numbers as text would be another one.
CLIPS = {
    f"clip{i:03d}": (f"person{i % 7}", "test" if i % 9 == 8 else "train", 2 + i % 5)
    for i in range(28)
}


@pytest.fixture
def many_clips(tmp_path, monkeypatch):
    monkeypatch.setattr(prepared_builder, "_FRAMES_PER_SHARD", 2)
    monkeypatch.setattr(toy_clips, "CLIPS", dict.fromkeys(sorted(CLIPS)))
    monkeypatch.setattr(toy_clips, "frame_pixels", lambda clip_id, i: pixels(int(clip_id[-3:]), i))
    toy_clips.write_prepared(tmp_path / "prepared", clips=CLIPS)
    return tmp_path / "prepared"


def pixels(clip, index):
    colour = np.uint8((7 * clip, 20 * index, 77))
    return np.broadcast_to(colour, (toy_clips.IMAGE_SIZE,) * 2 + (3,)).copy()


def test_two_beam_workers_write_the_records_of_the_plain_build(tmp_path, many_clips):
    pytest.importorskip("apache_beam", reason="needs the extra `beam`")
    builders.pack(many_clips, tmp_path / "plain", "clips")
    builders.pack(
        many_clips,
        tmp_path / "beam",
        "clips",
        beam_runner="DirectRunner",
        beam_options=pipeline_options(
            ["direct_running_mode=multi_processing", "direct_num_workers=2"]
        ),
    )
    assert content(tmp_path / "beam") == content(tmp_path / "plain")
    dataset = frames.open_frames(tmp_path / "beam", "clips", "train")
    assert len(list((tmp_path / "beam").glob("clips/frames/1.0.0/*train*"))) == 25
    for clip in dataset.clips:
        for i in range(clip.num_frames):
            # Reading refuses a record that is not the frame of this place.
            assert (dataset[clip.start + i]["image"] == pixels(int(clip.clip_id[-3:]), i)).all()


def test_without_beam_the_message_says_what_to_install(monkeypatch):
    real = builtins.__import__

    def without_beam(name, *args, **kwargs):
        if name.split(".")[0] == "apache_beam":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_beam)
    with pytest.raises(UserError, match=r"pip install 'reenact-jax\[beam\]'"):
        write_with_beam([], "DirectRunner")
