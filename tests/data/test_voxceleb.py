"""Importing VoxCeleb-shaped folders: what is found, what is missing, what is left out."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
import scipy.io

from reenact_jax.data import builders, frames, images, prepared, voxceleb
from reenact_jax.data.info import check_face_model
from reenact_jax.data.storage import StorageError
from reenact_jax.data.video_metadata import ClipList, ClipRow, list_hash
from reenact_jax.face_model import morphable
from reenact_jax.face_model.bfm import load_bfm
from reenact_jax.face_model.coefficients import join_coefficients
from tests.helpers import paper_files

REPOSITORY = Path(__file__).parents[2]
TRAIN = "id10010#Fi21gDronE4#001686#002204"
VIDEO = "id10011#aaaaaaaaaaA#000001#000065"
TEST = "id10283#cccccccccccC#000001#000090"


@pytest.fixture(scope="module")
def bfm_path():
    # The file has 100 MB; pytest's own temporary folders would be kept.
    with tempfile.TemporaryDirectory() as folder:
        yield paper_files.write_synthetic_bfm_front(Path(folder) / "front.mat")


@pytest.fixture(scope="module")
def model(bfm_path):
    return load_bfm(bfm_path)


@pytest.fixture(scope="module")
def raw(bfm_path, tmp_path_factory):
    return paper_files.write_synthetic_voxceleb(
        tmp_path_factory.mktemp("raw"), bfm_path, num_frames=3, as_video=(VIDEO,)
    )


@pytest.fixture(scope="module")
def imported(raw, model, tmp_path_factory):
    root = tmp_path_factory.mktemp("prepared")
    report = voxceleb.import_clips(raw.videos, raw.coefficients, root, model)
    return root, report


def test_every_clip_is_prepared_with_its_split_and_person(imported, raw):
    root, report = imported
    assert report.found == len(report.prepared) == 5
    assert not (report.missing_coefficients or report.left_out or report.refused)
    for clip_id in prepared.list_clips(root):
        header = prepared.read_clip_header(root, clip_id)
        assert (header.split, header.num_frames) == raw.clips[clip_id]
        assert header.person_id == clip_id[:7] and header.fps == 25.0
    assert json.loads((root / "report.json").read_text())["found"] == 5


def test_png_frames_keep_their_bytes_and_video_frames_their_look(imported, raw):
    root, _ = imported
    clip = prepared.read_clip(root, TRAIN)
    for i, encoded in enumerate(clip.frames):
        assert encoded == (raw.videos / "train" / TRAIN / f"{i:07d}.png").read_bytes()
    decoded = [images.decode_image(frame) for frame in prepared.read_clip(root, VIDEO).frames]
    assert len(decoded) == 3 and decoded[0].shape == (256, 256, 3)
    assert np.abs(decoded[0].astype(int) - decoded[2]).mean() > 1  # it moves


def test_parameters_are_those_of_the_files(imported, raw):
    root, _ = imported
    file = scipy.io.loadmat(raw.coefficients / f"{TEST}.mat")
    parameters = prepared.read_clip(root, TEST).parameters
    np.testing.assert_array_equal(join_coefficients(parameters), file["coeff"])


def test_the_mesh_lies_on_the_face_that_the_frame_shows(imported, model):
    root, _ = imported
    clip = prepared.read_clip(root, TEST)
    for index, encoded in enumerate(clip.frames):
        pixels = images.decode_image(encoded).astype(float)
        parameters = clip.parameters[index]
        camera_frame = morphable.posed_vertices(model, parameters)
        points = 256 * np.asarray(morphable.project(camera_frame, parameters.camera))
        colours = 255 * np.asarray(morphable.albedo(model, parameters.texture))
        light = 0.886 * (0.8 + parameters.lighting[[0, 9, 18]])
        visible = (points > 4).all(1) & (points < 252).all(1)

        seen = colours[visible] * light
        error = {}
        for shift in (-3, 0, 3):
            column, row = np.floor(points[visible].T + shift).astype(int)
            error[shift] = np.abs(pixels[row, column] - seen).mean()
        # Painted from the files by other code: the vertices find their own colours where the
        # camera puts them, and not three pixels beside.
        assert error[0] < 3
        assert error[0] < 0.5 * min(error[-3], error[3])
        assert visible.mean() > 0.9


def test_a_second_run_keeps_what_is_there_and_adds_what_was_missing(raw, model, tmp_path):
    coefficients = tmp_path / "coefficients"
    (coefficients / "test").mkdir(parents=True)
    for clip_id in (TRAIN, TEST):
        folder = coefficients / ("test" if clip_id == TEST else ".")
        (folder / f"{clip_id}.mat").write_bytes((raw.coefficients / f"{clip_id}.mat").read_bytes())
    root = tmp_path / "prepared"
    first = voxceleb.import_clips(raw.videos, coefficients, root, model)
    assert first.prepared == [TRAIN, TEST]
    assert len(first.missing_coefficients) == 3 and VIDEO in first.missing_coefficients
    assert "2 of 5 clips prepared" in first.summary()
    stamp = (root / "clips" / TRAIN / "clip.json").stat().st_mtime_ns
    second = voxceleb.import_clips(raw.videos, raw.coefficients, root, model)
    assert len(second.prepared) == 5
    assert (root / "clips" / TRAIN / "clip.json").stat().st_mtime_ns == stamp


def empty_clips(root, names):
    for name in names:
        (root / name).mkdir(parents=True)
    return root


def test_persons_who_are_tested_are_left_out_of_train(model, tmp_path):
    names = ["train/id10282#x#1#2", "train/id10001#x#1#2", "test/id10282#y#1#2"]
    videos = empty_clips(tmp_path / "videos", names)
    report = voxceleb.import_clips(videos, tmp_path, tmp_path / "out", model)
    assert report.left_out == ["id10282#x#1#2"] and "(id10282)" in report.summary()
    assert report.missing_coefficients == ["id10001#x#1#2", "id10282#y#1#2"]
    kept = voxceleb.import_clips(
        videos, tmp_path, tmp_path / "out", model, keep_tested_persons=True
    )
    assert kept.left_out == [] and len(kept.missing_coefficients) == 3


def test_without_split_folders_the_test_persons_follow_the_rule(tmp_path):
    persons = ("id10269", "id10270", "id10309", "id10310")
    empty_clips(tmp_path, [f"{person}#v#1#2" for person in persons])
    splits = {clip.person_id: clip.split for clip in voxceleb.find_clips(tmp_path)}
    assert splits == dict(zip(persons, ("train", "test", "test", "train"), strict=True))


def test_a_folder_and_a_video_of_one_name_are_one_too_many(tmp_path):
    picture_folder(tmp_path / "train", f"{TRAIN}.mp4", [8])
    picture_folder(tmp_path / "train", TRAIN, [8])
    with pytest.raises(ValueError, match=f"clip {TRAIN}: expected it once"):
        voxceleb.find_clips(tmp_path)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], "found none"),
        (["train/holiday"], "expected a name like id10010#"),
        (["train/id1#a#1#2", "test/id1#a#1#2"], "expected it once"),
    ],
)
def test_folders_that_are_no_voxceleb_are_refused(tmp_path, names, message):
    tmp_path.joinpath("videos").mkdir()
    with pytest.raises(ValueError, match=message):
        voxceleb.find_clips(empty_clips(tmp_path / "videos", names))


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"coeff": np.zeros((3, 257))}, "missing transform_params"),
        (
            {"coeff": np.zeros((3, 260)), "transform_params": np.ones((3, 5))},
            r"coeff: expected shape \(N, 257\)",
        ),
        (
            {"coeff": np.zeros((3, 257)), "transform_params": np.ones((2, 5))},
            "as many rows in coeff as in transform_params, found 3 and 2",
        ),
        (
            {"coeff": np.zeros((1, 257)), "transform_params": np.array([[640, 480, 1, 9, 9]])},
            "expected a square frame, found 640 x 480",
        ),
        (
            {"coeff": np.zeros((1, 257)), "transform_params": np.array([[256, 256, 0, 9, 9]])},
            "transform_params",
        ),
    ],
)
def test_coefficient_files_of_another_form_are_refused(tmp_path, arrays, message):
    scipy.io.savemat(tmp_path / "clip.mat", arrays)
    with pytest.raises(ValueError, match=message):
        voxceleb.read_coefficients(tmp_path / "clip.mat")


def test_one_bad_clip_does_not_stop_the_others(raw, model, tmp_path):
    coefficients = tmp_path / "coefficients"
    coefficients.mkdir()
    good = scipy.io.loadmat(raw.coefficients / f"{TRAIN}.mat")
    scipy.io.savemat(
        coefficients / f"{TRAIN}.mat",
        {"coeff": good["coeff"][:2], "transform_params": good["transform_params"][:2]},
    )
    (coefficients / f"{TEST}.mat").write_bytes(b"damaged")
    whole = (raw.coefficients / f"{VIDEO}.mat").read_bytes()
    (coefficients / f"{VIDEO}.mat").write_bytes(whole)
    report = voxceleb.import_clips(raw.videos, coefficients, tmp_path / "out", model)
    assert report.prepared == [VIDEO]
    assert "found 3 frames and 2 rows" in report.refused[TRAIN]
    assert "cannot be read" in report.refused[TEST]
    assert prepared.list_clips(tmp_path / "out") == [VIDEO]


def picture_folder(root, clip_id, sizes):
    folder = root / clip_id
    folder.mkdir(parents=True)
    for i, size in enumerate(sizes):
        pixels = paper_files.random_background(size, i)
        (folder / f"{i:07d}.png").write_bytes(images.encode_image(pixels))
    return folder


def coefficient_file(folder, clip_id, num_frames):
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {
        "coeff": paper_files.random_coefficients(num_frames, 0),
        "transform_params": paper_files.random_transforms(num_frames, 0),
    }
    scipy.io.savemat(folder / f"{clip_id}.mat", arrays)


@pytest.mark.parametrize("name", [TEST, f"test/{TEST}.mp4"])
def test_folders_may_be_called_like_videos(model, tmp_path, name):
    picture_folder(tmp_path / "videos/test", f"{TEST}.mp4", [256, 256])
    coefficient_file((tmp_path / "mat" / name).parent, Path(name).name, 2)
    report = voxceleb.import_clips(tmp_path / "videos", tmp_path / "mat", tmp_path / "out", model)
    assert report.prepared == [TEST]


def audio_only(path):
    import av

    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=16000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.sample_rate = 16000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


@pytest.mark.parametrize(
    ("num_rows", "write", "message"),
    [
        (2, lambda root: picture_folder(root, TRAIN, [256, 128]), "frame 1: expected 256 x 256"),
        (1, lambda root: picture_folder(root, TRAIN, [256]), "expected at least 2 frames, found 1"),
        (0, lambda root: picture_folder(root, TRAIN, []), "expected at least 2 frames, found 0"),
        (2, lambda root: audio_only(root / f"{TRAIN}.mp4"), "the file has no video stream"),
        (2, lambda root: (root / f"{TRAIN}.mp4").write_bytes(b""), "not a readable video"),
    ],
    ids=["mixed sizes", "one frame", "no frame", "audio only", "empty file"],
)
def test_a_bad_clip_is_one_line_of_the_report(model, tmp_path, num_rows, write, message):
    root = tmp_path / "videos/train"
    root.mkdir(parents=True)
    write(root)
    coefficient_file(tmp_path / "mat", TRAIN, num_rows)
    report = voxceleb.import_clips(tmp_path / "videos", tmp_path / "mat", tmp_path / "out", model)
    assert list(report.refused) == [TRAIN] and message in report.refused[TRAIN]
    assert str(tmp_path / "videos") in report.refused[TRAIN]
    assert not [*(tmp_path / "out").rglob("*.png"), *(tmp_path / "out").rglob("clip.json")]


def test_a_full_disk_stops_the_run_with_one_message_and_keeps_finished_clips(
    raw, model, tmp_path, monkeypatch
):
    written = []
    save = prepared.np.savez

    def fill_up(*args, **kwargs):
        if written:
            raise OSError(28, "No space left on device")
        written.append(args)
        save(*args, **kwargs)

    monkeypatch.setattr(prepared.np, "savez", fill_up)
    out = tmp_path / "out"
    with pytest.raises(StorageError, match="No space left on device.: make room and run"):
        voxceleb.import_clips(raw.videos, raw.coefficients, out, model)
    assert prepared.list_clips(out) == [TRAIN]
    assert [path.name for path in (out / "clips").iterdir()] == [TRAIN]
    monkeypatch.undo()
    report = voxceleb.import_clips(raw.videos, raw.coefficients, out, model)
    assert len(report.prepared) == 5


def test_the_report_counts_against_a_list(raw, model, tmp_path):
    rows = [
        ClipRow("Fi21gDronE4", 1686, 2204, (0, 0, 9, 9), 25.0, 9, 9, "train", "id10010"),
        ClipRow("gone", 1, 65, (0, 0, 9, 9), 25.0, 9, 9, "test", "id10283"),
        # What crop_videos has left out: its person is tested, by the list alone.
        ClipRow("left", 1, 65, (0, 0, 9, 9), 25.0, 9, 9, "train", "id20000"),
        ClipRow("gone", 70, 99, (0, 0, 9, 9), 25.0, 9, 9, "test", "id20000"),
    ]
    assert rows[0].clip_id == TRAIN
    coefficients = tmp_path / "mat"
    coefficients.mkdir()
    report = voxceleb.import_clips(
        raw.videos, coefficients, tmp_path / "out", model, clip_list=ClipList(tuple(rows))
    )
    assert report.found == 1 and len(report.unlisted) == 4
    assert report.listed == 4
    assert report.missing == ["id10283#gone#000001#000065", "id20000#gone#000070#000099"]
    assert "id20000#left#000001#000065" in report.left_out
    # The hash is that of the list itself, as in the report of crop_videos.
    written = json.loads((tmp_path / "out/report.json").read_text())
    assert written["list_hash"] == report.list_hash == list_hash(rows)


def test_a_model_of_other_widths_is_refused(tmp_path, model):

    small = type(model)(**{**vars(model), "expression_basis": model.expression_basis[:53]})
    with pytest.raises(ValueError, match="expected a face model with the widths"):
        voxceleb.import_clips(tmp_path, tmp_path, tmp_path / "out", small)


def run(command):
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    return subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY, env=environment)


def test_the_scripts_take_raw_files_to_a_packed_dataset(raw, bfm_path, model, tmp_path):
    out = tmp_path / "prepared"
    for arguments in (
        ["scripts/prepare_voxceleb.py", raw.videos, "--coefficients"]
        + [raw.coefficients, "--face-model", bfm_path, "--out", out],
        ["scripts/pack.py", out, "--data-dir", tmp_path / "data"] + ["--name", "voxceleb_pairs"],
    ):
        command = [sys.executable, *map(str, arguments)]
        done = run(command)
        assert done.returncode == 0, done.stderr
    dataset = frames.open_frames(tmp_path / "data", "voxceleb_pairs", "train")
    check_face_model(dataset.info, model)
    assert len(dataset) == 9 and dataset[0]["image"].shape == (256, 256, 3)
    pairs = frames.open_pairs(tmp_path / "data", "voxceleb_pairs")
    # Three frames a clip give six self pairs of the twenty; two test persons give twenty cross.
    assert len(pairs) == 2 * 6 + 2 * 20


def test_a_script_ends_with_one_message_on_bad_input(tmp_path):
    command = [sys.executable, "scripts/pack.py", str(tmp_path)]
    command += ["--data-dir", str(tmp_path / "data"), "--name", builders.Clips.name]
    done = run(command)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ") and "Traceback" not in done.stderr
    assert not (tmp_path / "data").exists()
