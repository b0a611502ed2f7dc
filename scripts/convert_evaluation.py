"""Converts a weight file of an evaluation network into .safetensors, read without PyTorch or onnx.

  python scripts/convert_evaluation.py inception pt_inception-2015-12-05-6726825d.pth \\
      pt_inception-2015-12-05-6726825d.safetensors
  python scripts/convert_evaluation.py arcface w600k_r50.onnx arcface.safetensors
  python scripts/convert_evaluation.py alexnet alexnet-owt-7be5be79.pth \\
      alexnet-owt-7be5be79.safetensors
  python scripts/convert_evaluation.py lpips-alex alex.pth alex.safetensors

Keeps the arrays that are used, under their names, and notes the hash of the source in the file.
Needs the extra `convert`.
"""

import argparse
from pathlib import Path

from reenact_jax.errors import run_command
from reenact_jax.pretrained import arcface, inception, lpips
from reenact_jax.pretrained.network_files import read_network, write_network

KINDS = {
    "inception": inception.FILE,
    "arcface": arcface.FILE,
    "alexnet": lpips.TRUNK_FILES["alex"],
    "vgg16": lpips.TRUNK_FILES["vgg"],
    "lpips-alex": lpips.LINEAR_FILES["alex"],
    "lpips-vgg": lpips.LINEAR_FILES["vgg"],
}


def convert(options: argparse.Namespace) -> None:
    kind = KINDS[options.network]
    arrays, source = read_network(kind, options.source)
    write_network(options.target, kind, arrays, source)
    size = options.target.stat().st_size
    print(f"wrote {options.target}: {kind.network}, {size:,} bytes, from {options.source.name}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("network", choices=KINDS, help="what the file holds")
    parser.add_argument("source", type=Path, help="the published file")
    parser.add_argument("target", type=Path, help="file to write, ending in .safetensors")
    run_command(convert, parser.parse_args())
