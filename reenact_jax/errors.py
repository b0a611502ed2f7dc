"""Errors that are the user's to solve: command lines print them as one message, without a trace."""

import logging
import re
import sys
from collections.abc import Callable
from pathlib import Path

import absl.logging
from absl import flags


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


def parse_flags(argv: list[str]) -> list[str]:
    """`flags_parser` of absl's `app.run`: a wrong flag ends the command like a UserError.

    That holds for `--config` too: for a file that is not there, and for an override of a key that
    the file does not have, ml_collections raises errors that absl lets through.

    Returns:
      What is left of the command line.
    """
    for flag, following in zip(argv, [*argv[1:], ""], strict=True):
        name, _, value = flag.partition("=")
        path = Path((value or following).partition(":")[0])  # FILE.py:ARGUMENT
        if name == "--config" and not path.is_file():
            sys.exit(f"error: --config: expected a configuration file, found none at {path}")
    try:
        return flags.FLAGS(argv)
    except flags.Error as error:
        sys.exit(f"error: {error}; --help names the flags")
    except (AttributeError, KeyError) as error:
        # The text starts with the key, or ends with its whole path.
        text = str(error)
        key = (re.search(r"lookup: ([\w.]+)", text) or re.search(r"(\w+)", text)).group(1)
        override = next((flag for flag in argv if f".{key}." in flag.replace("=", ".")), None)
        if override is None:
            raise  # a mistake inside the configuration file: its author needs the trace
        guess = re.search(r'mean "(\w+)"', text)
        hint = f"; did you mean {guess.group(1)}?" if guess else ""
        sys.exit(f"error: {override}: the configuration file has no such key{hint}")
