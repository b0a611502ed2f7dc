"""Runs Deng's regressor over frames or videos: 257 coefficients a frame, and the crops it saw.

  python scripts/reconstruct_deng.py vox-png --weights epoch_20.pth --out vox-mat

The input is a video, a folder of frames, or a folder of many such clips. Every clip becomes
OUT/CLIP.npz, OUT/CLIP.mat (what scripts/prepare_voxceleb.py reads) and OUT/crops/CLIP. A run that
was stopped continues where it was. docs/deng_reconstruction.md has the details.
"""

import argparse
import os
from pathlib import Path

from tqdm import tqdm

from reenact_jax.data.storage import StorageError
from reenact_jax.data.workers import run_jobs
from reenact_jax.errors import UserError, run_command
from reenact_jax.pretrained.rnet import file_sha256
from reenact_jax.reconstruction import ReconstructClip, ReconstructedClip, num_frames
from reenact_jax.tracking import deng_clips, face_points
from reenact_jax.tracking.frame_source import find_sources


def main(options: argparse.Namespace) -> None:
    if options.batch_size < 1:
        raise UserError(f"--batch-size: expected at least 1, found {options.batch_size}")
    if options.workers > 1:
        # Several processes cannot share an accelerator; those that are started read this.
        os.environ.setdefault("JAX_PLATFORMS", "cpu")
    sources = find_sources(options.input)
    reconstruct = ReconstructClip(
        out=options.out,
        weights=options.weights,
        landmarks=options.landmarks,
        only_clip=len(sources) == 1,
        landmarker=options.landmarker,
        on_missing=options.on_missing,
        batch_size=options.batch_size,
        with_crops=not options.no_crops,
        face_model=options.face_model,
    )
    reconstruct.open()
    settings = {
        "weights_sha256": file_sha256(options.weights),
        "landmarks": "mediapipe" if options.landmarks is None else str(options.landmarks),
        "on_missing": options.on_missing,
        "crops": "none" if options.no_crops else "png",
    }
    deng_clips.start_output(options.out, settings)
    missing = reconstruct.missing(sources)
    if len(missing) < len(sources):
        print(f"{len(sources) - len(missing)} of {len(sources)} clips are already there")
    failures = []
    for source, result in run_jobs(
        reconstruct,
        missing,
        num_workers=options.workers,
        label="reconstructing",
        unit="frame",
        sizes=[num_frames(source) for source in missing],
    ):
        if isinstance(result, StorageError):
            raise result
        if isinstance(result, UserError):
            failures.append(str(result))
            tqdm.write(f"{source.clip_id}: skipped: {result}")
        else:
            tqdm.write(f"{source.clip_id}: {summary(result)}")
    if failures:
        raise UserError(
            "\n  ".join([f"{len(failures)} of {len(sources)} clips failed:", *sorted(failures)])
        )


def summary(clip: ReconstructedClip) -> str:
    """What became of a clip, in a line."""
    line = f"{clip.num_frames} frames, {clip.num_missing} without a face"
    if clip.mean_px is None:
        return line
    return f"{line}, landmark error {clip.mean_px:.1f} px of 224 (worst frame {clip.worst_px:.1f})"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("input", type=Path, help="video, folder of frames, or folder of clips")
    parser.add_argument(
        "--weights", type=Path, required=True, help="epoch_20.pth, or .safetensors made from it"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder to fill")
    parser.add_argument(
        "--landmarks", type=Path, help="the landmarks, as text files; without it MediaPipe's"
    )
    parser.add_argument("--landmarker", type=Path, help="path of face_landmarker.task")
    parser.add_argument(
        "--on-missing",
        choices=face_points.ON_MISSING,
        default="hold",
        help="a frame without a face: use the place of the one before, leave it out, or stop",
    )
    parser.add_argument("--face-model", type=Path, help="BFM_model_front.mat, to check the fit")
    parser.add_argument("--no-crops", action="store_true", help="do not write the crops")
    parser.add_argument("--batch-size", type=int, default=16, help="crops a call of the network")
    parser.add_argument(
        "--workers",
        type=int,
        default=1,
        help="processes that reconstruct clips; several keep to the CPU, one uses a GPU if it can",
    )
    run_command(main, parser.parse_args())
