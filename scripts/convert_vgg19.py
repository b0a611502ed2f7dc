"""Converts torchvision's official VGG-19 file into a .safetensors file that needs no PyTorch.

  python scripts/convert_vgg19.py vgg19-dcbb9e9d.pth vgg19.safetensors

Keeps the 13 convolutions up to relu5_1, under their names. Needs the extra `convert`.
"""

import argparse
import os
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from reenact_jax.errors import UserError, run_command
from reenact_jax.pretrained.vgg19 import load_vgg19


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("source", type=Path, help="vgg19-dcbb9e9d.pth")
    parser.add_argument("target", type=Path, help="file to write, ending in .safetensors")
    run_command(convert, parser.parse_args())


def convert(arguments: argparse.Namespace) -> None:
    if arguments.target.suffix != ".safetensors":
        raise UserError(f"expected a target ending in .safetensors, found {arguments.target}")
    try:
        layers = load_vgg19(arguments.source)
    except (OSError, ImportError, ValueError) as err:
        raise UserError(str(err)) from err
    arrays = {}
    for name, layer in layers.items():
        kernel = np.asarray(layer["kernel"]).transpose(3, 2, 0, 1)
        arrays[f"{name}.weight"] = np.ascontiguousarray(kernel)
        arrays[f"{name}.bias"] = np.asarray(layer["bias"])
    # Renamed into place: nothing half-written stays under the final name.
    temporary = arguments.target.with_name(arguments.target.name + ".tmp")
    try:
        save_file(arrays, temporary)
        os.replace(temporary, arguments.target)
    finally:
        temporary.unlink(missing_ok=True)
    print(f"wrote {arguments.target} ({arguments.target.stat().st_size / 2**20:.0f} MiB)")


if __name__ == "__main__":
    main()
