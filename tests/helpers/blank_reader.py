"""A reader of the study that has learned nothing; its readings are numbers all the same."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from reenact_jax.study.reader import Reader, ReaderNetwork, save_reader, true_numbers


def write_reader(path: Path, pairs, seed: int) -> None:
    """Its file, for pictures of 64 pixels and the parameters of pairs of the light head."""
    faces = jax.tree.map(lambda *rows: np.stack(rows), *[pair["source"] for pair in pairs])
    widths = tuple(part.shape[1] for part in true_numbers("light", faces).values())
    network = ReaderNetwork(sum(widths))
    params = network.init(jax.random.key(seed), jnp.zeros((1, 64, 64, 3)))["params"]
    mean, scale = np.zeros(sum(widths)), np.ones(sum(widths))
    save_reader(path, Reader(jax.tree.map(np.asarray, params), mean, scale, widths))
