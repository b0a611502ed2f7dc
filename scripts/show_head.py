"""Draws labelled contact sheets of the procedural head.

python scripts/show_head.py --out runs/head

writes views.png (the mean head turned), identity.png, expression.png, colour.png (every mode at
both ends of its range) and people.png (twenty random people).
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from reenact_jax import media
from reenact_jax.data.talking_heads import Renderer, Scenery
from reenact_jax.data.talking_heads.scenery import make_lighting, make_torso
from reenact_jax.errors import run_command
from reenact_jax.face_model.parameters import FaceParameters
from reenact_jax.face_model.procedural import colour_names, identity_names, procedural_head

LIGHT_SEED, TORSO_SEED = 3, 2
WALL = (0.42, 0.48, 0.55)


def contact_sheet(pictures: list[np.ndarray], labels: list[str], columns: int) -> np.ndarray:
    """Labelled uint8 pictures (S, S, 3) in rows of `columns`."""
    side, bar = pictures[0].shape[0], 12
    rows = -(-len(pictures) // columns)
    sheet = Image.new("RGB", (columns * side, rows * (side + bar)), "white")
    pen = ImageDraw.Draw(sheet)
    for index, (picture, label) in enumerate(zip(pictures, labels, strict=True)):
        row, column = divmod(index, columns)
        corner = (column * side, row * (side + bar))
        sheet.paste(Image.fromarray(picture), (corner[0], corner[1] + bar))
        pen.text((corner[0] + 2, corner[1]), label, fill="black")
    return np.asarray(sheet)


def main(options: argparse.Namespace) -> None:
    model = procedural_head(options.size)
    renderer = Renderer(model, options.image_size)
    lighting = make_lighting(np.random.default_rng(LIGHT_SEED))
    wall = np.ones((renderer.resolution, renderer.resolution, 3), np.float32) * np.float32(WALL)
    scenery = Scenery(wall, *make_torso(np.random.default_rng(TORSO_SEED)))

    def draw(name: str, changes: list[dict], labels: list[str], columns: int) -> None:
        parameters = model.zeros((len(changes),))
        leaves = {key: np.array(value) for key, value in vars(parameters).items()}
        leaves["lighting"][:] = lighting
        leaves["translation"][:] = (0.0, 0.06, -0.7)
        for row, change in enumerate(changes):
            for key, value in change.items():
                leaves[key][row] = value
        pictures = list(renderer(FaceParameters(**leaves), scenery))
        path = Path(options.out) / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        media.write_image(path, contact_sheet(pictures, labels, columns=columns))
        print(path)

    def ends(field: str, names: tuple[str, ...], low: float) -> tuple[list[dict], list[str]]:
        changes, labels = [], []
        for index, name in enumerate(names):
            for amount in [low, 2.0] if low else [1.0]:
                vector = np.zeros(len(names), np.float32)
                vector[index] = amount
                changes.append({field: vector})
                labels.append(f"{name} {amount:+g}" if low else name)
        return changes, labels

    angles = [(0, 0), (0, 30), (0, 60), (0, -45), (0, 90), (20, 0), (-20, 20), (15, -30)]
    draw(
        "views",
        [{"rotation": np.radians([pitch, yaw, 0.0])} for pitch, yaw in angles],
        [f"pitch {pitch} yaw {yaw}" for pitch, yaw in angles],
        columns=4,
    )
    draw("identity", *ends("identity", identity_names(), -2.0), columns=12)
    draw("colour", *ends("texture", colour_names(), -2.0), columns=12)
    draw("expression", *ends("expression", model.expression_names, 0.0), columns=12)
    rng = np.random.default_rng(options.seed)
    people = [
        {
            name: np.clip(rng.normal(size=model.widths[name]), -2.0, 2.0)
            for name in ("identity", "texture")
        }
        for _ in range(20)
    ]
    draw("people", people, [str(i) for i in range(20)], columns=5)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", default="runs/head", help="folder for the sheets")
    parser.add_argument("--size", default="light", choices=["light", "full"])
    parser.add_argument("--image-size", type=int, default=128, help="side of one picture, pixels")
    parser.add_argument("--seed", type=int, default=0, help="of the random people")
    run_command(main, parser.parse_args())
