"""The GPU's kernels, run on the CPU one program after the other with NumPy arrays as memory.

What compiles for a GPU and runs there is for test_gpu.py; here is what the kernels compute.
"""

import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rasterizer import pallas_gpu, rasterize
from tests.helpers.breaking_meshes import meshes


class Memory:
    """Stands for a Ref to the whole of an array."""

    def __init__(self, array):
        self.array = np.array(array)

    @property
    def at(self):
        return self

    def __getitem__(self, index):
        return self, index


def _lanes(mask, *arrays):
    shape = np.broadcast_shapes(*(np.shape(a) for a in arrays))
    mask = np.broadcast_to(True if mask is None else np.asarray(mask), shape)
    return mask.reshape(-1), [np.broadcast_to(np.asarray(a), shape).reshape(-1) for a in arrays]


def load(view, *, mask=None, other=None):
    memory, index = view
    chosen, (places,) = _lanes(mask, index)
    values = np.full(places.shape, 0 if other is None else other, memory.array.dtype)
    values[chosen] = memory.array[places[chosen]]  # a wrong place is an IndexError
    assert np.all(places[chosen] >= 0)
    return jnp.asarray(values.reshape(np.shape(index)))


def store(view, value, *, mask=None):
    memory, index = view
    chosen, (places, values) = _lanes(mask, index, value)
    assert np.all(places[chosen] >= 0)
    memory.array[places[chosen]] = values[chosen]


def atomic_min(memory, index, value, *, mask=None):
    chosen, (places, values) = _lanes(mask, index, value)
    assert np.all(places[chosen] >= 0)
    np.minimum.at(memory.array, places[chosen], values[chosen])


def atomic_add(memory, index, value, *, mask=None):
    before = memory.array[index]
    if mask is None or mask:
        memory.array[index] += value
    return jnp.asarray(before)


@pytest.fixture
def on_the_cpu(monkeypatch):
    """Makes pallas_gpu run its kernels here, with few programs of few lanes."""
    program = [0]

    def pallas_call(kernel, *, out_shape, grid, input_output_aliases=None, **_):
        def call(*inputs):
            inputs = [Memory(array) for array in inputs]
            shapes = jax.tree.leaves(out_shape)
            # Memory that nothing was written to holds anything.
            outputs = [Memory(np.full(s.shape, 77, s.dtype)) for s in shapes]
            for source, result in (input_output_aliases or {}).items():
                outputs[result] = inputs[source]
            for program[0] in range(grid[0]):
                kernel(*inputs, *outputs)
            return jax.tree.unflatten(
                jax.tree.structure(out_shape), [jnp.asarray(m.array) for m in outputs]
            )

        return call

    pl = types.SimpleNamespace(
        pallas_call=pallas_call,
        program_id=lambda axis: jnp.int32(program[0]),
        cdiv=lambda a, b: -(-a // b),
    )
    plgpu = types.SimpleNamespace(
        load=load,
        store=store,
        atomic_min=atomic_min,
        atomic_add=atomic_add,
        CompilerParams=lambda **_: None,
    )
    monkeypatch.setattr(pallas_gpu, "pl", pl)
    monkeypatch.setattr(pallas_gpu, "plgpu", plgpu)
    for name, value in {
        "SMALL_SIDE": 4,
        "SMALL_LANES": 8,
        "WINDOW": 4,
        "PROGRAMS": 5,
        "RESOLVE_LANES": 64,
    }.items():
        monkeypatch.setattr(pallas_gpu, name, value)


# Eager calls take seconds per mesh.
_QUICK = ("fan on pixel centres", "broken", "three pictures")


@pytest.mark.parametrize(
    "name",
    [name if name in _QUICK else pytest.param(name, marks=pytest.mark.slow) for name in meshes()],
)
def test_the_kernels_draw_what_the_rasterizer_draws(on_the_cpu, name):
    vertices, triangles, height, width, cull = meshes()[name]
    expected = jax.vmap(
        lambda v: rasterize(v, jnp.asarray(triangles), height, width, cull_backfaces=cull)
    )(vertices)
    with jax.disable_jit():
        found = pallas_gpu._draw_batch(
            jnp.asarray(vertices), jnp.asarray(triangles)[None], height, width, cull
        )
    ids, weights, depth = map(np.asarray, found)
    np.testing.assert_array_equal(ids, expected.triangle_id)
    np.testing.assert_allclose(weights, expected.barycentrics, atol=1e-4)
    np.testing.assert_allclose(depth, expected.depth, rtol=1e-4)
