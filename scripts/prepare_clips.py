"""Turns a folder of videos into prepared clips: crops, and an open face model fitted to each frame.

python scripts/prepare_clips.py VIDEOS --face-model assets/ict_facekit.npz --out prepared/clips \\
    --test d12 s29 --workers 2

Every video is one clip. Videos in sub-folders belong to the person whom the sub-folder names,
others are of one person each. It can be stopped at any moment and run again: finished clips are
kept. OUT/report.json says which videos could not be used, and why.
"""

import os

# Frames are fitted on the cores, beside MediaPipe: several processes cannot share an accelerator.
os.environ.setdefault("JAX_PLATFORMS", "cpu")

import argparse
from pathlib import Path

from tqdm import tqdm

from reenact_jax.data import prepared
from reenact_jax.errors import UserError, run_command
from reenact_jax.face_model.ict import load_ict_facekit
from reenact_jax.preparation import PrepareVideo, find_videos, prepare_videos
from reenact_jax.tracking.choice import LARGEST, parse_face
from reenact_jax.tracking.landmarks import find_asset
from reenact_jax.tracking.missing import ON_MISSING


def main(options: argparse.Namespace) -> None:
    face = parse_face(options.face)
    videos = find_videos(options.videos)
    persons = {video.person_id for video in videos}
    if unknown := set(options.test) - persons:
        raise UserError(
            f"--test: expected persons among {', '.join(sorted(persons))}, found "
            f"{', '.join(sorted(unknown))}"
        )
    prepared.write_dataset_info(
        options.out,
        name=options.name,
        image_size=options.image_size,
        face_model=load_ict_facekit(options.face_model),
        specification=", ".join(
            [
                f"stride={options.stride}, max_frames={options.max_frames}, {options.format}",
                f"face={face}, on_missing={options.on_missing}",
            ]
        ),
    )
    prepare = PrepareVideo(
        out=options.out,
        face_model=options.face_model,
        landmarker=find_asset(options.landmarker),
        image_size=options.image_size,
        stride=options.stride,
        max_frames=options.max_frames,
        on_missing=options.on_missing,
        face=face,
        test_persons=frozenset(options.test),
        file_format=options.format,
        overlays=options.overlays,
    )
    report = prepare_videos(
        prepare, videos, num_workers=options.workers, progress=True, say=tqdm.write
    )
    if report.refused:
        raise UserError(
            "\n  ".join([f"{len(report.refused)} videos failed:", *report.refused.values()])
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("videos", type=Path, help="folder of videos")
    parser.add_argument("--face-model", type=Path, required=True, help="ICT-FaceKit as .npz")
    parser.add_argument("--out", type=Path, required=True, help="prepared folder to write")
    parser.add_argument("--name", default="clips", help="name of the dataset")
    parser.add_argument("--test", nargs="*", default=[], help="persons of the test split")
    parser.add_argument("--image-size", type=int, default=256, help="side of the frames")
    parser.add_argument("--stride", type=int, default=1, help="take every so many-th frame")
    parser.add_argument("--max-frames", type=int, help="take at most so many frames of a video")
    parser.add_argument(
        "--on-missing",
        choices=ON_MISSING,
        default="skip",
        help="frames without a face (default: %(default)s)",
    )
    parser.add_argument(
        "--face", default=LARGEST, help="largest, or an index from 0, left to right"
    )
    parser.add_argument("--format", choices=("png", "jpg"), default="png")
    parser.add_argument("--overlays", type=Path, help="folder for videos of the fit")
    parser.add_argument("--landmarker", type=Path, help="path of face_landmarker.task")
    parser.add_argument("--workers", type=int, default=1, help="processes that prepare videos")
    run_command(main, parser.parse_args())
