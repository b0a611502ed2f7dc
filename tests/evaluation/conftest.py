"""The tiny run and its pairs, opened once a module."""

import pytest

from reenact_jax.data.frames import open_pairs
from reenact_jax.inference.run import load_run
from tests.helpers.copier import Copier
from tests.helpers.tiny import tiny_config


@pytest.fixture(scope="module")
def run(tiny_run, tiny_world):
    return load_run(tiny_config(tiny_world), tiny_run)


@pytest.fixture(scope="module")
def pairs(tiny_world):
    return open_pairs(tiny_world / "data", "talking_heads")


@pytest.fixture(scope="module")
def copier(run):
    return Copier(run.config, run.face_model)
