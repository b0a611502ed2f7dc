"""Files of a dataset: whole or absent, the same whoever writes them and however often it stops."""

import dataclasses
import hashlib
import os
import resource
import signal
import subprocess
import sys

import numpy as np
import pytest

from reenact_jax.data import (
    builders,
    frames,
    images,
    prepared,
    prepared_builder,
    records,
    shards,
)
from reenact_jax.errors import UserError
from tests.helpers.toy_clips import IMAGE_SIZE, write_prepared

FRAMES_PER_SHARD = 6  # three files of train, one of test


def content(folder):
    """Name -> hash of every file of a packed dataset."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.glob("clips/*/*/*"))
    }


@pytest.fixture
def plain(tmp_path, prepared_root, monkeypatch):
    """A dataset of several files that was packed in one go."""
    monkeypatch.setattr(prepared_builder, "_FRAMES_PER_SHARD", FRAMES_PER_SHARD)
    builders.pack(prepared_root, tmp_path / "plain", "clips")
    return content(tmp_path / "plain")


def test_processes_write_the_same_files(tmp_path, prepared_root, plain):
    builders.pack(prepared_root, tmp_path / "out", "clips", num_workers=2)
    assert content(tmp_path / "out") == plain


def test_a_run_killed_at_every_step_ends_with_the_same_files(tmp_path, prepared_root, plain):
    # Run n is killed at its n-th step, the next one goes on from there.
    script = f"""
import os, sys
from pathlib import Path
from reenact_jax.data import builders, prepared, prepared_builder

prepared_builder._FRAMES_PER_SHARD = {FRAMES_PER_SHARD}
run = 0

def killing(function, every=1):
    calls = 0
    def wrapped(*args, **kwargs):
        global left
        nonlocal calls
        calls += 1
        if calls % every == 0:
            left -= 1
            if left < 0:
                os._exit(9)
        return function(*args, **kwargs)
    return wrapped

while True:
    run += 1
    pid = os.fork()
    if pid == 0:
        left = run
        prepared.read_clip = killing(prepared.read_clip)
        prepared.read_frame = killing(prepared.read_frame, every=40)
        Path.rename = killing(Path.rename)
        os.replace = killing(os.replace)
        builders.pack(sys.argv[1], sys.argv[2], 'clips')
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert status in (0, 9), status
    complete = [str(p) for p in Path(sys.argv[2]).glob('clips/*/1.0.0')]
    assert all((Path(p) / 'dataset_info.json').exists() for p in complete)
    if status == 0:
        print(run)
        break
"""
    arguments = [sys.executable, "-c", script, str(prepared_root), str(tmp_path / "out")]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 6
    assert content(tmp_path / "out") == plain
    left = [path.name for path in (tmp_path / "out" / "clips").iterdir()]
    assert sorted(left) == [".config", ".lock", "frames", "pairs"]
    assert [path.name for path in (tmp_path / "out/clips/frames").iterdir()] == ["1.0.0"]


def test_complete_files_of_a_stopped_run_are_kept(tmp_path, prepared_root, monkeypatch):
    monkeypatch.setattr(prepared_builder, "_FRAMES_PER_SHARD", FRAMES_PER_SHARD)
    read, asked = prepared.read_clip, []

    def stopping(root, clip_id):
        asked.append(clip_id)
        if clip_id == "emil#v1#000001" and len(asked) == 4:
            raise KeyboardInterrupt
        return read(root, clip_id)

    monkeypatch.setattr(records.prepared, "read_clip", stopping)
    with pytest.raises(KeyboardInterrupt):
        builders.pack(prepared_root, tmp_path, "clips")
    assert asked == ["anna#v1#000001", "anna#v2#000001", "carl#v1#000001", "emil#v1#000001"]
    with pytest.raises(UserError, match="found nothing. Build it with"):
        frames.open_frames(tmp_path, "clips", "train")
    builders.pack(prepared_root, tmp_path, "clips")
    assert asked[4:] == ["emil#v1#000001", "bert#v1#000001", "dora#v1#000001"]


def test_files_of_other_content_are_not_mixed_in(tmp_path, monkeypatch):
    monkeypatch.setattr(prepared_builder, "_FRAMES_PER_SHARD", FRAMES_PER_SHARD)
    root, out = tmp_path / "prepared", tmp_path / "out"
    write_prepared(root)
    real = shards.write_shard

    def stopping(shard):
        if "00002-of-00003" in shard.path.name:
            raise KeyboardInterrupt
        real(shard)

    monkeypatch.setattr(shards, "write_shard", stopping)
    with pytest.raises(KeyboardInterrupt):
        builders.pack(root, out, "clips")
    monkeypatch.setattr(shards, "write_shard", real)
    clip = prepared.read_clip(root, "anna#v1#000001")
    changed = clip.parameters.replace(rotation=clip.parameters.rotation + 1)
    prepared.write_clip(root, dataclasses.replace(clip, parameters=changed))
    builders.pack(root, out, "clips")
    found = frames.open_frames(out, "clips", "train")[0]["parameters"].rotation
    np.testing.assert_array_equal(found, changed.rotation[0])


def noisy_shard(folder):
    """A shard of 40 frames of noise, about 130 kB."""
    write_prepared(folder, clips={})
    info = prepared.read_dataset_info(folder)
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (40, IMAGE_SIZE, IMAGE_SIZE, 3), np.uint8)
    widths = info.face_model.field_widths
    clip = prepared.PreparedClip(
        "noise",
        "p",
        "train",
        25,
        [images.encode_image(frame) for frame in noise],
        prepared.FaceParameters(**{k: np.zeros((40, w), np.float32) for k, w in widths.items()}),
    )
    prepared.write_clip(folder, clip)
    maker = records.FrameShard(folder, ("noise",), 40)
    path = folder / "out" / "a.array_record"
    return shards.Shard(path, 40, records.frame_features(info), maker)


def test_a_full_disk_is_one_message_and_leaves_nothing(tmp_path):
    # A limit on the size of files stands in for the full disk: the same call fails.
    shard = noisy_shard(tmp_path)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, limits[1]))
        with pytest.raises(UserError, match=r"a\.array_record cannot be written .* make room"):
            shards.write_shard(shard)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert os.listdir(shard.path.parent) == []
    shards.write_shard(shard)
    assert shards.is_written(shard)


def test_a_shard_of_another_length_than_planned_is_refused(tmp_path):
    shard = dataclasses.replace(noisy_shard(tmp_path), num_records=41)
    with pytest.raises(UserError, match="expected 41 records, found 40"):
        shards.write_shard(shard)
    assert os.listdir(shard.path.parent) == []
