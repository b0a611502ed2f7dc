"""What is installed, what works and what to do first: python -m reenact_jax.doctor

The exit status is 1 if something that every use needs is broken, else 0. Extras and files that are
not there are named and break nothing.
"""

import dataclasses
import importlib.metadata
import os
import platform
import re
import shutil
import sys
import tempfile
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

# Nothing of the project or of other packages is imported at the top: the doctor has to speak where
# they are broken.

_NAME = "reenact-jax"
_GIGABYTE = 1e9
_LITTLE_DISK = 5e9


@dataclasses.dataclass(frozen=True)
class Finding:
    """What one check found.

    Attributes:
      lines: to be printed under the check's title.
      advice: what to do about it; empty if nothing.
      broken: whether nothing works without it.
    """

    lines: list[str]
    advice: str = ""
    broken: bool = False


def versions() -> Finding:
    """Python and the packages that the project names, each against the version that it asks for."""
    from packaging.requirements import Requirement

    lines = [f"python {platform.python_version()}  {sys.executable}"]
    requirements = [Requirement(text) for text in importlib.metadata.requires(_NAME) or []]
    wanted, optional = [], []
    for requirement in requirements:
        marker = requirement.marker
        if requirement.name == _NAME or requirement.name in {r.name for r in wanted}:
            continue
        is_core = marker is None or marker.evaluate({"extra": ""})
        (wanted if is_core else optional).append(requirement)
    broken = []
    for requirement in sorted(wanted, key=lambda r: r.name.lower()):
        installed = _version(requirement.name)
        if installed is None or not requirement.specifier.contains(installed, prereleases=True):
            broken.append(str(requirement).split(";")[0].strip())
        lines.append(f"{requirement.name} {installed or 'NOT INSTALLED'}")
    lines.append(f"jaxlib {_version('jaxlib') or 'NOT INSTALLED'}")
    seen = set()
    for requirement in optional:
        # Wanted by one of the extras; the first mention names it.
        extra = re.search(r"extra == ['\"]([\w-]+)['\"]", str(requirement.marker))
        if extra and requirement.name not in seen:
            seen.add(requirement.name)
            installed = _version(requirement.name) or "not installed"
            lines.append(f"{requirement.name} {installed}  [{extra.group(1)}]")
    if broken:
        return Finding(lines, f"pip install {' '.join(repr(b) for b in broken)}", broken=True)
    return Finding(lines)


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def machine() -> Finding:
    """Cores, memory, disk."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    lines = [f"{platform.platform()}, {cores} CPU cores"]
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    group = Path("/sys/fs/cgroup/memory.max")  # what a container may use
    if group.is_file() and (text := group.read_text().strip()).isdigit():
        limits.append(int(text))
    lines.append(f"{min(limits) / _GIGABYTE:.1f} GB of memory")
    free = shutil.disk_usage(Path.cwd()).free
    lines.append(f"{free / _GIGABYTE:.1f} GB of disk free in {Path.cwd()}")
    little = free < _LITTLE_DISK
    advice = "make room on the disk: a run with its dataset takes a few GB" if little else ""
    return Finding(lines, advice)


def devices() -> Finding:
    """What JAX computes on."""
    import jax

    found = jax.devices()
    lines = [f"{len(found)} x {found[0].device_kind} ({found[0].platform})"]
    has_nvidia = found[0].platform == "cpu" and shutil.which("nvidia-smi") is not None
    advice = "JAX does not see the NVIDIA GPU: pip install 'jax[cuda13]'" if has_nvidia else ""
    return Finding(lines, advice)


def rasterizer_works() -> Finding:
    """A jitted triangle: its pixels, a value interpolated over it, and a gradient, all known."""
    import jax
    import jax.numpy as jnp
    import numpy as np

    import rasterizer

    size = 8
    # Right angle at the top left; the hypotenuse x + y = -0.1 passes between pixel centres.
    corners = jnp.array([[-1.0, -1.0, 0, 1], [0.9, -1.0, 0, 1], [-1.0, 0.9, 0, 1]])
    triangles = jnp.array([[0, 1, 2]])

    def total_of_x(shift: jax.Array) -> tuple[jax.Array, jax.Array]:
        fragments = rasterizer.rasterize(corners.at[:, 0].add(shift), triangles, size, size)
        return rasterizer.interpolate(corners[:, :1], triangles, fragments).sum(), fragments

    (total, fragments), slope = jax.jit(jax.value_and_grad(total_of_x, has_aux=True))(0.0)
    centres = (np.arange(size) + 0.5) * 2 / size - 1
    covered = centres[:, None] + centres[None] < -0.1
    # At a fixed pixel the x of a triangle that moves right falls as fast as it moves.
    expected = np.array([np.broadcast_to(centres, covered.shape)[covered].sum(), -covered.sum()])
    if np.array_equal(np.asarray(fragments.triangle_id) >= 0, covered) and np.allclose(
        np.array([total, slope]), expected, atol=1e-3
    ):
        return Finding(["a jitted triangle has the right pixels, values and gradient"])
    advice = "the rasterizer is wrong on this device: try JAX_PLATFORMS=cpu, and report it"
    return Finding([f"a jitted triangle is WRONG: {total}, {slope} for {expected}"], advice, True)


def codecs() -> Finding:
    """H.264 there and back through PyAV."""
    import numpy as np

    from reenact_jax import media

    if _version("av") is None:
        advice = "pip install 'reenact-jax[video]' to read and write videos"
        return Finding(["PyAV is not installed: no videos"], advice)
    shade = np.linspace(40, 200, 64).astype(np.uint8)
    frame = np.broadcast_to(shade[None, :, None], (64, 64, 3)).copy()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "test.mp4"
        with media.VideoWriter(path, Fraction(25)) as writer:
            for _ in range(4):
                writer.write(frame)
        back = list(media.iterate_video(path))
    error = max(np.abs(one.astype(int) - frame).mean() for one in back)
    if len(back) == 4 and error < 8:
        return Finding([f"H.264 written and read (mean error {error:.1f} of 255)"])
    return Finding(
        [f"H.264: wrote 4 frames, read {len(back)}, mean error {error:.1f} of 255"],
        "videos come back wrong: reinstall PyAV (pip install --force-reinstall av)",
    )


def files() -> Finding:
    """Which jobs have their files."""
    from reenact_jax.assets import job_lines
    from reenact_jax.pretrained import registry

    here = [asset.name for asset in registry.ASSETS if registry.find(asset.name)]
    where = ", ".join(str(folder) for folder in registry.folders())
    lines = [f"in {where}: {', '.join(here) or 'none'}", *job_lines()]
    if "face_landmarker.task" not in here:
        name = "face_landmarker.task"
        return Finding(lines, f"for videos of people: python -m reenact_jax.assets fetch {name}")
    return Finding(lines)


CHECKS: dict[str, Callable[[], Finding]] = {
    "versions": versions,
    "machine": machine,
    "devices": devices,
    "rasterizer": rasterizer_works,
    "codecs": codecs,
    "files": files,
}
# Without these nothing works; what the others raise is told and goes by.
_NEEDED = ("versions", "devices", "rasterizer")


def examine(name: str) -> Finding:
    """Runs one check; what it raises becomes its finding."""
    try:
        return CHECKS[name]()
    except importlib.metadata.PackageNotFoundError:
        advice = "install the project: pip install --editable '.[video]'"
        return Finding([f"{_NAME} is not installed"], advice)
    except Exception as err:  # a broken package may raise anything, and the doctor has to go on
        text = f"FAILED: {type(err).__name__}: {err}"
        return Finding([text], f"repair what `{name}` says: {text}", broken=name in _NEEDED)


def main() -> int:
    """Prints every finding and the first thing to do; returns the exit status."""
    findings = {}
    for name in CHECKS:
        finding = findings[name] = examine(name)
        print(f"{name}:", *finding.lines, sep="\n  ", flush=True)
    first = sorted(findings.values(), key=lambda f: (not f.broken, not f.advice))[0]
    advice = first.advice or "python -m reenact_jax.train --config configs/demo.py, or `make demo`"
    print(f"\nFirst: {advice}")
    return int(any(finding.broken for finding in findings.values()))


if __name__ == "__main__":
    sys.exit(main())
