"""What training changes."""

import flax.struct
import jax
import jax.numpy as jnp
import optax


@flax.struct.dataclass
class TrainState:
    """State of a run.

    Training draws no random numbers after initialisation (pairs depend on the seed, the epoch and
    their index alone), so no random key is carried.

    Attributes:
      step: int32 scalar, completed updates.
      params: parameters of both networks.
      opt_state: the optimiser's state.
    """

    step: jax.Array
    params: dict
    opt_state: optax.OptState

    @classmethod
    def create(cls, params: dict, optimizer: optax.GradientTransformation) -> "TrainState":
        return cls(step=jnp.zeros((), jnp.int32), params=params, opt_state=optimizer.init(params))
