"""Random access to packed frames against bare JPEG decoding of the same bytes, in one run.

  python benchmarks/bm_reading.py

Prints frames per second of one core (processor time) for decoding alone and for reading a record,
decoding and parameters included; and whole training batches per second (wall clock) with threads
and with processes. The two rates are measured in turns, twenty frames at a time: other work on the
machine slows both alike, and their ratio is the median over the turns. Where in memory the images
happen to lie changes the time of decoding by a seventh; it is changed at random between the turns.
"""

import os

os.environ.setdefault("JAX_PLATFORMS", "cpu")

import tempfile
import time
from pathlib import Path

import numpy as np
from tqdm import tqdm

from reenact_jax.data import builders, frames, images, prepared
from reenact_jax.data.info import FaceModelInfo
from reenact_jax.data.pipeline import train_batches
from reenact_jax.face_model.parameters import FaceParameters

SIZE = 256
NUM_CLIPS, NUM_FRAMES = 10, 50
BATCH, NUM_BATCHES = 8, 150
TURN = 20
ROUNDS = 5
MODEL = FaceModelInfo("bfm2009", "0" * 16, identity=80, expression=64, texture=80)


def picture(rng: np.random.Generator, phase: float) -> np.ndarray:
    """Smooth shapes and a little noise: JPEG files of about 25 kB, like a video frame's."""
    y, x = np.mgrid[:SIZE, :SIZE] / SIZE
    waves = [128 + 90 * np.sin(9 * x * (c + 1) + phase) * np.cos(7 * y + c) for c in range(3)]
    noisy = np.stack(waves, -1) + rng.normal(0, 4, (SIZE, SIZE, 3))
    return noisy.clip(0, 255).astype(np.uint8)


def write_prepared(root: Path) -> None:
    rng = np.random.default_rng(0)
    prepared.write_dataset_info(root, name="benchmark", image_size=SIZE, face_model=MODEL)
    for number in tqdm(range(NUM_CLIPS), desc="writing clips"):
        leaves = {
            name: rng.normal(size=(NUM_FRAMES, width)).astype(np.float32)
            for name, width in MODEL.field_widths.items()
        }
        pictures = [picture(rng, number + i / 10) for i in range(NUM_FRAMES)]
        clip = prepared.PreparedClip(
            f"clip{number:03d}", f"p{number}", "train", 25, pictures, FaceParameters(**leaves)
        )
        prepared.write_clip(root, clip, file_format="jpg")


def in_turns(order: list[int], *functions) -> np.ndarray:
    """(number of functions, number of turns) seconds of processor time a frame."""
    generator = np.random.default_rng()
    seconds = []
    for first in range(0, len(order), TURN):
        some = order[first : first + TURN]
        _holes = [bytes(size) for size in generator.integers(100, 100_000, 12).tolist()]
        row = []
        for function in functions:
            start = time.process_time()
            for number in some:
                function(number)
            row.append((time.process_time() - start) / len(some))
        seconds.append(row)
    return np.array(seconds).T


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_prepared(root / "prepared")
        start = time.perf_counter()
        builders.pack(root / "prepared", root / "data", "clips")
        packing = NUM_CLIPS * NUM_FRAMES / (time.perf_counter() - start)
        dataset = frames.open_frames(root / "data", "clips", "train")
        encoded = [
            frame
            for clip_id in prepared.list_clips(root / "prepared")
            for frame in prepared.read_clip(root / "prepared", clip_id).frames
        ]
        generator = np.random.default_rng(1)
        order = [int(i) for _ in range(ROUNDS) for i in generator.permutation(len(dataset))]
        seconds = in_turns(
            order,
            lambda number: images.decode_image(encoded[number]).nbytes,
            lambda number: dataset[number]["image"].nbytes,
        )
        decoding, reading = 1 / np.median(seconds, axis=1)
        share = np.median(seconds[0] / seconds[1])
        print(f"mean JPEG size         {np.mean([len(e) for e in encoded]) / 1e3:8.1f} kB")
        print(f"packing                {packing:8.0f} frames/s")
        print(f"bare JPEG decoding     {decoding:8.0f} frames/s and core")
        print(f"random access          {reading:8.0f} frames/s and core, {share:.2f} of it")
        for num_threads, num_workers in ((1, 0), (2, 0), (1, 2)):
            batches = train_batches(
                dataset,
                seed=0,
                batch_size=BATCH,
                image_size=SIZE,
                num_threads=num_threads,
                num_workers=num_workers,
            )
            for _ in range(2 * BATCH):  # what has been read ahead
                next(batches)
            start = time.perf_counter()
            for _ in range(NUM_BATCHES):
                next(batches)
            rate = NUM_BATCHES / (time.perf_counter() - start)
            batches.close()
            print(
                f"batches of {BATCH}, threads: {num_threads}, processes: {num_workers} "
                f"{2 * BATCH * rate:8.0f} frames/s = {rate:.1f} batches/s"
            )


if __name__ == "__main__":
    main()
