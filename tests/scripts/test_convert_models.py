"""The converters of face models as commands: one message for what is missing, nothing written."""

import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("script", "target", "message"),
    [
        ("convert_bfm.py", "front.mat", "expected the files of BFM 2009, missing: 01_Morphable"),
        ("convert_ict.py", "ict.npz", "expected the folder FaceXModel of ICT-FaceKit"),
    ],
)
def test_an_empty_folder_ends_in_one_message(tmp_path, script, target, message):
    (tmp_path / "empty").mkdir()
    done = subprocess.run(
        [sys.executable, REPOSITORY / "scripts" / script, tmp_path / "empty", tmp_path / target],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert done.stderr.count("error: ") == 1 and message in done.stderr
    assert not (tmp_path / target).exists()
