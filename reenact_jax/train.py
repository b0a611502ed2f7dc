"""Trains a configuration: python -m reenact_jax.train --config configs/demo.py

Overrides follow the file: --config.train.batch_size=4. The run lives in runs/<name> (or --workdir);
the same command goes on from the newest checkpoint. Every local GPU is used. Several processes of
one run: --coordinator HOST:PORT --num_processes N --process_id I, or --distributed where the
cluster tells (SLURM, Open MPI); docs/training.md.
"""

from pathlib import Path

from absl import app, flags
from ml_collections import config_flags

from reenact_jax.errors import parse_flags, run_command

_CONFIG = config_flags.DEFINE_config_file("config", help_string="Configuration file.")
_WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the run; default runs/<config.name>.")
_COORDINATOR = flags.DEFINE_string(
    "coordinator", None, "HOST:PORT of process 0, if the run has several processes."
)
_NUM_PROCESSES = flags.DEFINE_integer("num_processes", None, "How many processes the run has.")
_PROCESS_ID = flags.DEFINE_integer("process_id", None, "Which of them this is, from 0.")
_DISTRIBUTED = flags.DEFINE_bool(
    "distributed", False, "Find the processes of the run through the cluster (SLURM, Open MPI)."
)


def main(argv: list[str]) -> None:
    del argv
    from reenact_jax.compilation_cache import enable_compilation_cache
    from reenact_jax.config import from_config_dict
    from reenact_jax.training import hosts
    from reenact_jax.training.loop import train

    enable_compilation_cache()
    config = from_config_dict(_CONFIG.value)
    several = (_COORDINATOR.value, _NUM_PROCESSES.value, _PROCESS_ID.value)
    if _DISTRIBUTED.value or several != (None, None, None):
        hosts.join(*several)
    train(config, Path(_WORKDIR.value or f"runs/{config.name}"))


if __name__ == "__main__":
    flags.mark_flag_as_required("config")
    app.run(lambda argv: run_command(main, argv), flags_parser=parse_flags)
