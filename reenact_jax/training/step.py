"""One training step, pure and unaware of loops."""

from collections.abc import Callable
from functools import partial

import flax.struct
import jax
import jax.numpy as jnp
import optax
from clu import metrics as clu_metrics

from reenact_jax import method
from reenact_jax.config import Config
from reenact_jax.face_model.morphable import MorphableModel
from reenact_jax.guidance import Guidance
from reenact_jax.losses.total import reconstruction_loss
from reenact_jax.nn.model import FaceReenactor
from reenact_jax.pretrained.vgg19 import vgg19_features
from reenact_jax.training.accumulate import mean_over_parts
from reenact_jax.training.optimizer import learning_rate_schedule
from reenact_jax.training.parallel import AXIS, mean_over_devices
from reenact_jax.training.state import TrainState
from reenact_jax.training.train_metrics import train_metrics


@flax.struct.dataclass
class Constants:
    """What a step reads and never changes. Arguments, not closures: they are large."""

    face_model: MorphableModel
    vgg: dict | None


def make_train_step(
    config: Config, network: FaceReenactor, optimizer: optax.GradientTransformation
) -> Callable[[TrainState, dict, Constants], tuple[TrainState, clu_metrics.Collection]]:
    """Builds the step for `parallel.parallelise`.

    The returned function takes the state, a batch of pairs (`source_image`, `driving_image`:
    float32 (B, S, S, 3) in [-1, 1]; `source`, `driving`: FaceParameters with leaves (B, K)) and the
    constants, makes one update with gradients averaged over all devices, and returns the new state
    and the step's metrics. The driving frame is the truth: both frames show the same person.
    """
    options = config.train
    weights = config.loss.weights
    schedule = learning_rate_schedule(options)
    metrics_of = train_metrics(weights).gather_from_model_output

    def train_step(
        state: TrainState, batch: dict, constants: Constants
    ) -> tuple[TrainState, clu_metrics.Collection]:
        warming_up = state.step < options.warmup_steps
        features = partial(
            vgg19_features,
            constants.vgg,
            dtype=jnp.dtype(network.config.dtype),
            rematerialise=options.rematerialise,
        )

        def loss_fn(params: dict, pairs: dict) -> tuple[jax.Array, dict[str, jax.Array]]:
            sources, truths, guidance, descriptor = _examples(config, constants.face_model, pairs)
            inputs = params, sources, guidance, descriptor
            if options.warmup_steps:
                images = jax.lax.cond(
                    warming_up,
                    partial(method.warp_source, network),
                    lambda *inputs: method.generate(network, *inputs)[0],
                    *inputs,
                )
            else:
                images, _ = method.generate(network, *inputs)
            total, terms = reconstruction_loss(images, truths, features, weights)
            if options.warmup_steps and weights.style:
                # PIRenderer's loss on the warped image is the perceptual one.
                total -= jnp.where(warming_up, weights.style * terms["style"], 0.0)
            return total.mean(), jax.tree.map(lambda term: term.mean(), terms)

        gradient_fn = partial(jax.value_and_grad(loss_fn, has_aux=True), state.params)
        (loss, terms), gradients = mean_over_parts(gradient_fn, batch, options.accumulate_steps)
        gradients = mean_over_devices(gradients)
        metrics = metrics_of(
            axis_name=AXIS,
            loss=loss,
            gradient_norm=optax.tree.norm(gradients),
            learning_rate=schedule(state.step),
            **{f"loss_{name}": term for name, term in terms.items()},
        )
        return state.update(gradients, optimizer, ema_decay=options.ema_decay), metrics

    return train_step


def _examples(
    config: Config, face_model: MorphableModel, pairs: dict
) -> tuple[jax.Array, jax.Array, Guidance, jax.Array]:
    """Pairs -> sources, truths, guidance and descriptor of the examples to learn from.

    One example per pair, from its source to its driving frame; or two, the second one back.
    """
    images = pairs["source_image"], pairs["driving_image"]
    inputs = face_model, config.guidance
    if not config.train.bidirectional:
        guidance, descriptor = method.guide(*inputs, images[0], pairs["source"], pairs["driving"])
        return *images, guidance, descriptor
    guidance, descriptor = method.guide_both_ways(
        *inputs, *images, pairs["source"], pairs["driving"]
    )
    sources, truths = jnp.concatenate(images), jnp.concatenate(images[::-1])
    return sources, truths, guidance, descriptor
