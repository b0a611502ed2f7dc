"""Settings of the whole suite: devices, strict ranks, shared paths, an end for old programs."""

import os
from pathlib import Path

os.environ.setdefault("JAX_PLATFORMS", "cpu")
# In the environment, so that processes which tests start find this one's compiled programs.
os.environ.setdefault("JAX_NUM_CPU_DEVICES", "4")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.2")
# As in the Makefile: programs that several tests need are compiled once.
os.environ.setdefault(
    "JAX_COMPILATION_CACHE_DIR", str(Path(__file__).parents[1] / "runs/.xla_cache")
)

os.environ.setdefault(
    "REENACT_ASSETS", str(Path(os.environ.get("REENACT_SHARED", "../shared"), "assets").absolute())
)

import jax
import pytest

jax.config.update("jax_numpy_rank_promotion", "raise")


# Linux gives a process 65,530 memory mappings (vm.max_map_count). A compiled program takes about
# ten, and XLA ends the process with a segmentation fault where it gets no more.
MAPPINGS = Path("/proc/self/maps")
MANY_MAPPINGS = 20_000


@pytest.fixture(autouse=True, scope="module")
def forget_programs():
    """Drops the compiled programs of earlier modules when there are many."""
    yield
    if MAPPINGS.exists() and MAPPINGS.read_bytes().count(b"\n") > MANY_MAPPINGS:
        jax.clear_caches()


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """Folder with golden files, clips and assets that are not part of the repository."""
    shared = Path(os.environ.get("REENACT_SHARED", "../shared")).absolute()
    if not shared.is_dir():
        pytest.skip(
            f"{shared} is not there (set REENACT_SHARED to the folder with goldens and clips)"
        )
    return shared


@pytest.fixture(scope="session")
def tiny_world(tmp_path_factory) -> Path:
    """Folder with a synthetic world of five people, prepared and packed; see helpers/tiny.py."""
    from tests.helpers.tiny import write_tiny_world

    return write_tiny_world(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def tiny_run(tiny_world, tmp_path_factory) -> Path:
    """Folder of a finished run of `tiny_config(tiny_world)`; not to be written to."""
    from reenact_jax.training.loop import train
    from tests.helpers.tiny import tiny_config

    workdir = tmp_path_factory.mktemp("tiny_run")
    train(tiny_config(tiny_world), workdir)
    return workdir
