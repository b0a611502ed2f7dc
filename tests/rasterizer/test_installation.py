"""The rasterizer alone: its README's example where nothing but jax and numpy can be imported."""

import re
import shutil
import subprocess
import sys
import textwrap
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

import rasterizer

PACKAGE = Path(__file__).parents[2] / "rasterizer"
SOURCES = {path.relative_to(PACKAGE.parent).as_posix() for path in PACKAGE.rglob("*.py")}
CHECK = """
assert images.shape == (2, 64, 64, 3) and gradients.shape == (2, 4, 3)
assert (images > 0).any() and (gradients != 0).any()
from types import SimpleNamespace
mesh = SimpleNamespace(vertices=points, faces=triangles)
assert (rasterizer.render(mesh, 64, 64).rgba[..., 3] == 1).any()
print(rasterizer.__file__)
"""


def example() -> str:
    text = (PACKAGE / "README.md").read_text()
    code = re.search(r"## A complete example\n+```python\n(.*?)```", text, re.DOTALL)[1]
    assert len([line for line in code.splitlines() if line.strip()]) <= 15
    return code


def distributions_of(name: str) -> set[str]:
    """A distribution and all that it needs without extras, by normalised name."""
    found, waiting = set(), [name]
    while waiting:
        name = re.sub(r"[-_.]+", "-", waiting.pop()).lower()
        if name in found:
            continue
        found.add(name)
        for requirement in metadata.requires(name) or []:
            if "extra ==" not in requirement:
                waiting.append(re.match(r"[\w.-]+", requirement)[0])
    return found


def run(python: str, code: str, folder: Path) -> str:
    """Standard output of a script in a process that sees no setting of this one."""
    script = folder / "script.py"
    script.write_text(code)
    done = subprocess.run(
        [python, "-I", str(script)], cwd=folder, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_the_readmes_example_runs_where_only_jax_and_numpy_can_be_imported(tmp_path):
    shutil.copytree(PACKAGE, tmp_path / "rasterizer", ignore=shutil.ignore_patterns("__pycache__"))
    needed = distributions_of("jax") | distributions_of("numpy")
    owners = metadata.packages_distributions()
    allowed = {
        module
        for module, names in owners.items()
        if {re.sub(r"[-_.]+", "-", name).lower() for name in names} & needed
    }
    assert {"jax", "jaxlib", "numpy"} <= allowed
    # An editable install lists no modules of its own.
    foreign = (set(owners) | {"reenact_jax"}) - allowed - {"rasterizer"}
    assert {"trimesh", "PIL", "pytest"} <= foreign
    blocker = f"""
        import sys
        FOREIGN = {sorted(foreign)!r}
        class NotInstalled:
            def find_spec(self, name, path=None, target=None):
                if name.partition(".")[0] in FOREIGN:
                    raise ModuleNotFoundError(f"{{name}} is not installed here", name=name)
        sys.meta_path.insert(0, NotInstalled())
        sys.path.insert(0, {str(tmp_path)!r})
    """
    after = """
        try:
            import trimesh
        except ModuleNotFoundError:
            print("blocked")
    """
    code = textwrap.dedent(blocker) + example() + CHECK + textwrap.dedent(after)
    out = run(sys.executable, code, tmp_path)
    assert out.splitlines() == [str(tmp_path / "rasterizer/__init__.py"), "blocked"]


def test_the_readme_names_every_public_function():
    text = (PACKAGE / "README.md").read_text()
    table = re.search(r"## What there is\n(.*?)\n## ", text, re.DOTALL)[1]
    first_cells = re.findall(r"^\| (`.*?`) \|", table, re.MULTILINE)
    named = {name for cell in first_cells for name in re.findall(r"`(\w+)", cell)}
    assert named | {"Fragments", "Rendering"} >= set(rasterizer.__all__)
    assert named <= set(rasterizer.__all__)


def test_the_licence_is_that_of_the_repository():
    assert (PACKAGE / "LICENSE").read_bytes() == (PACKAGE.parent / "LICENSE").read_bytes()


@pytest.mark.slow
def test_the_wheel_installs_into_an_empty_environment_and_leaves_nothing_behind(
    tmp_path, monkeypatch
):
    monkeypatch.delenv("PYTHONPATH", raising=False)  # what lies there would count as installed

    def listing():
        return {path for path in PACKAGE.rglob("*") if "__pycache__" not in path.parts}

    def pip(python, *arguments):
        command = [python, "-m", "pip", "--disable-pip-version-check", *arguments]
        subprocess.run(command, check=True, cwd=tmp_path, capture_output=True, text=True)

    before = listing()
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "env"], check=True)
    python = str(tmp_path / "env/bin/python")
    pip(python, "wheel", "--no-deps", "--wheel-dir", str(tmp_path), str(PACKAGE))
    assert listing() == before
    (wheel,) = tmp_path.glob("jax_rasterizer-*-py3-none-any.whl")
    names = zipfile.ZipFile(wheel).namelist()
    info = f"{wheel.name.removesuffix('-py3-none-any.whl')}.dist-info"
    assert {name for name in names if not name.startswith(info)} == SOURCES | {
        "rasterizer/py.typed"
    }
    assert f"{info}/licenses/LICENSE" in names
    pip(python, "install", str(wheel))
    installed = subprocess.run(
        [python, "-m", "pip", "list", "--format=freeze"], check=True, capture_output=True, text=True
    ).stdout
    names = {line.partition("==")[0].lower().replace("_", "-") for line in installed.splitlines()}
    needed = {"jax-rasterizer", "jax", "jaxlib", "numpy", "scipy", "ml-dtypes", "opt-einsum"}
    assert names - {"pip", "setuptools"} == needed
    out = run(python, example() + CHECK, tmp_path)
    assert "site-packages/rasterizer/__init__.py" in out
