"""Converts a download of ICT-FaceKit (a folder of OBJ files) into the .npz that the project reads.

python scripts/convert_ict.py ICT-FaceKit/FaceXModel ict_facekit.npz
"""

import argparse
from pathlib import Path

from reenact_jax.errors import run_command
from reenact_jax.face_model.ict import load_ict_facekit
from reenact_jax.face_model.ict_release import convert_release


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("source", type=Path, help="the release's folder FaceXModel")
    parser.add_argument("target", type=Path, help="file to write, ending in .npz")
    run_command(convert, parser.parse_args())


def convert(arguments: argparse.Namespace) -> None:
    convert_release(arguments.source, arguments.target)
    model = load_ict_facekit(arguments.target)
    size = arguments.target.stat().st_size / 2**20
    print(
        f"wrote {arguments.target} ({size:.1f} MiB): {model.num_vertices} vertices, "
        f"{model.widths['identity']} identity and {model.widths['expression']} expression modes, "
        f"fingerprint {model.fingerprint()}"
    )


if __name__ == "__main__":
    main()
