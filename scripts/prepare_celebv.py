"""Turns CelebV (ReenactGAN) with Deng coefficients into a folder of prepared clips.

  python scripts/prepare_celebv.py CelebV --coefficients celebv-mat \\
    --face-model assets/BFM_model_front.mat --out prepared/celebv

CelebV holds <person>/Image/*.jpg, celebv-mat <person>.mat or <person>/Image.mat as
scripts/reconstruct_deng.py writes it. A run that was stopped continues where it was. docs/data.md
has the details.
"""

import argparse

from reenact_jax.data import celebv
from reenact_jax.errors import UserError, run_command
from reenact_jax.face_model.bfm import load_bfm


def main(options: argparse.Namespace) -> None:
    report = celebv.import_clips(
        options.root,
        options.coefficients,
        options.out,
        load_bfm(options.face_model),
        image_size=options.image_size,
        num_workers=options.workers,
        progress=True,
    )
    print(report.summary())
    if not report.prepared:
        raise UserError(f"no clip was prepared; {options.out}/report.json says why of each")
    print(f"report: {options.out}/report.json")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("root", help="folder of the five persons")
    parser.add_argument("--coefficients", required=True, help="folder of .mat files")
    parser.add_argument("--face-model", required=True, help="BFM_model_front.mat")
    parser.add_argument("--out", required=True, help="folder to fill with prepared clips")
    parser.add_argument("--image-size", type=int, default=256, help="side of the frames")
    parser.add_argument("--workers", type=int, default=1, help="processes that read clips")
    run_command(main, parser.parse_args())
