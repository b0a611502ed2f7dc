"""A summary of what version 1 of the synthetic world draws, to see that it stays as it is.

    python -m tests.helpers.world_summary

writes tests/fixtures/talking_heads.json: only with a new `spec.VERSION`.
"""

import dataclasses
import json
from pathlib import Path

import numpy as np

from reenact_jax.data.talking_heads import PRESETS
from reenact_jax.data.talking_heads.clips import make_clip, make_pairs
from reenact_jax.data.talking_heads.guidance_conditions import fitted
from reenact_jax.data.talking_heads.spec import VERSION
from reenact_jax.data.talking_heads.studio import Studio

PATH = Path(__file__).parents[1] / "fixtures/talking_heads.json"
PEOPLE = (0, 7, 201)
SIZE = 32


def summary() -> dict:
    """Hashes of the presets, some pairs, and numbers of three clips of `v1` drawn at 32 pixels.

    The clips are drawn with the light head and at a small size, which is fast; what they depend on
    is the same.
    """
    spec = dataclasses.replace(PRESETS["v1"], image_size=SIZE, head="light")
    studio = Studio(spec.head, SIZE)
    clips = {}
    for person in PEOPLE:
        clip = make_clip(spec, person, 1)
        face = clip.shots.face
        noisy = fitted(np.random.Generator(np.random.Philox(person)), spec.head, face)
        picture = studio.pictures(clip.stage, clip.shots[5:6])[0]
        blocks = picture.reshape(8, SIZE // 8, 8, SIZE // 8, 3).mean(axis=(1, 3))
        clips[clip.clip_id] = {
            "split": clip.split,
            "picture": blocks.round(1).tolist(),
            "exact": _moments(face),
            "fitted": _moments(noisy),
            "mean": np.abs(clip.stage.person.mean).mean(axis=0).round(5).tolist(),
            "skin": clip.stage.person.skin.std(axis=(0, 1)).round(5).tolist(),
        }
    pairs = make_pairs(PRESETS["v1"])
    return {
        "version": VERSION,
        "hashes": {name: preset.hash() for name, preset in PRESETS.items()},
        "pairs": [[pair.pair_id, *pair.source, *pair.driving] for pair in pairs[::100]],
        "clips": clips,
    }


def _moments(face) -> dict:
    return {
        name: [round(float(leaf.mean()), 4), round(float(leaf.std()), 4)]
        for name, leaf in vars(face).items()
    }


if __name__ == "__main__":
    PATH.write_text(json.dumps(summary(), indent=1) + "\n")
    print(PATH)
