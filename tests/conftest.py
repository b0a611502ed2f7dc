"""Settings of the whole suite: four CPU devices, no silent broadcasting of ranks, shared paths."""

import os
from pathlib import Path

os.environ.setdefault("JAX_PLATFORMS", "cpu")

import jax
import pytest

jax.config.update("jax_num_cpu_devices", 4)
jax.config.update("jax_numpy_rank_promotion", "raise")


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """Folder with golden files, clips and assets that are not part of the repository."""
    path = Path(os.environ.get("REENACT_SHARED", "../shared"))
    if not path.is_dir():
        pytest.skip(
            f"{path} is not there (set REENACT_SHARED to the folder with goldens and clips)"
        )
    return path
