"""Scorers with networks: which pictures they see. The networks have tests of their own."""

import numpy as np
import pytest

from reenact_jax.evaluation import networks
from reenact_jax.evaluation.networks import InceptionFeatures, LpipsScorer
from reenact_jax.evaluation.pictures import PictureBatch
from reenact_jax.pretrained import lpips
from reenact_jax.pretrained.network_files import Provenance
from tests.helpers.evaluation_weights import draw_arrays, draw_images

WEIGHTS = Provenance("a network", "made-up.bin", "0" * 64, None, None, False)


@pytest.fixture(scope="module")
def batch():
    pictures = [np.uint8(255 * draw_images(seed, 2, 32, 32)) for seed in range(4)]
    face = np.zeros((2, 32, 32), bool)
    face[:, 4:20, 6:26] = True
    hidden = face.copy()
    hidden[:, :, 12:] = False
    hidden[1] = False
    return PictureBatch(
        methods={"model": pictures[0]},
        real=dict(zip(("source", "driving", "target"), pictures[1:], strict=True)),
        regions={"frame": np.ones_like(face), "face": face, "hidden": hidden},
        has_target=np.ones(2, bool),
        valid=np.ones(2, bool),
        pair_id=["a", "b"],
        kind=["self", "cross"],
        source=None,
        driving=None,
    )


def test_a_region_of_lpips_is_that_of_the_answer_with_the_result_put_in(batch):
    kinds = (lpips.TRUNK_FILES["alex"], lpips.LINEAR_FILES["alex"])
    params = lpips.pack_lpips("alex", *(draw_arrays(3, kind.shapes) for kind in kinds))
    scorer = LpipsScorer(params, (WEIGHTS, WEIGHTS))
    found = scorer.score(batch).scores
    result, target = (np.float32(x) / 255 for x in (batch.methods["model"], batch.real["target"]))
    for region in ("frame", "face", "hidden"):
        mixed = np.where(batch.regions[region][..., None], result, target)
        expected = np.array(lpips.lpips_distance(params, mixed, target), np.float64)
        if region == "hidden":
            expected[1] = np.nan
        np.testing.assert_allclose(
            found[f"model/{region}/lpips_alex"], expected, rtol=1e-4, err_msg=region
        )
    assert found["model/frame/lpips_alex"][0] > found["model/hidden/lpips_alex"][0] > 0
    assert scorer.describe()["weights"][0]["file"] == "made-up.bin"


def test_fid_has_features_of_results_and_of_both_real_sets(batch, monkeypatch):
    monkeypatch.setattr(networks, "_inception", lambda params, pictures: pictures.mean((1, 2)))
    found = InceptionFeatures({}, WEIGHTS).score(batch)
    assert found.scores == {}
    assert set(found.features) == {f"{name}/inception" for name in ("model", "source", "driving")}
    np.testing.assert_allclose(
        found.features["driving/inception"], batch.real["driving"].mean((1, 2))
    )
