"""Contact sheets: every column is there, and shows what it says."""

import argparse
import dataclasses
import runpy
from pathlib import Path

import numpy as np
import pytest

from reenact_jax import media
from reenact_jax.data import prepared
from reenact_jax.errors import UserError
from reenact_jax.face_model.parameters import FIELDS, FaceParameters
from reenact_jax.face_model.procedural import procedural_head

ROOT = Path(__file__).parents[2]
SIZE = 32
GREY = 90


@pytest.fixture(scope="module")
def main():
    return runpy.run_path(str(ROOT / "scripts" / "show_dataset.py"))["main"]


def options(root, out, **others):
    values = {"prepared": str(root), "out": str(out), "face_model": "", "rows": 2, "columns": 2}
    return argparse.Namespace(**values | others)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """One clip of two grey frames: a frontal head, and one that is turned by 20 degrees."""
    root = tmp_path_factory.mktemp("prepared")
    info = prepared.write_dataset_info(
        root, name="grey", image_size=SIZE, face_model=procedural_head("light")
    )
    widths = info.face_model.field_widths
    leaves = {name: np.zeros((2, widths[name]), np.float32) for name in FIELDS}
    leaves["rotation"][1, 1] = np.radians(20)
    leaves["camera"][:] = (1015 / 224, 1015 / 224, 0.5, 0.5)
    frames = [np.full((SIZE, SIZE, 3), GREY, np.uint8)] * 2
    clip = prepared.PreparedClip("a", "a", "test", 25.0, frames, FaceParameters(**leaves))
    prepared.write_clip(root, clip)
    answer = np.full((SIZE, SIZE, 3), 7, np.uint8)
    prepared.write_pair(root, prepared.PreparedPair("p", "cross", ("a", 0), ("a", 1), answer))
    return root


@pytest.mark.slow
def test_the_sheets_show_frames_meshes_and_guidance(main, folder, tmp_path):
    main(options(folder, tmp_path))
    sheet = media.read_image(tmp_path / "guidance.png")
    # Below the labels: 256 pixels a cell and a gap of two.
    cells = [sheet[14:270, 258 * i : 258 * i + 256].astype(int) for i in range(8)]
    source, source_mesh, driving, driving_mesh, flow, occlusion, rendering, warped = cells
    assert (source == GREY).all() and (driving == GREY).all()
    for mesh in (source_mesh, driving_mesh):
        drawn = (mesh != GREY).any(axis=-1)
        assert drawn[96:160, 96:160].mean() > 0.2 and not drawn[:8].any()
    assert np.abs(source_mesh - driving_mesh).max() > 30
    covered = (flow != 255).any(axis=-1)
    assert covered[128, 128] and not covered[4, 4]
    seen = (occlusion == 255).all(axis=-1)
    hidden = (occlusion == (220, 40, 40)).all(axis=-1)
    assert seen.sum() > hidden.sum() > 0 and (occlusion[~(seen | hidden)] == 0).all()
    assert rendering[128, 128].max() > 20 and rendering[4, 4].max() == 0
    assert np.abs(warped - GREY).max() <= 1  # grey from grey
    pairs = media.read_image(tmp_path / "pairs.png")
    assert (pairs[14:270, 258 * 8 : 258 * 8 + 256] == 7).all()
    assert media.read_image(tmp_path / "clips.png").shape[1] == 2 * (96 + 2)


def test_what_cannot_be_shown_is_refused(main, folder, tmp_path):
    with pytest.raises(UserError, match="--rows, --columns: expected at least 1"):
        main(options(folder, tmp_path, rows=0))
    info = prepared.read_dataset_info(folder)
    other = dataclasses.replace(info.face_model, fingerprint="0000")
    root = tmp_path / "other"
    prepared.write_dataset_info(root, name="grey", image_size=SIZE, face_model=other)
    with pytest.raises(UserError, match="expected parameters of face model procedural-light"):
        main(options(root, tmp_path))
    prepared.write_dataset_info(
        tmp_path / "empty", name="grey", image_size=SIZE, face_model=info.face_model
    )
    with pytest.raises(UserError, match="expected prepared clips, found none"):
        main(options(tmp_path / "empty", tmp_path))
