"""Draws labelled contact sheets of the procedural head.

python scripts/show_head.py OUT

writes, into the folder OUT, views.jpg (the mean head turned, close up and speaking),
people_front.jpg and people_turned.jpg (twenty random people, frontal and at 35 degrees),
identity_1.jpg, identity_2.jpg, expression.jpg and colour.jpg (every mode, at both ends of its range
where it has two, framed so that what it changes is seen).
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from reenact_jax import media
from reenact_jax.data.talking_heads import Renderer, Scenery
from reenact_jax.data.talking_heads.scenery import make_lighting, make_torso
from reenact_jax.errors import run_command
from reenact_jax.face_model.morphable import CANONICAL_CAMERA
from reenact_jax.face_model.parameters import FaceParameters
from reenact_jax.face_model.procedural import colour_names, identity_names, procedural_head

LIGHT_SEED, TORSO_SEED = 14, 2
WALL = (0.42, 0.48, 0.55)
# Where to look for a mode: (zoom, height of the middle of the picture, yaw in degrees).
WHOLE, TURNED, PROFILE = (1.0, 0.5, 0), (1.0, 0.5, 35), (1.0, 0.5, 80)
EYES, MOUTH, NOSE, EAR = (2.2, 0.46, 0), (2.2, 0.74, 0), (2.4, 0.58, 0), (1.5, 0.5, 60)
NOSE_TURNED = (1.7, 0.58, 60)
# Beginnings of names -> framing; the longest that fits decides.
FRAMES = {
    "brow": (1.8, 0.42, 0),
    "browRidge": (1.4, 0.45, 60),
    "eye": EYES,
    "eyeDepth": (1.5, 0.46, 50),
    "iris": EYES,
    "darkCircles": EYES,
    "asymmetricBrows": EYES,
    "asymmetricEyes": EYES,
    "nose": NOSE,
    "noseBridge": NOSE_TURNED,
    "noseRoot": NOSE_TURNED,
    "noseHeight": NOSE_TURNED,
    "noseTipUp": NOSE_TURNED,
    "noseHump": NOSE_TURNED,
    "noseFold": (1.8, 0.66, 0),
    "noseSneer": (1.8, 0.6, 0),
    "philtrum": MOUTH,
    "mouth": MOUTH,
    "mouthForward": (1.7, 0.68, 60),
    "upperLip": MOUTH,
    "lowerLip": MOUTH,
    "cupidBow": MOUTH,
    "lips": MOUTH,
    "teeth": MOUTH,
    "moustache": MOUTH,
    "jaw": (1.4, 0.66, 0),
    "jawAngle": (1.2, 0.6, 50),
    "jawForward": (1.4, 0.66, 60),
    "jowls": (1.5, 0.7, 20),
    "doubleChin": (1.4, 0.72, 60),
    "chin": (1.8, 0.8, 0),
    "chinForward": (1.4, 0.7, 70),
    "cheek": (1.5, 0.62, 25),
    "cheekPuff": (1.5, 0.62, 0),
    "cheekSquint": (1.9, 0.55, 0),
    "temples": (1.4, 0.4, 25),
    "backOfHead": PROFILE,
    "forehead": (1.0, 0.5, 50),
    "throat": (1.8, 0.88, 60),
    "ear": EAR,
    "earsOut": WHOLE,
    "hairTop": TURNED,
    "hairBack": PROFILE,
    "hairFront": TURNED,
    "hairCurls": TURNED,
    "hairBald": TURNED,
    "hairSwept": WHOLE,
    "scalpStubble": TURNED,
    "ageSpots": (1.4, 0.45, 25),
    "freckles": (1.6, 0.55, 0),
    "moles": (1.4, 0.6, 0),
}
# What has to be there besides for a mode to show: a bald head, an open mouth.
COMPANY = {
    "scalpStubble": {"identity": {"hairBald": 2.5, "hairTop": -1.0}},
    "teethYellow": {"expression": {"jawOpen": 0.5, "mouthSmile_L": 0.6, "mouthSmile_R": 0.6}},
    "mouthClose": {"expression": {"jawOpen": 1.0}},
}


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


def frame_of(name: str) -> tuple[float, float, float]:
    """Zoom, height and yaw at which a mode is shown."""
    fitting = [start for start in FRAMES if name.startswith(start)]
    return FRAMES[max(fitting, key=len)] if fitting else WHOLE


def main(options: argparse.Namespace) -> None:
    model = procedural_head(options.size)
    names = {
        "identity": identity_names(),
        "expression": model.expression_names,
        "texture": colour_names(),
    }
    lighting = make_lighting(np.random.default_rng(LIGHT_SEED))
    torso = make_torso(np.random.default_rng(TORSO_SEED))

    def vector(field: str, values: dict[str, float]) -> np.ndarray:
        weights = np.zeros(len(names[field]), np.float32)
        for name, value in values.items():
            sides = [name] if name in names[field] else [f"{name}_L", f"{name}_R"]
            for side in sides:
                weights[names[field].index(side)] = value
        return weights

    def draw(name: str, shots: list[tuple[str, dict, tuple]], columns: int, side: int) -> None:
        """Shots are (label, changed leaves, framing)."""
        renderer = Renderer(model, side)
        wall = np.ones((renderer.resolution, renderer.resolution, 3), np.float32)
        parameters = model.zeros((len(shots),))
        leaves = {key: np.array(value) for key, value in vars(parameters).items()}
        leaves["lighting"][:] = lighting
        leaves["translation"][:] = (0.0, 0.06, -0.7)
        for row, (_, change, (zoom, height, yaw)) in enumerate(shots):
            focal = zoom * CANONICAL_CAMERA[0]
            leaves["camera"][row] = (focal, focal, 0.5, 0.5 + zoom * (0.5 - height))
            leaves["rotation"][row] = (0.0, np.radians(yaw), 0.0)
            for key, value in change.items():
                leaves[key][row] = value
        scenery = Scenery(wall * np.float32(WALL), *torso)
        pictures = list(renderer(FaceParameters(**leaves), scenery))
        path = Path(options.out) / f"{name}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        media.write_image(path, contact_sheet(pictures, [shot[0] for shot in shots], columns))
        print(path)

    def modes(field: str, ends: tuple[float, ...]) -> list[tuple[str, dict, tuple]]:
        shots = []
        for name in names[field]:
            for amount in ends:
                values = {field: {name: amount}}
                for other, more in COMPANY.get(name, {}).items():
                    values[other] = values.get(other, {}) | more
                label = f"{name} {amount:+g}" if len(ends) > 1 else name
                change = {key: vector(key, value) for key, value in values.items()}
                shots.append((label, change, frame_of(name)))
        return shots

    def posed(pitch: float, yaw: float) -> dict:
        return {"rotation": np.radians([pitch, yaw, 0.0])}

    def wearing(**values: float) -> dict:
        return {"expression": vector("expression", values)}

    draw(
        "views",
        [
            ("frontal", {}, WHOLE),
            ("yaw 35", posed(0, 35), WHOLE),
            ("yaw 90", posed(0, 90), WHOLE),
            ("looking up", posed(-20, -15), WHOLE),
            ("mouth open", wearing(jawOpen=0.9), WHOLE),
            ("smile", wearing(mouthSmile=0.9, mouthUpperUp=0.4, cheekSquint=0.5), WHOLE),
            ("eyes shut", wearing(eyeBlink=1.0), EYES),
            ("gaze aside", wearing(eyeLookDown=0.4, eyeLookOut_L=0.8, eyeLookIn_R=0.8), EYES),
        ],
        columns=4,
        side=options.image_size,
    )
    rng = np.random.default_rng(options.seed)
    people = [
        {
            name: np.clip(rng.normal(size=model.widths[name]), -2.0, 2.0)
            for name in ("identity", "texture")
        }
        for _ in range(20)
    ]
    for name, frame in (("people_front", WHOLE), ("people_turned", TURNED)):
        shots = [(str(number), person, frame) for number, person in enumerate(people)]
        draw(name, shots, columns=5, side=options.image_size)
    small = options.image_size * 9 // 16
    identity = modes("identity", (-2.0, 2.0))
    half = len(identity) // 4 * 2
    draw("identity_1", identity[:half], columns=10, side=small)
    draw("identity_2", identity[half:], columns=10, side=small)
    draw("expression", modes("expression", (1.0,)), columns=9, side=small)
    draw("colour", modes("texture", (-2.0, 2.0)), columns=10, side=small)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", metavar="OUT", help="folder for the sheets")
    parser.add_argument("--size", default="full", choices=["light", "full"])
    parser.add_argument("--image-size", type=int, default=256, help="side of a person, pixels")
    parser.add_argument("--seed", type=int, default=6, help="of the random people")
    run_command(main, parser.parse_args())
