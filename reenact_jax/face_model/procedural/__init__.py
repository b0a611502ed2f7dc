"""The procedural head: the embedded face model, made by code alone.

`VERSION` changes with the head. Data sets, checkpoints and published numbers depend on what its
parameters mean, so a version never changes once it is released: docs/procedural_head.md.
"""

from reenact_jax.face_model.procedural.head import (
    VERSION,
    colour_names,
    identity_names,
    procedural_head,
)

__all__ = ["VERSION", "colour_names", "identity_names", "procedural_head"]
