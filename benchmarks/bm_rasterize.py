"""Rasterizer speed, as a ratio to a plain single-threaded C++ z-buffer measured in the same run.

    python benchmarks/bm_rasterize.py [--sizes 64,256,512,1024] [--batches 1,8] [--repeats 15]
    python benchmarks/bm_rasterize.py --memory

Columns: the floor's own time per image; forward (ids, barycentrics, depth) and forward plus
backward of a shaded picture, per image, as multiples of the floor and of their own forward;
seconds to compile the forward; MB of temporary memory; share of pixels with another id than the
floor's (float32 ties). Vertices and triangles are arguments, not constants. Times are medians; the
floor is timed before and after, and the smaller counts. Needs g++.

Meshes: `head` is a closed dense surface of the size of a face model (35,912 vertices, 71,820
triangles, about one pixel each at 256 px); `soup` has 2 to 200 triangles as large as the image;
`slivers` are needles; `dust` is 200,000 separate triangles of about two pixels. Golden meshes of
the folder REENACT_SHARED (default ../shared) are added where it exists. `--memory` compiles forward
passes of several sizes and prints the temporary bytes per pixel, triangle and vertex.
"""

import argparse
import ctypes
import os
import platform
import subprocess
import tempfile
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from rasterizer import interpolate, rasterize, shade, vertex_normals

SOURCE = Path(__file__).with_name("zbuffer_floor.cpp")


def build_floor(folder: str):
    library = Path(folder) / "floor.so"
    flags = ["-O3", "-march=native", "-shared", "-fPIC"]
    subprocess.run(["g++", *flags, "-o", str(library), str(SOURCE)], check=True)
    draw = ctypes.CDLL(str(library)).draw

    def run(vertices, triangles, size):
        ids = np.empty((size, size), np.int32)
        weights, depth = np.empty((size, size, 3), np.float32), np.empty((size, size), np.float32)

        def pointer(array):
            return array.ctypes.data_as(ctypes.c_void_p)

        draw(
            pointer(vertices), ctypes.c_int64(len(vertices)), pointer(triangles),
            ctypes.c_int64(len(triangles)), size, size, pointer(ids), pointer(weights),
            pointer(depth),
        )  # fmt: skip
        return ids

    return run


def head():
    """A bumpy ellipsoid facing the camera, in camera coordinates with the depth around 10."""
    rows, columns = 134, 268
    polar, azimuth = np.meshgrid(
        np.linspace(0.01, np.pi - 0.01, rows),
        np.arange(columns) * 2 * np.pi / columns,
        indexing="ij",
    )
    radius = 1 + 0.05 * np.sin(5 * azimuth) * np.sin(4 * polar)
    x, y, z = np.sin(polar) * np.cos(azimuth), np.cos(polar), np.sin(polar) * np.sin(azimuth)
    points = np.stack([0.8 * radius * x, 1.05 * radius * y, 0.8 * radius * z + 10], axis=-1)
    a = np.arange(rows - 1)[:, None] * columns + np.arange(columns)
    b = np.arange(rows - 1)[:, None] * columns + (np.arange(columns) + 1) % columns
    quads = [np.stack([a, b, b + columns], -1), np.stack([a, b + columns, a + columns], -1)]
    triangles = np.concatenate(quads, axis=1).reshape(-1, 3)
    scale = 1015 / 112
    return to_clip(points.reshape(-1, 3), scale), triangles


def to_clip(points, scale):
    x, y, z = points.T
    return np.stack([scale * x, scale * y, -np.ones_like(z), z], axis=-1)


def soup(rng, count, spread, extent):
    centre = rng.uniform(-1, 1, (count, 1, 2)) * spread
    corners = centre + rng.normal(size=(count, 3, 2)) * extent
    depth = rng.uniform(2, 9, (count, 3, 1))
    points = np.concatenate([corners * depth, depth], axis=-1).reshape(-1, 3)
    return to_clip(points, 1.0), np.arange(3 * count).reshape(-1, 3)


def slivers(rng, count):
    start, end = rng.uniform(-1.2, 1.2, (2, count, 2))
    corners = np.stack([start, end, end + rng.normal(size=(count, 2)) * 0.004], axis=1)
    depth = rng.uniform(2, 9, (count, 3, 1))
    points = np.concatenate([corners * depth, depth], axis=-1).reshape(-1, 3)
    return to_clip(points, 1.0), np.arange(3 * count).reshape(-1, 3)


def golden(path):
    data = np.load(path)
    points, size = data["screen_vertices"].astype(np.float64), int(data["size"])
    x, y, z = points.T
    columns = [(2 * x / size - 1) * z, (2 * y / size - 1) * z, -np.ones_like(z), z]
    return np.stack(columns, axis=-1), data["triangles"]


def meshes():
    rng = np.random.default_rng(0)
    found = {"head": head()}
    for path in sorted(Path(os.environ.get("REENACT_SHARED", "../shared")).glob("goldens/face*")):
        found[path.stem] = golden(path)
    found["2 large"] = soup(rng, 2, 0.1, 3.0)
    found["200 large"] = soup(rng, 200, 0.5, 0.7)
    found["300 slivers"] = slivers(rng, 300)
    found["200k dust"] = soup(rng, 200_000, 1.0, 0.008)
    return {name: (v.astype(np.float32), t.astype(np.int32)) for name, (v, t) in found.items()}


def median_ms(function, repeats):
    function()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return 1e3 * float(np.median(times))


def poses(vertices, batch):
    """The mesh and slightly moved copies of it, (batch, V, 4)."""
    shift = np.zeros((batch, 1, 4), np.float32)
    shift[:, 0, 0] = np.arange(batch) * 0.013
    return vertices[None] + shift * vertices[None, :, 3:]


def measure(name, mesh, size, batch, floor, repeats):
    vertices, triangles = mesh
    batched = poses(vertices, batch)

    def floor_all():
        return [floor(picture, triangles, size) for picture in batched]

    def shaded(vertices, triangles):
        found = rasterize(vertices, triangles, size, size)
        normals = vertex_normals(vertices[:, :3], triangles)
        colours = shade(jnp.full_like(normals, 0.7), normals, jnp.zeros(27))
        return jnp.sum(interpolate(colours, triangles, found) ** 2) + jnp.sum(found.depth)

    def compiled_for_batch(function):
        if batch == 1:  # as one would call it for a single picture
            return jax.jit(lambda v, t: function(v[0], t))
        return jax.jit(jax.vmap(function, in_axes=(0, None)))

    forward = compiled_for_batch(lambda v, t: rasterize(v, t, size, size))
    picture = compiled_for_batch(shaded)
    backward = compiled_for_batch(jax.value_and_grad(shaded))
    arguments = jnp.asarray(batched), jnp.asarray(triangles)
    start = time.perf_counter()
    compiled = forward.lower(*arguments).compile()
    seconds = time.perf_counter() - start
    memory = compiled.memory_analysis().temp_size_in_bytes / 1e6

    def timed(function):
        return median_ms(lambda: jax.block_until_ready(function(*arguments)), repeats)

    before = median_ms(floor_all, repeats)
    forward_ms = timed(compiled)
    floor_ms = min(before, median_ms(floor_all, repeats))
    picture_ms, backward_ms = timed(picture), timed(backward)
    ids = np.asarray(compiled(*arguments).triangle_id).reshape(batch, size, size)
    differing = np.mean(ids != np.stack(floor_all()))
    print(
        f"| {name} | {size} | {batch} | {floor_ms / batch:.2f} ms | {forward_ms / batch:.2f} ms "
        f"| {forward_ms / floor_ms:.2f} | {backward_ms / picture_ms:.2f} | {seconds:.1f} s "
        f"| {memory:.0f} MB | {100 * differing:.3f} % |",
        flush=True,
    )


def print_memory():
    """Bytes of temporary memory per pixel, triangle and vertex, from differences of sizes."""

    def temporary(size, num_triangles, num_vertices):
        shapes = [((num_vertices, 4), jnp.float32), ((num_triangles, 3), jnp.int32)]
        arguments = [jax.ShapeDtypeStruct(*shape) for shape in shapes]
        compiled = jax.jit(lambda v, t: rasterize(v, t, size, size)).lower(*arguments).compile()
        return compiled.memory_analysis().temp_size_in_bytes

    pixels = (temporary(2048, 1000, 500) - temporary(1024, 1000, 500)) / (2048**2 - 1024**2)
    small = temporary(64, 50_000, 25_000)
    triangles = (temporary(64, 150_000, 25_000) - small) / 100_000
    vertices = (temporary(64, 50_000, 125_000) - small) / 100_000
    steps = temporary(64, 10, 10) / 1e6
    print(f"bytes per pixel {pixels:.0f}, per triangle {triangles:.0f}, per vertex {vertices:.0f},")
    print(f"and {steps:.1f} MB for the steps of the work list")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--sizes", default="64,256,512,1024")
    parser.add_argument("--batches", default="1,8")
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--meshes", help="comma-separated names; all by default")
    parser.add_argument("--memory", action="store_true", help="only bytes per pixel and triangle")
    options = parser.parse_args()
    if options.memory:
        print_memory()
        return
    device = jax.devices()[0]
    print(f"{device.platform} {device.device_kind}, {os.cpu_count()} cores, jax {jax.__version__}")
    print(f"{platform.platform()}, load {os.getloadavg()[0]:.1f} before the run\n")
    print(
        "| mesh | size | batch | floor | forward | forward / floor | shaded f+b / f | compile "
        "| memory | other id |\n|---|---|---|---|---|---|---|---|---|---|"
    )
    with tempfile.TemporaryDirectory() as folder:
        floor = build_floor(folder)
        chosen = options.meshes.split(",") if options.meshes else None
        for name, mesh in meshes().items():
            if chosen and name not in chosen:
                continue
            for size in map(int, options.sizes.split(",")):
                for batch in map(int, options.batches.split(",")):
                    measure(name, mesh, size, batch, floor, options.repeats)


if __name__ == "__main__":
    main()
