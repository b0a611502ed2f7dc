"""The layers import downwards only (docs/architecture.md has the table)."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# Lowest first. A module imports from rows above its own, or from its own folder.
LAYERS = [
    ["rasterizer"],
    ["reenact_jax.errors", "reenact_jax.files", "reenact_jax.compilation_cache"],
    ["reenact_jax.image_ops", "reenact_jax.media", "reenact_jax.visual"],
    ["reenact_jax.face_model"],
    ["reenact_jax.guidance"],
    ["reenact_jax.nn"],
    ["reenact_jax.pretrained"],
    ["reenact_jax.losses", "reenact_jax.metrics"],
    ["reenact_jax.tracking"],
    ["reenact_jax.data"],
    ["reenact_jax.config", "reenact_jax.preparation", "reenact_jax.reconstruction"],
    ["reenact_jax.checkpoint", "reenact_jax.method", "reenact_jax.samples"],
    ["reenact_jax.training", "reenact_jax.inference"],
    ["reenact_jax.evaluation"],
    ["reenact_jax.study"],
    ["reenact_jax.train", "reenact_jax.evaluate", "reenact_jax.reenact", "reenact_jax.assets"],
    ["reenact_jax.export"],
    ["reenact_jax.doctor"],
]
# Exceptions to "everything above may be imported".
FORBIDDEN = {
    "reenact_jax.nn": {"reenact_jax.face_model", "reenact_jax.guidance", "rasterizer"},
    "reenact_jax.data": {"reenact_jax.nn", "reenact_jax.tracking", "reenact_jax.guidance"},
    "reenact_jax.tracking": {"reenact_jax.nn", "reenact_jax.guidance"},
    "reenact_jax.training": {"reenact_jax.inference"},
    "reenact_jax.inference": {"reenact_jax.training"},
}
RANK = {part: rank for rank, parts in enumerate(LAYERS) for part in parts}


def part_of(module: str) -> str:
    """The layer's part that a dotted module name belongs to."""
    names = module.split(".")
    return names[0] if names[0] == "rasterizer" else ".".join(names[:2])


def project_imports(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            if node.module == "reenact_jax":
                names = {alias.name for alias in node.names if alias.name != "__version__"}
                found |= {f"reenact_jax.{name}" for name in names}
            else:
                found.add(node.module)
    return {name for name in found if name.split(".")[0] in ("rasterizer", "reenact_jax")}


def modules() -> list[Path]:
    files = [*(ROOT / "rasterizer").rglob("*.py"), *(ROOT / "reenact_jax").rglob("*.py")]
    return [path for path in files if path != ROOT / "reenact_jax/__init__.py"]


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_module_imports_only_lower_layers(path):
    own = part_of(".".join(path.relative_to(ROOT).with_suffix("").parts))
    assert own in RANK, f"{own} has no layer: add it to LAYERS"
    for imported in project_imports(path):
        other = part_of(imported)
        if other == own:
            continue
        assert RANK[other] < RANK[own], f"{own} imports {other}, which does not lie below it"
        assert other not in FORBIDDEN.get(own, set()), f"{own} must not know {other}"


def test_rasterizer_needs_jax_and_numpy_alone():
    allowed = {"jax", "numpy", "rasterizer", "__future__"}
    import sys

    for path in (ROOT / "rasterizer").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            for name in names:
                top = name.split(".")[0]
                assert top in allowed or top in sys.stdlib_module_names, f"{path}: {name}"


def test_configs_do_not_import_jax():
    for path in (ROOT / "configs").glob("*.py"):
        assert "jax" not in {
            alias.name.split(".")[0]
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Import)
            for alias in node.names
        }, path
