"""Makes tests/fixtures/torch/*.npz: values of PyTorch that the tests of networks compare with.

  python scripts/make_torch_fixtures.py tests/fixtures/torch

Needs PyTorch and NumPy alone (no JAX, no torchvision). Every file holds inputs and outputs in NHWC
and the weights in PyTorch's layout under PyTorch's names. Same seed, same files up to rounding.
"""

import argparse
import os
from pathlib import Path

import numpy as np
import torch
from torch_fixtures import FIXTURES


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, help="where the .npz files go")
    parser.add_argument("--only", nargs="+", choices=FIXTURES, help="these alone; default all")
    options = parser.parse_args()
    folder = options.folder
    folder.mkdir(parents=True, exist_ok=True)
    for seed, (name, make) in enumerate(FIXTURES.items()):
        if options.only and name not in options.only:
            continue
        torch.manual_seed(seed)
        arrays = make(np.random.default_rng(seed))
        temporary = folder / f"{name}.tmp.npz"
        np.savez_compressed(temporary, **arrays)
        os.replace(temporary, folder / f"{name}.npz")
        print(f"{name}.npz: {(folder / f'{name}.npz').stat().st_size / 1024:.0f} KiB")


if __name__ == "__main__":
    main()
