"""Jobs that prepare videos: the same files for any number of processes, and what goes wrong."""

import dataclasses
import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from reenact_jax import media, preparation
from reenact_jax.data import prepared
from reenact_jax.data.storage import StorageError
from reenact_jax.data.workers import run_jobs
from reenact_jax.errors import UserError
from reenact_jax.preparation import ClipSummary, PrepareVideo, find_videos, prepare_videos
from reenact_jax.tracking.crop import CropBox
from reenact_jax.tracking.track import TrackedClip
from tests.helpers import toy_clips


@dataclasses.dataclass(frozen=True)
class PrepareToy(PrepareVideo):
    """Takes the number of a toy clip out of a file instead of tracking it."""

    def track(self, path: Path) -> TrackedClip:
        text = path.read_text()
        if text not in toy_clips.CLIPS:
            raise UserError(f"{path}: no face found")
        num_frames = min(toy_clips.CLIPS[text][2], self.max_frames or 99)
        return TrackedClip(
            frames=np.stack([toy_clips.frame_pixels(text, i) for i in range(num_frames)]),
            parameters=toy_clips.frame_parameters(text, num_frames),
            landmarks=np.zeros((num_frames, 478, 2), np.float32),
            frame_indices=np.arange(num_frames),
            found=np.ones(num_frames, bool),
            box=CropBox(0, 0, 32),
            fps=Fraction(25),
            fit_error_px=np.arange(num_frames, dtype=np.float32),
        )


def folder_of_videos(tmp_path, clip_ids=tuple(toy_clips.CLIPS)) -> Path:
    for number, clip_id in enumerate(clip_ids):
        person = clip_id.split("#")[0]
        path = tmp_path / "videos" / person / f"{number}.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(clip_id)
    return tmp_path / "videos"


def job(out, **changes) -> PrepareToy:
    prepared.write_dataset_info(
        out, name="toy", image_size=toy_clips.IMAGE_SIZE, face_model=toy_clips.MODEL
    )
    return PrepareToy(out, face_model=Path("unused"), **changes)


def contents(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def test_the_files_do_not_depend_on_the_number_of_workers(tmp_path):
    videos = find_videos(folder_of_videos(tmp_path))
    assert [video.person_id for video in videos] == ["anna", "anna", "bert", "carl", "dora", "emil"]
    for num_workers in (1, 2):
        prepare = job(tmp_path / f"out{num_workers}", test_persons=frozenset({"bert"}))
        results = dict(run_jobs(prepare, videos, num_workers=num_workers, progress=False))
        assert results[videos[0]] == ClipSummary(5, 2.0, 4.0)
        assert prepare.missing(videos) == []
    one, two = (contents(tmp_path / f"out{n}") for n in (1, 2))
    assert one == two and len(one) == 1 + sum(2 + n for _, _, n in toy_clips.CLIPS.values())
    splits = {
        prepared.read_clip_header(tmp_path / "out2", clip_id).split
        for clip_id in prepared.list_clips(tmp_path / "out2")
        if clip_id.startswith("bert")
    }
    assert splits == {"test"}


def test_what_is_there_is_not_prepared_again(tmp_path):
    videos = find_videos(folder_of_videos(tmp_path))
    prepare = job(tmp_path / "out")
    prepare(videos[2])
    assert prepare.missing(videos) == [*videos[:2], *videos[3:]]


def test_a_bad_video_leaves_nothing_and_does_not_stop_the_others(tmp_path):
    videos = find_videos(folder_of_videos(tmp_path, ["anna#v1#000001", "nobody", "carl#v1#000001"]))
    prepare = job(tmp_path / "out")
    results = dict(run_jobs(prepare, videos, progress=False))
    (refused,) = (result for result in results.values() if isinstance(result, UserError))
    assert "no face found" in str(refused) and "nobody/1.mp4" in str(refused)
    left = sorted(path.name for path in (tmp_path / "out" / "clips").iterdir())
    assert left == ["anna_0", "carl_2"]


def test_a_clip_of_one_frame_is_refused(tmp_path):
    videos = find_videos(folder_of_videos(tmp_path, ["anna#v1#000001"]))
    with pytest.raises(
        UserError, match=r"0\.mp4: expected at least two frames with a face, found 1"
    ):
        job(tmp_path / "out", max_frames=1)(videos[0])
    assert prepared.list_clips(tmp_path / "out") == []


def test_the_report_names_what_was_refused_and_counts_earlier_runs(tmp_path):
    videos = find_videos(folder_of_videos(tmp_path, ["carl#v1#000001", "nobody", "anna#v1#000001"]))
    prepare, lines = job(tmp_path / "out"), []
    prepare(videos[0])
    report = prepare_videos(prepare, videos, say=lines.append)
    assert report.found == 3 and report.prepared == ["anna_2", "carl_0"]
    assert list(report.refused) == ["nobody_1"] and "no face found" in report.refused["nobody_1"]
    assert json.loads((tmp_path / "out" / "report.json").read_text()) == dataclasses.asdict(report)
    assert lines[0] == "1 of 3 clips are already there" and len(lines) == 3
    assert "carl_0: 9 frames, fit error 4.00 px (worst frame 8.00)" in lines


def test_the_bar_moves_while_a_video_is_looked_at(monkeypatch):
    def look(path, model, *, progress, **_):
        for count in range(1, 10):
            progress(count)
        return path

    said = []
    for name in ("_face_model", "_landmarker"):
        monkeypatch.setattr(preparation, name, lambda path: None)
    monkeypatch.setattr(preparation, "track_video", look)
    monkeypatch.setattr(preparation.workers, "advance", said.append)
    PrepareVideo(Path("out"), Path("model.npz")).track(Path("a.mp4"))
    # Looking at nine frames is half of the work on them.
    assert sum(said) == 4


def fail(*_, **__):
    raise OSError(28, "No space left on device")


CLIP_IDS = ["anna#v1#000001", "bert#v1#000001", "carl#v1#000001"]


def test_a_full_disk_ends_the_run_with_one_message_and_keeps_what_is_complete(
    tmp_path, monkeypatch
):
    videos, lines = find_videos(folder_of_videos(tmp_path, CLIP_IDS)), []
    prepare = job(tmp_path / "out")
    prepare(videos[0])
    monkeypatch.setattr(prepared.np, "savez", fail)
    with pytest.raises(StorageError, match="bert_1: cannot be written .No space left on device"):
        prepare_videos(prepare, videos, say=lines.append)
    # The third video was not tried, and nothing of the second is left.
    assert lines == ["1 of 3 clips are already there"]
    assert [path.name for path in (tmp_path / "out" / "clips").iterdir()] == ["anna_0"]
    monkeypatch.undo()
    assert prepare_videos(prepare, videos, say=lines.append).prepared == [
        "anna_0",
        "bert_1",
        "carl_2",
    ]


def test_a_disk_that_is_full_for_overlays_ends_the_run_too(tmp_path, monkeypatch):
    videos = find_videos(folder_of_videos(tmp_path, CLIP_IDS))
    prepare = job(tmp_path / "out", overlays=tmp_path / "overlays")
    monkeypatch.setattr(preparation, "_face_model", lambda path: None)
    monkeypatch.setattr(preparation, "draw_overlay", lambda frame, **_: frame)
    with monkeypatch.context() as full:
        full.setattr(media.Image.Image, "save", fail)
        with pytest.raises(StorageError, match="overlays: cannot be written .No space left on dev"):
            prepare_videos(prepare, videos)
    assert prepared.list_clips(tmp_path / "out") == []
    assert not list((tmp_path / "overlays").iterdir())
    prepare_videos(prepare, videos[:1])
    files = sorted(path.name for path in (tmp_path / "overlays").iterdir())
    assert files == ["anna_0.mp4", "anna_0_worst.png"]


def test_videos_that_would_be_one_clip_are_refused(tmp_path):
    folder = tmp_path / "videos"
    (folder / "anna").mkdir(parents=True)
    for name in ("anna/1.mp4", "anna_1.mp4"):
        (folder / name).touch()
    with pytest.raises(UserError, match="would both be the clip anna_1: rename one"):
        find_videos(folder)


def test_a_folder_without_videos_is_refused(tmp_path):
    with pytest.raises(UserError, match="expected videos .*, found none"):
        find_videos(tmp_path)
