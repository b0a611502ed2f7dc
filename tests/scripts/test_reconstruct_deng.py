"""scripts/reconstruct_deng.py end to end: toy frames, landmark files, made-up weights."""

import argparse
import functools
import runpy
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
from PIL import Image

from reenact_jax import media, reconstruction
from reenact_jax.data import voxceleb
from reenact_jax.data.storage import StorageError
from reenact_jax.errors import UserError
from reenact_jax.pretrained import rnet
from reenact_jax.tracking import alignment, deng, deng_clips
from tests.helpers import paper_files, rnet_weights
from tests.tracking.test_deng import small_bfm

SCRIPT = str(Path(__file__).parents[2] / "scripts" / "reconstruct_deng.py")
CLIPS = ("train/id10001#v#1#2", "test/id10270#v#1#2")
NUM_FRAMES = 5


@pytest.fixture(scope="module")
def main():
    function = runpy.run_path(SCRIPT)["main"]
    # The weights' 96 MB are hashed once, not once a test.
    function.__globals__["file_sha256"] = functools.cache(function.__globals__["file_sha256"])
    return function


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return rnet_weights.write_safetensors(tmp_path_factory.mktemp("rnet") / "rnet.safetensors")


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(deng_clips, "_BLOCK", 2)


def points_of(clip: str) -> np.ndarray:
    """(N, 5, 2) edge coordinates; the clip's face drifts."""
    random = np.random.default_rng(len(clip))
    drift = np.cumsum(random.normal(0, 2, (NUM_FRAMES, 1, 2)), axis=0)
    return 128 + drift + 90 * alignment.TEMPLATE[:, :2] * [1, -1]


def frame_of(clip: str, index: int) -> np.ndarray:
    return paper_files.random_background(256, len(clip) + 31 * index)


def write_clips(root: Path, clips=CLIPS) -> tuple[Path, Path]:
    """Folders of PNG files, and one landmark file a clip with index coordinates."""
    for clip in clips:
        folder = root / "videos" / clip
        folder.mkdir(parents=True)
        for k in range(NUM_FRAMES):
            Image.fromarray(frame_of(clip, k)).save(folder / f"{k:07d}.png")
        landmarks = root / "landmarks" / f"{clip}.txt"
        landmarks.parent.mkdir(parents=True, exist_ok=True)
        np.savetxt(landmarks, (points_of(clip) - 0.5).reshape(-1, 2))
    return root / "videos", root / "landmarks"


def options(videos, weights, out, landmarks, **changes) -> argparse.Namespace:
    values = dict(
        input=videos,
        weights=weights,
        out=out,
        landmarks=landmarks,
        landmarker=None,
        on_missing="hold",
        face_model=None,
        no_crops=False,
        batch_size=2,
        workers=1,
    )
    return argparse.Namespace(**values | changes)


def files(folder: Path) -> set[str]:
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}


def test_clips_become_coefficients_crops_and_what_the_importer_reads(
    main, weights, tmp_path, capsys
):
    videos, landmarks = write_clips(tmp_path)
    out = tmp_path / "out"
    main(options(videos, weights, out, landmarks))
    expected = {"reconstruction.json"}
    for clip in CLIPS:
        expected |= {f"{clip}.npz", f"{clip}.mat"}
        expected |= {f"crops/{clip}/{k:07d}.png" for k in range(NUM_FRAMES)}
    assert files(out) == expected
    assert f"{CLIPS[0]}: 5 frames, 0 without a face" in capsys.readouterr().out

    regress = jax.jit(rnet.rnet_coefficients)
    params = rnet.load_rnet(weights)
    for clip in CLIPS:
        rows = dict(np.load(out / f"{clip}.npz"))
        np.testing.assert_array_equal(rows["frame_index"], np.arange(NUM_FRAMES))
        assert rows["found"].all()
        np.testing.assert_allclose(rows["points"], points_of(clip), atol=1e-4)
        crop = alignment.align(points_of(clip)[3], 256, 256)
        np.testing.assert_allclose(
            rows["transform_params"][3], [256, 256, crop.scale, crop.t0, crop.t1], rtol=1e-9
        )
        seen = alignment.crop_aligned(frame_of(clip, 3), crop)
        np.testing.assert_array_equal(media.read_image(out / f"crops/{clip}/0000003.png"), seen)
        row = regress(params, np.stack([seen, seen]))[0]
        np.testing.assert_allclose(rows["coeff"][3], row, atol=1e-5)
        # Deng's published form, as scripts/prepare_voxceleb.py takes it.
        parameters = voxceleb.read_coefficients(out / f"{clip}.mat")
        np.testing.assert_array_equal(parameters.identity, rows["coeff"][:, :80])
        camera = deng.crop_of_transform(rows["transform_params"][3]).camera()
        np.testing.assert_array_equal(parameters.camera[3], camera)


def test_a_stopped_run_goes_on_and_ends_with_the_same_numbers(main, weights, tmp_path, monkeypatch):
    videos, landmarks = write_clips(tmp_path)
    straight, stopped = tmp_path / "straight", tmp_path / "stopped"
    main(options(videos, weights, straight, landmarks))

    calls = []
    real = deng.reconstruct_frames

    def stop_at_the_third_block(*args, **kwargs):
        calls.append(kwargs["frame_indices"][0])
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(*args, **kwargs)

    monkeypatch.setattr(deng_clips, "reconstruct_frames", stop_at_the_third_block)
    with pytest.raises(KeyboardInterrupt):
        main(options(videos, weights, stopped, landmarks))
    # Nothing is under a final name; two blocks of the first clip are kept.
    kept = files(stopped) - {"reconstruction.json"}
    assert kept and all(name.startswith(".incomplete/test/") for name in kept)
    calls.clear()
    monkeypatch.setattr(
        deng_clips,
        "reconstruct_frames",
        lambda *a, **k: calls.append(k["frame_indices"][0]) or real(*a, **k),
    )
    main(options(videos, weights, stopped, landmarks))
    assert calls == [4, 0, 2, 4]
    assert files(stopped) == files(straight)
    for clip in CLIPS:
        ours, theirs = (dict(np.load(out / f"{clip}.npz")) for out in (stopped, straight))
        assert ours.keys() == theirs.keys()
        for key in ours:
            np.testing.assert_array_equal(ours[key], theirs[key])
    # And a third time there is nothing to do.
    calls.clear()
    main(options(videos, weights, stopped, landmarks))
    assert calls == []


def test_unfinished_work_on_other_files_is_thrown_away(main, weights, tmp_path, monkeypatch):
    videos, landmarks = write_clips(tmp_path, CLIPS[:1])
    out = tmp_path / "out"
    real = deng.reconstruct_frames

    def stop_at_the_second_block(*args, **kwargs):
        if kwargs["frame_indices"][0] == 2:
            raise KeyboardInterrupt
        return real(*args, **kwargs)

    monkeypatch.setattr(deng_clips, "reconstruct_frames", stop_at_the_second_block)
    with pytest.raises(KeyboardInterrupt):
        main(options(videos, weights, out, landmarks))
    monkeypatch.setattr(deng_clips, "reconstruct_frames", real)
    other = np.zeros((256, 256, 3), np.uint8)
    Image.fromarray(other).save(videos / CLIPS[0] / "0000000.png")
    main(options(videos, weights, out, landmarks))
    assert not media.read_image(out / f"crops/{CLIPS[0]}/0000000.png").any()


@pytest.mark.parametrize(
    ("policy", "indices", "found"),
    [("hold", [0, 1, 2, 3, 4], [1, 1, 0, 0, 1]), ("skip", [0, 1, 4], [1, 1, 1])],
)
def test_frames_without_a_face_go_by_policy(main, weights, tmp_path, policy, indices, found):
    clip = CLIPS[0]
    videos, landmarks = write_clips(tmp_path, [clip])
    points = points_of(clip) - 0.5
    points[2:4] = -1
    np.savetxt(landmarks / f"{clip}.txt", points.reshape(-1, 2))
    out = tmp_path / "out"
    main(options(videos, weights, out, landmarks, on_missing=policy, no_crops=True))
    rows = dict(np.load(out / f"{clip}.npz"))
    assert rows["frame_index"].tolist() == indices and len(rows["coeff"]) == len(indices)
    assert rows["found"].astype(int).tolist() == found
    assert files(out) == {"reconstruction.json", f"{clip}.npz", f"{clip}.mat"}


def test_a_video_with_landmarks_of_single_frames(main, weights, tmp_path):
    video = tmp_path / "talk.mp4"
    with media.VideoWriter(video, 25) as writer:
        for k in range(NUM_FRAMES):
            writer.write(frame_of("talk", k))
    for k, points in enumerate(points_of("talk") - 0.5):
        np.savetxt(tmp_path / f"{k:06d}.txt", points)
    out = tmp_path / "out"
    main(options(video, weights, out, tmp_path))
    rows = dict(np.load(out / "talk.npz"))
    assert rows["coeff"].shape == (NUM_FRAMES, 257)
    for k, frame in enumerate(media.iterate_video(video)):
        crop = deng.crop_of_transform(rows["transform_params"][k])
        expected = alignment.crop_aligned(frame, crop)
        np.testing.assert_array_equal(media.read_image(out / f"crops/talk/{k:06d}.png"), expected)


def test_with_the_face_model_the_fit_is_checked(main, weights, tmp_path, capsys, monkeypatch):
    model = small_bfm()
    monkeypatch.setattr(reconstruction, "_face_model", lambda path: model)
    videos, landmarks = write_clips(tmp_path, CLIPS[:1])
    out = tmp_path / "out"
    main(options(videos, weights, out, landmarks, face_model=Path("BFM_model_front.mat")))
    rows = dict(np.load(out / f"{CLIPS[0]}.npz"))
    arrays = (rows[key] for key in ("coeff", "transform_params", "points"))
    error = deng.landmark_error_px(model, *arrays)
    expected = f"landmark error {error.mean():.1f} px of 224 (worst frame {error.max():.1f})"
    assert expected in capsys.readouterr().out
    assert media.read_image(out / f"checks/{CLIPS[0]}.png").shape[2] == 3


def test_one_bad_clip_does_not_stop_the_others_and_leaves_nothing(main, weights, tmp_path):
    videos, landmarks = write_clips(tmp_path)
    (videos / CLIPS[0] / "0000003.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    out = tmp_path / "out"
    with pytest.raises(UserError, match="1 of 2 clips failed") as error:
        main(options(videos, weights, out, landmarks))
    assert "0000003.png: not a readable picture" in str(error.value)
    assert not any("incomplete" in name for name in files(out))
    assert (out / f"{CLIPS[1]}.npz").is_file()
    assert not (out / f"{CLIPS[0]}.npz").exists() and not (out / f"{CLIPS[0]}.mat").exists()
    # With the picture mended, the command finishes.
    Image.fromarray(frame_of(CLIPS[0], 3)).save(videos / CLIPS[0] / "0000003.png")
    main(options(videos, weights, out, landmarks))
    assert (out / f"{CLIPS[0]}.npz").is_file() and not (out / ".incomplete").exists()


@pytest.mark.parametrize("what", ["arrays", "crops"])
def test_a_full_disk_ends_the_run_with_one_message_and_keeps_blocks(
    main, weights, tmp_path, monkeypatch, what
):
    videos, landmarks = write_clips(tmp_path)
    out, kept = tmp_path / "out", []

    def fill_up(real):
        def write(*args, **kwargs):
            kept.append(args)
            if len(kept) > 3:
                raise OSError(28, "No space left on device")
            return real(*args, **kwargs)

        return write

    with monkeypatch.context() as full:
        if what == "arrays":
            full.setattr(deng_clips.np, "savez", fill_up(np.savez))
        else:
            full.setattr(Image.Image, "save", fill_up(Image.Image.save))
        with pytest.raises(StorageError, match=f"{out}: cannot be written .No space left on dev"):
            main(options(videos, weights, out, landmarks))
    # The run did not go on to the second clip, and the first goes on where it was.
    assert len(kept) == 4 and {path.split("/")[0] for path in files(out)} == {
        "reconstruction.json",
        ".incomplete",
    }
    assert any("block" in path for path in files(out))
    main(options(videos, weights, out, landmarks))
    assert (out / f"{CLIPS[0]}.npz").is_file() and (out / f"{CLIPS[1]}.npz").is_file()


def test_the_bar_counts_the_frames_of_all_clips(main, weights, tmp_path, capsys):
    videos, landmarks = write_clips(tmp_path)
    main(options(videos, weights, tmp_path / "out", landmarks, no_crops=True))
    bar = capsys.readouterr().err
    assert "reconstructing: 100%" in bar and f"{2 * NUM_FRAMES}/{2 * NUM_FRAMES}" in bar


@pytest.mark.slow
def test_two_processes_write_what_one_writes(main, weights, tmp_path, monkeypatch):
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    videos, landmarks = write_clips(tmp_path)
    for workers in (1, 2):
        main(options(videos, weights, tmp_path / f"out{workers}", landmarks, workers=workers))
    assert files(tmp_path / "out1") == files(tmp_path / "out2")
    for clip in CLIPS:
        one, two = (np.load(tmp_path / f"out{n}" / f"{clip}.npz") for n in (1, 2))
        for key in one:
            # A worker has fewer threads, which add up in another order.
            np.testing.assert_allclose(one[key], two[key], atol=1e-5)


def test_wrong_landmarks_are_read_anew_after_they_were_mended(main, weights, tmp_path):
    clip = CLIPS[0]
    videos, landmarks = write_clips(tmp_path, [clip])
    good = (landmarks / f"{clip}.txt").read_text()
    bad = points_of(clip) - 0.5
    bad[4] = 77.0
    np.savetxt(landmarks / f"{clip}.txt", bad.reshape(-1, 2))
    out = tmp_path / "out"
    with pytest.raises(UserError, match="frame 4: expected the five points of a face, found"):
        main(options(videos, weights, out, landmarks))
    assert files(out) == {"reconstruction.json"}
    (landmarks / f"{clip}.txt").write_text(good)
    main(options(videos, weights, out, landmarks))
    assert len(np.load(out / f"{clip}.npz")["coeff"]) == NUM_FRAMES


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"input": Path("nowhere")}, "nowhere: expected a video or a folder, found nothing there"),
        (
            {"weights": Path("epoch_20.pth")},
            "epoch_20.pth: expected the weights of R-Net, found no",
        ),
        ({"batch_size": 0}, "--batch-size: expected at least 1, found 0"),
        ({"landmarks": Path("nowhere")}, "expected landmarks in .*, found neither"),
    ],
    ids=["input", "weights", "batch", "landmarks"],
)
def test_wrong_arguments_are_one_message_and_no_results(main, weights, tmp_path, changes, message):
    videos, landmarks = write_clips(tmp_path)
    out = tmp_path / "out"
    with pytest.raises(UserError, match=message):
        main(argparse.Namespace(**vars(options(videos, weights, out, landmarks)) | changes))
    assert not out.exists() or files(out) == {"reconstruction.json"}


def test_an_output_folder_of_other_settings_is_refused(main, weights, tmp_path):
    videos, landmarks = write_clips(tmp_path, CLIPS[:1])
    out = tmp_path / "out"
    main(options(videos, weights, out, landmarks))
    with pytest.raises(UserError, match="expected on_missing skip, found hold of an earlier run"):
        main(options(videos, weights, out, landmarks, on_missing="skip"))


def test_the_command_ends_with_one_message(tmp_path, monkeypatch):
    arguments = [SCRIPT, str(tmp_path), "--weights", "w.pth", "--out", str(tmp_path / "out")]
    monkeypatch.setattr(sys, "argv", arguments)
    with pytest.raises(SystemExit, match=f"error: {tmp_path}: expected frames or videos"):
        runpy.run_path(SCRIPT, run_name="__main__")
    assert files(tmp_path) == set()


def test_mediapipe_s_points_put_faces_where_the_published_crops_have_them(shared_dir):
    """The published means of the five points over real faces, within their deviations."""
    pytest.importorskip("mediapipe", reason="MediaPipe is not installed (the extra `tracking`)")
    from reenact_jax.tracking.face_points import detect_points
    from reenact_jax.tracking.landmarks import FaceLandmarker

    found = []
    with FaceLandmarker(shared_dir / "assets" / "face_landmarker.task") as landmarker:
        for video in sorted((shared_dir / "clips").glob("*.mp4")):
            frame = next(media.iterate_video(video))
            points = detect_points([frame], landmarker)
            crop = alignment.align(points[0], *frame.shape[:2])
            row = [[crop.width, crop.height, crop.scale, crop.t0, crop.t1]]
            found.append(deng.crop_positions(points, row)[0])
    assert len(found) == 10
    print("\nmean of the five points in the crops:", np.mean(found, axis=0).round(1).tolist())
    published = [(81.3, 85.7), (141.3, 85.3), (109.1, 121.3), (84.6, 150.8), (138.5, 149.8)]
    np.testing.assert_allclose(np.mean(found, axis=0), published, atol=4)
