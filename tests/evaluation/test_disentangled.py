"""True answers of partial transfers, against the world's own answers and its frames."""

import numpy as np
import pytest

from reenact_jax.data.talking_heads.spec import PRESETS
from reenact_jax.evaluation.disentangled import PartialAnswers, find_world
from reenact_jax.evaluation.scoring import score_pairs
from tests.helpers.tiny import WORLD


def largest_difference(first, second):
    return int(np.abs(first.astype(int) - second.astype(int)).max())


def test_with_everything_transferred_the_answer_is_the_worlds(pairs):
    whole = PartialAnswers(pairs, WORLD, transfer_pose=True, transfer_expression=True)
    for row in range(len(pairs)):
        # The same drawing in another group of pictures may round a pixel otherwise.
        difference = largest_difference(whole[row]["target_image"], pairs[row]["target_image"])
        assert difference <= 1


def test_with_nothing_transferred_the_answer_is_the_source(pairs):
    none = PartialAnswers(pairs, WORLD, transfer_pose=False, transfer_expression=False)
    for pair in none:
        source = np.median(np.abs(pair["target_image"].astype(int) - pair["source_image"]))
        assert source == 0
        assert largest_difference(pair["target_image"], pair["source_image"]) <= 1


def test_partial_answers_are_scored(copier, pairs):
    transfer = {"transfer_pose": True, "transfer_expression": False}
    answers = PartialAnswers(pairs, WORLD, **transfer)
    scored = score_pairs(copier, answers, **transfer, progress=False)
    assert scored.table.pairs["has_target"].all() and scored.masks == "guidance"
    copied = scored.table.score("l1", method="copy_source")
    for row, pair in enumerate(answers):
        difference = np.abs(pair["source_image"] / 255 - pair["target_image"] / 255).mean()
        np.testing.assert_allclose(copied[row], difference, rtol=1e-4)
    # Answers of one transfer are none of another.
    other = {"transfer_pose": False, "transfer_expression": True}
    scored = score_pairs(copier, answers, **other, progress=False)
    assert not scored.table.pairs["has_target"].any()


@pytest.mark.parametrize("condition", ["exact", "fitted"])
def test_a_preset_is_found_by_its_hash(condition):
    assert find_world(PRESETS["v1"].condition_hash(condition)) == PRESETS["v1"]
    assert find_world(WORLD.condition_hash(condition)) is None and find_world("") is None
