"""Lists of pairs: written and read, taken over from DaGAN, and read from a packed dataset."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from reenact_jax.data import builders, frames, pair_lists, pipeline
from reenact_jax.data.evaluation_pairs import draw_pairs, pairs_hash
from reenact_jax.data.frames import ClipEntry
from reenact_jax.data.pose_difference import BIN_NAMES, pose_bin, pose_difference
from reenact_jax.data.prepared import PreparedPair
from reenact_jax.errors import UserError
from tests.helpers.toy_clips import CLIPS, frame_parameters, frame_pixels

REPOSITORY = Path(__file__).parents[2]
BERT, DORA = "bert#v1#000001", "dora#v1#000001"


def test_the_difference_of_two_poses_is_the_angle_between_them():
    zero = np.zeros(3, np.float32)
    for axis in range(3):
        for degrees in (0.0, 0.01, 15.0, 90.0, 179.0):
            angles = zero.copy()
            angles[axis] = np.radians(degrees)
            assert pose_difference(zero, angles) == pytest.approx(degrees, abs=2e-3)
            assert pose_difference(angles, zero) == pose_difference(zero, angles)


def test_a_common_turn_of_source_and_driver_changes_nothing():
    # R = Rz Ry Rx: another roll is a common rotation from the left.
    source, driving = np.radians([[20.0, -30.0, 0.0], [5.0, 25.0, 0.0]]).astype(np.float32)
    roll = np.array([0, 0, 0.7], np.float32)
    before = pose_difference(source, driving)
    assert pose_difference(source + roll, driving + roll) == pytest.approx(before, abs=1e-3)
    assert before > 50


def test_bins_hold_their_lower_edge_and_cover_everything():
    degrees = [0.0, 9.99, 10.0, 29.9, 30.0, 45.0, 59.9, 60.0, 180.0]
    names = [BIN_NAMES[number] for number in pose_bin(np.array(degrees))]
    expected = ["0-10", "0-10", "10-20", "20-30", "30-45", "45-60", "45-60", "60+", "60+"]
    assert names == expected


@pytest.fixture(scope="module")
def test_frames(data_dir):
    return frames.open_frames(data_dir, "clips", "test")


@pytest.fixture(scope="module")
def drawn(test_frames):
    pairs = draw_pairs(test_frames.clips, builders.Clips.PAIR_COUNTS)
    return pair_lists.measure_pairs(pairs, test_frames)


def test_a_list_comes_back_with_its_hash(drawn, tmp_path):
    pair_lists.write_pair_list(tmp_path / "pairs.csv", drawn)
    pairs = pair_lists.read_pair_list(tmp_path / "pairs.csv")
    assert tuple(pairs) == drawn.pairs and pairs_hash(pairs) == drawn.hash
    before = (tmp_path / "pairs.csv").read_bytes()
    pair_lists.write_pair_list(tmp_path / "pairs.csv", drawn)
    assert (tmp_path / "pairs.csv").read_bytes() == before


def test_drawn_pairs_are_those_that_were_packed(drawn, data_dir):
    assert frames.open_pairs(data_dir, "clips").list_hash == drawn.hash


def test_differences_are_those_of_the_frames_parameters(drawn):
    for pair, degrees in zip(drawn.pairs, drawn.degrees, strict=True):
        rotations = [
            frame_parameters(clip_id, CLIPS[clip_id][2]).rotation[frame]
            for clip_id, frame in (pair.source, pair.driving)
        ]
        assert degrees == pytest.approx(pose_difference(*rotations), abs=1e-9)


def test_listed_pairs_are_read_as_packed_ones_are(drawn, test_frames, data_dir):
    listed = pair_lists.ListedPairs(drawn.pairs, test_frames)
    packed = frames.open_pairs(data_dir, "clips")
    assert (listed.list_hash, listed.info) == (packed.list_hash, packed.info)
    arguments = {"batch_size": 16, "image_size": 32}
    ours = pipeline.pair_batches(listed, **arguments)
    for one, other in zip(ours, pipeline.pair_batches(packed, **arguments), strict=True):
        assert one.keys() == other.keys()
        assert (one["pair_id"], one["kind"]) == (other["pair_id"], other["kind"])
        for name in ("source_image", "driving_image", "target_image", "has_target", "valid"):
            np.testing.assert_array_equal(one[name], other[name])
        np.testing.assert_array_equal(one["driving"].expression, other["driving"].expression)


def test_a_pair_of_other_data_is_named(test_frames):
    for place in ((BERT, 4), ("carl#v1#000001", 0)):
        pair = PreparedPair("p7", "cross", (DORA, 0), place)
        with pytest.raises(UserError, match="pair p7: expected a frame of the 2 clips in split te"):
            pair_lists.ListedPairs([pair], test_frames)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "missing pair_id, kind, source, driving"),
        ("source,driving,frame\na,b\n", "missing pair_id, kind: scripts/draw_pairs.py"),
        ("pair_id,kind,source,driving\n", "expected a row for each pair"),
        ("pair_id,kind,source,driving\na,self,c/1\n", "line 2: expected 4 cells, found 3"),
        ("pair_id,kind,source,driving\na,other,c/1,c/2\n", "line 2: kind: expected one of"),
        ("pair_id,kind,source,driving\na,self,c/1,c\n", "line 2: driving: expected clip/frame"),
        (
            "pair_id,kind,source,driving\na,self,c/1,c/2\n\na,self,c/1,c/3\n",
            "line 4: expected pair a once",
        ),
    ],
)
def test_a_bad_list_is_refused_with_its_line(tmp_path, text, message):
    (tmp_path / "pairs.csv").write_text(text)
    with pytest.raises(UserError, match=message):
        pair_lists.read_pair_list(tmp_path / "pairs.csv")
    with pytest.raises(UserError, match="cannot read it"):
        pair_lists.read_pair_list(tmp_path / "absent.csv")


# Rows of the published form; the paths are those of somebody else's machine.
DAGAN = """source,driving,frame
/data/x/test/id10282#Zbz058o9j6s#004557#004656.mp4/0000013.png,/data/x/test/id10282#Zbz058o9j6s#004557#004656.mp4/0000048.png
/data/x/test/id10282#Zbz058o9j6s#004557#004656.mp4/0000013.png,/data/x/test/id10292#ENIHEvg_VLM#011570#011689.mp4/0000082.png
/data/x/test/id10282#Zbz058o9j6s#004557#004656.mp4/0000099.png,/data/x/test/id10283#a#0#9.mp4/0000000.png
/data/CelebV/Jack_Ma/Image/P_MaYun_75588.jpg_0000059754.jpg,/data/CelebV/Donald_Trump/Image/P_Trump_8161.jpg_0000006975.jpg
/data/CelebV/Jack_Ma/Image/P_MaYun_1.jpg_0000000001.jpg,/data/CelebV/Kathleen/Image/P_K_8161.jpg_0000006975.jpg
"""
AT_HAND = [
    ClipEntry("id10282#Zbz058o9j6s#004557#004656", "id10282", 0, 99),
    ClipEntry("id10292#ENIHEvg_VLM#011570#011689", "id10292", 99, 119),
    ClipEntry("Donald_Trump#0000006000#0000006974", "Donald_Trump", 218, 975),
    ClipEntry("Donald_Trump#0000006975#0000006980", "Donald_Trump", 1193, 6),
    ClipEntry("Jack_Ma#0000059700#0000059799", "Jack_Ma", 1199, 100),
]


def test_lists_of_dagan_are_taken_over(tmp_path):
    (tmp_path / "dagan.csv").write_text(DAGAN)
    pairs, missing = pair_lists.read_dagan_list(tmp_path / "dagan.csv", AT_HAND)
    source = ("id10282#Zbz058o9j6s#004557#004656", 13)
    assert [(pair.kind, pair.source, pair.driving) for pair in pairs] == [
        ("self", source, ("id10282#Zbz058o9j6s#004557#004656", 48)),
        ("cross", source, ("id10292#ENIHEvg_VLM#011570#011689", 82)),
        (
            "cross",
            ("Jack_Ma#0000059700#0000059799", 54),
            ("Donald_Trump#0000006975#0000006980", 0),
        ),
    ]
    # A frame after the clip's last, an absent clip, and two frames of no CelebV clip at hand.
    assert [path.split("/")[-1] for path in missing] == [
        "0000099.png",
        "0000000.png",
        "P_MaYun_1.jpg_0000000001.jpg",
        "P_K_8161.jpg_0000006975.jpg",
    ]


@pytest.mark.parametrize(
    ("row", "message"),
    [("a.mp4/1.png", "line 2: expected two paths"), ("a/b.png,a/1.png", "that ends in CLIP.mp4")],
)
def test_rows_of_another_form_are_refused(tmp_path, row, message):
    (tmp_path / "dagan.csv").write_text(f"source,driving,frame\n{row}\n")
    with pytest.raises(UserError, match=message):
        pair_lists.read_dagan_list(tmp_path / "dagan.csv", AT_HAND)


def run(arguments):
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "scripts/draw_pairs.py", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY, env=environment)


def test_the_command_writes_the_list_and_its_facts(data_dir, drawn, tmp_path):
    out = tmp_path / "pairs/clips.csv"
    done = run(["clips", "--data-dir", data_dir, "--out", out])
    assert done.returncode == 0, done.stderr
    facts = json.loads(out.with_suffix(".json").read_text())
    assert facts["hash"] == drawn.hash and facts["pairs"] == {"self": 18, "cross": 40}
    assert sum(facts["pose_bins"].values()) == 58 and facts["pose_bin_edges"][0] == 0
    listed = pair_lists.open_listed_pairs(out, data_dir, "clips")
    np.testing.assert_array_equal(
        listed[0]["source_image"],
        frame_pixels(listed[0]["source_clip_id"], listed[0]["source_frame_index"]),
    )
    (tmp_path / "dagan.csv").write_text(DAGAN)
    bad = run(["clips", "--data-dir", data_dir, "--out", out, "--dagan", tmp_path / "dagan.csv"])
    assert bad.returncode == 1 and "9 frames of the list are not there" in bad.stderr
    assert "Traceback" not in bad.stderr
