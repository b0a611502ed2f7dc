"""Whether NVIDIA GPUs draw with kernels of their own (pallas_gpu.py) or like other accelerators."""

import contextlib
import contextvars
import functools
import os

import jax

# Numbers per vertex in the kernels' table: x, y, z, w, scale and nothing.
ROW = 8

_WANTED = contextvars.ContextVar("rasterizer_gpu_kernels", default=True)


@contextlib.contextmanager
def without_gpu_kernels():
    """What is traced inside draws in pure JAX everywhere, for programs that are to be kept.

    The kernels are Triton code, whose format no version of JAX promises to read later.
    `RASTERIZER_GPU_KERNELS=0` in the environment does the same for a whole process.
    """
    token = _WANTED.set(False)
    try:
        yield
    finally:
        _WANTED.reset(token)


def gpu_kernels() -> bool:
    """Whether to trace the kernels: wanted, and there is a GPU and a JAX that can compile them."""
    wanted = _WANTED.get() and os.environ.get("RASTERIZER_GPU_KERNELS", "1") != "0"
    return wanted and _available()


def fits_kernels(num_pictures: int, num_vertices: int, num_triangles: int, num_pixels: int) -> bool:
    """Whether all places in the kernels' arrays are int32 numbers."""
    return num_pictures * max(ROW * num_vertices, 3 * num_triangles, 3 * num_pixels) < 2**31


@functools.cache
def _available() -> bool:
    try:
        jax.devices("cuda")
    except RuntimeError:  # no such backend
        return False
    try:
        from jax.experimental.pallas import triton  # noqa: F401
    except ImportError:  # JAX has announced that this part of Pallas will go
        return False
    return True
