"""One training step, pure and unaware of loops."""

from collections.abc import Callable
from functools import partial

import flax.struct
import jax
import optax
from clu import metrics as clu_metrics

from reenact_jax import method
from reenact_jax.config import Config
from reenact_jax.face_model.morphable import MorphableModel
from reenact_jax.losses.total import reconstruction_loss
from reenact_jax.nn.model import FaceReenactor
from reenact_jax.pretrained.vgg19 import vgg19_features
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
    weights = config.loss.weights
    schedule = learning_rate_schedule(config.train)
    metrics_of = train_metrics(weights).gather_from_model_output

    def train_step(
        state: TrainState, batch: dict, constants: Constants
    ) -> tuple[TrainState, clu_metrics.Collection]:
        guidance, descriptor = method.guide(
            constants.face_model,
            config.guidance,
            batch["source_image"],
            batch["source"],
            batch["driving"],
        )

        def loss_fn(params: dict) -> tuple[jax.Array, dict[str, jax.Array]]:
            images, _ = method.generate(
                network, params, batch["source_image"], guidance, descriptor
            )
            features = partial(vgg19_features, constants.vgg)
            total, terms = reconstruction_loss(images, batch["driving_image"], features, weights)
            return total.mean(), jax.tree.map(lambda term: term.mean(), terms)

        (loss, terms), gradients = jax.value_and_grad(loss_fn, has_aux=True)(state.params)
        gradients = mean_over_devices(gradients)
        updates, opt_state = optimizer.update(gradients, state.opt_state, state.params)
        params = optax.apply_updates(state.params, updates)
        ema_params = state.ema_params
        if ema_params is not None:
            ema_params = optax.incremental_update(params, ema_params, 1.0 - config.train.ema_decay)
        new_state = TrainState(
            step=state.step + 1, params=params, opt_state=opt_state, ema_params=ema_params
        )
        metrics = metrics_of(
            axis_name=AXIS,
            loss=loss,
            gradient_norm=optax.tree.norm(gradients),
            learning_rate=schedule(state.step),
            **{f"loss_{name}": term for name, term in terms.items()},
        )
        return new_state, metrics

    return train_step
