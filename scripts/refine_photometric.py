"""Photometric refinement at work: on a synthetic head whose truth is known, or on a real frame.

python scripts/refine_photometric.py --out docs/images/photometric_synthetic.png

draws random people of the procedural head, fits them to noisy landmarks as a tracker would, refines
each fit by the pixels, and prints the errors before and after.

python scripts/refine_photometric.py --frame talk.mp4 --face-model assets/ict_facekit.npz \\
    --out runs/photometric.png

does it on the first frame of a video, or on a picture, where no truth is known. The tracker's model
has no colours; it borrows the procedural head's. The picture shows a person: keep it to yourself.
"""

import argparse
import dataclasses
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

import rasterizer
from reenact_jax import media, visual
from reenact_jax.data.talking_heads import Renderer, Scenery
from reenact_jax.data.talking_heads.scenery import make_lighting, make_torso
from reenact_jax.errors import run_command
from reenact_jax.face_model import morphable
from reenact_jax.face_model.borrowed_albedo import with_albedo_of
from reenact_jax.face_model.load import load_face_model
from reenact_jax.face_model.morphable import MorphableModel
from reenact_jax.face_model.parameters import FaceParameters
from reenact_jax.face_model.procedural import procedural_head
from reenact_jax.tracking.anchors import NUM_DENSE, anchor_points, model_anchors
from reenact_jax.tracking.fit import fit_clip, fit_error_px
from reenact_jax.tracking.photometric import refine, rendered_face
from reenact_jax.tracking.track import track_image, track_video

# Errors of a tracker's landmarks, standard deviations in pixels at 256: one that neighbours share,
# with wavelengths of about a third of the picture, and one of each point's own.
SHARED_NOISE_PX, OWN_NOISE_PX = 1.5, 0.15
# Of 255; what is drawn brightest in pictures of errors.
LARGEST_ERROR = 40.0
ROWS = 3  # people in the picture


def random_person(model: MorphableModel, rng: np.random.Generator) -> FaceParameters:
    """A person under a soft light, in a mild pose, with some of the expressions."""
    widths = model.widths
    some = rng.uniform(size=widths["expression"]) < 0.3
    return model.zeros().replace(
        identity=np.float32(rng.normal(0, 0.8, widths["identity"])),
        texture=np.float32(rng.normal(0, 0.8, widths["texture"])),
        expression=np.float32(rng.uniform(0, 0.4, widths["expression"]) * some),
        lighting=make_lighting(rng),
        rotation=np.float32(rng.normal(0, 0.15, 3)),
        translation=np.float32([0.0, 0.06, -0.7]),
    )


def photograph(
    renderer: Renderer, person: FaceParameters, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """A picture uint8 (S, S, 3) with shoulders and a wall, and noisy landmarks (468, 2)."""
    wall = np.ones((renderer.resolution, renderer.resolution, 3), np.float32)
    scenery = Scenery(wall * np.float32(rng.uniform(0.2, 0.8, 3)), *make_torso(rng))
    batch = jax.tree.map(lambda leaf: np.asarray(leaf)[None], person)
    anchors = model_anchors(renderer.model)
    points = anchor_points(anchors, person.identity, person.expression)
    points = morphable.to_camera(points, jnp.asarray(person.rotation), person.translation)
    points = np.asarray(morphable.project(points, jnp.asarray(person.camera)))
    landmarks = np.zeros((NUM_DENSE, 2), np.float32)
    landmarks[anchors.selection] = points + landmark_noise(points, rng) / 256
    return renderer(batch, scenery)[0], landmarks


def landmark_noise(points: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(L, 2) pixels at 256, for points (L, 2) in [0, 1]: a sum of random waves, and white noise."""
    phases = points @ rng.normal(0, 2 * np.pi * 3, (2, 12)) + rng.uniform(0, 2 * np.pi, 12)
    waves = np.sin(phases) @ rng.normal(0, np.sqrt(2 / 12), (12, 2))
    return SHARED_NOISE_PX * waves + OWN_NOISE_PX * rng.normal(size=points.shape)


def errors(model: MorphableModel, found: FaceParameters, truth: FaceParameters) -> dict[str, float]:
    """How far parameters are from the truth, by name, over the guidance region."""
    region = np.unique(model.region_triangles)
    found, truth = (jax.tree.map(jnp.asarray, each) for each in (found, truth))

    def neutral(p: FaceParameters) -> np.ndarray:
        return np.asarray(morphable.shape(model, p.identity, jnp.zeros_like(p.expression)))[region]

    def albedo(p: FaceParameters) -> np.ndarray:
        return np.asarray(morphable.albedo(model, p.texture))[region]

    def posed(p: FaceParameters) -> np.ndarray:
        return np.asarray(morphable.posed_vertices(model, p))[region]

    directions = np.random.default_rng(0).normal(size=(1000, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    white = jnp.ones((len(directions), 3))

    def light(p: FaceParameters) -> np.ndarray:
        return np.asarray(rasterizer.shade(white, jnp.asarray(directions), p.lighting))

    def pattern(values: np.ndarray) -> np.ndarray:
        return values / values.mean(axis=0)

    def apart(quantity) -> float:
        return float(np.abs(quantity(found) - quantity(truth)).mean())

    def distance(a: np.ndarray, b: np.ndarray) -> float:
        return float(np.linalg.norm(a - b, axis=1).mean() * 100)

    return {
        "colour seen (albedo x light), of 255": 255
        * apart(lambda p: np.asarray(morphable.shaded_colours(model, p))[region]),
        "albedo, of 255": 255 * apart(albedo),
        "albedo up to brightness, %": 100 * apart(lambda p: pattern(albedo(p))),
        "light up to brightness, %": 100 * apart(lambda p: pattern(light(p))),
        "identity's shape, rigidly aligned, mm": distance(
            _aligned(neutral(found), neutral(truth)), neutral(truth)
        ),
        "place of the surface across the view, mm": distance(
            posed(found)[:, :2], posed(truth)[:, :2]
        ),
        "rotation, degrees": float(np.degrees(apart(lambda p: np.asarray(p.rotation)))),
        "depth, mm": float(100 * np.abs(found.translation[2] - truth.translation[2])),
        "expression weights": apart(lambda p: np.asarray(p.expression)),
    }


def _aligned(points: np.ndarray, onto: np.ndarray) -> np.ndarray:
    """Points (N, 3) moved by the rotation and translation that bring them nearest (Kabsch)."""
    centre, goal = points.mean(axis=0), onto.mean(axis=0)
    left, _, right = np.linalg.svd((points - centre).T @ (onto - goal))
    sign = np.sign(np.linalg.det(left @ right))
    return (points - centre) @ (left * [1, 1, sign]) @ right + goal


def panels(
    model: MorphableModel, picture: np.ndarray, stages: dict[str, FaceParameters]
) -> dict[str, np.ndarray]:
    """The picture, and per stage the face drawn over it, its error and its shape without colour."""
    clay = dataclasses.replace(
        model,
        texture_mean=np.full_like(model.texture_mean, 0.6),
        texture_basis=np.zeros_like(model.texture_basis),
    )
    shown = {"picture": picture}
    for name, parameters in stages.items():
        face, counts = rendered_face(model, parameters, picture.shape[0])
        over = np.where(counts[..., None], 255 * np.clip(face, 0, 1), picture).astype(np.uint8)
        error = np.abs(over.astype(int) - picture).mean(axis=-1, keepdims=True)
        lit = parameters.replace(lighting=make_lighting(np.random.default_rng(3)))
        shape, counts = rendered_face(clay, lit, picture.shape[0])
        shown[name] = over
        shown[f"{name}: error"] = visual.grey(error / LARGEST_ERROR)
        shown[f"{name}: shape"] = np.uint8(255 * np.clip(shape * counts[..., None], 0, 1))
    return shown


def pixel_error(model: MorphableModel, found: FaceParameters, picture: np.ndarray) -> float:
    """Mean difference over the guidance region, of 255."""
    face, counts = rendered_face(model, found, picture.shape[0])
    return float(np.abs(255 * face - picture)[counts].mean())


def on_synthetic_heads(options: argparse.Namespace) -> list[dict[str, np.ndarray]]:
    """Prints errors before and after, averaged over people; returns the first people's panels."""
    model = procedural_head("light")
    renderer = Renderer(model, options.image_size)
    rows, before, after = [], [], []
    for seed in range(options.people):
        rng = np.random.default_rng(seed)
        truth = random_person(model, rng)
        picture, landmarks = photograph(renderer, truth, rng)
        start = fit_clip(model, landmarks[None] * 256)[0]
        found, _ = refine(model, picture / np.float32(255), start, landmarks)
        for parameters, kept in ((start, before), (found, after)):
            differs = {"pixels, of 255": pixel_error(model, parameters, picture)}
            kept.append(differs | errors(model, parameters, truth))
        if seed < ROWS:
            rows.append(panels(model, picture, {"start": start, "refined": found, "truth": truth}))
    print(f"mean of {options.people} people at {options.image_size} pixels: before, after, ratio")
    for name in before[0]:
        pair = [np.mean([each[name] for each in stage]) for stage in (before, after)]
        print(f"{name:<42} {pair[0]:7.2f} {pair[1]:7.2f} {pair[0] / pair[1]:6.1f}")
    return rows


def on_a_frame(options: argparse.Namespace) -> list[dict[str, np.ndarray]]:
    """The first frame of a video, or a picture."""
    tracked = load_face_model("ict", options.face_model)
    model = with_albedo_of(tracked, procedural_head("full"))
    if media.is_image(options.frame):
        clip = track_image(options.frame, tracked)
    else:
        clip = track_video(options.frame, tracked, max_frames=1)
    picture, landmarks = clip.frames[0], clip.landmarks[0]
    width = model.widths["texture"]
    start = clip.parameters[0].replace(texture=np.zeros(width, np.float32))
    found, _ = refine(model, picture / np.float32(255), start, landmarks)
    for name, parameters in (("tracked", start), ("refined", found)):
        batch = jax.tree.map(lambda leaf: np.asarray(leaf)[None], parameters)
        distance = fit_error_px(tracked, batch, landmarks[None] * 256)[0]
        differs = pixel_error(model, parameters, picture)
        print(f"{name}: pixels {differs:.1f} of 255, landmarks {distance:.2f} px at 256")
    return [panels(model, picture, {"tracked": start, "refined": found})]


def main(options: argparse.Namespace) -> None:
    rows = on_a_frame(options) if options.frame else on_synthetic_heads(options)
    Path(options.out).parent.mkdir(parents=True, exist_ok=True)
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    media.write_image(options.out, visual.grid(columns))
    print(options.out)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", required=True, help="the picture to write")
    parser.add_argument("--people", type=int, default=8, help="how many synthetic people")
    parser.add_argument("--image-size", type=int, default=128, help="of the synthetic pictures")
    parser.add_argument("--frame", help="a video, whose first frame is taken, or a picture")
    parser.add_argument("--face-model", default="assets/ict_facekit.npz", help="for --frame")
    run_command(main, parser.parse_args())
