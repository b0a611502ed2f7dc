"""Errors that are the user's to solve: command lines print them as one message, without a trace."""

import logging
import sys
from collections.abc import Callable

import absl.logging


class UserError(ValueError):
    """Something outside the program is wrong: a file, a configuration, an input picture.

    The message says what was expected, what was found and what to do.
    """


def run_command(main: Callable[..., None], *args) -> None:
    """Runs a command line's body; a UserError ends it with one message and exit status 1.

    The project's own log lines are shown; those of libraries only from warnings on.
    """
    absl.logging.set_verbosity(absl.logging.WARNING)
    logger = logging.getLogger("reenact_jax")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger.handlers = [handler]
    try:
        main(*args)
    except UserError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
