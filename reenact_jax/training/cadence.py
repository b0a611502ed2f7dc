"""Every "is it time" and "is it last" of the training loop. `step` counts completed updates."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Cadence:
    """When something happens: every so many steps and after the last one.

    Attributes:
      every_steps: 0 = only after the last step.
      num_train_steps: the step after which training ends.
    """

    every_steps: int
    num_train_steps: int

    def due(self, step: int) -> bool:
        """True after `step` completed updates if it is time."""
        if step == self.num_train_steps:
            return True
        return self.every_steps > 0 and step > 0 and step % self.every_steps == 0
