"""A training step of a small configuration, its first state and a batch for it."""

from collections.abc import Callable

import jax
import numpy as np

from reenact_jax import method
from reenact_jax.config import Config
from reenact_jax.data.frames import open_frames
from reenact_jax.data.pipeline import train_batches
from reenact_jax.face_model.load import load_face_model
from reenact_jax.nn.initialise import initial_parameters
from reenact_jax.training.optimizer import make_optimizer
from reenact_jax.training.state import TrainState
from reenact_jax.training.step import make_train_step


def step_and_state(config: Config) -> tuple[Callable, TrainState]:
    """The step of a configuration, not yet parallel, and the state that it starts from."""
    network = method.make_network(config, load_face_model(config.face_model.name))
    optimizer = make_optimizer(config.train)
    params = initial_parameters(network.config, jax.random.key(0))
    state = TrainState.create(params, optimizer, ema=bool(config.train.ema_decay))
    return make_train_step(config, network, optimizer), jax.tree.map(np.asarray, state)


def read_batch(config: Config, batch_size: int) -> dict:
    """The first training batch."""
    frames = open_frames(config.data.data_dir, config.data.name, "train")
    return next(train_batches(frames, seed=0, batch_size=batch_size, image_size=config.image_size))
