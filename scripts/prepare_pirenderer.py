"""Turns PIRenderer's LMDB of VoxCeleb into a folder of prepared clips.

  python scripts/prepare_pirenderer.py vox_lmdb --face-model assets/BFM_model_front.mat \\
    --out prepared/voxceleb

vox_lmdb holds the database (a folder named by its resolution), train_list.txt and test_list.txt.
Needs the extra `lmdb`. A run that was stopped continues where it was. docs/data.md has the details.
"""

import argparse

from reenact_jax.data import pirenderer
from reenact_jax.errors import UserError, run_command
from reenact_jax.face_model.bfm import load_bfm


def main(options: argparse.Namespace) -> None:
    report = pirenderer.import_clips(
        options.root,
        options.out,
        load_bfm(options.face_model),
        resolution=options.resolution,
        fitted_size=options.fitted_size,
        keep_tested_persons=options.keep_tested_persons,
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
    parser.add_argument("root", help="folder with the database and its lists")
    parser.add_argument("--face-model", required=True, help="BFM_model_front.mat")
    parser.add_argument("--out", required=True, help="folder to fill with prepared clips")
    parser.add_argument("--resolution", type=int, default=256, help="of the database")
    parser.add_argument(
        "--fitted-size",
        type=int,
        default=256,
        help="side of the frames from which the coefficients were regressed",
    )
    parser.add_argument("--workers", type=int, default=1, help="processes that read clips")
    parser.add_argument(
        "--keep-tested-persons",
        action="store_true",
        help="keep training clips of persons who are also in the test set",
    )
    run_command(main, parser.parse_args())
