"""Landmarks of the F_c-warped source against the driving frame's, on prepared real clips.

    python scripts/measure_flow.py prepared/clips --face-model assets/ict_facekit.npz

Prints, per clip, the mean distance in pixels before and after the warp.
"""

import argparse
from pathlib import Path

from reenact_jax.data import prepared
from reenact_jax.errors import run_command
from reenact_jax.face_model.ict import load_ict_facekit
from reenact_jax.inference.flow_landmarks import measure_clip
from reenact_jax.tracking.landmarks import FaceLandmarker


def main(options: argparse.Namespace) -> None:
    face_model = load_ict_facekit(Path(options.face_model))
    info = prepared.read_dataset_info(options.prepared)
    print(f"| clip ({info.image_size} px) | split | pairs | no face | before | after |")
    print("|---|---|---|---|---|---|")
    with FaceLandmarker() as landmarker:
        for clip_id in prepared.list_clips(options.prepared):
            split = prepared.read_clip_header(options.prepared, clip_id).split
            found = measure_clip(
                options.prepared, clip_id, face_model, landmarker, num_pairs=options.pairs
            )
            print(
                f"| {clip_id} | {split} | {len(found.after)} | {found.missing} "
                f"| {found.before.mean():.2f} | {found.after.mean():.2f} |",
                flush=True,
            )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("prepared", help="folder of prepared clips")
    parser.add_argument("--face-model", required=True, help="ICT-FaceKit as .npz")
    parser.add_argument("--pairs", type=int, default=20, help="pairs of frames per clip")
    run_command(main, parser.parse_args())
