"""The landmark tracker's model file, and where it looks for small faces."""

import numpy as np
import pytest

from reenact_jax.errors import UserError
from reenact_jax.tracking.landmarks import Landmarks, _second_looks, find_asset


def test_a_missing_asset_says_where_to_get_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("REENACT_ASSETS", raising=False)
    monkeypatch.setenv("REENACT_SHARED", str(tmp_path / "nowhere"))
    with pytest.raises(UserError, match=r"(?s)face_landmarker\.task.*download it from https://"):
        find_asset()
    with pytest.raises(UserError, match=r"my\.task"):
        find_asset(tmp_path / "my.task")


def test_a_damaged_asset_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("REENACT_ASSETS", str(tmp_path))
    (tmp_path / "face_landmarker.task").write_bytes(b"cut off")
    with pytest.raises(UserError, match="expected sha256 64184e"):
        find_asset()


def test_the_asset_is_found_by_environment_variable(shared_dir, monkeypatch):
    monkeypatch.setenv("REENACT_ASSETS", str(shared_dir / "assets"))
    assert find_asset().parent == shared_dir / "assets"


@pytest.mark.parametrize("size", [(1080, 1920), (1920, 1080), (480, 480), (100, 3000), (20, 20)])
@pytest.mark.parametrize("known", [False, True])
def test_second_looks_are_squares_inside_the_frame(size, known):
    height, width = size
    points = np.float32([[width - 30, height - 40], [width + 5, height + 5]])
    squares = _second_looks(height, width, Landmarks(points, {}) if known else None)
    for left, top, side in squares:
        assert side >= 16 or side == min(size)
        assert left >= 0
        assert top >= 0
        assert left + side <= width
        assert top + side <= height
    if known:
        left, top, side = squares[0]
        assert left + side == width  # the last face was in the lower right corner
        assert top + side == height


@pytest.mark.parametrize("size", [(1080, 1920), (1920, 1080), (480, 480)])
def test_every_small_face_is_whole_in_some_second_look(size):
    height, width = size
    face = min(size) // 5
    squares = [s for s in _second_looks(height, width, None) if s[2] < min(size)]
    rng = np.random.default_rng(0)
    for _ in range(200):
        x, y = rng.uniform([0, 0], [width - face, height - face])
        assert any(
            left <= x and top <= y and x + face <= left + side and y + face <= top + side
            for left, top, side in squares
        )
