"""Parts of a pair table as files, so that scoring that was stopped goes on where it was."""

import hashlib
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import jax
import numpy as np

from reenact_jax.evaluation.pair_table import GROUPS, PairTable
from reenact_jax.files import write_bytes


def write_part(path: Path, table: PairTable) -> None:
    """Writes a table, whole or not at all."""
    buffer = io.BytesIO()
    arrays = {
        f"{group}:{name}": column
        for group in GROUPS
        for name, column in getattr(table, group).items()
    }
    np.savez(buffer, **arrays)
    write_bytes(path, buffer.getvalue())


def read_part(path: Path) -> PairTable | None:
    """The table of a file; None where there is none, or none that can be read."""
    groups: dict[str, dict[str, np.ndarray]] = {group: {} for group in GROUPS}
    try:
        with np.load(path, allow_pickle=False) as file:
            for key in file.files:
                group, name = key.split(":", 1)
                groups[group][name] = file[key]
        table = PairTable(**groups)
        len(table)  # a file of something else has no pairs
        return table
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        return None


def content_key(facts: dict[str, Any]) -> str:
    """Hash (16 hex digits) of what decides the numbers: parts of another key are never read."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]


def params_hash(params: dict) -> str:
    """Hash (16 hex digits) of network parameters: names, shapes and values."""
    digest = hashlib.sha256()
    for path, leaf in jax.tree_util.tree_flatten_with_path(params)[0]:
        array = np.asarray(leaf)
        digest.update(f"{jax.tree_util.keystr(path)} {array.shape} {array.dtype}\n".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()[:16]
