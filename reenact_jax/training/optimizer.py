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
    """Adam with the schedule above.

    With a warm-up, the reenactment network has an Adam of its own that starts behind it: without
    that, moments of steps without a gradient would make the first real ones far too long.
    """
    schedule = learning_rate_schedule(config)

    def adam(first_step: int) -> optax.GradientTransformation:
        return optax.adam(
            lambda count: schedule(count + first_step), b1=config.adam_beta1, b2=config.adam_beta2
        )

    if not config.warmup_steps:
        return adam(0)
    later = optax.conditionally_mask(
        adam(config.warmup_steps), lambda step: step >= config.warmup_steps
    )
    return optax.partition(
        {"completion": adam(0), "reenactment": later},
        lambda params: {network: network for network in params},
    )
