"""Renders the synthetic talking heads into a folder of prepared clips.

    python scripts/make_talking_heads.py runs/demo/prepared

Goes on where it was stopped.
"""

import argparse
import dataclasses

from reenact_jax.data.talking_heads.world import WorldSpec, write_world
from reenact_jax.errors import UserError, run_command


def main(options: argparse.Namespace) -> None:
    values = vars(options)
    out = values.pop("out")
    try:
        spec = WorldSpec(**values)
    except ValueError as err:
        raise UserError(str(err)) from err
    write_world(spec, out, progress=True)
    print(f"world {spec.hash()} in {out}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", help="folder to write")
    for field in dataclasses.fields(WorldSpec):
        flag = f"--{field.name.replace('_', '-')}"
        parser.add_argument(flag, type=field.type, default=field.default, help="see WorldSpec")
    run_command(main, parser.parse_args())
