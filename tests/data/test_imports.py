"""What labs already hold: PIRenderer's LMDB and CelebV's folders, small files of the same form."""

import importlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
import scipy.io

from reenact_jax.config import from_config_dict
from reenact_jax.data import celebv, images, importing, pirenderer, prepared
from reenact_jax.errors import UserError
from reenact_jax.face_model.bfm import load_bfm
from reenact_jax.face_model.coefficients import DengCrop, join_coefficients
from tests.helpers import paper_files

REPOSITORY = Path(__file__).parents[2]
TRAIN, LEAKED, TEST = "id10010#Fi21gDronE4#001686#002204", "id10282#hg#1#2", "id10282#hg#3#9"


@pytest.fixture(scope="module")
def bfm_path():
    # The file has 100 MB; pytest's own temporary folders would be kept.
    with tempfile.TemporaryDirectory() as folder:
        yield paper_files.write_synthetic_bfm_front(Path(folder) / "front.mat")


@pytest.fixture(scope="module")
def model(bfm_path):
    return load_bfm(bfm_path)


def encoded_frame(number, size=256):
    pixels = paper_files.random_background(size, number)
    return images.encode_image(pixels, "jpg")


def coefficients(num_frames, seed=0):
    """(N, 257) and (N, 5) as a regressor's `.mat` file has them."""
    return (
        paper_files.random_coefficients(num_frames, seed),
        paper_files.random_transforms(num_frames, seed),
    )


def write_lmdb(root, clips, *, resolution=256, skip=(), change=None):
    """PIRenderer's form; `clips` is clip id -> (split, number of frames)."""
    lmdb = pytest.importorskip("lmdb", reason="needs the extra lmdb")
    records = {"length": str(len(clips)).zfill(7).encode()}
    for seed, (clip_id, (_, num_frames)) in enumerate(clips.items()):
        rows, transforms = coefficients(num_frames, seed)
        records[f"{clip_id}-length"] = str(num_frames).zfill(7).encode()
        for i in range(num_frames):
            records[f"{clip_id}-{i:07d}"] = encoded_frame(10 * seed + i, resolution)
        with_crop = np.concatenate([rows, transforms[:, 2:]], axis=1).astype(np.float32)
        records[f"{clip_id}-coeff_3dmm"] = with_crop.tobytes()
    records |= change or {}
    root.mkdir(parents=True, exist_ok=True)
    with lmdb.open(str(root / str(resolution)), map_size=2**26) as environment:
        with environment.begin(write=True) as transaction:
            for key, value in records.items():
                if key not in skip:
                    transaction.put(key.encode(), value)
    for split in prepared.SPLITS:
        names = [f"{clip_id}\n" for clip_id, (own, _) in clips.items() if own == split]
        (root / f"{split}_list.txt").write_text("".join(names))
    return root


CLIPS = {TRAIN: ("train", 3), LEAKED: ("train", 2), TEST: ("test", 4)}


def run(script, *arguments):
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, f"scripts/{script}", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY, env=environment)


def test_one_command_turns_pirenderer_s_database_into_prepared_clips(tmp_path, bfm_path):
    root, out = write_lmdb(tmp_path / "vox_lmdb", CLIPS), tmp_path / "prepared"
    done = run("prepare_pirenderer.py", root, "--face-model", bfm_path, "--out", out)
    assert done.returncode == 0, done.stderr
    assert "1 left out of train" in done.stdout and "(id10282)" in done.stdout
    assert prepared.list_clips(out) == [TRAIN, TEST]
    for seed, clip_id in ((0, TRAIN), (2, TEST)):
        clip = prepared.read_clip(out, clip_id)
        split, num_frames = CLIPS[clip_id]
        rows, transforms = coefficients(num_frames, seed)
        assert (clip.split, clip.person_id) == (split, clip_id[:7])
        assert clip.frames == [encoded_frame(10 * seed + i) for i in range(num_frames)]
        np.testing.assert_array_equal(join_coefficients(clip.parameters), rows)
        for camera, (_, _, *crop) in zip(clip.parameters.camera, transforms, strict=True):
            expected = DengCrop(256, 256, *np.float32(crop).tolist()).camera()
            np.testing.assert_array_equal(camera, expected)
    report = json.loads((out / "report.json").read_text())
    assert (report["found"], report["listed"], report["left_out"]) == (3, 3, [LEAKED])


def test_a_database_of_another_resolution_keeps_the_fitted_camera(tmp_path, model):
    root = write_lmdb(tmp_path / "vox_lmdb", {TEST: ("test", 2)}, resolution=64)
    pirenderer.import_clips(root, tmp_path / "small", model, resolution=64)
    clip = prepared.read_clip(tmp_path / "small", TEST)
    assert images.image_size(clip.frames[0]) == (64, 64)
    # Cameras are shares of the image's side, so the frame's size does not matter.
    crop = coefficients(2)[1][0, 2:]
    expected = DengCrop(256, 256, *np.float32(crop).tolist()).camera()
    np.testing.assert_array_equal(clip.parameters.camera[0], expected)


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ({"skip": [f"{TRAIN}-length"]}, f"expected the key {TRAIN}-length, found none"),
        ({"skip": [f"{TRAIN}-0000001"]}, f"expected the key {TRAIN}-0000001, found none"),
        ({"change": {f"{TRAIN}-coeff_3dmm": bytes(12)}}, "expected 3 x 260 float32 numbers"),
        ({"change": {f"{TRAIN}-0000002": b"no picture"}}, "frame 2: expected PNG or JPEG bytes"),
        ({"change": {f"{TRAIN}-length": b"many"}}, "length: expected a number as text"),
        (
            {"change": {f"{TRAIN}-0000002": encoded_frame(0, 128)}},
            "frame 2: expected 256 x 256 pixels as in frame 0, found 128 x 128",
        ),
        ({"change": {f"{TRAIN}-0000001": encoded_frame(0)[:3000]}}, "frame 1: expected a complete"),
    ],
    ids=["no length", "no frame", "short rows", "no picture", "bad length", "mixed", "truncated"],
)
def test_a_bad_clip_of_a_database_is_named_and_the_others_go_on(tmp_path, model, broken, message):
    root = write_lmdb(tmp_path / "vox_lmdb", CLIPS, **broken)
    report = pirenderer.import_clips(root, tmp_path / "out", model)
    assert list(report.refused) == [TRAIN] and message in report.refused[TRAIN]
    assert prepared.list_clips(tmp_path / "out") == report.prepared == [TEST]


def test_clips_without_coefficients_are_counted(tmp_path, model):
    root = write_lmdb(tmp_path / "vox_lmdb", CLIPS, skip=[f"{TEST}-coeff_3dmm"])
    report = pirenderer.import_clips(root, tmp_path / "out", model)
    assert report.missing_coefficients == [TEST] and report.prepared == [TRAIN]


def test_folders_that_hold_no_database_are_refused(tmp_path, model):
    with pytest.raises(UserError, match="expected PIRenderer's database at .*256/data.mdb"):
        pirenderer.import_clips(tmp_path, tmp_path / "out", model)
    root = write_lmdb(tmp_path / "vox_lmdb", CLIPS)
    (root / "test_list.txt").write_text(f"{TRAIN}\n")
    with pytest.raises(UserError, match="expected it once in train_list.txt and test_list.txt"):
        pirenderer.find_clips(root, 256)
    (root / "test_list.txt").unlink()
    with pytest.raises(UserError, match="missing .*test_list.txt"):
        pirenderer.find_clips(root, 256)
    (root / "256/data.mdb").write_bytes(b"nonsense" * 1000)
    clip = importing.RawClip(TEST, "id10282", "test", root / "256")
    with pytest.raises(UserError, match="expected an LMDB database, cannot open it"):
        pirenderer.ReadClip(256, 256)(clip)


def test_a_missing_lmdb_package_is_one_message(tmp_path, model, monkeypatch):
    monkeypatch.setitem(sys.modules, "lmdb", None)
    with pytest.raises(UserError, match=r"pip install 'reenact-jax\[lmdb\]'"):
        pirenderer.import_clips(tmp_path, tmp_path / "out", model)
    assert not (tmp_path / "out").exists()


def test_coefficients_of_another_face_model_are_refused(tmp_path, model):
    root = write_lmdb(tmp_path / "vox_lmdb", {TEST: ("test", 2)})
    small = type(model)(**{**vars(model), "expression_basis": model.expression_basis[:53]})
    with pytest.raises(UserError, match="expected a face model with the widths"):
        pirenderer.import_clips(root, tmp_path / "out", small)
    # The folder was started with one model; another of the same widths must not be mixed in.
    pirenderer.import_clips(root, tmp_path / "out", model)
    other = type(model)(**{**vars(model), "mean": model.mean + 1})
    with pytest.raises(UserError, match="expected face_model .* from an earlier run"):
        pirenderer.import_clips(root, tmp_path / "out", other)


# The order of the names is not that of the numbers, and one number is missing.
SERIALS = {"P_Trump_9.jpg_0000000101.jpg": 101, "P_Trump_10.jpg_0000000102.jpg": 102}
SERIALS |= {"P_Trump_11.jpg_0000000103.jpg": 103, "P_Trump_8.jpg_0000000105.jpg": 105}


def write_celebv(root, matrices):
    folder = root / "Donald_Trump/Image"
    folder.mkdir(parents=True)
    for name, serial in SERIALS.items():
        (folder / name).write_bytes(encoded_frame(serial))
    rows, transforms = coefficients(len(SERIALS))
    matrices.mkdir()
    scipy.io.savemat(matrices / "Donald_Trump.mat", {"coeff": rows, "transform_params": transforms})
    return rows


def test_one_command_turns_celebv_into_prepared_clips(tmp_path, bfm_path):
    rows = write_celebv(tmp_path / "CelebV", tmp_path / "mat")
    arguments = ["--coefficients", tmp_path / "mat", "--face-model", bfm_path]
    done = run("prepare_celebv.py", tmp_path / "CelebV", *arguments, "--out", tmp_path / "prepared")
    assert done.returncode == 0, done.stderr
    first, second = "Donald_Trump#0000000101#0000000103", "Donald_Trump#0000000105#0000000105"
    assert prepared.list_clips(tmp_path / "prepared") == [first, second]
    of_name = dict(zip(sorted(SERIALS), rows, strict=True))
    by_serial = {serial: of_name[name] for name, serial in SERIALS.items()}
    for clip_id, serials in ((first, (101, 102, 103)), (second, (105,))):
        clip = prepared.read_clip(tmp_path / "prepared", clip_id)
        assert (clip.split, clip.person_id) == ("test", "Donald_Trump")
        assert clip.frames == [encoded_frame(serial) for serial in serials]
        expected = np.stack([by_serial[serial] for serial in serials])
        np.testing.assert_array_equal(join_coefficients(clip.parameters), expected)


def test_the_configuration_for_celebv_is_the_paper_s_on_other_data():
    own, paper = (
        importlib.import_module(f"configs.{name}").get_config() for name in ("celebv", "vox")
    )
    assert from_config_dict(own).data.name == "celebv"
    own.data.name = paper.data.name
    assert own.to_dict() == paper.to_dict()


def test_runs_of_numbers_are_cut_at_gaps_and_at_the_limit():
    assert celebv.runs([1, 2, 3, 5, 9, 10]) == [(1, 3), (5, 5), (9, 10)]
    assert celebv.runs(list(range(10)), max_frames=4) == [(0, 3), (4, 7), (8, 9)]
    assert celebv.runs([]) == []


def test_folders_that_are_no_celebv_are_refused(tmp_path, model):
    with pytest.raises(UserError, match="expected CelebV's folders Donald_Trump/Image"):
        celebv.find_clips(tmp_path)
    rows = write_celebv(tmp_path / "CelebV", tmp_path / "mat")
    folder = tmp_path / "CelebV/Donald_Trump/Image"
    (folder / "again_0000000101.jpg").write_bytes(encoded_frame(0))
    with pytest.raises(UserError, match="expected frame 101 once"):
        celebv.find_clips(tmp_path / "CelebV")
    (folder / "again_0000000101.jpg").rename(folder / "again_0000000104.jpg")
    report = celebv.import_clips(tmp_path / "CelebV", tmp_path / "mat", tmp_path / "out", model)
    assert len(rows) == 4 and "a row for each of the 5 pictures" in next(
        iter(report.refused.values())
    )
    (folder / "again_0000000104.jpg").rename(folder / "holiday.jpg")
    with pytest.raises(UserError, match="expected names like .* found holiday.jpg"):
        celebv.find_clips(tmp_path / "CelebV")
