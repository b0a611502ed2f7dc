"""Crops per second of Deng's regressor, by batch size, with made-up weights.

  python benchmarks/bm_rnet.py

One 224 x 224 crop takes 4.1 billion multiply-adds. Aligning and cutting out a crop of a 256 x 256
frame is timed beside it.
"""

import time

import jax
import numpy as np

from reenact_jax.pretrained import rnet
from reenact_jax.tracking.alignment import TEMPLATE, align, crop_aligned

ROUNDS = 5


def made_up_weights() -> dict:
    rng = np.random.default_rng(0)
    arrays = {
        name: rng.uniform(0.5, 1.5, shape).astype(np.float32) / np.prod(shape[1:])
        for name, shape in rnet.state_shapes().items()
    }
    return rnet.fold(arrays)


def best_seconds(function) -> float:
    seconds = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def main() -> None:
    params = made_up_weights()
    regress = jax.jit(rnet.rnet_coefficients)
    print(f"{jax.devices()[0].device_kind}\n{'batch':>7} {'crops/s':>9} {'first call':>12}")
    for batch in (1, 4, 16) if jax.default_backend() == "cpu" else (1, 16, 64, 256):
        crops = np.zeros((batch, 224, 224, 3), np.uint8)
        start = time.perf_counter()
        jax.block_until_ready(regress(params, crops))
        first = time.perf_counter() - start
        seconds = best_seconds(lambda crops=crops: jax.block_until_ready(regress(params, crops)))
        print(f"{batch:7d} {batch / seconds:9.1f} {first:10.1f} s")
    frame = np.random.default_rng(0).integers(0, 256, (256, 256, 3), np.uint8)
    points = 128 + 90 * TEMPLATE[:, :2] * [1, -1]
    seconds = best_seconds(lambda: crop_aligned(frame, align(points, 256, 256)))
    print(f"align and cut out: {1 / seconds:.0f} crops/s")


if __name__ == "__main__":
    main()
