"""Renders the synthetic talking heads into folders of prepared clips.

    python scripts/make_talking_heads.py runs/demo/prepared
    python scripts/make_talking_heads.py prepared/talking_heads --preset v1 --workers 2

OUT has the exact parameters, OUT/fitted those that a fit would find; docs/talking_heads.md. Goes on
where it was stopped.
"""

import argparse
import dataclasses
import time

from reenact_jax.data.talking_heads import PRESETS, WorldSpec, write_world
from reenact_jax.data.talking_heads.world import report_lines
from reenact_jax.errors import UserError, run_command


def main(options: argparse.Namespace) -> None:
    values = vars(options)
    out, preset, workers = (values.pop(name) for name in ("out", "preset", "workers"))
    changed = {name: value for name, value in values.items() if value is not None}
    try:
        spec = dataclasses.replace(PRESETS[preset], **changed)
    except ValueError as err:
        raise UserError(str(err)) from err
    start = time.monotonic()
    report = write_world(spec, out, num_workers=workers, progress=True)
    for line in report_lines(report):
        print(line)
    print(
        f"world {spec.hash()} in {out}: {report['frames']} frames, {time.monotonic() - start:.0f} s"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", help="folder to write")
    parser.add_argument(
        "--preset", choices=sorted(PRESETS), default="demo", help="v1 is the benchmark"
    )
    parser.add_argument("--workers", type=int, default=1, help="processes that render")
    for field in dataclasses.fields(WorldSpec):
        flag = f"--{field.name.replace('_', '-')}"
        parser.add_argument(flag, type=field.type, help="in place of the preset's, see WorldSpec")
    run_command(main, parser.parse_args())
