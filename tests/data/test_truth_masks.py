"""The true masks beside a packed dataset."""

import numpy as np
import pytest
from PIL import Image

from reenact_jax.data.frames import open_pairs
from reenact_jax.data.images import resize_area
from reenact_jax.data.truth_masks import FILE, collect_truth, read_truth
from reenact_jax.errors import UserError


def test_packing_a_world_keeps_its_masks(tiny_world):
    pairs = open_pairs(tiny_world / "data", "talking_heads")
    truth = read_truth(pairs.root)
    assert truth.list_hash == pairs.list_hash and len(truth.rows) == len(pairs)
    for pair in pairs:
        folder = tiny_world / "prepared" / "truth" / pair["pair_id"]
        for name in ("face", "visible"):
            expected = np.asarray(Image.open(folder / f"{name}.png")) == 255
            found = truth.masks([pair["pair_id"]], len(expected))[name][0]
            np.testing.assert_array_equal(found, expected)


def test_a_pixel_of_half_the_size_counts_where_half_of_it_did(tiny_world):
    truth = read_truth(tiny_world / "data" / "talking_heads")
    (pair_id, row), *_ = truth.rows.items()
    found = truth.masks([pair_id], 32)["face"][0]
    blocks = truth.face[row].reshape(32, 2, 32, 2).mean(axis=(1, 3))
    np.testing.assert_array_equal(found, blocks >= 0.5)


def test_a_condition_takes_the_masks_of_its_world(tiny_world, tmp_path):
    collect_truth(tiny_world / "prepared" / "fitted", tmp_path)
    fitted, exact = read_truth(tmp_path), read_truth(tiny_world / "data" / "talking_heads")
    np.testing.assert_array_equal(fitted.face, exact.face)
    assert fitted.list_hash == exact.list_hash


def test_without_a_world_there_are_none(tmp_path):
    (tmp_path / "prepared").mkdir()
    collect_truth(tmp_path / "prepared", tmp_path)
    assert read_truth(tmp_path) is None and not (tmp_path / FILE).exists()


def test_a_damaged_file_is_refused(tmp_path):
    (tmp_path / FILE).write_bytes(b"not a file of arrays")
    with pytest.raises(UserError, match="truth.npz cannot be read"):
        read_truth(tmp_path)


def test_masks_are_resized_like_pictures():
    mask = np.zeros((4, 4), np.uint8)
    mask[0] = 255
    assert resize_area(mask, 2).shape == (2, 2)
