"""The commands keep compiled programs, where the user's own choice allows it."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
# Every program is kept, even one that compiles in no time.
COMPILE = """
import jax
from reenact_jax.compilation_cache import enable_compilation_cache
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
enable_compilation_cache()
jax.jit(lambda x: x + 1)(1.0)
"""


def compile_something(**variables):
    environment = {k: v for k, v in os.environ.items() if k != "JAX_COMPILATION_CACHE_DIR"}
    subprocess.run(
        [sys.executable, "-c", COMPILE], cwd=REPOSITORY, env=environment | variables, check=True
    )


def programs(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


def test_programs_lie_in_the_cache_folder_of_the_user(tmp_path):
    compile_something(XDG_CACHE_HOME=str(tmp_path))
    assert programs(tmp_path / "reenact_jax" / "xla")


def test_the_variable_of_jax_decides_where_it_is_set(tmp_path):
    own, cache = tmp_path / "own", tmp_path / "cache"
    compile_something(XDG_CACHE_HOME=str(cache), JAX_COMPILATION_CACHE_DIR=str(own))
    assert programs(own) and not programs(cache)


@pytest.mark.parametrize("command", ["train", "evaluate", "reenact"])
def test_the_commands_turn_it_on_before_anything_else(command):
    tree = ast.parse((REPOSITORY / "reenact_jax" / f"{command}.py").read_text())
    main = next(node for node in tree.body if getattr(node, "name", "") == "main")
    preliminaries = (ast.Delete, ast.Import, ast.ImportFrom)
    first = next(node for node in main.body if not isinstance(node, preliminaries))
    assert ast.unparse(first) == "enable_compilation_cache()"
