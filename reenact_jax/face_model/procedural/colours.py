"""Painted albedo of the procedural head and its colour modes, per vertex, RGB in [0, 1]."""

import dataclasses

import numpy as np

from reenact_jax.face_model.procedural.masks import Masks

SKIN = np.array([0.77, 0.575, 0.48])
HAIR = np.array([0.27, 0.195, 0.14])
BROW = np.array([0.23, 0.155, 0.115])
LIPS = np.array([0.66, 0.355, 0.335])
LASH = np.array([0.10, 0.065, 0.055])
SCLERA = np.array([0.90, 0.88, 0.86])
IRIS = np.array([0.28, 0.21, 0.155])
BEARD = np.array([-0.056, -0.042, -0.032])
FRECKLES = np.array([-0.030, -0.034, -0.030])
TEETH = np.array([0.80, 0.77, 0.70])
CAVITY = np.array([0.13, 0.03, 0.03])


def _paint(masks: Masks, weights: dict[str, np.ndarray]) -> np.ndarray:
    """Sum of mask times colour, times the shade: (num_vertices, 3)."""
    total = sum(getattr(masks, name)[:, None] * colour for name, colour in weights.items())
    return total * masks.shade[:, None]


def mean_colours(masks: Masks) -> np.ndarray:
    """Albedo (num_vertices, 3) of the mean head."""
    colours = _paint(
        masks,
        {
            "skin": SKIN,
            "hair": HAIR,
            "brow": BROW,
            "lash": LASH,
            "lips": LIPS,
            "sclera": SCLERA,
            "iris": IRIS,
            "pupil": np.array([0.03, 0.03, 0.03]),
            "teeth": TEETH,
            "cavity": CAVITY,
        },
    )
    flush = np.array([0.03, -0.035, -0.03])
    colours += masks.shade[:, None] * (
        masks.skin[:, None] * (masks.cheeks + 0.6 * masks.nose)[:, None] * flush
        + (masks.skin * masks.freckles)[:, None] * FRECKLES
        + 0.5 * (masks.skin * masks.beard)[:, None] * BEARD
        + 0.012 * (masks.skin * masks.mottle)[:, None] * np.array([1.0, 0.8, 0.7])
        + (masks.hair * masks.strands)[:, None] * np.array([0.045, 0.032, 0.022])
    )
    return colours


def colour_modes(masks: Masks) -> dict[str, np.ndarray]:
    """Name -> offset (num_vertices, 3) per standard deviation."""

    def rgb(*values: float) -> np.ndarray:
        return np.array(values)

    strand_light = masks.strands * masks.hair
    modes = {
        "skinDark": {"skin": -0.165 * SKIN, "lips": -0.13 * LIPS, "brow": -0.08 * BROW},
        "skinWarm": {"skin": rgb(0.006, 0.0, -0.016), "lips": rgb(0.005, 0.0, -0.01)},
        "skinRed": {"skin": rgb(0.012, -0.007, -0.006)},
        "cheekFlush": {"cheeks": rgb(0.018, -0.026, -0.020)},
        "noseRed": {"nose": rgb(0.012, -0.018, -0.015)},
        "lipsRed": {"lips": rgb(0.030, -0.040, -0.025)},
        "lipsDark": {"lips": -0.085 * LIPS},
        "hairLight": {"hair": 0.40 * HAIR, "brow": rgb(0.050, 0.037, 0.024)},
        "hairRed": {"hair": rgb(0.025, 0.002, -0.006), "brow": rgb(0.022, 0.002, -0.006)},
        "hairGrey": {"hair": rgb(0.020, 0.028, 0.033), "brow": rgb(0.014, 0.018, 0.020)},
        "browDark": {"brow": -0.17 * BROW},
        "irisBlue": {"iris": rgb(-0.045, 0.010, 0.055)},
        "irisLight": {"iris": rgb(0.045, 0.050, 0.040)},
        "beardShadow": {"beard": BEARD},
        "moustache": {"moustache": 0.8 * BEARD},
        "eyeShadow": {"eyelid": rgb(-0.050, -0.058, -0.035)},
        "underEye": {"under_eye": rgb(-0.035, -0.036, -0.025)},
        "foreheadLight": {"forehead": rgb(0.025, 0.022, 0.020)},
        "freckles": {"freckles": FRECKLES},
        "mottled": {"mottle": rgb(0.010, -0.007, -0.006)},
    }
    offsets = {}
    for name, weights in modes.items():
        on_skin = {"cheeks", "nose", "beard", "moustache", "under_eye", "eyelid", "forehead"}
        on_skin |= {"freckles", "mottle"}
        masked = dataclasses.replace(
            masks, **{key: getattr(masks, key) * masks.skin for key in on_skin & set(weights)}
        )
        offsets[name] = _paint(masked, weights)
    offsets["hairStreaks"] = strand_light[:, None] * masks.shade[:, None] * rgb(0.05, 0.04, 0.03)
    return offsets
