"""Milliseconds per picture of the networks behind FID, CSIM and LPIPS, with made-up weights.

  python benchmarks/bm_evaluation_networks.py [--batch 8]

Pictures are 256 x 256 (FID's are resized to 299 x 299 inside), faces of ArcFace 112 x 112. LPIPS is
timed per pair. The time of the processor, summed over its cores, hardly depends on what else runs.
"""

import argparse
import time

import jax
import numpy as np

from reenact_jax.pretrained import arcface, inception, lpips

ROUNDS = 5


def made_up(shapes: dict[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {
        name: rng.uniform(0.5, 1.5, shape).astype(np.float32) / np.float32(np.prod(shape[1:]))
        for name, shape in shapes.items()
    }


def made_up_lpips(network: str) -> lpips.LpipsParams:
    files = (lpips.TRUNK_FILES, lpips.LINEAR_FILES)
    return lpips.pack_lpips(network, *(made_up(kinds[network].shapes) for kinds in files))


def report(name: str, function, params, *pictures: np.ndarray) -> None:
    start = time.perf_counter()
    compiled = jax.jit(function).lower(params, *pictures).compile()
    compiling = time.perf_counter() - start
    seconds, used = [], []
    for _ in range(ROUNDS):
        start, start_used = time.perf_counter(), time.process_time()
        jax.block_until_ready(compiled(params, *pictures))
        seconds.append(time.perf_counter() - start)
        used.append(time.process_time() - start_used)
    each, used_each = (1e3 * min(times) / len(pictures[0]) for times in (seconds, used))
    print(f"{name:<16} {each:9.1f} {used_each:13.1f} {compiling:13.1f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--batch", type=int, default=8, help="pictures or pairs at once")
    batch = parser.parse_args().batch
    pictures = np.zeros((batch, 256, 256, 3), np.float32)
    faces = np.zeros((batch, 112, 112, 3), np.float32)
    print(f"{jax.devices()[0].device_kind}, batch of {batch}")
    print(f"{'network':<16} {'ms each':>9} {'of processor':>13} {'compiling, s':>13}")
    params = inception.fold_inception(made_up(inception.FILE.shapes))
    report("Inception", inception.inception_features, params, pictures)
    params = arcface.fold_iresnet(made_up(arcface.FILE.shapes))
    report("ArcFace", arcface.arcface_embedding, params, faces)
    for network in lpips.NETWORKS:
        params = made_up_lpips(network)
        report(f"LPIPS, {network}", lpips.lpips_distance, params, pictures, pictures)


if __name__ == "__main__":
    main()
