"""The model that ships with the package: synthetic talking heads at 128 pixels, 14 MB.

    python scripts/make_talking_heads.py runs/small/prepared --image-size 128 --workers 2
    python scripts/pack.py runs/small/prepared --name talking_heads --data-dir runs/small/data
    python -m reenact_jax.train --config configs/small.py
    python -m reenact_jax.evaluate --config configs/small.py
    python -m reenact_jax.export --run runs/small --out reenact_jax/models/small \\
      --examples runs/small/prepared/clips/person0096-00,runs/small/prepared/clips/person0097-00
"""

import runpy
from pathlib import Path

import ml_collections

_clips = runpy.run_path(str(Path(__file__).with_name("clips.py")))


def get_config() -> ml_collections.ConfigDict:
    """The networks and the schedule of `clips.py`, on the synthetic world's own head."""
    config = _clips["get_config"]()
    config.name = "small"
    config.data.name = "talking_heads"
    config.data.data_dir = "runs/small/data"
    config.face_model.name = "procedural-light"
    config.face_model.path = ""
    config.guidance.depth_raster_size = 256
    return config
