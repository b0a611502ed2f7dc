"""Makes BFM_model_front.mat from the raw files of BFM 2009, so that they are not read every time.

  python scripts/convert_bfm.py BFM BFM_model_front.mat

docs/face_models.md names the files and where their licence holders get them.
"""

import argparse
from pathlib import Path

from reenact_jax.errors import run_command
from reenact_jax.face_model.bfm import load_bfm
from reenact_jax.face_model.bfm_raw import convert_raw


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("source", type=Path, help="folder with 01_MorphableModel.mat and the rest")
    parser.add_argument("target", type=Path, help="file to write, ending in .mat")
    run_command(convert, parser.parse_args())


def convert(arguments: argparse.Namespace) -> None:
    convert_raw(arguments.source, arguments.target)
    size = arguments.target.stat().st_size / 2**20
    fingerprint = load_bfm(arguments.target).fingerprint()
    print(f"wrote {arguments.target} ({size:.0f} MiB), fingerprint {fingerprint}")


if __name__ == "__main__":
    main()
