"""Draws ICT-FaceKit's mean face looking ahead, to both sides, up and down.

  python scripts/show_gaze.py ict_facekit.npz --out docs/images/ict_gaze.png

The model has no colours; skin and irises are painted on.
"""

import argparse
from pathlib import Path

import jax.numpy as jnp
import numpy as np

import rasterizer
from reenact_jax import media, visual
from reenact_jax.errors import run_command
from reenact_jax.face_model import morphable
from reenact_jax.face_model.eyeballs import eyeball_centres
from reenact_jax.face_model.ict import load_ict_facekit

LOOKS = {
    "ahead": (),
    "image right": ("eyeLookOut_L", "eyeLookIn_R"),
    "image left": ("eyeLookIn_L", "eyeLookOut_R"),
    "up": ("eyeLookUp_L", "eyeLookUp_R"),
    "down": ("eyeLookDown_L", "eyeLookDown_R"),
}
HEAD_YAWS = (0, 30)  # degrees
SKIN, WHITE, IRIS, PUPIL = (0.78, 0.60, 0.52), (0.95, 0.95, 0.95), (0.25, 0.4, 0.55), (0.05,) * 3
IRIS_ANGLE, PUPIL_ANGLE = np.radians([23, 10])  # seen from the centre of the ball
ZOOM = 2.0


def painted(model: morphable.MorphableModel) -> np.ndarray:
    """(V, 3) float32 colours: skin, white eyeballs, and irises around the straight look."""
    colours = np.tile(np.float32(SKIN), (model.num_vertices, 1))
    centres = np.asarray(eyeball_centres(model.eyeballs, model.mean))
    for vertices, centre in zip(model.eyeballs.vertices, centres, strict=True):
        arms = model.mean[vertices] - centre
        angle = np.arccos(arms[:, 2] / np.linalg.norm(arms, axis=-1))
        colours[vertices] = WHITE
        colours[vertices[angle < IRIS_ANGLE]] = IRIS
        colours[vertices[angle < PUPIL_ANGLE]] = PUPIL
    return colours


def picture(
    model: morphable.MorphableModel, expression: np.ndarray, yaw: float, side: int
) -> np.ndarray:
    """uint8 (side, side, 3) of the upper half of the mean face."""
    parameters = model.zeros().replace(
        expression=expression,
        rotation=np.float32([0, yaw, 0]),
        lighting=jnp.zeros(27).at[2::9].set(0.25),
    )
    camera = parameters.camera * np.float32([ZOOM, ZOOM, 1, 1]) + np.float32([0, 0, 0, 0.26])
    vertices = morphable.shape(model, parameters.identity, expression)
    posed = morphable.posed_vertices(model, parameters)
    fragments = rasterizer.rasterize(
        morphable.clip_vertices(posed, camera), model.triangles, side, side, cull_backfaces=True
    )
    normals = morphable.world_normals(model, vertices, parameters.rotation)
    colours = rasterizer.shade(jnp.asarray(painted(model)), normals, parameters.lighting)
    image = np.array(rasterizer.interpolate(colours, model.triangles, fragments))
    image[np.asarray(fragments.triangle_id) < 0] = 1.0
    return np.round(255 * np.clip(image, 0, 1)).astype(np.uint8)


def main(options: argparse.Namespace) -> None:
    model = load_ict_facekit(options.model)
    columns = {}
    for look, modes in LOOKS.items():
        weights = np.isin(model.expression_names, modes).astype(np.float32)
        columns[look] = [
            picture(model, weights, np.radians(yaw), options.image_size) for yaw in HEAD_YAWS
        ]
    media.write_image(options.out, visual.grid(columns))
    print(options.out)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path, help="ICT-FaceKit as .npz")
    parser.add_argument("--out", type=Path, default=Path("docs/images/ict_gaze.png"))
    parser.add_argument("--image-size", type=int, default=192, help="side of a picture, pixels")
    run_command(main, parser.parse_args())
