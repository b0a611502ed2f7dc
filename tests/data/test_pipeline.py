"""Training pairs and batches: the same whatever the threads, hosts and restarts."""

import json

import numpy as np
import pytest

from reenact_jax.data import frames, images
from reenact_jax.data.frames import ClipEntry
from reenact_jax.data.pairs import train_pairs
from reenact_jax.data.pipeline import pair_batches, train_batches
from tests.helpers.toy_clips import IMAGE_SIZE, frame_parameters


def entries(lengths):
    starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    return [
        ClipEntry(f"clip{i}", "p", int(s), int(n))
        for i, (s, n) in enumerate(zip(starts, lengths, strict=True))
    ]


@pytest.fixture
def dataset(data_dir):
    return frames.open_frames(data_dir, "clips", "train")


def take(batches, count):
    return [next(batches) for _ in range(count)]


def places(batch):
    """Which frames a batch holds: the toy parameters name clip and frame."""
    return np.stack([batch["source"].rotation[:, 0], batch["driving"].rotation[:, 0]], axis=-1)


def test_an_epoch_takes_every_clip_once_and_two_different_frames_of_it():
    clips = entries([2, 7, 3, 90, 11])
    starts = np.array([clip.start for clip in clips])
    for epoch in range(50):
        pairs = train_pairs(clips, seed=3, epoch=epoch)
        clip = np.searchsorted(starts, pairs, side="right") - 1
        assert (clip[:, 0] == clip[:, 1]).all()
        assert sorted(clip[:, 0]) == list(range(5))
        assert (pairs[:, 0] != pairs[:, 1]).all()


def test_seed_and_epoch_change_the_pairs_and_nothing_else_does():
    clips = entries([50] * 40)
    first = train_pairs(clips, 1, 2)
    np.testing.assert_array_equal(train_pairs(clips, 1, 2), first)
    assert (train_pairs(clips, 1, 3) != first).mean() > 0.9
    assert (train_pairs(clips, 2, 2) != first).mean() > 0.9


def test_pairs_are_pinned():
    # Changing these numbers changes what every stored data position means.
    pairs = train_pairs(entries([4, 5, 6]), seed=7, epoch=1)
    np.testing.assert_array_equal(pairs, [[5, 6], [13, 14], [2, 3]])


def test_frames_and_orders_are_uniform():
    clips = entries([4, 4, 4])
    tables = np.stack([train_pairs(clips, 0, epoch) for epoch in range(6000)])
    first_clip = tables[:, 0, 0] // 4
    assert np.abs(np.bincount(first_clip) / 6000 - 1 / 3).max() < 0.03  # 5 standard deviations
    source, driving = tables[..., 0].ravel() % 4, tables[..., 1].ravel() % 4
    joint = np.histogram2d(source, driving, bins=4)[0] / len(source)
    expected = (1 - np.eye(4)) / 12
    assert np.abs(joint - expected).max() < 0.01  # 18000 draws: 5 standard deviations


def test_a_clip_of_one_frame_is_named():
    with pytest.raises(ValueError, match="clip1: expected at least two frames, found 1"):
        train_pairs(entries([3, 1, 4]), 0, 0)


def test_a_batch_is_what_the_pairs_say(dataset):
    batch = next(train_batches(dataset, seed=5, batch_size=3, image_size=IMAGE_SIZE))
    pairs = train_pairs(dataset.clips, 5, 0)[:3]
    for column, role in enumerate(("source", "driving")):
        image = batch[f"{role}_image"]
        assert image.shape == (3, IMAGE_SIZE, IMAGE_SIZE, 3) and image.dtype == np.float32
        for row in range(3):
            record = dataset[int(pairs[row, column])]
            np.testing.assert_allclose(image[row], record["image"] / 127.5 - 1, atol=1e-6)
            np.testing.assert_array_equal(batch[role].lighting[row], record["parameters"].lighting)
    assert batch["source"].texture.shape == (3, 0)


def test_images_reach_both_ends_of_the_range():
    pixels = [np.full((2, 2, 3), value, np.uint8) for value in (0, 255)]
    parameters = frame_parameters("anna#v1#000001", 2)
    clip = ClipEntry("clip", "p", 0, 2)

    class BlackAndWhite:
        content, clips = "", (clip,)

        def __getitem__(self, index):
            return {"image": pixels[index], "parameters": parameters[index]}

        def clip_of(self, index):
            return clip

    batch = next(train_batches(BlackAndWhite(), seed=0, batch_size=1, image_size=2))
    assert {batch["source_image"].max(), batch["driving_image"].max()} == {-1.0, 1.0}


def test_batches_run_across_the_ends_of_epochs(dataset):
    # Four clips, batches of three: three epochs are four batches, every pair once.
    batches = take(train_batches(dataset, seed=1, batch_size=3, image_size=16), 4)
    found = np.concatenate([places(batch) for batch in batches])
    expected = np.concatenate([train_pairs(dataset.clips, 1, epoch) for epoch in range(3)])
    expected = np.array([[dataset.parameters(int(r)).rotation[0] for r in row] for row in expected])
    np.testing.assert_array_equal(found, expected)


def test_a_batch_larger_than_the_dataset_spans_epochs(dataset):
    batch = next(train_batches(dataset, seed=1, batch_size=12, image_size=16))
    several = take(train_batches(dataset, seed=1, batch_size=3, image_size=16), 4)
    np.testing.assert_array_equal(places(batch), np.concatenate([places(b) for b in several]))


@pytest.mark.parametrize("num_threads", [1, 7])
def test_threads_do_not_change_the_order(dataset, num_threads):
    options = dict(seed=2, batch_size=2, image_size=16)
    expected = [places(b) for b in take(train_batches(dataset, **options, num_threads=2), 12)]
    found = [
        places(b) for b in take(train_batches(dataset, **options, num_threads=num_threads), 12)
    ]
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("num_workers", [1, 2])
def test_processes_do_not_change_the_batches_nor_where_they_go_on(dataset, num_workers):
    options = dict(seed=2, batch_size=2, image_size=16)
    expected = take(train_batches(dataset, **options), 9)
    batches = train_batches(dataset, **options, num_workers=num_workers)
    for found, batch in zip(take(batches, 5), expected, strict=False):
        np.testing.assert_array_equal(found["source_image"], batch["source_image"])
        np.testing.assert_array_equal(places(found), places(batch))
    state = json.loads(json.dumps(batches.get_state()))
    batches.close()
    here = train_batches(dataset, **options)
    here.set_state(state)
    np.testing.assert_array_equal(
        [places(b) for b in take(here, 4)], [places(b) for b in expected[5:]]
    )


class Recording:
    """Forty clips of fifty frames that remember which were read; a picture is a frame's number."""

    content = "recording"
    clips = tuple(entries([50] * 40))

    def __init__(self):
        self.read = set()

    def clip_of(self, index):
        return self.clips[index // 50]

    def __getitem__(self, index):
        self.read.add(index)
        pixels = np.zeros((16, 16, 3), np.uint8)
        pixels[0, 0, :2] = divmod(index, 256)
        return {"image": pixels, "parameters": frame_parameters("anna#v1#000001", 1)[0]}


@pytest.mark.parametrize("num_hosts", [1, 2, 3])
def test_hosts_share_each_batch_and_read_nothing_else(num_hosts):
    options = dict(seed=2, batch_size=6, image_size=16, num_threads=1)
    whole = take(train_batches(Recording(), **options), 4)
    tables = np.concatenate([train_pairs(Recording.clips, 2, epoch) for epoch in range(2)])
    shares = []
    for host in range(num_hosts):
        frames_read = Recording()
        batches = train_batches(frames_read, **options, process_index=host, process_count=num_hosts)
        shares.append(take(batches, 4))
        batches.close()
        # Rows of this host in the batches, and in some that are read ahead.
        rows = tables[:60].reshape(10, num_hosts, 6 // num_hosts, 2)[:, host]
        assert set(rows[:4].ravel().tolist()) <= frames_read.read <= set(rows.ravel().tolist())
    for number, expected in enumerate(whole):
        for name in ("source_image", "driving_image"):
            found = np.concatenate([share[number][name] for share in shares])
            np.testing.assert_array_equal(found, expected[name])
    with pytest.raises(ValueError, match="divisible by 4 processes, found 6"):
        train_batches(Recording(), **options, process_index=0, process_count=4)


def test_a_restart_continues_with_the_next_batch(dataset):
    options = dict(seed=9, batch_size=3, image_size=16)
    straight = [places(b) for b in take(train_batches(dataset, **options), 9)]
    interrupted = train_batches(dataset, **options)
    take(interrupted, 4)
    state = json.loads(json.dumps(interrupted.get_state()))
    assert state["next_batch"] == 4

    restored = train_batches(dataset, **options, num_threads=5)
    take(restored, 2)  # read ahead, then sent elsewhere
    restored.set_state(state)
    np.testing.assert_array_equal([places(b) for b in take(restored, 5)], straight[4:])
    started = train_batches(dataset, **options, start_batch=4)
    np.testing.assert_array_equal([places(b) for b in take(started, 5)], straight[4:])
    assert started.get_state() == restored.get_state() == {**state, "next_batch": 9}


def test_a_position_of_another_run_is_refused(dataset):
    state = train_batches(dataset, seed=9, batch_size=3, image_size=16).get_state()
    other = train_batches(dataset, seed=8, batch_size=3, image_size=16)
    with pytest.raises(ValueError, match="expected seed 8 as in this run, found 9"):
        other.set_state(state)


def test_the_data_position_survives_many_epochs(dataset):
    far = train_batches(dataset, seed=0, batch_size=8, image_size=16, start_batch=3_000_000)
    expected = train_pairs(dataset.clips, 0, 6_000_000)
    rows = [dataset.parameters(int(r)).rotation[0] for r in expected[:, 0]]
    np.testing.assert_array_equal(places(next(far))[:4, 0], rows)


def test_evaluation_reads_every_pair_once(data_dir):
    pairs = frames.open_pairs(data_dir, "clips")
    batches = list(pair_batches(pairs, batch_size=8, image_size=16))
    assert all(len(batch["source_image"]) == 8 for batch in batches)
    valid = np.concatenate([batch["valid"] for batch in batches])
    names = np.concatenate([batch["pair_id"] for batch in batches])
    assert list(names[valid]) == [pair["pair_id"] for pair in pairs]
    assert valid.sum() == len(pairs) and not valid[-1]
    shares = [
        list(pair_batches(pairs, batch_size=8, image_size=16, process_index=p, process_count=3))
        for p in range(3)
    ]
    found = [batch["pair_id"] for share in shares for batch in share]
    assert sorted(found) == sorted(batch["pair_id"] for batch in batches)


def test_shrinking_averages_blocks():
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (32, 32, 3), np.uint8)
    expected = pixels.reshape(8, 4, 8, 4, 3).mean((1, 3))
    assert np.abs(images.resize_area(pixels, 8) - expected).max() <= 0.5 + 1e-9


def test_shrinking_by_a_fraction_keeps_flat_areas_and_the_mean():
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (32, 32, 3), np.uint8)
    small = images.resize_area(pixels, 20)
    assert small.shape == (20, 20, 3)
    assert abs(small.mean() - pixels.mean()) < 0.5
    # Column c of the result covers columns 1.6 c to 1.6 (c + 1): an edge lands where it should.
    edge = np.zeros((32, 32, 3), np.uint8)
    edge[:, 16:] = 200
    np.testing.assert_array_equal(images.resize_area(edge, 20)[0, :, 0], [0] * 10 + [200] * 10)


def test_only_square_images_are_resized():
    with pytest.raises(ValueError, match="expected a square image, found 8 x 4"):
        images.resize_area(np.zeros((4, 8, 3), np.uint8), 2)
