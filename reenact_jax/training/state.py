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
      params: parameters of both networks, float32.
      opt_state: the optimiser's state.
      ema_params: exponential moving average of `params`; None where the configuration has none.
    """

    step: jax.Array
    params: dict
    opt_state: optax.OptState
    ema_params: dict | None = None

    @classmethod
    def create(
        cls, params: dict, optimizer: optax.GradientTransformation, *, ema: bool = False
    ) -> "TrainState":
        """The state before the first step; an average starts as the parameters themselves."""
        return cls(
            step=jnp.zeros((), jnp.int32),
            params=params,
            opt_state=optimizer.init(params),
            ema_params=params if ema else None,
        )

    def update(
        self, gradients: dict, optimizer: optax.GradientTransformation, *, ema_decay: float
    ) -> "TrainState":
        """The state after one step; `ema_decay` is read where there is an average."""
        updates, opt_state = optimizer.update(gradients, self.opt_state, self.params)
        params = optax.apply_updates(self.params, updates)
        ema_params = self.ema_params
        if ema_params is not None:
            ema_params = optax.incremental_update(params, ema_params, 1.0 - ema_decay)
        return TrainState(
            step=self.step + 1, params=params, opt_state=opt_state, ema_params=ema_params
        )

    @property
    def evaluation_params(self) -> dict:
        """What samples, evaluation and reenactment use: the average, where there is one."""
        return self.params if self.ema_params is None else self.ema_params

    def checkpoint_items(self) -> dict[str, dict]:
        """The state in the two parts that a checkpoint keeps apart.

        Returns:
          `params`: what evaluation reads; `optimizer`: all else that is needed to go on exactly.
        """
        optimizer = {"step": self.step, "opt_state": self.opt_state}
        if self.ema_params is not None:
            optimizer["params"] = self.params
        return {"params": self.evaluation_params, "optimizer": optimizer}

    @classmethod
    def from_checkpoint_items(cls, params: dict, optimizer: dict) -> "TrainState":
        """The state that `checkpoint_items` took apart."""
        averaged = "params" in optimizer
        return cls(
            step=optimizer["step"],
            params=optimizer["params"] if averaged else params,
            opt_state=optimizer["opt_state"],
            ema_params=params if averaged else None,
        )
