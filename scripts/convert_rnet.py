"""Converts the weights of Deng's R-Net into a .safetensors file that needs no PyTorch.

  python scripts/convert_rnet.py epoch_20.pth rnet.safetensors

Keeps the network's arrays under their names and leaves out the optimiser. Needs the extra
`convert`.
"""

import argparse
from pathlib import Path

from safetensors import SafetensorError
from safetensors.numpy import save_file

from reenact_jax.errors import UserError, run_command
from reenact_jax.files import replacing
from reenact_jax.pretrained.rnet import file_sha256, read_rnet


def convert(options: argparse.Namespace) -> None:
    if options.target.suffix != ".safetensors":
        raise UserError(f"expected a target ending in .safetensors, found {options.target}")
    arrays = read_rnet(options.source)
    try:
        with replacing(options.target) as temporary:
            save_file(arrays, temporary, metadata={"source_sha256": file_sha256(options.source)})
    except (OSError, SafetensorError) as err:
        raise UserError(f"{options.target}: cannot be written ({err})") from err
    print(f"wrote {options.target} ({options.target.stat().st_size / 2**20:.0f} MiB)")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("source", type=Path, help="epoch_20.pth")
    parser.add_argument("target", type=Path, help="file to write, ending in .safetensors")
    run_command(convert, parser.parse_args())
