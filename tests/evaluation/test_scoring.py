"""The pair table: what it says about pairs and pictures, and that a killed run goes on."""

import dataclasses
import json

import numpy as np
import pytest
from PIL import Image

from reenact_jax.data import pair_lists
from reenact_jax.data.evaluation_pairs import PairCounts, draw_pairs
from reenact_jax.data.frames import open_frames
from reenact_jax.errors import UserError
from reenact_jax.evaluation.pair_table import MODEL
from reenact_jax.evaluation.pictures import BASELINES, as_saved
from reenact_jax.evaluation.scorers import ImageScorer
from reenact_jax.evaluation.scoring import score_pairs
from reenact_jax.face_model.load import load_face_model
from tests.helpers.copier import Copier


@pytest.fixture(scope="module")
def scored(run, pairs):
    return score_pairs(run, pairs, progress=False)


def plain_psnr(image, target, mask=None):
    squared = (image.astype(np.float64) - target) ** 2
    error = squared.mean() if mask is None else squared[mask].mean()
    return 10 * np.log10(255**2 / error)


def true_masks(world, pair_id):
    folder = world / "prepared" / "truth" / pair_id
    face, visible = (
        np.asarray(Image.open(folder / f"{name}.png")) > 127 for name in ("face", "visible")
    )
    return face, visible & face


def test_rows_say_who_the_pairs_are(scored, pairs, tiny_world):
    table = scored.table
    assert table.pairs["pair_id"].tolist() == [pair["pair_id"] for pair in pairs]
    for row, pair in enumerate(pairs):
        assert table.pairs["kind"][row] == pair["kind"]
        assert table.pairs["source_clip"][row] == pair["source_clip_id"]
        assert table.pairs["source_identity"][row] == pair["source_clip_id"].split("-")[0]
        assert table.pairs["driving_frame"][row] == pair["driving_frame_index"]
        folder = tiny_world / "prepared" / "truth" / pair["pair_id"]
        facts = json.loads((folder / "truth.json").read_text())
        np.testing.assert_allclose(table.pairs["pose_difference"][row], facts["pose_difference"])
    names = {f"{m}/{r}/psnr" for m in (MODEL, *BASELINES) for r in ("frame", "face", "hidden")}
    assert names <= set(table.scores)
    assert all(len(column) == len(pairs) for column in table.columns().values())


def test_regions_are_those_of_the_truth(scored, pairs, tiny_world):
    """Copying the source needs no network, so that every number can be had from the files."""
    assert scored.masks == "truth"
    for row, pair in enumerate(pairs):
        face, visible = true_masks(tiny_world, pair["pair_id"])
        masks = {"frame": None, "face": face, "visible": visible, "hidden": face & ~visible}
        for region, mask in masks.items():
            found = scored.table.score("psnr", method="copy_source", region=region)[row]
            if mask is not None and mask.mean() < 0.001:
                assert np.isnan(found)
                continue
            expected = plain_psnr(pair["source_image"], pair["target_image"], mask)
            np.testing.assert_allclose(found, expected, rtol=1e-4)
            whole = np.ones(face.shape, bool) if mask is None else mask
            difference = np.abs(pair["source_image"] / 255 - pair["target_image"] / 255)[whole]
            found = scored.table.score("l1", method="copy_source", region=region)[row]
            np.testing.assert_allclose(found, difference.mean(), rtol=1e-4)


def test_the_model_is_scored_on_what_it_makes(scored, run, pairs):
    rows = [pairs[i] for i in range(4)]
    images = np.stack([pair["source_image"] for pair in rows]) / np.float32(127.5) - 1

    def stack(role):
        leaves = [vars(pair[role]) for pair in rows]
        return rows[0][role].replace(
            **{name: np.stack([leaf[name] for leaf in leaves]) for name in leaves[0]}
        )

    made, _ = run.reenact(images, stack("source"), stack("driving"))
    saved = np.round((np.clip(np.asarray(made), -1, 1) + 1) * 127.5)
    expected = [plain_psnr(s, p["target_image"]) for s, p in zip(saved, rows, strict=True)]
    np.testing.assert_allclose(scored.table.score("psnr"), expected, rtol=1e-3)


def test_what_was_scored_is_read_and_the_rest_is_made(copier, pairs, tmp_path, monkeypatch):
    scored = score_pairs(copier, pairs, progress=False)
    monkeypatch.setattr("reenact_jax.evaluation.scoring._PART", 1)
    short = copier.in_batches_of(1)
    calls = []

    class Counting(ImageScorer):
        def score(self, batch):
            calls.append(batch.pair_id)
            if len(calls) == 3:
                raise KeyboardInterrupt
            return super().score(batch)

    with pytest.raises(KeyboardInterrupt):
        score_pairs(short, pairs, scorers=[Counting()], parts_dir=tmp_path, progress=False)
    (folder,) = tmp_path.iterdir()
    assert len(list(folder.iterdir())) == 2
    (folder / "part-00001.npz").write_bytes(b"half a file")
    again = score_pairs(short, pairs, scorers=[Counting()], parts_dir=tmp_path, progress=False)
    ids = [[pair["pair_id"]] for pair in pairs]
    assert calls == [ids[0], ids[1], ids[2], ids[1], ids[2], ids[3]]
    assert again.num_scored == 3
    for name, column in scored.table.scores.items():
        np.testing.assert_allclose(again.table.scores[name], column, rtol=1e-4, err_msg=name)
    third = score_pairs(short, pairs, scorers=[Counting()], parts_dir=tmp_path, progress=False)
    assert third.num_scored == 0 and len(calls) == 6

    # Another checkpoint does not find them.
    other = dataclasses.replace(short, step=1)
    assert score_pairs(other, pairs, parts_dir=tmp_path, progress=False).num_scored == 4


def test_a_batch_that_is_not_full_changes_nothing(copier, pairs):
    scored = score_pairs(copier, pairs, progress=False)
    table = score_pairs(copier.in_batches_of(3), pairs, progress=False).table
    assert len(table) == 4
    for name, column in scored.table.scores.items():
        np.testing.assert_allclose(table.scores[name], column, rtol=1e-4, err_msg=name)


def test_drawn_pairs_have_regions_of_the_guidance_and_no_answers(copier, tiny_world):
    frames = open_frames(tiny_world / "data", "talking_heads", "test")
    drawn = draw_pairs(frames.clips, PairCounts(self_per_clip=1, cross_per_clip=1), seed=5)
    scored = score_pairs(copier, pair_lists.ListedPairs(drawn, frames), progress=False)
    assert scored.masks == "guidance"
    np.testing.assert_array_equal(scored.table.pairs["face_share"], 0.5)
    is_self = scored.table.pairs["kind"] == "self"
    assert np.isfinite(scored.table.score("l1")[is_self]).all()
    assert np.isnan(scored.table.score("l1")[~is_self]).all()
    listed = pair_lists.measure_pairs(drawn, frames)
    np.testing.assert_allclose(scored.table.pairs["pose_difference"], listed.degrees)


def test_a_perfect_picture_has_an_infinite_psnr_and_no_error(copier, pairs):
    class Perfect(Copier):
        """A model that knows the answers."""

        def reenact(self, source_images, source, driving, **transfer):
            return targets, super().reenact(source_images, source, driving)[1]

    targets = np.stack([pair["target_image"] for pair in pairs]) / np.float32(127.5) - 1
    table = score_pairs(Perfect(copier.config, copier.face_model), pairs, progress=False).table
    assert np.isposinf(table.score("psnr")).all()
    assert (table.score("l1", region="face") == 0).all()
    assert (table.score("ssim") > 0.99999).all()


def test_pictures_are_scored_as_they_would_be_saved():
    level = np.full((1, 4, 4, 3), 100 / 127.5 - 1, np.float32)
    np.testing.assert_array_equal(as_saved(level + 0.4 / 127.5), 100)
    np.testing.assert_array_equal(as_saved(level + 0.6 / 127.5), 101)
    np.testing.assert_array_equal(as_saved(level + 3.0), 255)


def test_pairs_of_another_face_model_are_refused(copier, pairs):
    other = dataclasses.replace(copier, face_model=load_face_model("procedural-full"))
    with pytest.raises(UserError, match="parameters of face model procedural-full"):
        score_pairs(other, pairs, progress=False)
