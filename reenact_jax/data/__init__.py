"""Datasets of talking heads. Importing this registers them with TFDS; see `builders`."""

from reenact_jax.data import builders  # noqa: F401
