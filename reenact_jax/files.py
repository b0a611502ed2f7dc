"""Small files, written so that nothing half-written stays."""

import os
from pathlib import Path


def write_bytes(path: Path, content: bytes) -> None:
    """Writes under a temporary name in the same folder, then renames. Makes the folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, content: str) -> None:
    """`write_bytes` for UTF-8 text."""
    write_bytes(path, content.encode())
