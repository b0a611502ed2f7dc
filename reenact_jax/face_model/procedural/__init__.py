"""The procedural head: the embedded face model, made by code alone."""

from reenact_jax.face_model.procedural.head import (
    colour_names,
    identity_names,
    procedural_head,
)

__all__ = ["colour_names", "identity_names", "procedural_head"]
