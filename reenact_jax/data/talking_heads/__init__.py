"""`talking_heads`: a synthetic world of people whose parameters and true answers are known.

`write_world` writes it. `Renderer` and `Scenery` draw the bare face model, for pictures of the head
and for tests; the world itself is drawn by `studio`.
"""

from reenact_jax.data.talking_heads.renderer import Renderer
from reenact_jax.data.talking_heads.scenery import Scenery
from reenact_jax.data.talking_heads.spec import PRESETS, WorldSpec
from reenact_jax.data.talking_heads.world import write_world

__all__ = ["PRESETS", "Renderer", "Scenery", "WorldSpec", "write_world"]
