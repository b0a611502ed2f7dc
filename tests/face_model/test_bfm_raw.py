"""The derivation of BFM_model_front.mat from raw files of the same binary form, made-up content."""

import logging
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
import scipy.io

from reenact_jax.errors import UserError
from reenact_jax.face_model import bfm, bfm_layout, bfm_raw, matlab_files
from tests.helpers import raw_bfm_files


@pytest.fixture(scope="module")
def folder():
    # The files have 310 MB; pytest's own temporary folders would be kept.
    with tempfile.TemporaryDirectory() as name:
        raw = Path(name) / "raw"
        raw.mkdir()
        yield raw_bfm_files.write_synthetic_raw(raw, raw_bfm_files.synthetic_front(Path(name)))


@pytest.fixture(scope="module")
def derived(folder):
    return bfm_raw.read_raw(folder)


@pytest.fixture(scope="module")
def expected(folder):
    return raw_bfm_files.derive_front(folder)


@pytest.mark.parametrize(
    "key",
    [*bfm_layout.FRONT_SHAPES, *bfm_layout.UNUSED_SHAPES],
)
def test_every_array_is_the_one_of_the_published_recipe(derived, expected, key):
    assert derived[key].shape == expected[key].shape
    size = np.abs(expected[key]).max()
    np.testing.assert_allclose(derived[key], expected[key], rtol=3e-7, atol=1e-7 * size)


def test_the_folder_and_the_one_file_give_the_same_model(folder, expected, tmp_path):
    # The file is written by the independent derivation, not by the one under test.
    scipy.io.savemat(tmp_path / "front.mat", expected)
    one, other = bfm.load_bfm(folder), bfm.load_bfm(tmp_path / "front.mat")
    (tmp_path / "front.mat").unlink()
    for field in ("mean", "identity_basis", "expression_basis", "texture_mean", "texture_basis"):
        found, wanted = getattr(one, field), getattr(other, field)
        np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-7 * np.abs(wanted).max())
    for field in ("triangles", "region_triangles", "landmarks68"):
        np.testing.assert_array_equal(getattr(one, field), getattr(other, field))


def test_a_converted_file_holds_the_derived_arrays(folder, derived, tmp_path):
    bfm_raw.convert_raw(folder, tmp_path / "front.mat")
    stored = scipy.io.loadmat(tmp_path / "front.mat")
    (tmp_path / "front.mat").unlink()
    for key, array in derived.items():
        np.testing.assert_array_equal(stored[key], array)


def test_nothing_is_left_of_a_conversion_that_fails(folder, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(bfm_raw, "read_raw", lambda _: {})
    monkeypatch.setattr(scipy.io, "savemat", full)
    with pytest.raises(UserError, match="front.mat: could not be written .*No space left"):
        bfm_raw.convert_raw(folder, tmp_path / "front.mat")
    assert not list(tmp_path.iterdir())


@pytest.fixture
def damaged(folder, tmp_path):
    """A folder of links to the good files, in which a test puts a bad one in a link's place."""
    for path in folder.iterdir():
        (tmp_path / path.name).symlink_to(path)

    def put(name: str, content: bytes | dict | None) -> Path:
        path = tmp_path / name
        path.unlink()
        if isinstance(content, dict):
            scipy.io.savemat(path, content)
        elif content is not None:
            path.write_bytes(content)
        return tmp_path

    return put


TRIM = np.arange(1, 53_216, dtype=np.uint16)[:, None]
FACE = np.arange(1, 35_710, dtype=np.float32)[:, None]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("Exp_Pca.bin", None, r"missing: Exp_Pca.bin \(the expressions of Guo"),
        ("Exp_Pca.bin", b"\x4f\0\0\0" + b"\0" * 99, "expected 51086404 bytes, found 103"),
        ("std_exp.txt", b"1.0 2.0 3.0", "expected 79 positive numbers, found 3"),
        ("std_exp.txt", b"<html>", "std_exp.txt: expected a text file of numbers"),
        ("std_exp.txt", b"\x93\xfa\xff", "std_exp.txt: expected a text file of numbers"),
        ("std_exp.txt", b"0 " * 79, "expected 79 positive numbers, found 79, 0 of them"),
        ("BFM_exp_idx.mat", {"trimIndex": TRIM - 1}, "trimIndex: .* 1 to 53490, found 0 to 53214"),
        ("BFM_exp_idx.mat", {"trimIndex": TRIM + 1}, "trimIndex: .* 1 to 53490, found 2 to 53216"),
        ("BFM_exp_idx.mat", {"trimIndex": TRIM[::-1]}, "trimIndex: expected ascending"),
        ("BFM_exp_idx.mat", {"trimIndex": TRIM[1:]}, r"expected shape \(53215, 1\), found"),
        ("BFM_front_idx.mat", {"idx": FACE - 0.5}, "idx: expected indices .* not all whole"),
        ("BFM_front_idx.mat", {"index": FACE}, r"expected the key idx, found \['index'\]"),
        ("facemodel_info.mat", b"MATLAB 5.0 MAT-file", "facemodel_info.mat: expected a complete"),
        ("01_MorphableModel.mat", {"shapeMU": FACE}, r"expected shape \(160470, 1\), found"),
        (
            "01_MorphableModel.mat",
            {"meanshape": FACE},
            "expected the key shapeMU.*this is not the Basel Face Model 2009",
        ),
    ],
)
def test_a_bad_file_is_named_with_what_was_expected_and_found(damaged, name, content, message):
    with pytest.raises(UserError, match=message) as raised:
        bfm_raw.read_raw(damaged(name, content))
    assert name in str(raised.value)


def test_expressions_of_another_byte_order_or_count_are_refused(folder, damaged):
    whole = damaged("Exp_Pca.bin", None)
    path = whole / "Exp_Pca.bin"
    shutil.copyfile(folder / "Exp_Pca.bin", path)
    with open(path, "r+b") as file:
        file.write(np.array([79], ">i4").tobytes())
    with pytest.raises(UserError, match="Exp_Pca.bin: expected the number 79 .* found 1325400064"):
        bfm_raw.read_raw(whole)
    path.unlink()


def test_a_truncated_basel_model_is_refused(folder, damaged):
    with open(folder / "01_MorphableModel.mat", "rb") as file:
        cut = damaged("01_MorphableModel.mat", file.read(2_000_000))
    with pytest.raises(UserError, match="01_MorphableModel.mat: expected a complete MATLAB 5 file"):
        bfm_raw.read_raw(cut)


@pytest.mark.parametrize(
    ("key", "factor", "message"),
    [
        ("meanshape", 100, "meanshape: expected a face .* another unit"),
        ("meantex", 1 / 255, "meantex: expected colours from 0 to 255"),
        ("idBase", 1e-5, "idBase: expected a first mode"),
        ("exBase", 1e5, "exBase: expected a first mode"),
        ("texBase", 1 / 255, "texBase: expected a first mode"),
    ],
)
def test_another_unit_is_noticed(derived, key, factor, message):
    changed = derived | {key: derived[key][:, :1] * factor if "Base" in key else None}
    if changed[key] is None:
        changed[key] = derived[key] * np.float32(factor)
    bfm_layout.check_units(Path("folder"), derived)
    with pytest.raises(UserError, match=message):
        bfm_layout.check_units(Path("folder"), changed)


def test_numbers_that_are_not_the_published_ones_are_said_aloud(caplog):
    numbers = np.arange(5, dtype="<i4")
    # printf '\0\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0\4\0\0\0' | sha256sum
    known = "e528f4309e1413e6bc35aea5d8db8519384d2fcc33f9dd5d1126d73f104cf92a"
    with caplog.at_level(logging.WARNING):
        matlab_files.warn_unless_known(Path("a.mat"), "idx", numbers, known)
        assert not caplog.records
        matlab_files.warn_unless_known(Path("a.mat"), "idx", numbers[::-1], known)
    assert "a.mat: idx: expected the published numbers" in caplog.text
