"""What a run does with the occlusion map: its errors are those of the scores, its changes real."""

import dataclasses

import numpy as np
import pytest

from reenact_jax.config import from_json
from reenact_jax.data.frames import open_pairs
from reenact_jax.data.truth_masks import read_truth
from reenact_jax.evaluation.scoring import score_pairs
from reenact_jax.inference.run import load_run
from reenact_jax.study import report, results
from reenact_jax.study.occlusion_use import MAPS, REGIONS, TOLD, _mean_inside, occlusion_use
from tests.helpers.tiny import DATASET


@pytest.fixture(scope="module")
def run(tiny_run):
    return load_run(from_json(tiny_run / "config.json"), tiny_run)


@pytest.fixture(scope="module")
def pairs(tiny_world):
    return open_pairs(tiny_world / "data", DATASET)


@pytest.fixture(scope="module")
def used(run, pairs):
    return occlusion_use(run, pairs, read_truth(pairs.root))


def test_with_the_computed_map_the_errors_are_those_of_the_scores(run, pairs, used):
    table = score_pairs(run, pairs, kind="cross", progress=False).table
    for region in REGIONS:
        np.testing.assert_allclose(
            used[f"computed/{region}/l1"], table.score("l1", region=region), rtol=1e-5
        )


def test_another_map_changes_the_picture_where_it_differs(used):
    # Told that all is hidden, the run is told something else wherever the face is visible.
    change = used["all hidden/visible/l1"] - used["computed/visible/l1"]
    assert (change != 0).all()
    for region in REGIONS:
        for name in MAPS:
            inside = used[f"{region}/{name}"]
            assert ((inside >= 0) & (inside <= 1)).all()


def test_a_region_of_next_to_nothing_has_no_mean():
    masks = np.zeros((2, 64, 64), bool)
    masks[0, 0, :4], masks[1, 0, :5] = True, True  # less and more than 0.1 % of the picture
    means = _mean_inside(np.ones((2, 64, 64)), masks)
    assert np.isnan(means[0]) and means[1] == 1


def test_a_run_without_occlusion_guidance_is_not_told_other_maps(run, pairs):
    network = dataclasses.replace(run.config.network, occlusion_guidance=False)
    blind = dataclasses.replace(
        run,
        config=dataclasses.replace(run.config, network=network),
        network=run.network.clone(
            config=dataclasses.replace(run.network.config, occlusion_guidance=False)
        ),
    )
    found = occlusion_use(blind, pairs, read_truth(pairs.root))
    assert {name.split("/")[0] for name in found if name.endswith("l1")} == {TOLD[0]}


def test_the_table_has_a_dash_for_maps_that_a_run_never_looks_at():
    people = np.array(["a", "a", "b", "c"])
    maps = {"hidden/O": 0.5, "visible/O": 0.75, "face/M_o": 0.9}
    maps |= {"hidden/O_c": 0.25, "visible/O_c": 1.0}
    blind = {name: np.full(4, value) for name, value in maps.items()}
    blind |= {"source_identity": people} | {
        f"computed/{region}/l1": np.full(4, 0.05) for region in REGIONS
    }
    seeing = blind | {f"{t}/{r}/l1": np.full(4, 0.08) for t in TOLD[1:] for r in REGIONS}
    rows = list(results.occlusion_rows({"fg": [blind], "full": [seeing] * 2}))
    first, second = report.occlusion_markdown(rows).splitlines()[2:4]
    assert first.startswith("| +FG | 0.750 [0.750, 0.750] | 0.750 ")
    assert first.endswith("| 0.250 [0.250, 0.250] " + "| - " * 7 + "| 1 |")
    assert "| 0.900 [0.900, 0.900] |" in second
    assert "| +0.0300 [+0.0300, +0.0300] |" in second and second.endswith("| 2 |")
