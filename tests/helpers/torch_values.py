"""What PyTorch computes: stored in the repository, or computed now where it is installed."""

from pathlib import Path

import numpy as np
import pytest

STORED = Path(__file__).parents[1] / "fixtures" / "torch"
ORIGINS = ("stored", "live")


def torch_values(name: str, origin: str) -> dict[str, np.ndarray]:
    """The arrays of scripts/torch_fixtures/: name -> array.

    Args:
      name: of a fixture.
      origin: `stored`, or `live`: of other inputs and weights, computed by the PyTorch that is
        installed; the test is skipped where none is.
    """
    if origin == "stored":
        return dict(np.load(STORED / f"{name}.npz"))
    torch = pytest.importorskip("torch", reason="PyTorch is not installed (extra `convert`)")
    from scripts.torch_fixtures import FIXTURES

    torch.manual_seed(1234)
    return FIXTURES[name](np.random.default_rng(1234))
