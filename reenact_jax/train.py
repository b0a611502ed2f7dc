"""Trains a configuration: python -m reenact_jax.train --config configs/demo.py

Overrides follow the file: --config.train.batch_size=4. The run lives in runs/<name> (or --workdir);
the same command goes on from the newest checkpoint.
"""

from pathlib import Path

from absl import app, flags
from ml_collections import config_flags

from reenact_jax.errors import parse_flags, run_command

_CONFIG = config_flags.DEFINE_config_file("config", help_string="Configuration file.")
_WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the run; default runs/<config.name>.")


def main(argv: list[str]) -> None:
    del argv
    from reenact_jax.config import from_config_dict
    from reenact_jax.training.loop import train

    config = from_config_dict(_CONFIG.value)
    train(config, Path(_WORKDIR.value or f"runs/{config.name}"))


if __name__ == "__main__":
    flags.mark_flag_as_required("config")
    app.run(lambda argv: run_command(main, argv), flags_parser=parse_flags)
