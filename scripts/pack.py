"""Packs a folder of prepared clips into a TFDS dataset (ArrayRecord files).

python scripts/pack.py prepared/clips --name clips --data-dir data
"""

import argparse

from reenact_jax.data import builders
from reenact_jax.errors import run_command


def main(options: argparse.Namespace) -> None:
    folder = builders.pack(
        options.prepared,
        options.data_dir,
        options.name,
        overwrite=options.overwrite,
        progress=True,
    )
    print(f"packed {options.prepared} into {folder}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("prepared", help="folder of prepared clips")
    parser.add_argument("--data-dir", default="data", help="where packed datasets live")
    parser.add_argument("--name", default="clips", choices=sorted(builders.BUILDERS))
    parser.add_argument(
        "--overwrite", action="store_true", help="replace a dataset packed from other clips"
    )
    run_command(main, parser.parse_args())
