"""Measures how far an eye has turned when MediaPipe scores an eyeLook blendshape with 1.

  python scripts/measure_gaze.py ict_facekit.npz CLIP.mp4 CLIP.mp4 ...

For every fourth frame the head is fitted, the ray through the iris point is met with the sphere of
the eyeball, and the direction from the ball's centre is the gaze. Its slope against the scores,
each eye of each clip about its own mean, is the angle at score 1. Frames with half-closed eyes are
left out.
"""

import argparse
import dataclasses
from pathlib import Path

import numpy as np

from reenact_jax.errors import run_command
from reenact_jax.face_model.eyeballs import eyeball_centres
from reenact_jax.face_model.ict import load_ict_facekit
from reenact_jax.face_model.morphable import MorphableModel, shape
from reenact_jax.face_model.parameters import CAMERA_DISTANCE, FaceParameters
from reenact_jax.face_model.rotation import rotation_matrix
from reenact_jax.tracking.landmarks import FaceLandmarker
from reenact_jax.tracking.track import track_video

STRIDE = 4
IRIS = (473, 468)  # MediaPipe's iris centres: subject's left, right
SIDES = ("Left", "Right")
HALF_CLOSED = 0.4  # of the score eyeBlink
YAW_OF_OUT = (1, -1)  # which way out is for the left and the right eye


def gaze_of(model: MorphableModel, parameters: FaceParameters, points: np.ndarray) -> np.ndarray:
    """(2, 2) pitch and yaw in degrees of both eyes of one frame; NaN where the ray misses.

    Args:
      model: with eyeballs.
      parameters: of the frame.
      points: (2, 2) iris centres in [0, 1] across the image.
    """
    still = dataclasses.replace(model, eyeballs=None)
    vertices = np.asarray(shape(still, parameters.identity, parameters.expression))
    centres = np.asarray(eyeball_centres(model.eyeballs, vertices))
    # The camera in the model's frame, and the ray through each iris.
    turn = np.asarray(rotation_matrix(parameters.rotation))
    flip = np.array([1.0, -1.0, -1.0])
    eye = (flip * [0.0, 0.0, -CAMERA_DISTANCE] - parameters.translation) @ turn
    focal, centre = parameters.camera[:2], parameters.camera[2:]
    rays = np.concatenate([(points - centre) / focal, np.ones((2, 1))], axis=1)
    rays = flip * rays @ turn
    rays /= np.linalg.norm(rays, axis=-1, keepdims=True)
    gaze = np.empty((2, 2))
    for ball in range(2):
        arms = vertices[model.eyeballs.vertices[ball]] - centres[ball]
        radius = np.median(np.linalg.norm(arms, axis=-1))
        arm = eye - centres[ball]
        along = rays[ball] @ arm
        inside = along**2 - arm @ arm + radius**2
        x, y, z = arm - (along + np.sqrt(inside)) * rays[ball] if inside > 0 else [np.nan] * 3
        gaze[ball] = np.degrees([np.arctan2(-y, np.hypot(x, z)), np.arctan2(x, z)])
    return gaze


def measure_clip(path: Path, model: MorphableModel, tracker: FaceLandmarker) -> list[np.ndarray]:
    """Two arrays (N, 6), left and right eye: angles down and out, scores down, up, out, in."""
    clip = track_video(path, model, stride=STRIDE, landmarker=tracker)
    rows = ([], [])
    for index, frame in enumerate(clip.frames):
        face = tracker.detect(frame)
        if face is None:
            continue
        gaze = gaze_of(model, clip.parameters[index], clip.landmarks[index][list(IRIS)])
        for ball, side in enumerate(SIDES):
            look = [face.scores[f"eyeLook{way}{side}"] for way in ("Down", "Up", "Out", "In")]
            if face.scores[f"eyeBlink{side}"] < HALF_CLOSED and np.isfinite(gaze[ball]).all():
                pitch, yaw = gaze[ball]
                rows[ball].append([pitch, YAW_OF_OUT[ball] * yaw, *look])
    return [np.array(row).reshape(-1, 6) for row in rows]


def slopes(angle: np.ndarray, scores: np.ndarray, group: np.ndarray) -> tuple[np.ndarray, float]:
    """Least absolute deviations of angle ~ scores within groups; slopes and share explained."""
    angle, scores = angle.copy(), scores.copy()
    for number in np.unique(group):
        angle[group == number] -= angle[group == number].mean()
        scores[group == number] -= scores[group == number].mean(axis=0)
    weight = np.ones(len(angle))
    for _ in range(20):
        root = np.sqrt(weight)
        slope = np.linalg.lstsq(scores * root[:, None], angle * root, rcond=None)[0]
        rest = angle - scores @ slope
        weight = 1 / np.maximum(np.abs(rest), 0.5)
    return slope, 1 - (rest**2).sum() / (angle**2).sum()


def main(options: argparse.Namespace) -> None:
    model = load_ict_facekit(options.model)
    eyes = []
    with FaceLandmarker() as tracker:
        for path in options.clips:
            eyes += measure_clip(path, model, tracker)
    group = np.repeat(np.arange(len(eyes)), [len(eye) for eye in eyes])
    pitch, out, *scores = np.concatenate(eyes).T
    down, up, outwards, inwards = scores
    print(f"{len(group)} eyes in {len(options.clips)} clips; degrees at score 1:")
    for names, angle, columns in (
        (("down", "up"), pitch, (down, -up)),
        (("out", "in"), out, (outwards, -inwards)),
    ):
        slope, explained = slopes(angle, np.stack(columns, axis=1), group)
        found = ", ".join(f"{name} {value:.1f}" for name, value in zip(names, slope, strict=True))
        print(f"  {found}; R^2 {explained:.2f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path, help="ICT-FaceKit as .npz")
    parser.add_argument("clips", type=Path, nargs="+", help="videos of one face each")
    run_command(main, parser.parse_args())
