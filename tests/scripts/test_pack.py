"""scripts/pack.py: the options that users meet."""

import subprocess
import sys
from pathlib import Path

from reenact_jax.data import frames
from tests.helpers.toy_clips import write_prepared

PACK = Path(__file__).parents[2] / "scripts/pack.py"


def run(*arguments):
    return subprocess.run(
        [sys.executable, PACK, *map(str, arguments)], capture_output=True, text=True, timeout=600
    )


def test_packing_shows_progress_and_packing_again_does_nothing(tmp_path):
    write_prepared(tmp_path / "prepared")
    arguments = (tmp_path / "prepared", "--data-dir", tmp_path / "data", "--workers", 2)
    done = run(*arguments)
    assert done.returncode == 0, done.stderr
    assert "packing clips/frames: 100%" in done.stderr and "26/26" in done.stderr
    assert len(frames.open_frames(tmp_path / "data", "clips", "train")) == 19
    again = run(*arguments)
    assert again.returncode == 0 and "100%" not in again.stderr


def test_options_for_beam_need_a_runner(tmp_path):
    done = run(tmp_path, "--beam-options", "direct_num_workers=2")
    assert done.returncode == 1
    assert done.stderr.strip() == "error: --beam-options: expected --beam-runner too"
