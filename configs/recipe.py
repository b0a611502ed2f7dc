"""Ten minutes of two cores that show whether training still works; nothing is downloaded.

    python -m pytest -m slow tests/training/test_recipe.py

makes the world of the demo, trains this configuration on it, scores unseen people and compares with
a threshold: for changes of the networks, the losses, the guidance or the step.
"""

import runpy
from pathlib import Path

import ml_collections

_demo = runpy.run_path(str(Path(__file__).with_name("demo.py")))


def get_config() -> ml_collections.ConfigDict:
    """Half the demo's steps."""
    config = _demo["get_config"]()
    config.name = "recipe"
    config.data.data_dir = "runs/recipe/data"
    config.train.num_epochs = 6
    config.train.decay_after_epochs = 4
    config.train.sample_every_steps = 0
    return config
