"""Turns VoxCeleb clips with Deng coefficients into a folder of prepared clips.

  python scripts/prepare_voxceleb.py vox-png --coefficients vox-mat \\
    --face-model assets/BFM_model_front.mat --out prepared/voxceleb

The clips are those of the First Order Motion Model's recipe (MP4 files or folders of PNG files in
train/ and test/), the coefficients one .mat file a clip with `coeff` and `transform_params`.
scripts/crop_videos.py makes such clips, scripts/reconstruct_deng.py such coefficients. A run that
was stopped continues where it was. docs/data.md has the details.
"""

import argparse

from reenact_jax.data import voxceleb
from reenact_jax.data.video_metadata import read_metadata
from reenact_jax.errors import UserError, run_command
from reenact_jax.face_model.bfm import load_bfm


def main(options: argparse.Namespace) -> None:
    clip_list = read_metadata(options.metadata) if options.metadata else None
    report = voxceleb.import_clips(
        options.videos,
        options.coefficients,
        options.out,
        load_bfm(options.face_model),
        image_size=options.image_size,
        keep_tested_persons=options.keep_tested_persons,
        clip_list=clip_list,
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
    parser.add_argument("videos", help="folder of clips")
    parser.add_argument("--coefficients", required=True, help="folder of .mat files")
    parser.add_argument("--face-model", required=True, help="BFM_model_front.mat")
    parser.add_argument("--out", required=True, help="folder to fill with prepared clips")
    parser.add_argument("--image-size", type=int, default=256, help="side of the frames")
    parser.add_argument("--metadata", help="list of the clips that there should be (CSV)")
    parser.add_argument("--workers", type=int, default=1, help="processes that read clips")
    parser.add_argument(
        "--keep-tested-persons",
        action="store_true",
        help="keep training clips of persons who are also in the test set",
    )
    run_command(main, parser.parse_args())
