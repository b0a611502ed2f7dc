"""A run that is small in every respect: 64 pixels, narrow networks, five synthetic people."""

from pathlib import Path
from typing import Any

import ml_collections

from configs import vox
from reenact_jax.config import Config, from_config_dict
from reenact_jax.data import builders
from reenact_jax.data.talking_heads import WorldSpec, write_world

# Three clips to train on and two to test on, of four frames each. Four pairs: sample grids,
# evaluation and reenactment (frames by fours) then share one compiled program.
WORLD = WorldSpec(
    num_train_people=3,
    num_test_people=2,
    frames_per_clip=4,
    num_self_pairs=2,
    num_cross_pairs=2,
)
TEST_CLIPS = ("person0003-00", "person0004-00")
DATASET = "talking_heads"

# What makes any configuration small; the rest of the paper's stays.
SMALL = {
    "image_size": 64,
    "guidance.depth_raster_size": 64,
    "network.completion.base_channels": 4,
    "network.completion.max_channels": 8,
    "network.completion.num_down": 3,
    "network.completion.num_up": 2,
    "network.completion.descriptor_hidden": 8,
    "network.completion.adain_hidden": 8,
    "network.reenactment.base_channels": 4,
    "network.reenactment.max_channels": 8,
    "network.reenactment.num_down": 2,
    "network.reenactment.num_residual_blocks": 1,
    "network.reenactment.spade_hidden": 4,
    "data.num_threads": 2,
    "train.batch_size": 4,
    "train.steps_per_epoch": 1,
    "train.num_epochs": 4,
    "train.decay_after_epochs": 3,
    "train.log_every_steps": 1,
    "train.sample_every_steps": 0,
    "train.checkpoint_every_steps": 2,
    "train.keep_checkpoints": 3,
    "evaluate.batch_size": 4,
}
# The synthetic world in VoxCeleb's place, and an L1 loss in that of VGG-19.
SYNTHETIC = {
    "name": "tiny",
    "data.name": DATASET,
    "face_model.name": "procedural-light",
    "face_model.path": "",
    "loss.perceptual": 0.0,
    "loss.style": 0.0,
    "loss.multi_scale_l1": 1.0,
    "loss.vgg_weights": "random",
    "train.learning_rate": 1e-3,
    "train.decayed_learning_rate": 1e-4,
}


def write_tiny_world(folder: Path) -> Path:
    """`folder`/prepared and `folder`/data, the packed form."""
    write_world(WORLD, folder / "prepared")
    builders.pack(folder / "prepared", folder / "data", DATASET)
    return folder


def tiny_values(world: Path, **changes: Any) -> ml_collections.ConfigDict:
    """The paper's configuration file made small, on the world of `write_tiny_world`.

    Args:
      world: its folder.
      **changes: dotted key with `__` for the dot -> value, such as `train__num_epochs=2`.
    """
    values = vox.get_config()
    own = {"data.data_dir": str(world / "data")}
    changes = {key.replace("__", "."): value for key, value in changes.items()}
    values.update_from_flattened_dict(SMALL | SYNTHETIC | own | changes)
    return values


def tiny_config(world: Path, **changes: Any) -> Config:
    """`tiny_values`, checked and frozen."""
    return from_config_dict(tiny_values(world, **changes))


def overrides(values: dict[str, Any]) -> list[str]:
    """The same changes as arguments of a command line."""
    return [f"--config.{key}={value}" for key, value in values.items()]
