"""Errors that are the user's to solve: command lines print them as one message, without a trace."""

import sys
from collections.abc import Callable


class UserError(ValueError):
    """Something outside the program is wrong: a file, a configuration, an input picture.

    The message says what was expected, what was found and what to do.
    """


def run_command(main: Callable[..., None], *args) -> None:
    """Runs a command line's body; a UserError ends it with one message and exit status 1."""
    try:
        main(*args)
    except UserError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
