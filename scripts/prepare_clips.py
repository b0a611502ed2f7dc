"""Turns a folder of videos into prepared clips: crops, and an open face model fitted to each frame.

python scripts/prepare_clips.py VIDEOS --face-model assets/ict_facekit.npz --out prepared/clips \\
    --test d12 s29

Every video is one clip. Videos in sub-folders belong to the person whom the sub-folder names,
others are of one person each. It can be stopped and run again: finished clips are kept.
"""

import argparse
import functools
from pathlib import Path

import numpy as np
from tqdm import tqdm

from reenact_jax import media
from reenact_jax.data import prepared
from reenact_jax.errors import UserError, run_command
from reenact_jax.face_model.ict import load_ict_facekit
from reenact_jax.face_model.morphable import MorphableModel
from reenact_jax.tracking.choice import LARGEST, parse_face
from reenact_jax.tracking.landmarks import FaceLandmarker
from reenact_jax.tracking.missing import ON_MISSING
from reenact_jax.tracking.overlay import draw_overlay
from reenact_jax.tracking.track import TrackedClip, track_video

VIDEO_SUFFIXES = (".mp4", ".mov", ".m4v", ".avi", ".mkv", ".webm")


def main(options: argparse.Namespace) -> None:
    options.face = parse_face(options.face)
    videos = find_videos(options.videos)
    unknown = set(options.test) - {person for _, person in videos.values()}
    if unknown:
        raise UserError(
            f"--test: expected persons among {', '.join(sorted({p for _, p in videos.values()}))}, "
            f"found {', '.join(sorted(unknown))}"
        )
    model = load_ict_facekit(options.face_model)
    prepared.write_dataset_info(
        options.out,
        name=options.name,
        image_size=options.image_size,
        face_model=model,
        specification=", ".join(
            [
                f"stride={options.stride}, max_frames={options.max_frames}, {options.format}",
                f"face={options.face}, on_missing={options.on_missing}",
            ]
        ),
    )
    failures = []
    with FaceLandmarker(options.landmarker) as landmarker:
        for clip_id, (path, person) in videos.items():
            if prepared.has_clip(options.out, clip_id):
                print(f"{clip_id}: already there")
                continue
            try:
                clip = track(path, model, landmarker, options)
                if options.overlays is not None:
                    write_overlays(options.overlays, clip_id, clip, model)
                prepared.write_clip(
                    options.out,
                    prepared.PreparedClip(
                        clip_id=clip_id,
                        person_id=person,
                        split="test" if person in options.test else "train",
                        fps=float(clip.fps),
                        frames=list(clip.frames),
                        parameters=clip.parameters,
                        origin=path.name,
                    ),
                    file_format=options.format,
                )
            except UserError as err:
                failures.append(str(err))
                tqdm.write(f"{clip_id}: skipped: {err}")
                continue
            error = clip.fit_error_px
            print(
                f"{clip_id}: {len(clip.frames)} frames, fit error {error.mean():.2f} px "
                f"(worst frame {error.max():.2f})"
            )
    if failures:
        raise UserError("\n  ".join([f"{len(failures)} videos failed:", *failures]))


def find_videos(folder: Path) -> dict[str, tuple[Path, str]]:
    """Clip id -> (file, person) of the videos in a folder and its sub-folders."""
    paths = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in VIDEO_SUFFIXES and not path.name.startswith(".")
    )
    if not paths:
        raise UserError(f"{folder}: expected videos ({', '.join(VIDEO_SUFFIXES)}), found none")
    videos = {}
    for path in paths:
        parts = path.relative_to(folder).with_suffix("").parts
        clip_id = "_".join(parts)
        if clip_id in videos:
            raise UserError(f"{path} and {videos[clip_id][0]} would both be the clip {clip_id}")
        videos[clip_id] = (path, parts[0])
    return videos


def track(
    path: Path, model: MorphableModel, landmarker: FaceLandmarker, options: argparse.Namespace
) -> TrackedClip:
    """`track_video` with a progress bar."""
    total = media.probe_video(path).num_frames
    if total is not None:
        total = min(-(-total // options.stride), options.max_frames or total)
    with tqdm(total=total, desc=path.stem, unit="frame", leave=False) as bar:
        return track_video(
            path,
            model,
            image_size=options.image_size,
            stride=options.stride,
            max_frames=options.max_frames,
            on_missing=options.on_missing,
            face=options.face,
            landmarker=landmarker,
            progress=lambda _: bar.update(),
        )


def write_overlays(folder: Path, clip_id: str, clip: TrackedClip, model: MorphableModel) -> None:
    """CLIP.mp4, and CLIP_worst.png of the frame with the largest fit error."""
    folder.mkdir(parents=True, exist_ok=True)
    draw = functools.partial(draw_overlay, model=model)
    worst = int(np.argmax(clip.fit_error_px))
    with media.VideoWriter(folder / f"{clip_id}.mp4", clip.fps) as writer:
        for k, frame in enumerate(clip.frames):
            overlay = draw(frame, parameters=clip.parameters[k], landmarks=clip.landmarks[k])
            writer.write(overlay)
            if k == worst:
                media.write_image(folder / f"{clip_id}_worst.png", overlay)


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
    run_command(main, parser.parse_args())
