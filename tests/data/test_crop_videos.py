"""Raw videos and a list in, clips out; what is bad is named and leaves nothing behind."""

import dataclasses
import json
import os
import re
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from reenact_jax import media
from reenact_jax.data import crop_videos as cropping
from reenact_jax.data import images
from reenact_jax.data.crop_videos import crop_videos, frame_range, scaled_box
from reenact_jax.data.storage import StorageError
from reenact_jax.data.video_metadata import ClipList, ClipRow, list_hash, read_metadata
from reenact_jax.data.video_metadata import write_metadata as write_list
from reenact_jax.data.voxceleb import find_clips
from reenact_jax.errors import UserError

REPOSITORY = Path(__file__).parents[2]
HEADER = "video_id,start,end,bbox,fps,width,height,partition,person_id"
# A frame of the test videos is 64 x 96 (height, width): the list measures twice that.
ROW = ClipRow("vidA", 2, 6, (40, 16, 120, 96), 25.0, 192, 128, "train", "id10001")


def frame_of(number):
    """Grey of the frame's number, with a red square where the box of `ROW` is."""
    frame = np.full((64, 96, 3), 10 * number, np.uint8)
    frame[8:48, 20:60] = (200, 10 * number, 0)
    return frame


def write_video(path, num_frames=10, fps=25, seconds=None):
    """Lossless, so that frames can be told apart; `seconds` are the frames' times."""
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264rgb", rate=fps)
        stream.height, stream.width, stream.pix_fmt = 64, 96, "rgb24"
        stream.options = {"qp": "0", "bf": "0"}
        stream.codec_context.time_base = Fraction(1, 1000)
        for i in range(num_frames):
            frame = av.VideoFrame.from_ndarray(frame_of(i), format="rgb24")
            frame.time_base = Fraction(1, 1000)
            frame.pts = round(1000 * (seconds[i] if seconds else i / fps))
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


@pytest.fixture
def videos(tmp_path):
    folder = tmp_path / "videos"
    folder.mkdir()
    write_video(folder / "vidA.mp4")
    return folder


def clip_list(*rows):
    return ClipList(tuple(rows))


def left_behind(folder):
    return [path for path in folder.rglob("*") if path.is_file() and path.name != "report.json"]


def test_clips_hold_the_listed_frames_of_the_listed_box(videos, tmp_path):
    report = crop_videos(videos, clip_list(ROW), tmp_path / "out", image_size=20)
    folder = tmp_path / "out/train/id10001#vidA#000002#000006"
    assert sorted(path.name for path in folder.iterdir()) == [f"{i:07d}.png" for i in range(4)]
    for i in range(4):
        pixels = images.decode_image((folder / f"{i:07d}.png").read_bytes())
        assert pixels.shape == (20, 20, 3)
        # The box is exactly the red square, so nothing of the grey around it may be seen.
        expected = np.full((20, 20, 3), (200, 10 * (2 + i), 0))
        np.testing.assert_allclose(pixels, expected, atol=2)
    assert (report.clips_written, report.clips_listed) == (1, 1)
    assert json.loads((tmp_path / "out/report.json").read_text())["list_hash"] == list_hash([ROW])


@pytest.mark.parametrize(
    ("fps", "expected"),
    [
        (Fraction(25), range(50, 100)),
        (Fraction(30), range(60, 120)),
        (Fraction(30000, 1001), range(60, 120)),  # 59.94 and 119.88, rounded up
        (Fraction(24), range(48, 96)),
    ],
)
def test_frames_are_chosen_by_time_whatever_the_video_s_rate(fps, expected):
    row = dataclasses.replace(ROW, start=50, end=100)
    chosen = frame_range(row, fps)
    assert chosen == expected
    brute = [i for i in range(1000) if row.start * fps <= i * 25 < row.end * fps]
    assert list(chosen) == brute


def test_boxes_are_scaled_to_the_video_and_kept_inside_it():
    row = dataclasses.replace(ROW, box=(389, 0, 956, 776), width=1280, height=720)
    assert scaled_box(row, 1280, 720) == (389, 0, 956, 720)
    assert scaled_box(row, 640, 360) == (194, 0, 478, 360)
    with pytest.raises(ValueError, match="expected a box of some pixels"):
        scaled_box(dataclasses.replace(ROW, box=(0, 0, 3, 3)), 4, 4)


def test_tested_persons_are_left_out_and_missing_videos_counted(videos, tmp_path):
    rows = [
        dataclasses.replace(ROW, person_id="id10282"),
        dataclasses.replace(ROW, person_id="id10282", start=0, partition="test"),
        dataclasses.replace(ROW, video_id="vidB"),
    ]
    report = crop_videos(videos, clip_list(*rows), tmp_path / "out", image_size=16)
    assert report.left_out == ["id10282#vidA#000002#000006"]
    assert report.missing_videos == ["vidB"]
    assert (report.videos_found, report.videos_listed) == (1, 2)
    assert (report.persons_found, report.persons_listed) == (1, 2)
    assert "1 of 3 clips written" in report.summary()
    kept = crop_videos(
        videos, clip_list(*rows), tmp_path / "out", image_size=16, keep_tested_persons=True
    )
    assert kept.clips_written == 2 and not kept.left_out


def test_a_second_run_keeps_what_is_there(videos, tmp_path):
    crop_videos(videos, clip_list(ROW), tmp_path / "out", image_size=16)
    folder = tmp_path / "out/train" / ROW.clip_id
    before = folder.stat().st_mtime_ns
    later = dataclasses.replace(ROW, start=5, end=8)
    report = crop_videos(videos, clip_list(ROW, later), tmp_path / "out", image_size=16)
    assert report.clips_written == 2 and folder.stat().st_mtime_ns == before
    assert len(list((tmp_path / "out/train" / later.clip_id).iterdir())) == 3


def test_what_a_killed_run_has_left_is_no_clip_and_is_replaced(videos, tmp_path):
    script = (
        "import os, sys\n"
        "from reenact_jax.data import crop_videos as c, video_metadata as m\n"
        "encode, count = c.images.encode_image, []\n"
        "c.images.encode_image = lambda *a: os._exit(9) if len(count) == 2 else "
        "(count.append(1), encode(*a))[1]\n"
        "c.crop_videos(sys.argv[1], m.read_metadata(sys.argv[2]), sys.argv[3], image_size=16)\n"
    )
    write_list(tmp_path / "list.csv", [ROW])
    out = tmp_path / "out"
    command = [sys.executable, "-c", script, str(videos), str(tmp_path / "list.csv"), str(out)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY)
    assert done.returncode == 9, done.stderr
    assert len(left_behind(out)) == 2
    with pytest.raises(UserError, match="expected clips .* found none"):
        find_clips(out)
    crop_videos(videos, clip_list(ROW), out, image_size=16)
    assert len(left_behind(out)) == 4
    assert [clip.clip_id for clip in find_clips(out)] == [ROW.clip_id]


def test_processes_write_the_same_files(videos, tmp_path):
    write_video(videos / "vidB.mp4")
    rows = clip_list(ROW, dataclasses.replace(ROW, video_id="vidB"))
    for out, num_workers in (("one", 1), ("two", 2)):
        crop_videos(videos, rows, tmp_path / out, image_size=16, num_workers=num_workers)
    files = {}
    for out in ("one", "two"):
        paths = sorted(path for path in (tmp_path / out).rglob("*") if path.is_file())
        files[out] = {path.relative_to(tmp_path / out): path.read_bytes() for path in paths}
    assert len(files["one"]) == 9 and files["one"] == files["two"]


def zero_frames(path):
    import av

    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.height, stream.width, stream.pix_fmt = 64, 96, "yuv420p"
        container.start_encoding()


def audio_only(path):
    import av

    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=16000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.sample_rate = 16000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (zero_frames, "no (frames|video stream)|not a readable video"),
        (audio_only, "the file has no video stream"),
        (lambda path: path.write_bytes(b"no video"), "not a readable video"),
        (
            lambda path: write_video(path, seconds=[0, 0.1, 0.11, 0.12, 0.3, 0.4, 0.9, 1, 2, 3]),
            "expected a constant frame rate, found one that varies",
        ),
        (lambda path: write_video(path, num_frames=2, fps=2), "expected at least two frames"),
        (lambda path: write_video(path, fps=120), "found a video of 10: it is not the listed one"),
    ],
    ids=["no frames", "audio only", "no video", "variable rate", "one frame", "too short"],
)
def test_a_video_that_cannot_be_used_is_named_and_leaves_nothing(tmp_path, write, message):
    videos, out = tmp_path / "videos", tmp_path / "out"
    videos.mkdir()
    write(videos / "vidA.mp4")
    write_video(videos / "vidB.mp4")
    good = dataclasses.replace(ROW, video_id="vidB")
    report = crop_videos(videos, clip_list(ROW, good), out, image_size=16)
    assert list(report.refused) == [ROW.clip_id] and report.clips_written == 1
    reason = report.refused[ROW.clip_id]
    assert str(videos / "vidA.mp4") in reason
    assert re.search(message, reason), reason
    assert all(path.parent.name == good.clip_id for path in left_behind(out))
    assert not [path for path in out.rglob(".*")]


def test_a_full_disk_is_one_message_and_leaves_nothing(videos, tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cropping.Path, "write_bytes", fail)
    with pytest.raises(StorageError, match="No space left on device.: make room"):
        crop_videos(videos, clip_list(ROW), tmp_path / "out", image_size=16)
    assert not left_behind(tmp_path / "out")


def test_no_video_at_all_is_an_error(tmp_path):
    with pytest.raises(
        UserError, match="expected videos called like vidA.mp4, found none of the 1"
    ):
        crop_videos(tmp_path, clip_list(ROW), tmp_path / "out")


def test_a_list_is_read_as_it_was_written(tmp_path):
    rows = (ROW, dataclasses.replace(ROW, video_id="a-b_c", partition="test", fps=29.97))
    write_list(tmp_path / "list.csv", rows)
    assert read_metadata(tmp_path / "list.csv") == ClipList(rows)
    assert list_hash(rows) == list_hash(rows[::-1]) != list_hash(rows[:1])


def test_repeated_rows_count_once_and_a_clip_in_both_partitions_is_tested(tmp_path):
    line = "vidA,2,6,40-16-120-96,25,192,128,{},id10282"
    lines = [HEADER, line.format("train"), line.format("train"), line.format("test")]
    (tmp_path / "list.csv").write_text("\n".join(lines))
    found = read_metadata(tmp_path / "list.csv")
    assert found.num_repeated == 2 and len(found.rows) == 1
    assert found.rows[0].partition == "test" and found.in_both == (found.rows[0].clip_id,)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([HEADER.replace(",bbox", "")], "missing bbox"),
        ([HEADER], "expected a row for each clip"),
        ([HEADER, "a,0,9,1-2-3,25,9,9,train,p"], "line 2: bbox: expected left-top-right-bottom"),
        ([HEADER, "a,0,9,1-2-1-4,25,9,9,train,p"], "line 2: bbox: expected left-top-right-bottom"),
        ([HEADER, "a,0,x,1-2-3-4,25,9,9,train,p"], "line 2: expected whole numbers"),
        ([HEADER, "a,9,9,1-2-3-4,25,9,9,train,p"], "line 2: expected 0 <= start < end"),
        ([HEADER, "a,0,9,1-2-3-4,25,9,9,dev,p"], "partition: expected train or test, found 'dev'"),
        ([HEADER, "../a,0,9,1-2-3-4,25,9,9,test,p"], "video_id: expected a name"),
        ([HEADER, "a,0,9,1-2-3-4,25,9,9,test"], "person_id: expected a value, found none"),
        (
            [HEADER, "a,0,9,1-2-3-4,25,9,9,test,p", "a,0,9,1-2-3-5,25,9,9,test,p"],
            "line 3: clip p#a#000000#000009: expected the same as in line 2",
        ),
    ],
)
def test_a_bad_list_is_refused_with_its_line(tmp_path, lines, message):
    (tmp_path / "list.csv").write_text("\n".join(lines) + "\n")
    with pytest.raises(UserError, match=message):
        read_metadata(tmp_path / "list.csv")


def test_the_command_ends_with_one_message(videos, tmp_path):
    (tmp_path / "list.csv").write_text(HEADER.replace(",fps", "") + "\n")
    command = [sys.executable, "scripts/crop_videos.py", str(videos), "--metadata"]
    command += [str(tmp_path / "list.csv"), "--out", str(tmp_path / "out")]
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    bad = subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY, env=environment)
    assert bad.returncode == 1 and "missing fps" in bad.stderr and "Traceback" not in bad.stderr
    assert not (tmp_path / "out").exists()
    write_list(tmp_path / "list.csv", [ROW])
    done = subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY, env=environment)
    assert done.returncode == 0, done.stderr
    assert "1 of 1 clips written" in done.stdout
    assert media.is_image(next((tmp_path / "out/train" / ROW.clip_id).iterdir()))
