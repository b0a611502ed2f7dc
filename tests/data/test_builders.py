"""Packing: every frame comes back from its place, nothing half-built is taken for a dataset."""

import dataclasses
import importlib.util
import subprocess
import sys

import numpy as np
import pytest
import tensorflow_datasets as tfds

from reenact_jax.data import (
    builders,
    evaluation_pairs,
    frames,
    images,
    prepared,
    prepared_builder,
)
from reenact_jax.data.pairs import train_pairs
from reenact_jax.face_model.parameters import FIELDS
from tests.helpers.toy_clips import (
    CLIPS,
    IMAGE_SIZE,
    frame_parameters,
    frame_pixels,
    write_prepared,
)


@pytest.mark.parametrize("split", ["train", "test"])
def test_every_frame_is_read_back_from_its_place(data_dir, split):
    dataset = frames.open_frames(data_dir, "clips", split)
    expected = [clip_id for clip_id, (_, own, _) in CLIPS.items() if own == split]
    assert [clip.clip_id for clip in dataset.clips] == expected
    assert len(dataset) == sum(CLIPS[clip_id][2] for clip_id in expected)
    for clip in dataset.clips:
        parameters = frame_parameters(clip.clip_id, clip.num_frames)
        for i in range(clip.num_frames):
            record = dataset[clip.start + i]
            assert record["clip_id"] == clip.clip_id
            assert record["person_id"] == clip.person_id == CLIPS[clip.clip_id][0]
            assert record["frame_index"] == i
            np.testing.assert_array_equal(record["image"], frame_pixels(clip.clip_id, i))
            for name in FIELDS:
                expected_leaf = getattr(parameters, name)[i]
                np.testing.assert_array_equal(getattr(record["parameters"], name), expected_leaf)
            assert dataset.clip_of(clip.start + i) is clip


def test_the_facts_of_the_dataset_travel_with_it(data_dir, prepared_root):
    for dataset in (
        frames.open_frames(data_dir, "clips", "train"),
        frames.open_pairs(data_dir, "clips"),
    ):
        assert dataset.info == prepared.read_dataset_info(prepared_root)
        assert dataset.content == builders.content_hash(prepared_root)


def test_a_clip_is_found_by_its_id_and_only_in_its_split(data_dir):
    dataset = frames.open_frames(data_dir, "clips", "train")
    assert dataset.find_clip("carl#v1#000001").start == 7
    with pytest.raises(ValueError, match="no clip bert#v1#000001 in split train"):
        dataset.find_clip("bert#v1#000001")


def test_records_outside_the_split_are_an_index_error(data_dir):
    dataset = frames.open_frames(data_dir, "clips", "train")
    for index in (-1, len(dataset)):
        with pytest.raises(IndexError, match=f"found {index}"):
            dataset[index]


def test_pairs_are_two_test_frames_each_complete_in_itself(data_dir):
    pairs = frames.open_pairs(data_dir, "clips")
    kinds = {"self": 0, "cross": 0}
    for pair in pairs:
        kinds[pair["kind"]] += 1
        for role in ("source", "driving"):
            clip_id, index = pair[f"{role}_clip_id"], pair[f"{role}_frame_index"]
            assert CLIPS[clip_id][1] == "test"
            np.testing.assert_array_equal(pair[f"{role}_image"], frame_pixels(clip_id, index))
            expected = frame_parameters(clip_id, CLIPS[clip_id][2])
            np.testing.assert_array_equal(pair[role].camera, expected.camera[index])
        same_person = CLIPS[pair["source_clip_id"]][0] == CLIPS[pair["driving_clip_id"]][0]
        assert same_person == (pair["kind"] == "self") == pair["has_target"]
        if pair["kind"] == "self":
            assert pair["source_frame_index"] != pair["driving_frame_index"]
            np.testing.assert_array_equal(pair["target_image"], pair["driving_image"])
        else:
            assert not pair["target_image"].any()
    # bert has 4 frames, dora 3: 4 * 3 + 3 * 2 self pairs exist, fewer than the 20 asked for.
    assert kinds == {"self": 18, "cross": 40}


def test_pairs_of_the_prepared_folder_are_taken_as_they_are(tmp_path):
    write_prepared(tmp_path / "prepared")
    answer = np.full((IMAGE_SIZE, IMAGE_SIZE, 3), 9, np.uint8)
    source, driving = ("bert#v1#000001", 3), ("dora#v1#000001", 1)
    for pair_id, kind, target in (("b", "cross", answer), ("a", "cross", None)):
        pair = prepared.PreparedPair(pair_id, kind, source, driving, target)
        prepared.write_pair(tmp_path / "prepared", pair)
    builders.pack(tmp_path / "prepared", tmp_path / "out", "talking_heads")
    pairs = frames.open_pairs(tmp_path / "out", "talking_heads")
    assert [pair["pair_id"] for pair in pairs] == ["a", "b"]
    assert [pair["has_target"] for pair in pairs] == [False, True]
    np.testing.assert_array_equal(pairs[1]["target_image"], answer)


def headers(lengths, persons=None):
    persons = persons or [f"person{i}" for i in range(len(lengths))]
    return [
        prepared.ClipHeader(f"clip{i}", person, "test", length, 25.0, "")
        for i, (length, person) in enumerate(zip(lengths, persons, strict=True))
    ]


def test_drawn_pairs_follow_from_the_seed_and_are_all_different():
    clips = headers([30, 40, 50])
    counts = evaluation_pairs.PairCounts(self_per_clip=20, cross_per_clip=10, cross_per_person=5)
    pairs = evaluation_pairs.draw_pairs(clips, counts)
    assert len(pairs) == len({pair.pair_id for pair in pairs}) == 3 * (20 + 10 + 5)
    own = [(pair.source, pair.driving) for pair in pairs if pair.kind == "self"]
    assert len(set(own)) == 60
    again = evaluation_pairs.draw_pairs(clips[::-1], counts)
    assert evaluation_pairs.pairs_hash(again) == evaluation_pairs.pairs_hash(pairs)
    other = evaluation_pairs.draw_pairs(clips, counts, seed=1)
    assert evaluation_pairs.pairs_hash(other) != evaluation_pairs.pairs_hash(pairs)


def test_the_paper_s_numbers_of_pairs_come_out():
    test_videos = headers([64] * 514)
    vox = evaluation_pairs.draw_pairs(test_videos, builders.VoxcelebPairs.PAIR_COUNTS)
    assert sum(pair.kind == "self" for pair in vox) == 10_280
    assert sum(pair.kind == "cross" for pair in vox) == 10_280
    celebv = evaluation_pairs.draw_pairs(headers([900] * 5), builders.Celebv.PAIR_COUNTS)
    assert len(celebv) == 5_000 and all(pair.kind == "cross" for pair in celebv)


def test_cross_drivers_are_spread_over_all_frames_of_other_persons():
    clips = headers([4, 300, 100], persons=["a", "b", "b"])
    counts = evaluation_pairs.PairCounts(cross_per_clip=4000)
    pairs = evaluation_pairs.draw_pairs(clips, counts)
    drivers = [pair.driving for pair in pairs if pair.source[0] == "clip0"]
    assert {clip for clip, _ in drivers} == {"clip1", "clip2"}
    share = np.mean([clip == "clip1" for clip, _ in drivers])
    assert abs(share - 0.75) < 0.04  # 4000 draws: standard deviation 0.007
    assert {frame for clip, frame in drivers if clip == "clip2"} == set(range(100))


def test_one_person_or_one_frame_gives_no_pairs():
    counts = evaluation_pairs.PairCounts(self_per_clip=5, cross_per_clip=5, cross_per_person=5)
    assert evaluation_pairs.draw_pairs(headers([1]), counts) == []
    assert evaluation_pairs.draw_pairs([], counts) == []


def test_packing_again_keeps_what_is_there_and_refuses_other_clips(tmp_path):
    root, out = tmp_path / "prepared", tmp_path / "out"
    write_prepared(root)
    builders.pack(root, out, "clips")
    record = next(out.glob("clips/frames/1.0.0/*train*"))
    before = record.stat().st_mtime_ns
    builders.pack(root, out, "clips")
    assert record.stat().st_mtime_ns == before

    clip = prepared.read_clip(root, "anna#v1#000001")
    prepared.write_clip(
        root,
        dataclasses.replace(
            clip, parameters=clip.parameters.replace(rotation=clip.parameters.rotation + 1)
        ),
    )
    with pytest.raises(ValueError, match="found a dataset packed from other clips"):
        builders.pack(root, out, "clips")
    builders.pack(root, out, "clips", overwrite=True)
    dataset = frames.open_frames(out, "clips", "train")
    np.testing.assert_array_equal(
        dataset[0]["parameters"].rotation, clip.parameters.rotation[0] + 1
    )


def test_a_clip_of_one_frame_cannot_be_packed_for_training(tmp_path):
    write_prepared(tmp_path, clips={"anna#v1#000001": ("anna", "train", 1)})
    with pytest.raises(ValueError, match="anna#v1#000001: expected at least two frames"):
        builders.pack(tmp_path, tmp_path / "out", "clips")


def test_a_folder_without_test_clips_packs_without_pairs(tmp_path):
    write_prepared(tmp_path, clips={"anna#v1#000001": ("anna", "train", 2)})
    builders.pack(tmp_path, tmp_path / "out", "clips")
    assert len(frames.open_frames(tmp_path / "out", "clips", "train")) == 2
    with pytest.raises(ValueError, match="no test clips to draw them from"):
        frames.open_pairs(tmp_path / "out", "clips")
    with pytest.raises(ValueError, match="expected clips in split test, found none"):
        frames.open_frames(tmp_path / "out", "clips", "test")


def test_empty_folders_and_unknown_names_are_refused(tmp_path, prepared_root):
    with pytest.raises(ValueError, match="expected a prepared folder"):
        builders.pack(tmp_path, tmp_path / "out", "clips")
    write_prepared(tmp_path, clips={})
    with pytest.raises(ValueError, match="expected prepared clips, found none"):
        builders.pack(tmp_path, tmp_path / "out", "clips")
    with pytest.raises(ValueError, match="found 'vox'"):
        builders.pack(prepared_root, tmp_path / "out", "vox")


def test_a_missing_dataset_says_how_to_build_it_and_what_runs_without(tmp_path):
    with pytest.raises(ValueError) as caught:
        frames.open_frames(tmp_path, "voxceleb_pairs", "train")
    for part in ("voxceleb_pairs", str(tmp_path), "scripts/pack.py", "configs/demo.py"):
        assert part in str(caught.value)


def test_a_damaged_record_is_named(tmp_path):
    root, out = tmp_path / "prepared", tmp_path / "out"
    write_prepared(root)
    noise = np.random.default_rng(0).integers(0, 256, (3, IMAGE_SIZE, IMAGE_SIZE, 3), np.uint8)
    broken = [images.encode_image(frame) for frame in noise]
    # A whole header and end; cut-off frames are refused before.
    broken[1] = broken[1][:200] + bytes(len(broken[1]) - 220) + broken[1][-20:]
    clip = prepared.read_clip(root, "emil#v1#000001")
    prepared.write_clip(root, dataclasses.replace(clip, frames=broken))
    builders.pack(root, out, "clips")
    dataset = frames.open_frames(out, "clips", "train")
    start = dataset.find_clip("emil#v1#000001").start
    np.testing.assert_array_equal(dataset[start]["image"], noise[0])
    with pytest.raises(ValueError, match="split train, clip emil#v1#000001, frame 1"):
        dataset[start + 1]


def test_large_sets_are_cut_into_shards_of_whole_clips(tmp_path, prepared_root, monkeypatch):
    monkeypatch.setattr(prepared_builder, "_FRAMES_PER_SHARD", 6)
    builders.pack(prepared_root, tmp_path, "clips")
    names = sorted(path.name for path in tmp_path.glob("clips/frames/1.0.0/*train*"))
    assert len(names) == 3  # 5 + 2, 9, 3 frames
    dataset = frames.open_frames(tmp_path, "clips", "train")
    carl = dataset.find_clip("carl#v1#000001")
    np.testing.assert_array_equal(
        dataset[carl.start + 8]["image"], frame_pixels("carl#v1#000001", 8)
    )


READ_BY_NAME = """
import sys
import tensorflow_datasets as tfds
{}
source = tfds.data_source("clips", split="train", data_dir=sys.argv[1])
pairs = tfds.data_source("clips/pairs", split="test", data_dir=sys.argv[1])
assert source[3]["image"].shape == (32, 32, 3) and source[3]["clip_id"] == b"anna#v1#000001"
assert len(source) == 19 and len(pairs) == 58 and pairs[0]["kind"] == b"cross"
"""


@pytest.mark.parametrize("imports", ["", "import reenact_jax.data"], ids=["alone", "registered"])
def test_tfds_reads_the_files_by_name_with_and_without_this_package(data_dir, imports):
    command = [sys.executable, "-c", READ_BY_NAME.format(imports), str(data_dir)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", builders.BUILDERS)
def test_datasets_are_registered_with_source_splits_and_default_config(
    name, prepared_root, tmp_path
):
    assert name in tfds.list_builders(with_community_datasets=False)
    builder = tfds.builder(name, data_dir=tmp_path, prepared_root=prepared_root)
    assert builder.builder_config.name == "frames"
    assert set(builder.builder_configs) == {"frames", "pairs"}
    assert builder.info.redistribution_info.license
    assert builder.info.file_format.value == "array_record"
    if name in ("voxceleb_pairs", "celebv"):
        assert builder.info.citation.startswith("@inproceedings")
        assert builder.info.homepage.startswith("https://")


def test_tfds_packs_a_prepared_folder_by_name(prepared_root, tmp_path):
    arguments = {"data_dir": tmp_path, "builder_kwargs": {"prepared_root": prepared_root}}
    splits = tfds.data_source("voxceleb_pairs", **arguments)
    assert {split: len(source) for split, source in splits.items()} == {"train": 19, "test": 7}
    pairs = tfds.data_source("voxceleb_pairs/pairs", split="test", **arguments)
    assert len(pairs) == 58
    # What is packed is then read without the prepared folder, and by this package's own reader.
    again = tfds.data_source("voxceleb_pairs", split="test", data_dir=tmp_path)
    np.testing.assert_array_equal(again[6]["image"], frame_pixels("dora#v1#000001", 2))
    assert len(frames.open_frames(tmp_path, "voxceleb_pairs", "train")) == 19


LOAD = """
import sys
import tensorflow_datasets as tfds
import reenact_jax.data
records = tfds.load("clips", split="train", data_dir=sys.argv[1])
examples = list(records.as_numpy_iterator())
assert [example["frame_index"] for example in examples][:7] == [0, 1, 2, 3, 4, 0, 1]
assert examples[3]["image"].shape == (32, 32, 3) and len(examples) == 19
assert len(list(tfds.load("clips/pairs", split="test[:10]", data_dir=sys.argv[1]))) == 10
"""


@pytest.mark.skipif(not importlib.util.find_spec("tensorflow"), reason="needs TensorFlow")
def test_tfds_load_works_where_tensorflow_is(data_dir):
    command = [sys.executable, "-c", LOAD, str(data_dir)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_dataset_that_is_not_packed_says_how_to_build_it(tmp_path):
    with pytest.raises(ValueError, match="(?s)expected it at .*celebv/frames.*scripts/pack.py"):
        tfds.data_source("celebv", split="test", data_dir=tmp_path)


def test_training_pairs_come_from_the_builder_too(data_dir, tmp_path, prepared_root):
    builder = tfds.builder("clips", data_dir=data_dir)
    dataset = frames.open_frames(data_dir, "clips", "train")
    np.testing.assert_array_equal(
        builder.train_pairs(seed=3, epoch=5), train_pairs(dataset.clips, 3, 5)
    )
    for source, driving in builder.train_pairs(seed=0, epoch=1):
        assert source != driving and dataset.clip_of(source) == dataset.clip_of(driving)
    empty = tfds.builder("clips", data_dir=tmp_path, prepared_root=prepared_root)
    with pytest.raises(ValueError, match="found nothing. Build it with"):
        empty.train_pairs(0, 0)


def test_tensorflow_is_never_imported(tmp_path, prepared_root):
    script = (
        "import sys\n"
        "from reenact_jax.data import builders, frames, pipeline\n"
        "builders.pack(sys.argv[1], sys.argv[2], 'clips')\n"
        "dataset = frames.open_frames(sys.argv[2], 'clips', 'train')\n"
        "next(pipeline.train_batches(dataset, seed=0, batch_size=2, image_size=16))\n"
        "next(pipeline.pair_batches(frames.open_pairs(sys.argv[2], 'clips'), batch_size=2,"
        " image_size=16))\n"
        "assert not [name for name in sys.modules if name.split('.')[0] == 'tensorflow']\n"
    )
    arguments = [sys.executable, "-c", script, str(prepared_root), str(tmp_path)]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
