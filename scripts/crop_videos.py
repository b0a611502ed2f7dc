"""Cuts the clips of a list (CSV) out of raw videos.

  python scripts/crop_videos.py VIDEOS --metadata vox-metadata.csv --out vox-png

The list has a row for each clip (columns video_id, start, end, bbox, fps, width, height, partition,
person_id, as published for VoxCeleb), the folder VIDEOS the files <video_id>.mp4. What is written
is what scripts/prepare_voxceleb.py and scripts/reconstruct_deng.py read. A run that was stopped
continues where it was. docs/data.md has the details.
"""

import argparse

from reenact_jax.data.crop_videos import crop_videos
from reenact_jax.data.video_metadata import read_metadata
from reenact_jax.errors import run_command


def main(options: argparse.Namespace) -> None:
    report = crop_videos(
        options.videos,
        read_metadata(options.metadata),
        options.out,
        image_size=options.image_size,
        file_format=options.format,
        keep_tested_persons=options.keep_tested_persons,
        num_workers=options.workers,
        progress=True,
    )
    print(report.summary())
    print(f"report: {options.out}/report.json")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("videos", help="folder of <video_id>.mp4")
    parser.add_argument("--metadata", required=True, help="the list, a CSV file")
    parser.add_argument("--out", required=True, help="folder to fill with train/ and test/")
    parser.add_argument("--image-size", type=int, default=256, help="side of the frames")
    parser.add_argument("--format", choices=("png", "jpg"), default="png")
    parser.add_argument("--workers", type=int, default=1, help="processes that cut videos")
    parser.add_argument(
        "--keep-tested-persons",
        action="store_true",
        help="also cut out training clips of persons who are in the test set",
    )
    run_command(main, parser.parse_args())
