"""Rasterizer speed on an NVIDIA GPU, beside nvdiffrast and the bound from memory traffic.

    python -m benchmarks.bm_rasterize_gpu [--meshes face_turned] [--sizes 256] [--batches 1,8,32]
    python -m benchmarks.bm_rasterize_gpu --sweep
    python -m benchmarks.bm_rasterize_gpu --check

The meshes are those of bm_rasterize.py. Times are milliseconds for the whole batch:

- ours, jax, nvdiffrast: from call to call, of many calls in a row with one synchronization at the
  end; the median of several such runs. `jax` is the portable path, drawn where --portable says so.
- of it kernels: time in which the GPU ran kernels, from the profilers of JAX and of PyTorch.
- f+b: forward plus the gradient of the vertices for given cotangents of the outputs; for nvdiffrast
  of its (u, v, z/w, id) without derivatives of its image-space derivatives (grad_db=False).
- bound: bytes that must move (vertices and triangles read once, 20 bytes per pixel written once)
  over the bandwidth of a copy within the GPU's memory, measured in the same run.
- other id: share of pixels with another id than this rasterizer's on the CPU, the golden's where
  the mesh has one, and nvdiffrast's.

nvdiffrast is timed in a process of its own if PyTorch and nvdiffrast are installed: `rasterize`
with a RasterizeCudaContext, in instanced mode. Its forward pass always writes image-space
derivatives too: 32 bytes per pixel. --sweep times the kernels at several of their settings, --check
draws meshes that break rasterizers. What fails is printed and left out.
"""

import argparse
import concurrent.futures
import json
import os
import subprocess
import sys
import tempfile
import time
import traceback
from collections import defaultdict
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.bm_rasterize import meshes, poses
from rasterizer import gpu, rasterize

_SWEEP = [
    {},
    {"SMALL_LANES": 128, "SMALL_WARPS": 1, "RESOLVE_LANES": 128, "WINDOW_WARPS": 8},
    {"SMALL_LANES": 64, "SMALL_WARPS": 1, "RESOLVE_LANES": 256, "RESOLVE_WARPS": 8},
    {"SMALL_LANES": 64, "SMALL_WARPS": 2, "RESOLVE_LANES": 512, "WINDOW": 8, "WINDOW_WARPS": 2},
    {"SMALL_LANES": 32, "SMALL_WARPS": 1, "WINDOW": 8, "WINDOW_WARPS": 1, "PROGRAMS": 1056},
    {"SMALL_LANES": 256, "SMALL_WARPS": 4, "WINDOW": 32, "WINDOW_WARPS": 8},
    {"SMALL_LANES": 256, "SMALL_WARPS": 8, "PROGRAMS": 264},
    {"SMALL_SIDE": 4, "PROGRAMS": 1056},
    {"SMALL_SIDE": 16, "PROGRAMS": 2112, "WINDOW_WARPS": 8},
]


def tolerant(function, *args):
    """What the function returns, or None after printing what went wrong."""
    try:
        return function(*args)
    except Exception:
        traceback.print_exc(limit=-3, file=sys.stdout)
        return None


def per_call_ms(call, wait, runs=7, seconds=0.05):
    """Milliseconds per call: median over runs of many calls, with one wait at the end of each."""
    wait(call())
    start = time.perf_counter()
    wait(call())
    count = int(np.clip(seconds / max(time.perf_counter() - start, 1e-5), 3, 2000))
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        for _ in range(count):
            result = call()
        wait(result)
        times.append((time.perf_counter() - start) / count)
    return 1e3 * float(np.median(times))


def kernels_ms(call, count=10):
    """Milliseconds of GPU kernels per call, by name."""
    jax.block_until_ready(call())
    with tempfile.TemporaryDirectory() as folder:
        with jax.profiler.trace(folder):
            for _ in range(count):
                result = call()
            jax.block_until_ready(result)
        [path] = Path(folder).rglob("*.xplane.pb")
        profile = jax.profiler.ProfileData.from_file(str(path))
        found = defaultdict(float)
        for plane in profile.planes:
            for line in plane.lines if plane.name.startswith("/device:GPU") else ():
                if line.name.startswith("Stream"):
                    for event in line.events:
                        found[event.name] += event.duration_ns / 1e6 / count
    if not found:
        raise RuntimeError("the profile has no kernels")
    return dict(found)


def bandwidth():
    """Bytes per second, read plus written, of a copy within the GPU's memory."""
    array = jnp.zeros((2**28,), jnp.float32) + 1
    copy = jax.jit(jnp.negative)
    return 2 * array.nbytes / (1e-3 * per_call_ms(lambda: copy(array), jax.block_until_ready))


def drawn(size, batch):
    def draw(vertices, triangles):
        return rasterize(vertices, triangles, size, size)

    if batch == 1:  # as one would call it for a single picture
        return lambda v, t: draw(v[0], t)
    return jax.vmap(draw, in_axes=(0, None))


def forward_and_backward(size, batch):
    def both(vertices, triangles, weights, depth):
        def differentiable(vertices):
            found = drawn(size, batch)(vertices, triangles)
            return (found.barycentrics, found.depth), found.triangle_id

        values, pull, ids = jax.vjp(differentiable, vertices, has_aux=True)
        shapes = [value.shape for value in values]
        return values, ids, pull((weights.reshape(shapes[0]), depth.reshape(shapes[1])))

    return both


def arguments_of(mesh, size, batch):
    vertices, triangles = mesh
    rng = np.random.default_rng(0)
    cotangents = (
        rng.normal(size=(batch, size, size, 3)).astype(np.float32),
        rng.normal(size=(batch, size, size)).astype(np.float32),
    )
    return tuple(map(jnp.asarray, (poses(vertices, batch), triangles, *cotangents)))


def compiled(lowered):
    start = time.perf_counter()
    program = lowered.compile()
    return program, time.perf_counter() - start


def nvdiffrast_times(cases, options):
    """Times and ids of nvdiffrast by case, from a process of its own; empty if there is none."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cases.npz"
        arrays = {}
        for k, (mesh, size, batch) in enumerate(cases.values()):
            arrays |= {f"v{k}": poses(mesh[0], batch), f"t{k}": mesh[1], f"s{k}": size}
        np.savez(path, **arrays)
        command = [sys.executable, "-m", "benchmarks.bm_rasterize_gpu", "--nvdiffrast-on", path]
        # The child needs numpy and PyTorch; JAX shall not take the GPU from it.
        environment = os.environ | {"JAX_PLATFORMS": "cpu"}
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=options.timeout
        )
        print(done.stdout[-3000:])
        if done.returncode:
            print("no times of nvdiffrast:", done.stderr[-1500:])
            return {}
        times = json.loads(path.with_suffix(".json").read_text())
        ids = np.load(path.with_suffix(".ids.npz"))
        return {
            case: times[str(k)] | {"ids": ids[str(k)]}
            for k, case in enumerate(cases)
            if str(k) in times
        }


def time_nvdiffrast(path):
    """What the process of its own does: times every case and writes them beside the file."""
    import nvdiffrast.torch as dr
    import torch

    cases, times, ids = np.load(path), {}, {}
    context = dr.RasterizeCudaContext()

    def wait(_):
        torch.cuda.synchronize()

    def profiled(call):
        activity = torch.profiler.ProfilerActivity.CUDA
        wait(call())
        with torch.profiler.profile(activities=[activity]) as profile:
            for _ in range(10):
                call()
            torch.cuda.synchronize()
        return sum(e.self_device_time_total for e in profile.key_averages()) / 1e4

    for k in range(len(cases.files) // 3):
        vertices = torch.from_numpy(cases[f"v{k}"]).cuda()
        triangles = torch.from_numpy(cases[f"t{k}"]).cuda()
        size = int(cases[f"s{k}"])

        def forward(vertices=vertices, triangles=triangles, size=size):
            return dr.rasterize(context, vertices, triangles, (size, size), grad_db=False)

        def both(vertices=vertices, forward=forward):
            vertices.requires_grad_(True)
            out, _ = forward()
            gradient = torch.autograd.grad(out, vertices, torch.ones_like(out))
            vertices.requires_grad_(False)
            return gradient

        def one_case(k=k, forward=forward, both=both):
            out, _ = forward()
            ids[str(k)] = out[..., 3].to(torch.int32).cpu().numpy() - 1
            times[str(k)] = {"forward": per_call_ms(forward, wait)}
            times[str(k)]["both"] = per_call_ms(both, wait)
            times[str(k)]["kernels"] = tolerant(profiled, forward)

        tolerant(one_case)
    Path(path).with_suffix(".json").write_text(json.dumps(times))
    np.savez(Path(path).with_suffix(".ids.npz"), **ids)
    print(f"nvdiffrast {dr.__name__}, torch {torch.__version__}, {torch.cuda.get_device_name()}")


def ids_on_the_cpu(mesh, size, batch):
    """(batch, size, size) ids; the portable path's own, picture by picture."""
    with jax.default_device(jax.devices("cpu")[0]):
        draw = jax.jit(lambda v, t: rasterize(v, t, size, size).triangle_id)
        return np.stack([draw(v, jnp.asarray(mesh[1])) for v in poses(mesh[0], batch)])


def golden_ids(name, size):
    path = Path(os.environ.get("REENACT_SHARED", "../shared")) / "goldens" / f"{name}.npz"
    if not path.exists():
        return None
    golden = np.load(path)
    return golden["triangle_id"] if int(golden["size"]) == size else None


def percent(found, expected):
    if found is None or expected is None:
        return "-"
    return f"{100 * np.mean(found != expected):.4f} %"


def number(value, digits=3):
    return "-" if value is None else f"{value:.{digits}f}"


def measure(cases, options):
    """Prints the table: one line per case."""
    rate = bandwidth()
    print(f"copy within the GPU's memory: {rate / 1e12:.2f} TB/s, read plus written\n", flush=True)
    lowered, theirs = {}, {}
    for case, (mesh, size, batch) in cases.items():
        arguments = arguments_of(mesh, size, batch)

        def lower(function, arguments):
            return jax.jit(function).lower(*arguments)

        lowered[case, "forward"] = tolerant(lower, drawn(size, batch), arguments[:2])
        if case[0] in options.backward:
            both = forward_and_backward(size, batch)
            lowered[case, "both"] = tolerant(lower, both, arguments)
        if case[0] in options.portable and batch in options.portable_batches:
            with gpu.without_gpu_kernels():
                lowered[case, "jax"] = tolerant(lower, drawn(size, batch), arguments[:2])
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        lowered = {key: value for key, value in lowered.items() if value is not None}
        futures = {key: pool.submit(compiled, value) for key, value in lowered.items()}
        programs = {key: tolerant(future.result) for key, future in futures.items()}
    # Here, so that nothing compiles beside it.
    if not options.without_nvdiffrast:
        theirs = tolerant(nvdiffrast_times, cases, options) or {}
    print(
        "| mesh | size | batch | ours | of it kernels | nvdiffrast | of it kernels | bound "
        "| kernels / bound | ours f+b | nvdiffrast f+b | jax | compile | memory "
        "| other id: cpu, golden, nvdiffrast, jax |\n|" + "---|" * 15
    )
    details = {}
    for case, (mesh, size, batch) in cases.items():
        tolerant(print_line, case, mesh, size, batch, rate, programs, theirs, details, options)
    for case, kernels in details.items():
        print("\nmicroseconds of kernels,", *case)
        for name, ms in sorted(kernels.items(), key=lambda item: -item[1]):
            print(f"  {1e3 * ms:8.2f}  {name}")


def print_line(case, mesh, size, batch, rate, programs, theirs, details, options):
    arguments = arguments_of(mesh, size, batch)

    def time_of(kind, count):
        program = programs.get((case, kind))
        if program is None:
            return None
        return tolerant(
            lambda: per_call_ms(lambda: program[0](*arguments[:count]), jax.block_until_ready)
        )

    program, seconds = programs[case, "forward"]
    kernels = tolerant(kernels_ms, lambda: program(*arguments[:2]))
    total = None
    if kernels:
        details[case] = kernels
        total = sum(kernels.values())
    read = 16 * batch * len(mesh[0]) + 12 * len(mesh[1])
    bound = 1e3 * (read + 20 * batch * size * size) / rate
    shape = batch, size, size
    ids = np.asarray(program(*arguments[:2]).triangle_id).reshape(shape)
    ours, both, portable = time_of("forward", 2), time_of("both", 4), time_of("jax", 2)
    their = theirs.get(case, {})
    expected = None
    if case[0] in options.cpu and batch == 1:
        expected = tolerant(ids_on_the_cpu, mesh, size, batch)
    golden = golden_ids(case[0], size)
    in_jax = programs.get((case, "jax"))
    if in_jax is not None:
        in_jax = np.asarray(in_jax[0](*arguments[:2]).triangle_id).reshape(shape)
    others = (
        percent(ids, expected),
        percent(ids[:1], None if golden is None else golden[None]),
        percent(ids, their.get("ids")),
        percent(ids, in_jax),
    )
    memory = program.memory_analysis().temp_size_in_bytes / 1e6
    ratio = None if total is None else total / bound
    print(
        f"| {case[0]} | {size} | {batch} | {number(ours)} | {number(total)} "
        f"| {number(their.get('forward'))} | {number(their.get('kernels'))} | {number(bound, 4)} "
        f"| {number(ratio, 1)} | {number(both)} | {number(their.get('both'))} "
        f"| {number(portable)} | {seconds:.1f} s | {memory:.1f} MB | {', '.join(others)} |",
        flush=True,
    )


def sweep(cases):
    """Prints kernel times at several settings of the kernels, all in one table per case."""
    from rasterizer import pallas_gpu

    usual = {name: getattr(pallas_gpu, name) for change in _SWEEP for name in change}
    lowered = {}
    for k, change in enumerate(_SWEEP):
        for name, value in (usual | change).items():
            setattr(pallas_gpu, name, value)
        for case, (mesh, size, batch) in cases.items():
            arguments = poses(mesh[0], batch), mesh[1][None]

            def lower(arguments, size):
                # A function of its own each time: its settings are no arguments.
                return jax.jit(lambda v, t: pallas_gpu._draw_batch(v, t, size, size, False)).lower(
                    *arguments
                )

            lowered[k, case] = tolerant(lower, arguments, size)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        lowered = {key: value for key, value in lowered.items() if value is not None}
        futures = {key: pool.submit(compiled, value) for key, value in lowered.items()}
        programs = {key: tolerant(future.result) for key, future in futures.items()}
    for case, (mesh, _, batch) in cases.items():
        arguments = jnp.asarray(poses(mesh[0], batch)), jnp.asarray(mesh[1])[None]
        print("\nmicroseconds,", *case, "(call to call, then by kernel)")
        for k, change in enumerate(_SWEEP):
            program = programs.get((k, case))
            if program is None:
                continue

            def call(program=program, arguments=arguments):
                return program[0](*arguments)

            wall = tolerant(per_call_ms, call, jax.block_until_ready, 3, 0.02)
            kernels = tolerant(kernels_ms, call) or {}
            parts = " ".join(f"{name} {1e3 * ms:.1f}," for name, ms in sorted(kernels.items()))
            print(f"{1e3 * (wall or 0):9.1f} | {parts} {change}", flush=True)


def check():
    """Draws meshes that break rasterizers, with the kernels, in JAX on the GPU and on the CPU."""
    from tests.helpers.breaking_meshes import meshes as breaking

    for name, (vertices, triangles, height, width, cull) in breaking().items():

        def draw(kernels, vertices=vertices, triangles=triangles, settings=(height, width, cull)):
            function = jax.jit(
                jax.vmap(
                    lambda v: (
                        rasterize(
                            v, jnp.asarray(triangles), *settings[:2], cull_backfaces=settings[2]
                        ).triangle_id
                    )
                )
            )
            if kernels:
                return np.asarray(function(vertices))
            with gpu.without_gpu_kernels():
                return np.asarray(function(vertices))

        def compare(name=name, draw=draw):
            found = draw(True)
            with jax.default_device(jax.devices("cpu")[0]):
                expected = draw(False)
            print(f"{name}: {np.sum(found != expected)} of {found.size} pixels differ", flush=True)

        tolerant(compare)


def main():
    def names(text):
        return text.split(",")

    def numbers(text):
        return [int(part) for part in text.split(",")]

    usual = "face_turned,face_sized,2 large,200 large,300 slivers,200k dust"
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--meshes", type=names, default=names(usual))
    parser.add_argument("--sizes", type=numbers, default=[256])
    parser.add_argument("--batches", type=numbers, default=[1, 8, 32])
    parser.add_argument("--backward", type=names, default=["face_turned"], help="meshes with f+b")
    parser.add_argument("--portable", type=names, default=["face_turned"], help="meshes with jax")
    parser.add_argument("--portable-batches", type=numbers, default=[1])
    parser.add_argument("--cpu", type=names, default=names(usual), help="ids compared with the CPU")
    parser.add_argument("--without-nvdiffrast", action="store_true")
    parser.add_argument("--timeout", type=int, default=120, help="seconds for nvdiffrast")
    parser.add_argument("--sweep", action="store_true")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--set", type=names, default=[], help="settings, as in SMALL_LANES=64,...")
    parser.add_argument("--nvdiffrast-on", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.nvdiffrast_on:
        time_nvdiffrast(options.nvdiffrast_on)
        return
    device = jax.devices()[0]
    kernels = "with" if gpu.gpu_kernels() else "WITHOUT"
    print(f"{device.device_kind}, jax {jax.__version__}, {kernels} kernels of its own", flush=True)
    if options.set:
        from rasterizer import pallas_gpu

        for setting in options.set:
            name, value = setting.split("=")
            getattr(pallas_gpu, name)
            setattr(pallas_gpu, name, int(value))
    if options.check:
        check()
        return
    found = meshes()
    chosen = [name for name in options.meshes if name in found]
    cases = {
        (name, size, batch): (found[name], size, batch)
        for name in chosen
        for size in options.sizes
        for batch in options.batches
    }
    if options.sweep:
        sweep(cases)
    else:
        measure(cases, options)


if __name__ == "__main__":
    main()
