"""The painted albedo of the procedural head and its colour modes, per vertex, RGB in [0, 1].

`Palette` holds amounts and colours, `paint` puts them on the masks; a mode is the difference that
a change of the palette makes.
"""

import dataclasses

import numpy as np

from reenact_jax.face_model.procedural.masks import Masks

SKIN = np.array([0.765, 0.572, 0.488])
# Darker skin per standard deviation of melanin; hair, brows and lips follow in part.
MELANIN = np.array([0.104, 0.106, 0.102])
HAIR = np.array([0.255, 0.180, 0.128])
LIPS = np.array([0.650, 0.345, 0.325])
SCLERA = np.array([0.830, 0.805, 0.785])
IRIS = np.array([0.315, 0.235, 0.165])
TEETH = np.array([0.760, 0.730, 0.670])
TONGUE = np.array([0.620, 0.290, 0.280])
CAVITY = np.array([0.115, 0.028, 0.028])
LASHES = np.array([0.070, 0.048, 0.042])


@dataclasses.dataclass(frozen=True)
class Palette:
    """Amounts of the mean head; those that default to 0 are deviations from it."""

    melanin: float = 0.0
    red: float = 0.0
    sallow: float = 0.0
    mottled: float = 0.7
    blush: float = 0.9
    red_nose: float = 0.8
    red_ears: float = 0.8
    shine: float = 0.5
    freckles: float = 0.35
    moles: float = 0.22
    age_spots: float = 0.30
    dark_circles: float = 0.6
    eye_shadow: float = 0.10
    liner: float = 0.52
    lip_red: float = 0.0
    lip_dark: float = 0.0
    lip_strength: float = 0.78
    hair_light: float = 0.0
    hair_red: float = 0.0
    hair_grey: float = 0.0
    hair_streaks: float = 1.0
    hair_roots: float = 0.15
    stubble: float = 0.45
    brow: float = 0.80
    brow_light: float = 0.0
    iris_blue: float = 0.0
    iris_green: float = 0.0
    iris_light: float = 0.0
    eye_red: float = 0.3
    beard: float = 0.16
    moustache: float = 0.11
    goatee: float = 0.08
    teeth_yellow: float = 0.0


# Name -> change of the palette per standard deviation.
COLOUR_MODES: dict[str, dict[str, float]] = {
    "skinDark": {"melanin": 1.0},
    "skinRed": {"red": 1.0},
    "skinSallow": {"sallow": 1.0},
    "skinMottled": {"mottled": 0.9},
    "skinShine": {"shine": 0.7},
    "blush": {"blush": 0.9},
    "noseRed": {"red_nose": 0.9},
    "earsRed": {"red_ears": 0.9},
    "freckles": {"freckles": 0.30},
    "moles": {"moles": 0.18},
    "ageSpots": {"age_spots": 0.24},
    "darkCircles": {"dark_circles": 0.9},
    "eyeShadow": {"eye_shadow": 0.19},
    "eyeLiner": {"liner": 0.20},
    "lipsRed": {"lip_red": 1.0},
    "lipsDark": {"lip_dark": 1.0},
    "lipsStrong": {"lip_strength": 0.16},
    "hairLight": {"hair_light": 1.0},
    "hairRed": {"hair_red": 1.0},
    "hairGrey": {"hair_grey": 1.0},
    "hairStreaks": {"hair_streaks": 0.8},
    "hairRoots": {"hair_roots": 0.30},
    "scalpStubble": {"stubble": 0.20},
    "browDensity": {"brow": 0.17},
    "browLight": {"brow_light": 1.0},
    "irisBlue": {"iris_blue": 1.0},
    "irisGreen": {"iris_green": 1.0},
    "irisLight": {"iris_light": 1.0},
    "eyesRed": {"eye_red": 0.45},
    "beard": {"beard": 0.13},
    "moustache": {"moustache": 0.12},
    "goatee": {"goatee": 0.11},
    "teethYellow": {"teeth_yellow": 1.0},
}


def paint(palette: Palette, masks: Masks) -> np.ndarray:
    """Albedo (num_vertices, 3), float64, not clipped."""

    def rgb(*values: float) -> np.ndarray:
        return np.array(values)

    def over(base: np.ndarray, colour: np.ndarray, amount: np.ndarray) -> np.ndarray:
        return base + amount[:, None] * (colour - base)

    p = palette
    hair = HAIR * (1.0 - 0.12 * p.melanin) + p.hair_light * rgb(0.108, 0.083, 0.054)
    hair = hair + p.hair_red * rgb(0.014, -0.008, -0.009) + p.hair_grey * rgb(0.028, 0.038, 0.044)
    beard = 0.5 * hair + 0.5 * HAIR * rgb(0.85, 0.9, 0.95)

    tone = SKIN - p.melanin * MELANIN
    tone = tone + p.red * rgb(0.010, -0.007, -0.005) + p.sallow * rgb(0.002, 0.002, -0.013)
    warm = rgb(0.022, -0.030, -0.026)
    skin = np.broadcast_to(tone, (len(masks.skin), 3))
    glow = p.blush * masks.cheeks + 0.8 * p.red_nose * masks.nose + p.red_ears * masks.ears
    skin = skin + (glow + 0.4 * masks.chin)[:, None] * warm
    skin = skin + 0.020 * p.mottled * masks.mottle[:, None] * rgb(1.0, 0.85, 0.75)
    skin = skin + p.shine * masks.shine[:, None] * rgb(0.050, 0.046, 0.042)
    skin = skin + p.freckles * masks.freckles[:, None] * rgb(-0.105, -0.115, -0.100)
    skin = skin + p.age_spots * masks.age_spots[:, None] * rgb(-0.085, -0.100, -0.095)
    skin = skin + p.dark_circles * masks.under_eye[:, None] * rgb(-0.048, -0.050, -0.034)
    skin = over(skin, 0.42 * tone, p.moles * masks.moles)
    skin = over(skin, rgb(0.30, 0.20, 0.21), p.eye_shadow * masks.eyelid)
    skin = over(skin, beard, p.beard * masks.beard)
    skin = over(skin, beard, p.moustache * masks.moustache)
    skin = over(skin, beard, p.goatee * masks.goatee)
    skin = over(skin, hair, p.stubble * masks.scalp)
    lips = LIPS - 0.62 * p.melanin * MELANIN + p.lip_red * rgb(0.032, -0.027, -0.013)
    lips = lips + p.lip_dark * rgb(-0.064, -0.036, -0.014)
    skin = over(skin, lips, p.lip_strength * masks.lips)
    skin = skin * (1.0 - 0.35 * masks.lip_line[:, None])
    brow = 0.86 * HAIR * (1.0 - 0.10 * p.melanin) + p.brow_light * rgb(0.055, 0.042, 0.028)
    brow = brow + 0.5 * p.hair_grey * rgb(0.028, 0.038, 0.044)
    skin = over(skin, brow, p.brow * masks.brow)
    skin = over(skin, LASHES, p.liner * masks.lid_line)

    locks = 0.19 * p.hair_streaks * masks.strands - p.hair_roots * masks.roots
    locks = hair * (1.0 + locks[:, None])
    sclera = SCLERA + p.eye_red * masks.eye_corner[:, None] * rgb(-0.02, -0.20, -0.18)
    iris = (
        IRIS + p.iris_blue * rgb(-0.042, 0.010, 0.055) + p.iris_green * rgb(-0.022, 0.012, -0.010)
    )
    iris = iris + p.iris_light * rgb(0.046, 0.048, 0.042)
    iris = iris * (1.25 - 0.80 * masks.iris_rim[:, None])
    teeth = TEETH + p.teeth_yellow * rgb(-0.012, -0.024, -0.050)

    materials = {
        "skin": skin,
        "hair": locks,
        "sclera": sclera,
        "iris": iris,
        "pupil": rgb(0.025, 0.022, 0.022),
        "teeth": teeth,
        "tongue": TONGUE,
        "cavity": CAVITY,
        "lashes": LASHES,
    }
    total = sum(getattr(masks, name)[:, None] * colour for name, colour in materials.items())
    return over(total * masks.shade[:, None], rgb(0.95, 0.95, 0.95), 0.9 * masks.glint)


def colour_modes(masks: Masks) -> dict[str, np.ndarray]:
    """Name -> offset (num_vertices, 3) per standard deviation."""
    palette = Palette()
    mean = paint(palette, masks)
    modes = {}
    # Albedo is affine in every single field of the palette: one difference is exact.
    for name, change in COLOUR_MODES.items():
        moved = {key: getattr(palette, key) + step for key, step in change.items()}
        modes[name] = paint(dataclasses.replace(palette, **moved), masks) - mean
    return modes
