"""Compiled programs on disk, so that only the first run of a command waits for the compiler."""

import os
from pathlib import Path

import jax


def enable_compilation_cache() -> None:
    """Keeps what is compiled from now on in the user's cache folder.

    The folder is `$XDG_CACHE_HOME/reenact_jax/xla`, by default `~/.cache/reenact_jax/xla`. Where
    JAX_COMPILATION_CACHE_DIR is set, JAX follows that variable (an empty one means no cache).
    """
    if "JAX_COMPILATION_CACHE_DIR" in os.environ:
        return
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    jax.config.update("jax_compilation_cache_dir", str(cache / "reenact_jax" / "xla"))
