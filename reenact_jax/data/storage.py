"""Folders that are written whole or not at all, and the error of a disk that is full."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from reenact_jax.errors import UserError
from reenact_jax.media import MediaWriteError

_INCOMPLETE = ".incomplete-"


class StorageError(UserError):
    """A folder cannot be written to; going on with other clips would not help."""


@contextlib.contextmanager
def storage_errors(path: str | Path) -> Iterator[None]:
    """Turns an OSError of the block, a full disk for one, into a StorageError.

    So is the MediaWriteError that `media` makes of one.
    """
    try:
        yield
    except (OSError, MediaWriteError) as err:
        cause = err.__cause__ if isinstance(err, MediaWriteError) else err
        raise StorageError(
            f"{path}: cannot be written ({getattr(cause, 'strerror', None) or cause}): make room "
            "and run the same command again; what is complete stays"
        ) from err


class NewFolder:
    """Context in which a folder is filled under a hidden name and renamed at the end.

    After an exception, or if the block has deleted the folder, nothing stays.
    """

    def __init__(self, final: Path):
        self._final = final
        self._hidden = final.with_name(_INCOMPLETE + final.name)

    def __enter__(self) -> Path:
        shutil.rmtree(self._hidden, ignore_errors=True)
        self._hidden.mkdir(parents=True)
        return self._hidden

    def __exit__(self, error_type, error, traceback) -> None:
        if error_type is not None:
            shutil.rmtree(self._hidden, ignore_errors=True)
            return
        if not self._hidden.exists():
            return
        if self._final.exists():
            # A folder cannot be renamed onto one that is not empty.
            replaced = self._final.with_name(_INCOMPLETE + "old-" + self._final.name)
            shutil.rmtree(replaced, ignore_errors=True)
            os.replace(self._final, replaced)
            os.replace(self._hidden, self._final)
            shutil.rmtree(replaced, ignore_errors=True)
        else:
            os.replace(self._hidden, self._final)


def list_complete(folder: Path, marker: str) -> list[str]:
    """Names of the folders in a folder that have the file which is written last, sorted."""
    if not folder.is_dir():
        return []
    return sorted(
        entry.name
        for entry in folder.iterdir()
        if not entry.name.startswith(".") and (entry / marker).exists()
    )
