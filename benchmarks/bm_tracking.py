"""The open tracker on whole clips: time of the fit against MediaPipe's own, and what it reaches.

  python benchmarks/bm_tracking.py ict_facekit.npz CLIP.mp4 CLIP.mp4 ...

Times are per frame, of MediaPipe's landmarks alone and of `fit_clip` alone (compiled before, on the
same clip), one after the other in the same run: wall clock, and processor time, which other work on
the machine disturbs less. Reading the video and cropping are in neither.

  error      mean distance of the 468 landmarks from the model, pixels of a 256-pixel crop
  held out   the same on landmarks that the fit did not use (four fits, each without a quarter)
  eyes, mouth  how far the model opens when MediaPipe opens by 1 (left eye, right eye, mouth), and
             in brackets by how many pixels it opens in this clip (2nd to 98th percentile)
  pupil      distance of the model's pupils from the irises in open eyes, mean and 95th percentile
  jitter     median second difference of the head's angles in degrees, fitted and smoothed
  blink      height of the largest blink that is left after smoothing (left eye)
"""

import os

os.environ.setdefault("JAX_PLATFORMS", "cpu")

import argparse
import time
from pathlib import Path

import numpy as np

from reenact_jax import media
from reenact_jax.errors import UserError, run_command
from reenact_jax.face_model.ict import load_ict_facekit
from reenact_jax.face_model.morphable import MorphableModel
from reenact_jax.tracking import measure
from reenact_jax.tracking.anchors import NUM_DENSE
from reenact_jax.tracking.crop import clip_crop, landmark_box
from reenact_jax.tracking.fit import REFERENCE_SIZE, distances_px, fit_clip
from reenact_jax.tracking.landmarks import FaceLandmarker
from reenact_jax.tracking.smoothing import smooth_parameters


def main(options: argparse.Namespace) -> None:
    model = load_ict_facekit(options.face_model)
    rows = []
    with FaceLandmarker() as landmarker:
        print(
            "| clip | frames | error | held out | eyes and mouth | pupil | jitter | blink "
            "| MediaPipe ms | fit ms | ratio | processor ms | ratio |"
        )
        print("|" + "---|" * 13)
        for path in options.clips:
            row = measure_clip(path, model, landmarker)
            if row is not None:
                rows.append(row)
    if not rows:
        raise UserError("expected clips with faces, found none")
    frames, errors, held_out, times = (np.array(column) for column in zip(*rows, strict=True))
    # Of all frames together.
    detect, fit, detect_cpu, fit_cpu = frames @ times / frames.sum()
    print(
        f"| mean | {frames.sum()} | {errors.mean():.3f} | {held_out.mean():.3f} | | | | "
        f"| {detect:.1f} | {fit:.1f} | {fit / detect:.2f} "
        f"| {detect_cpu:.1f}, {fit_cpu:.1f} | {fit_cpu / detect_cpu:.2f} |"
    )


def measure_clip(
    path: Path, model: MorphableModel, landmarker: FaceLandmarker
) -> tuple[int, float, float, list[float]] | None:
    """Prints a row; returns frames, error, held-out error and four times in ms per frame."""
    info = media.probe_video(path)
    faces, detect, detect_cpu = [], 0.0, 0.0
    for frame in media.iterate_video(path):
        wall, cpu = time.perf_counter(), time.process_time()
        face = landmarker.detect(frame, faces[-1] if faces else None)
        detect += time.perf_counter() - wall
        detect_cpu += time.process_time() - cpu
        if face is not None:
            faces.append(face)
    if not faces:
        print(f"| {path.stem} | no face |")
        return None
    points = np.stack([face.points for face in faces])
    box = clip_crop(landmark_box(points[:, :NUM_DENSE]), info.height, info.width)
    pixels = box.to_crop(points) * np.float32(REFERENCE_SIZE)
    scores = [face.scores for face in faces]

    fit_clip(model, pixels, scores)
    wall, cpu = time.perf_counter(), time.process_time()
    fitted = fit_clip(model, pixels, scores)
    fit, fit_cpu = time.perf_counter() - wall, time.process_time() - cpu

    count = len(faces)
    error = float(distances_px(model, fitted, pixels).mean())
    held_out = measure.held_out_error_px(model, pixels, scores)
    observed, opened = measure.apertures_px(model, fitted, pixels)
    openings = ", ".join(
        f"{measure.amplitude(a, b):.2f} ({measure.excursion(a):.0f})"
        for a, b in zip(observed.T, opened.T, strict=True)
    )
    pupil = measure.pupil_errors_px(model, fitted, pixels)
    smoothed = smooth_parameters(fitted, info.fps)
    lid = model.expression_names.index("eyeBlink_L")
    rest = np.median(fitted.expression[:, lid])
    blink = (smoothed.expression[:, lid].max() - rest) / (fitted.expression[:, lid].max() - rest)
    jitter = [measure.jitter_degrees(parameters) for parameters in (fitted, smoothed)]
    times = [1000 * t / count for t in (detect, fit, detect_cpu, fit_cpu)]
    print(
        f"| {path.stem} | {count} | {error:.3f} | {held_out:.3f} | {openings} "
        f"| {pupil.mean():.2f}, {np.percentile(pupil, 95):.2f} "
        f"| {jitter[0]:.2f}, {jitter[1]:.2f} | {blink:.2f} "
        f"| {times[0]:.1f} | {times[1]:.1f} | {fit / detect:.2f} "
        f"| {times[2]:.1f}, {times[3]:.1f} | {fit_cpu / detect_cpu:.2f} |",
        flush=True,
    )
    return count, error, held_out, times


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("face_model", type=Path, help="ICT-FaceKit as .npz")
    parser.add_argument("clips", type=Path, nargs="+", help="videos")
    run_command(main, parser.parse_args())
