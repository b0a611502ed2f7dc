"""What decided a table's numbers, kept in a file beside it: tables of different runs, worlds, lists
or readers are not mixed."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from reenact_jax.errors import UserError
from reenact_jax.files import write_text


def write_facts(table: Path, facts: dict[str, Any]) -> None:
    """Writes TABLE.facts.json beside a table."""
    write_text(_beside(table), json.dumps(facts, indent=2) + "\n")


def read_facts(table: Path) -> dict[str, Any]:
    """What was written beside a table; empty where there is nothing."""
    try:
        return json.loads(_beside(table).read_text())
    except (OSError, ValueError):
        return {}


def is_of(table: Path, facts: dict[str, Any]) -> bool:
    """Whether a table is there and was made of exactly this."""
    return table.is_file() and read_facts(table) == json.loads(json.dumps(facts))


def check_facts(tables: Iterable[Path], expected: dict[str, Any]) -> None:
    """Refuses tables that were made of something else.

    Args:
      tables: their paths.
      expected: some of their facts.

    Raises:
      UserError: names the table and the fact.
    """
    expected = json.loads(json.dumps(expected))
    for table in tables:
        found = read_facts(table)
        for name, value in expected.items():
            if found.get(name) != value:
                raise UserError(
                    f"{table}: expected numbers of {name} = {value}, found {found.get(name)}: "
                    "score it again with `--only score tolerance leakage occlusion`"
                )


def _beside(table: Path) -> Path:
    return table.with_suffix(".facts.json")
