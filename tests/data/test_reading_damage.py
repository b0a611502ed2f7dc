"""Damaged ArrayRecord files: every damaged record is named, none is trained on."""

import itertools
import logging
import shutil

import numpy as np
import pytest
from array_record.python.array_record_module import ArrayRecordReader, ArrayRecordWriter

from reenact_jax.data import builders, frames, prepared_builder
from reenact_jax.data.pairs import train_pairs
from reenact_jax.data.pipeline import train_batches
from reenact_jax.data.record_files import DamagedRecord, Record
from reenact_jax.errors import UserError
from tests.helpers.toy_clips import CLIPS, frame_parameters

TRAIN = "clips/frames/1.0.0/clips-train.array_record-0000{}-of-00003"
OPTIONS = dict(seed=4, batch_size=4, image_size=16)


@pytest.fixture(scope="module")
def whole(tmp_path_factory, prepared_root):
    """Train files of 7 (anna 5 + 2), 9 (carl) and 3 (emil) frames."""
    folder = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(prepared_builder, "_FRAMES_PER_SHARD", 6)
        builders.pack(prepared_root, folder, "clips")
    return folder


@pytest.fixture
def packed(tmp_path, whole):
    shutil.copytree(whole, tmp_path / "data")
    return tmp_path / "data"


def read_records(path):
    reader = ArrayRecordReader(str(path))
    return [reader.read([i])[0] for i in range(reader.num_records())]


def write_records(path, records):
    writer = ArrayRecordWriter(str(path), "group_size:1,uncompressed")
    for record in records:
        writer.write(record)
    writer.close()


def flip_bit_of(packed, file, number):
    """Changes one bit in the middle of one record."""
    path = packed / TRAIN.format(file)
    data = bytearray(path.read_bytes())
    record = ArrayRecordReader(str(path)).read([number])[0]
    assert data.count(record) == 1
    data[data.find(record) + len(record) // 2] ^= 1
    path.write_bytes(data)


def toy_frames(batch):
    """Which frames a batch holds, as the toy parameters say, after a check of the whole batch."""
    legal = {
        float(frame_parameters(clip_id, length).rotation[i, 0]): clip_id
        for clip_id, (_, split, length) in CLIPS.items()
        if split == "train"
        for i in range(length)
    }
    rows = np.stack([batch["source"].rotation[:, 0], batch["driving"].rotation[:, 0]], axis=-1)
    for source, driving in rows.tolist():
        assert legal[source] == legal[driving] and source != driving
    return rows


def test_any_flipped_bit_is_found_or_harmless(packed):
    path = packed / TRAIN.format(1)
    data = path.read_bytes()
    dataset = frames.open_frames(packed, "clips", "train")
    expected = [dataset[7 + i] for i in range(9)]
    found = 0
    for place in np.random.default_rng(0).integers(0, len(data), 60).tolist():
        path.write_bytes(data[:place] + bytes([data[place] ^ 0x10]) + data[place + 1 :])
        opened = frames.open_frames(packed, "clips", "train")
        for i in range(9):
            try:
                record = opened[7 + i]
            except DamagedRecord as err:
                assert f"clip carl#v1#000001, frame {i})" in str(err) and str(path) in str(err)
                found += 1
                continue
            np.testing.assert_array_equal(record["image"], expected[i]["image"])
            np.testing.assert_array_equal(
                record["parameters"].expression, expected[i]["parameters"].expression
            )
    # Most of a small file is padding to 64 kB; a bit of a record itself is found below.
    assert found > 0


@pytest.mark.parametrize("number", range(9))
def test_a_flipped_bit_of_a_record_damages_that_record_alone(packed, number):
    flip_bit_of(packed, 1, number)
    dataset = frames.open_frames(packed, "clips", "train")
    with pytest.raises(DamagedRecord, match=rf"record {number} \(split train, clip carl#v1#000001"):
        dataset[7 + number]
    with pytest.raises(DamagedRecord, match=f"frame {number}"):
        dataset.parameters(7 + number)
    for other in set(range(9)) - {number}:
        assert dataset[7 + other]["frame_index"] == other


def test_every_record_of_a_truncated_file_is_damaged_or_right(packed):
    path = packed / TRAIN.format(1)
    data = path.read_bytes()
    for length in (0, 100, len(data) // 2, len(data) - 1):
        path.write_bytes(data[:length])
        dataset = frames.open_frames(packed, "clips", "train")
        for i in range(9):
            with pytest.raises(DamagedRecord, match=rf"carl#v1#000001, frame {i}\)"):
                dataset[7 + i]
        assert dataset[6]["clip_id"] == "anna#v2#000001"


def test_a_missing_file_is_named_at_once(packed):
    (packed / TRAIN.format(1)).unlink()
    with pytest.raises(UserError, match="00001-of-00003 is missing: pack the dataset again"):
        frames.open_frames(packed, "clips", "train")


def test_whole_records_in_a_wrong_place_are_refused(packed):
    path = packed / TRAIN.format(1)
    records = read_records(path)
    write_records(path, [records[1], records[0], *records[2:]])
    dataset = frames.open_frames(packed, "clips", "train")
    with pytest.raises(DamagedRecord, match="found frame 1 of clip carl#v1#000001 in its place"):
        dataset[7]
    assert dataset[9]["frame_index"] == 2


def test_records_that_are_no_frames_are_refused(packed):
    from tensorflow_datasets.proto import tf_example_pb2

    path = packed / TRAIN.format(1)
    records = read_records(path)
    changed = []
    for number, change in enumerate(
        (
            lambda fields: fields.pop("lighting"),
            lambda fields: fields["lighting"].float_list.value.pop(),
            lambda fields: fields["lighting"].float_list.value.__setitem__(3, np.inf),
            lambda fields: fields["lighting"].float_list.value.__setitem__(3, np.nan),
            lambda fields: fields.pop("image"),
            lambda fields: fields.pop("clip_id"),
            lambda fields: fields["frame_index"].bytes_list.value.append(b"\x06"),
        )
    ):
        example = tf_example_pb2.Example.FromString(records[number])
        change(example.features.feature)
        changed.append(example.SerializeToString())
    write_records(path, [*changed, b"", b"\xff" * 50])
    dataset = frames.open_frames(packed, "clips", "train")
    reasons = (
        "expected 27 numbers in lighting, found 0",
        "expected 27 numbers in lighting, found 26",
        "expected finite numbers",
        "expected finite numbers",
        r"expected a field image \(bytes_list\)",
        r"expected a field clip_id \(bytes_list\)",
        r"expected a field frame_index \(int64_list\)",
        "expected a field clip_id",
        "",
    )
    for number, reason in enumerate(reasons):
        with pytest.raises(DamagedRecord, match=f"clip carl#v1#000001, frame {number}.*{reason}"):
            dataset[7 + number]


def test_integers_of_any_length_are_read():
    from tensorflow_datasets.proto import tf_example_pb2

    for number in (0, 1, 127, 128, 300, 2**31 - 1):
        example = tf_example_pb2.Example()
        example.features.feature["n"].int64_list.value.append(number)
        assert Record(example.SerializeToString()).integer("n") == number


@pytest.mark.parametrize("num_workers", [0, 1])
def test_a_run_stops_at_a_damaged_record_and_names_it(packed, num_workers):
    for number in range(9):
        flip_bit_of(packed, 1, number)
    dataset = frames.open_frames(packed, "clips", "train")
    batches = train_batches(dataset, **OPTIONS, num_workers=num_workers)
    with pytest.raises(DamagedRecord, match="clip carl#v1#000001, frame .*pack the dataset again"):
        next(batches)
    batches.close()


def test_skipping_takes_other_frames_of_the_clip_and_says_how_many(packed, caplog):
    broken = {7 + 2, 7 + 3, 7 + 8}
    for record in broken:
        flip_bit_of(packed, 1, record - 7)
    dataset = frames.open_frames(packed, "clips", "train")
    with caplog.at_level(logging.WARNING, logger="reenact_jax"):
        batches = train_batches(dataset, **OPTIONS, on_damage="skip")
        rows = np.concatenate([toy_frames(next(batches)) for _ in range(40)])
    assert batches.damaged == broken
    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) == 3  # each once, however often it is met
    assert "another frame takes its place (3 damaged so far)" in messages[-1]

    # By the rule of `PairReader`, from the table of pairs alone.
    value = {7 + i: float(frame_parameters("carl#v1#000001", 9).rotation[i, 0]) for i in range(9)}
    pairs = np.concatenate([train_pairs(dataset.clips, 4, epoch) for epoch in range(40)])
    for row, (source, driving) in zip(rows, pairs.tolist(), strict=True):
        if source not in value:
            continue
        after = [7 + (source - 7 + k) % 9 for k in range(9)]
        source = next(r for r in after if r not in broken and r != driving)
        after = [7 + (driving - 7 + k) % 9 for k in range(9)]
        driving = next(r for r in after if r not in broken and r != source)
        assert row.tolist() == [value[source], value[driving]]


def test_skipping_is_the_same_for_hosts_threads_restarts(packed):
    for record in (2, 3, 8):
        flip_bit_of(packed, 1, record)
    flip_bit_of(packed, 0, 5)  # one of the two frames of a clip: the clip is left out
    dataset = frames.open_frames(packed, "clips", "train")
    options = OPTIONS | dict(on_damage="skip")
    batches = train_batches(dataset, **options, num_threads=1)
    expected = [toy_frames(next(batches)) for _ in range(8)]
    anna2 = set(frame_parameters("anna#v2#000001", 2).rotation[:, 0].tolist())
    assert not anna2 & set(np.concatenate(expected).ravel().tolist())
    threads = train_batches(dataset, **options, num_threads=6)
    hosts = [train_batches(dataset, **options, process_index=p, process_count=2) for p in range(2)]
    later = train_batches(dataset, **options, start_batch=3)
    for number, batch in enumerate(expected):
        np.testing.assert_array_equal(toy_frames(next(threads)), batch)
        halves = [toy_frames(next(host)) for host in hosts]
        np.testing.assert_array_equal(np.concatenate(halves), batch)
        if number >= 3:
            np.testing.assert_array_equal(toy_frames(next(later)), batch)


def test_a_dataset_without_a_readable_pair_ends_the_run(packed):
    for file in range(3):
        path = packed / TRAIN.format(file)
        path.write_bytes(path.read_bytes()[:1000])
    dataset = frames.open_frames(packed, "clips", "train")
    with pytest.raises(UserError, match="expected a clip with two readable frames, found none"):
        next(train_batches(dataset, **OPTIONS, on_damage="skip"))


def test_a_damaged_evaluation_pair_is_named(packed):
    path = next(packed.glob("clips/pairs/1.0.0/*array_record*"))
    path.write_bytes(path.read_bytes()[:70_000])
    pairs = frames.open_pairs(packed, "clips")
    with pytest.raises(DamagedRecord, match=rf"{path.name}: record 0 \(pair 0\) cannot be read"):
        pairs[0]


def test_policies_are_checked(whole):
    dataset = frames.open_frames(whole, "clips", "train")
    with pytest.raises(ValueError, match="found 'ignore'"):
        train_batches(dataset, **OPTIONS, on_damage="ignore")


def test_an_intact_dataset_reads_the_same_under_both_policies(whole):
    dataset = frames.open_frames(whole, "clips", "train")
    both = [train_batches(dataset, **OPTIONS, on_damage=policy) for policy in ("stop", "skip")]
    for first, second in itertools.islice(zip(*both, strict=True), 5):
        np.testing.assert_array_equal(toy_frames(first), toy_frames(second))
