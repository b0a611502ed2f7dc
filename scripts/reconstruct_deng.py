"""Runs Deng's regressor over frames or videos: 257 coefficients a frame, and the crops it saw.

  python scripts/reconstruct_deng.py vox-png --weights epoch_20.pth --out vox-mat

The input is a video, a folder of frames, or a folder of many such clips. Every clip becomes
OUT/CLIP.npz, OUT/CLIP.mat (what scripts/prepare_voxceleb.py reads) and OUT/crops/CLIP. A run that
was stopped continues where it was. docs/deng_reconstruction.md has the details.
"""

import argparse
import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from tqdm import tqdm

from reenact_jax import media
from reenact_jax.errors import UserError, run_command
from reenact_jax.face_model.load import load_face_model
from reenact_jax.face_model.morphable import MorphableModel
from reenact_jax.pretrained.rnet import file_sha256, load_rnet
from reenact_jax.tracking import deng, deng_clips, face_points
from reenact_jax.tracking.frame_source import FrameSource, find_sources
from reenact_jax.tracking.landmarks import FaceLandmarker
from reenact_jax.tracking.overlay import draw_overlay


def main(options: argparse.Namespace) -> None:
    if options.batch_size < 1:
        raise UserError(f"--batch-size: expected at least 1, found {options.batch_size}")
    sources = find_sources(options.input)
    model = (
        None if options.face_model is None else load_face_model("bfm2009", str(options.face_model))
    )
    params = load_rnet(options.weights)
    settings = {
        "weights_sha256": file_sha256(options.weights),
        "landmarks": "mediapipe" if options.landmarks is None else str(options.landmarks),
        "on_missing": options.on_missing,
        "crops": "none" if options.no_crops else "png",
    }
    deng_clips.start_output(options.out, settings)
    failures = []
    with point_finder(options, only_clip=len(sources) == 1) as locate:
        for source in sources:
            if deng_clips.is_done(options.out, source.clip_id):
                print(f"{source.clip_id}: already there")
                continue
            try:
                reconstruct(source, locate, params, options)
                report(source, model, options)
            except UserError as err:
                failures.append(str(err))
                tqdm.write(f"{source.clip_id}: skipped: {err}")
    if failures:
        raise UserError(
            "\n  ".join([f"{len(failures)} of {len(sources)} clips failed:", *failures])
        )


@contextlib.contextmanager
def point_finder(
    options: argparse.Namespace, *, only_clip: bool
) -> Iterator[Callable[[FrameSource], np.ndarray]]:
    """What gives the five points of a clip's frames: the user's files, or MediaPipe."""
    if options.landmarks is not None:
        yield lambda source: face_points.read_points(options.landmarks, source, only_clip=only_clip)
        return
    with FaceLandmarker(options.landmarker) as landmarker:

        def detect(source: FrameSource) -> np.ndarray:
            total = len(source.names) or None
            bar = tqdm(source.frames(), f"{source.clip_id}: faces", total, leave=False)
            return face_points.detect_points(bar, landmarker)

        yield detect


def reconstruct(
    source: FrameSource,
    locate: Callable[[FrameSource], np.ndarray],
    params: dict,
    options: argparse.Namespace,
) -> None:
    """`reconstruct_clip` with a progress bar."""
    with tqdm(desc=source.clip_id, unit="frame", leave=False) as bar:

        def show(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        deng_clips.reconstruct_clip(
            source,
            locate,
            params,
            options.out,
            on_missing=options.on_missing,
            batch_size=options.batch_size,
            with_crops=not options.no_crops,
            progress=show,
        )


def report(source: FrameSource, model: MorphableModel | None, options: argparse.Namespace) -> None:
    """Prints what became of a clip; with the face model, how well it fits its own landmarks."""
    clip_id = source.clip_id
    with np.load(options.out / f"{clip_id}.npz") as arrays:
        rows = dict(arrays)
    line = f"{clip_id}: {len(rows['coeff'])} frames, {int((~rows['found']).sum())} without a face"
    if model is None:
        print(line)
        return
    coefficients, transforms, points = rows["coeff"], rows["transform_params"], rows["points"]
    error = deng.landmark_error_px(model, coefficients, transforms, points)
    worst = int(error.argmax())
    print(f"{line}, landmark error {error.mean():.1f} px of 224 (worst frame {error.max():.1f})")
    if options.no_crops:
        return
    crop = options.out / "crops" / clip_id / f"{source.stem(rows['frame_index'][worst])}.png"
    picture = draw_overlay(
        media.read_image(crop),
        model,
        deng.crop_parameters(coefficients[worst]),
        dots(deng.crop_positions(points[[worst]], transforms[[worst]])[0] / 224),
    )
    path = options.out / "checks" / f"{clip_id}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    media.write_image(path, picture)


def dots(points: np.ndarray) -> np.ndarray:
    """Points (L, 2) -> those around them, so that five single pixels can be seen."""
    offsets = np.stack(np.meshgrid(*[np.linspace(-0.004, 0.004, 9)] * 2), axis=-1).reshape(-1, 1, 2)
    return (points + offsets).reshape(-1, 2)


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
    run_command(main, parser.parse_args())
