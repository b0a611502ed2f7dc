"""Learning rate and optimiser (paper, Training Details)."""

import optax

from reenact_jax.config import TrainConfig


def learning_rate_schedule(config: TrainConfig) -> optax.Schedule:
    """1e-4 for the first 60 epochs, 1e-5 after them (with the paper's configuration).

    A function of the number of completed updates: the update that completes the epoch
    `decay_after_epochs` is the last one with the initial rate.
    """
    boundary = config.decay_after_epochs * config.steps_per_epoch
    return optax.piecewise_constant_schedule(
        config.learning_rate, {boundary: config.decayed_learning_rate / config.learning_rate}
    )


def make_optimizer(config: TrainConfig) -> optax.GradientTransformation:
    """Adam with the schedule above."""
    return optax.adam(learning_rate_schedule(config), b1=config.adam_beta1, b2=config.adam_beta2)
