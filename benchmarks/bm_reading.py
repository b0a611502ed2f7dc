"""Random access to packed frames against bare JPEG decoding of the same bytes, in one run.

  python benchmarks/bm_reading.py

Prints frames per second of one core (processor time, which other work on the machine hardly
disturbs) for decoding alone and for reading a record, decoding and parameters included; and whole
training batches per second (wall clock) with 1 and 2 threads.
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
BATCH = 8
ROUNDS = 7
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


def best_rates(clock, count: int, *functions) -> list[float]:
    """Calls per second of each function, by the fastest of some rounds that take turns."""
    best = [0.0] * len(functions)
    for _ in range(ROUNDS):
        for i, function in enumerate(functions):
            start = clock()
            function()
            best[i] = max(best[i], count / (clock() - start))
    return best


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
        order = np.random.default_rng(1).permutation(len(dataset)).tolist()
        decoding, reading = best_rates(
            time.process_time,
            len(order),
            lambda: [images.decode_image(encoded[i]).nbytes for i in order],
            lambda: [dataset[i]["image"].nbytes for i in order],
        )
        print(f"mean JPEG size         {np.mean([len(e) for e in encoded]) / 1e3:8.1f} kB")
        print(f"packing                {packing:8.0f} frames/s")
        print(f"bare JPEG decoding     {decoding:8.0f} frames/s and core")
        share = reading / decoding
        print(f"random access          {reading:8.0f} frames/s and core, {share:.2f} of it")
        for num_threads in (1, 2):
            batches = train_batches(
                dataset, seed=0, batch_size=BATCH, image_size=SIZE, num_threads=num_threads
            )
            next(batches)
            (rate,) = best_rates(
                time.perf_counter,
                50,
                lambda: [next(batches) for _ in range(50)],  # noqa: B023
            )
            print(
                f"batches of {BATCH}, threads: {num_threads} {2 * BATCH * rate:8.0f} frames/s = "
                f"{rate:.1f} batches/s"
            )


if __name__ == "__main__":
    main()
