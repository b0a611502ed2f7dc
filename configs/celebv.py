"""The paper's cross-dataset test: the model that was trained on VoxCeleb, on the faces of CelebV.

    python -m reenact_jax.evaluate --config configs/celebv.py --workdir runs/vox

Needs a run of `configs/vox.py`, the packed dataset `celebv` (docs/data.md) and
`BFM_model_front.mat`.
"""

import runpy
from pathlib import Path

import ml_collections

_vox = runpy.run_path(str(Path(__file__).with_name("vox.py")))


def get_config() -> ml_collections.ConfigDict:
    config = _vox["get_config"]()
    config.data.name = "celebv"
    return config
