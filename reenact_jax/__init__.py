"""One-shot face reenactment guided by a 3D morphable model, in JAX and Flax."""

__version__ = "0.1.0"
