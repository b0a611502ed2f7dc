"""`talking_heads`: a synthetic world of people whose parameters and true answers are known."""

from reenact_jax.data.talking_heads.renderer import Renderer
from reenact_jax.data.talking_heads.scenery import Scenery
from reenact_jax.data.talking_heads.world import WorldSpec, write_world

__all__ = ["Renderer", "Scenery", "WorldSpec", "write_world"]
