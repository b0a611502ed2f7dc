"""The worked example of docs/face_models.md runs as it is printed."""

import re
import sys
import types
from pathlib import Path

import numpy as np
import pytest

from reenact_jax.face_model import load
from reenact_jax.face_model.morphable import landmarks

PAGE = Path(__file__).parents[2] / "docs" / "face_models.md"


@pytest.fixture(scope="module")
def blocks() -> list[str]:
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.S)
    assert len(blocks) == 3  # the new file, the line of the registry, the use
    return blocks


@pytest.fixture(scope="module")
def example(blocks) -> dict:
    """What the third block leaves behind, the first made a module and the second registered."""
    new_file, line, use = blocks
    name = "reenact_jax.face_model.ellipsoid"
    module = types.ModuleType(name)
    exec(compile(new_file, str(PAGE), "exec"), module.__dict__)
    entry = eval("{" + line.strip() + "}", {"Source": load.Source})
    namespace = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, name, module)
        patch.setattr(load, "MODELS", load.MODELS | entry)
        exec(compile(use, str(PAGE), "exec"), namespace)
    return namespace


def test_the_example_is_a_face_seen_from_the_front(example):
    model = example["model"]
    corners = model.mean[model.triangles]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    # Out of the ellipsoid, everywhere.
    assert (np.einsum("fi,fi->f", normals, corners.mean(axis=1)) > 0).all()
    points = np.asarray(landmarks(model, model.mean))
    assert len(np.unique(model.landmarks68[17:60])) == 43  # apart from each other
    assert points[36:42, 0].mean() < -0.2 < 0.2 < points[42:48, 0].mean()
    assert points[8, 1] == points[:, 1].min()
    mirrored = model.mean[model.mirror_vertex] * [-1, 1, 1]
    np.testing.assert_allclose(mirrored, model.mean, atol=1e-6)


def test_the_example_drives_guidance(example):
    guidance = example["guidance"]
    mask = np.asarray(guidance.mask)[..., 0] > 0
    assert 0.1 < mask.mean() < 0.9
    flow = np.asarray(guidance.flow)
    assert np.isfinite(flow).all() and (flow[~mask] == 0).all()
    # The face turned to image right: what the middle shows now was farther left in the source.
    assert flow[44:84, 54:74, 0].mean() < -0.1
    # The rim that came into sight at image left was not visible in the source; the rest was.
    hidden = mask & (np.asarray(guidance.occlusion)[..., 0] == 0)
    columns = np.arange(128)
    assert 0.02 < hidden.sum() / mask.sum() < 0.3
    assert (hidden.sum(0) @ columns) / hidden.sum() < (mask.sum(0) @ columns) / mask.sum() - 20
    rendering = np.asarray(guidance.rendering)
    assert (rendering[~mask] == -1).all() and rendering[mask].std() > 0.05


def test_an_unknown_model_and_a_missing_file_are_named():
    with pytest.raises(ValueError, match="among procedural-light, .*, bfm2009, found 'flame'"):
        load.load_face_model("flame")
    with pytest.raises(ValueError, match=r"\(empty\) is not there: .* scripts/convert_ict.py"):
        load.load_face_model("ict")
    with pytest.raises(ValueError, match="none.mat is not there: .* Basel Face Model 2009"):
        load.load_face_model("bfm2009", "none.mat")
