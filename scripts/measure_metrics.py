"""Measures the open metrics on real clips: what they tell apart, and what they say about nothing.

  python scripts/measure_metrics.py ict_facekit.npz CLIP.mp4 CLIP.mp4 ... [--output FILE.json]

Frames spread evenly over every clip are cropped (one square per clip) to 256 pixels. Every clip is
taken for one person, and no two clips for the same.

  csim_dlib  similarities of two frames of one clip (at least a tenth of the clip apart) and of two
             clips, and the AUC; where the package dlib is installed, also with dlib's own detector,
             landmarks and crop
  floors     csim_dlib, aed_open and apd_open of a picture against itself moved by one and two
             pixels, beside those of two frames of one clip and of two clips
  fd_dlib    between even and odd frames of all clips, and between the two halves of the clips
"""

import os

os.environ.setdefault("JAX_PLATFORMS", "cpu")

import argparse
import dataclasses
import functools
import importlib.util
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import jax
import numpy as np

from reenact_jax import media
from reenact_jax.errors import UserError, run_command
from reenact_jax.face_model.ict import load_ict_facekit
from reenact_jax.files import write_text
from reenact_jax.metrics.frechet import Moments, frechet_distance
from reenact_jax.metrics.identity import Embeddings, csim, embed_faces
from reenact_jax.metrics.motion import aed, apd
from reenact_jax.metrics.noise_floor import noise_floor
from reenact_jax.metrics.scores import Scores, merge_reasons, summarise
from reenact_jax.metrics.separation import Separation, separation
from reenact_jax.metrics.similarity import DLIB, dlib_points
from reenact_jax.pretrained.dlib_face import dlib_embedding, find_dlib_face, load_dlib_face
from reenact_jax.tracking.anchors import MEDIAPIPE_68, NUM_DENSE
from reenact_jax.tracking.crop import clip_crop, crop_image, landmark_box
from reenact_jax.tracking.landmarks import FaceLandmarker
from reenact_jax.tracking.picture_fit import PictureFits, fit_pictures

IMAGE_SIZE = 256
SEED = 0

_log = logging.getLogger("reenact_jax")


@dataclasses.dataclass(frozen=True)
class Pictures:
    """Frames of several clips: uint8 (N, 256, 256, 3), the clip of each, and its place in it."""

    images: np.ndarray
    clips: np.ndarray
    places: np.ndarray

    def every(self, step: int) -> "Pictures":
        """Every so many-th picture."""
        return Pictures(self.images[::step], self.clips[::step], self.places[::step])


@dataclasses.dataclass(frozen=True)
class Measured:
    """What the metrics compare, of N pictures."""

    fits: PictureFits
    identity: Embeddings


def read_clip(path: Path, count: int, landmarker: FaceLandmarker) -> np.ndarray:
    """Up to `count` frames of a clip, spread evenly, uint8 (count, 256, 256, 3)."""
    total = sum(1 for _ in media.iterate_video(path))
    wanted = set(np.linspace(0, total - 1, min(count, total)).round().astype(int).tolist())
    frames = [frame for k, frame in enumerate(media.iterate_video(path)) if k in wanted]
    faces = [landmarker.detect(frame) for frame in frames]
    points = [face.points[:NUM_DENSE] for face in faces if face is not None]
    if not points:
        raise UserError(f"{path}: expected a clip of a face, found none in {len(frames)} frames")
    box = clip_crop(landmark_box(np.stack(points)), *frames[0].shape[:2])
    return np.stack([crop_image(frame, box, IMAGE_SIZE) for frame in frames])


def read_clips(paths: list[Path], count: int, landmarker: FaceLandmarker) -> Pictures:
    """Frames of all clips."""
    images = [read_clip(path, count, landmarker) for path in paths]
    return Pictures(
        np.concatenate(images),
        np.repeat([path.stem for path in paths], [len(part) for part in images]),
        np.concatenate([np.arange(len(part)) for part in images]),
    )


def compare(first: Measured, second: Measured) -> dict[str, Scores]:
    """All metrics of N pairs."""
    reasons = merge_reasons(first.fits.reasons, second.fits.reasons)
    one, other = first.fits.parameters, second.fits.parameters
    angles = np.degrees(apd(one.rotation, other.rotation))
    return {
        "csim_dlib": csim(first.identity, second.identity),
        "aed_open": Scores.of(aed(one.expression, other.expression), reasons),
        "apd_open": Scores.of(apd(one.rotation, other.rotation), reasons),
        "apd_open in degrees": Scores.of(angles, reasons),
    }


def row_of(scores: dict[str, Scores]) -> dict[str, dict]:
    """Means, 95th percentiles and counts, for JSON."""
    row = {}
    for name, one in scores.items():
        summary = summarise(one)
        found = one.values[one.found]
        row[name] = {
            "mean": summary.mean,
            "p95": float(np.percentile(found, 95)) if len(found) else None,
            "pairs": summary.count,
            "failures": summary.failures,
        }
    return row


def take(measured: Measured, rows: np.ndarray) -> Measured:
    """Some of the pictures."""
    fits = measured.fits
    return Measured(
        PictureFits(fits.parameters[rows], fits.points[rows], tuple(fits.reasons[k] for k in rows)),
        measured.identity[rows],
    )


def report_of(parting: Separation) -> dict:
    """AUC and percentiles, for JSON."""
    return {"auc": parting.auc, **parting.percentiles(), "failures": parting.failures}


def embed_by_dlib(images: np.ndarray) -> Embeddings:
    """The same network with dlib's own detector, five points, crop and arithmetic."""
    import dlib

    folder = find_dlib_face().parent
    detector = dlib.get_frontal_face_detector()
    predictor = dlib.shape_predictor(str(folder / "shape_predictor_5_face_landmarks.dat"))
    network = dlib.face_recognition_model_v1(str(find_dlib_face()))
    vectors = np.full((len(images), 128), np.nan, np.float32)
    reasons = []
    for k, image in enumerate(images):
        boxes = detector(image, 1)
        reasons.append(None if len(boxes) else "no face found by dlib")
        if len(boxes):
            chip = dlib.get_face_chip(image, predictor(image, boxes[0]), 150, 0.25)
            vectors[k] = network.compute_face_descriptor(chip)
    return Embeddings(vectors, tuple(reasons))


def main(options: argparse.Namespace) -> None:
    model = load_ict_facekit(options.face_model)
    params, provenance = load_dlib_face()
    embed = jax.jit(functools.partial(dlib_embedding, params))
    with FaceLandmarker() as landmarker:
        pictures = read_clips(options.clips, options.frames, landmarker)
        _log.info("%d pictures of %d clips", len(pictures.images), len(options.clips))

        def identity_of(images: np.ndarray, fits: PictureFits) -> Embeddings:
            five = dlib_points(fits.points[:, MEDIAPIPE_68])
            return embed_faces(embed, images, five, template=DLIB)

        def measure(images: np.ndarray) -> Measured:
            fits = fit_pictures(images, model, landmarker)
            return Measured(fits, identity_of(images, fits))

        measured = measure(pictures.images)
        few = pictures.every(options.floor_every)
        floors = noise_floor(measure, compare, few.images)
    report = {
        "weights": dataclasses.asdict(provenance),
        "clips": [path.stem for path in options.clips],
        "pictures": len(pictures.images),
        "csim_dlib": separate(pictures, measured.identity),
        "floors": {f"moved by {shift}": row_of(scores) for shift, scores in floors.items()},
        "fd_dlib": frechet(pictures, measured.identity),
    }
    report["floors"] |= {name: row_of(scores) for name, scores in contrasts(pictures, measured)}
    if importlib.util.find_spec("dlib") is not None:
        report["csim by dlib alone"] = separate(pictures, embed_by_dlib(pictures.images))
    print(tables(report))
    if options.output is not None:
        write_text(options.output, json.dumps(report, indent=2) + "\n")


def separate(pictures: Pictures, identity: Embeddings) -> dict:
    """How well the clips are told apart; genuine pairs are a tenth of the shortest clip apart."""
    apart = max(1, int(np.bincount(np.unique(pictures.clips, return_inverse=True)[1]).min()) // 10)
    return report_of(separation(identity, pictures.clips, pictures.places, apart=apart))


def contrasts(pictures: Pictures, measured: Measured) -> Iterator[tuple[str, dict[str, Scores]]]:
    """Random pairs within and across clips: what the metrics say where there is a difference."""
    rng = np.random.default_rng(SEED)
    first, second = rng.integers(0, len(pictures.images), (2, 4000))
    same = pictures.clips[first] == pictures.clips[second]
    for name, chosen in (
        ("two frames of one clip", same & (first != second)),
        ("frames of two clips", ~same),
    ):
        rows = np.flatnonzero(chosen)[:400]
        yield name, compare(take(measured, first[rows]), take(measured, second[rows]))


def frechet(pictures: Pictures, identity: Embeddings) -> dict:
    """fd_dlib of sets that show the same people, and of sets that do not."""
    found = identity.found
    names = np.unique(pictures.clips)
    early = np.isin(pictures.clips, names[: len(names) // 2])
    rows = {}
    for name, chosen in (
        ("even and odd frames of all clips", pictures.places % 2 == 0),
        ("two halves of the clips", early),
    ):
        sides = (Moments.of(identity.vectors[found & side]) for side in (chosen, ~chosen))
        rows[name] = dataclasses.asdict(frechet_distance(*sides))
    return rows


def tables(report: dict) -> str:
    """The report in Markdown."""
    lines = ["| | pairs | p5 | p25 | p50 | p75 | p95 | AUC |", "|---" * 8 + "|"]
    for name in ("csim_dlib", "csim by dlib alone"):
        for kind in ("genuine", "impostor") if name in report else ():
            row = report[name][kind]
            numbers = " | ".join(f"{row[f'p{p}']:.3f}" for p in (5, 25, 50, 75, 95))
            auc = f"{report[name]['auc']:.4f}" if kind == "genuine" else ""
            lines.append(f"| {name}, {kind} | {row['pairs']} | {numbers} | {auc} |")
    names = list(next(iter(report["floors"].values())))
    lines += ["", "| | pairs | " + " | ".join(names) + " |", "|---" * (len(names) + 2) + "|"]
    for name, row in report["floors"].items():
        cells = " | ".join(_cell(n, row[n]) for n in names)
        lines.append(f"| {name} | {row['aed_open']['pairs']} | {cells} |")
    lines += ["", "| fd_dlib | value | pictures |", "|---|---|---|"]
    for name, row in report["fd_dlib"].items():
        lines.append(f"| {name} | {row['value']:.4f} | {row['counts'][0]} and {row['counts'][1]} |")
    return "\n".join(lines)


def _cell(name: str, row: dict) -> str:
    """Mean, and of distances the 95th percentile in brackets."""
    if row["mean"] is None:
        return "-"
    tail = "" if name == "csim_dlib" else f" ({row['p95']:.4f})"
    return f"{row['mean']:.4f}{tail}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("face_model", type=Path, help="ict_facekit.npz")
    parser.add_argument("clips", type=Path, nargs="+", help="at least two videos, of one face each")
    parser.add_argument("--frames", type=int, default=30, help="of each clip")
    parser.add_argument("--floor-every", type=int, default=5, help="floors: every so many-th frame")
    parser.add_argument("--output", type=Path, help="where to write all numbers as JSON")
    run_command(main, parser.parse_args())
