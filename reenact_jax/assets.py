"""The files that the project can use: what they are, which are here, and getting the free ones.

    python -m reenact_jax.assets                  what there is, whose it is, what each job misses
    python -m reenact_jax.assets check            reads the present files: right, wrong or damaged
    python -m reenact_jax.assets fetch NAME ...   downloads files that anyone may have

Files are looked for in $REENACT_ASSETS and ./assets; `fetch` writes into the first of them.
With --offline, or REENACT_OFFLINE=1, nothing touches the network; only `fetch` ever does.
"""

import argparse
import difflib
import importlib.util
import sys
from pathlib import Path

from reenact_jax.errors import UserError, run_command
from reenact_jax.pretrained import asset_files, registry
from reenact_jax.pretrained.registry import Asset, Job

# A module that is there if the extra is installed.
_MODULE_OF_EXTRA = {"tracking": "mediapipe", "dlib": "face_recognition_models"}


def list_assets() -> None:
    """Prints every file with its terms, then a line per job."""
    for asset in registry.ASSETS:
        path = registry.find(asset.name)
        size = f"{asset.size:,} bytes" if asset.size is not None else "size not fixed"
        print(f"{asset.name}  ({size})  {path or 'not here'}")
        print(f"    {asset.what}")
        print(f"    licence: {asset.licence}; for {asset.who}")
        print(f"    from: {asset.url or asset.origin}")
        if asset.sha256:
            print(f"    sha256: {asset.sha256} ({asset.hash_source})")
        else:
            print("    sha256: not known")
    print(f"\nLooked for in {', '.join(str(folder) for folder in registry.folders())}\n")
    for line in job_lines():
        print(line)


def job_lines() -> list[str]:
    """One line per job: ready, or what it misses."""
    width = max(len(job.name) for job in registry.JOBS)
    return [f"{job.name:<{width}}  {_verdict(job)}" for job in registry.JOBS]


def _verdict(job: Job) -> str:
    missing = [
        " or ".join(group)
        for group in job.needs
        if not any(registry.find(name) is not None for name in group)
    ]
    missing += [
        f"pip install 'reenact-jax[{extra}]'"
        for extra in job.extras
        if importlib.util.find_spec(_MODULE_OF_EXTRA[extra]) is None
    ]
    verdict = "missing: " + ", ".join(missing) if missing else "ready"
    return f"{verdict} ({job.note})" if job.note else verdict


def check_assets() -> None:
    """Prints the condition of every file; UserError if one is wrong."""
    wrong = []
    for asset in registry.ASSETS:
        path = registry.find(asset.name)
        condition = asset_files.condition(asset, path)
        print(f"{asset.name:<38}  {condition}{f'  {path}' if path else ''}")
        if condition in (asset_files.DAMAGED, asset_files.OTHER):
            wrong.append(_complaint(asset, path))
    if wrong:
        raise UserError("\n       ".join(wrong))


def _complaint(asset: Asset, path: Path) -> str:
    found = f"{path}: found {path.stat().st_size:,} bytes"
    if asset.sha256:
        found += f", sha256 {asset_files.sha256(path)}; expected {asset.size:,} bytes, sha256 "
        found += f"{asset.sha256} ({asset.hash_source})"
    else:
        found += " that break off or are not of the kind that the name says"
    remedy = f"fetch {asset.name}" if asset.url else f"get it again: {asset.origin}"
    return f"{found}; {remedy}"


def fetch_assets(names: list[str], offline: bool) -> None:
    """Downloads files by name."""
    for name in names:
        if name not in registry.BY_NAME:
            near = difflib.get_close_matches(name, registry.BY_NAME, n=1, cutoff=0.4)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise UserError(f"{name}: expected one of the files that `list` shows{hint}")
    for name in names:
        asset = registry.BY_NAME[name]
        path = asset_files.fetch(
            asset,
            registry.folders()[0],
            offline=offline or asset_files.is_offline(),
            progress=sys.stderr.isatty(),
        )
        print(f"{path}  verified; licence: {asset.licence}; for {asset.who}")


def main(options: argparse.Namespace) -> None:
    if options.names and options.verb != "fetch":
        raise UserError(f"expected no names after `{options.verb}`, found {options.names}")
    if options.verb == "fetch":
        if not options.names:
            free = [asset.name for asset in registry.ASSETS if asset.url]
            raise UserError(f"fetch: expected names; these can be fetched: {', '.join(free)}")
        fetch_assets(options.names, options.offline)
    elif options.verb == "check":
        check_assets()
    else:
        list_assets()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        prog="python -m reenact_jax.assets",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("verb", nargs="?", default="list", choices=["list", "check", "fetch"])
    parser.add_argument("names", nargs="*", metavar="NAME", help="files to fetch")
    parser.add_argument("--offline", action="store_true", help="do not touch the network")
    run_command(main, parser.parse_args())
