"""The people of the synthetic world: a point in the face model, and what the model lacks."""

import dataclasses
import functools

import jax
import numpy as np

from reenact_jax.data.talking_heads.accessories import Accessories, make_accessories
from reenact_jax.data.talking_heads.skin import make_displacement, make_texture
from reenact_jax.face_model.procedural import colour_names, identity_names, procedural_head

# Coefficients are cut off at this many standard deviations.
_LIMIT = 2.0


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Person:
    """One person (NumPy float32 leaves).

    Attributes:
      identity: (I,), texture: (T,) coefficients of the face model.
      mean: (V, 3) the model's mean head plus what no coefficient makes of it, decimetres.
      skin: texture of fine colour and relief, see `skin.make_texture`.
      accessories: hair and glasses over the face.
    """

    identity: np.ndarray
    texture: np.ndarray
    mean: np.ndarray
    skin: np.ndarray
    accessories: Accessories


def make_person(rng: np.random.Generator, head: str) -> Person:
    """A random person; `head` is the size of the procedural head."""
    model = procedural_head(head)
    identity = np.clip(rng.normal(size=model.widths["identity"]), -_LIMIT, _LIMIT)
    texture = np.clip(rng.normal(size=model.widths["texture"]), -_LIMIT, _LIMIT)
    mean = np.asarray(model.mean) + make_displacement(rng, head)
    skin = make_texture(rng, hair_contrast=rng.uniform(0.10, 0.28))
    neutral = mean + np.tensordot(identity, model.identity_basis, axes=1)
    hair = materials(head).hair > 0.5
    colours = model.texture_mean[hair] + np.tensordot(texture, model.texture_basis[:, hair], axes=1)
    accessories = make_accessories(
        rng,
        neutral,
        model.landmarks68,
        np.clip(np.median(colours, axis=0), 0.02, 0.9),
        bald=bool(identity[identity_names().index("hairBald")] > 0.7),
    )
    return Person(
        identity=identity.astype(np.float32),
        texture=texture.astype(np.float32),
        mean=mean.astype(np.float32),
        skin=skin,
        accessories=accessories,
    )


@dataclasses.dataclass(frozen=True)
class Materials:
    """What the vertices of the procedural head are made of, (V,) float32 each.

    Attributes:
      skin, hair: 1 where the person's texture for skin or hair lies.
      gloss: strength of highlights.
      sharpness: exponent of highlights.
    """

    skin: np.ndarray
    hair: np.ndarray
    gloss: np.ndarray
    sharpness: np.ndarray


@functools.lru_cache(maxsize=2)
def materials(head: str) -> Materials:
    """Materials of the procedural head of a size, told apart by what colour modes change."""
    model = procedural_head(head)

    def changed(name: str, share: float = 0.3) -> np.ndarray:
        amount = np.abs(model.texture_basis[colour_names().index(name)]).sum(axis=-1)
        return amount > share * amount.max()

    # Roots show through on the scalp, which is skin.
    hair = changed("hairLight", 0.6)
    lips, teeth = changed("lipsRed"), changed("teethYellow")
    balls = np.zeros(model.num_vertices, bool)
    balls[model.eyeballs.vertices.ravel()] = True
    skin = changed("skinDark") & ~hair & ~balls & ~teeth
    gloss, sharpness = np.zeros(model.num_vertices), np.full(model.num_vertices, 10.0)
    for part, strength, exponent in (
        (skin, 0.30, 11.0),
        (hair, 0.16, 22.0),
        (lips, 0.42, 24.0),
        (teeth, 0.30, 40.0),
        (balls, 0.90, 90.0),
    ):
        gloss[part], sharpness[part] = strength, exponent
    fields = (skin, hair, gloss, sharpness)
    return Materials(*(np.asarray(field, np.float32) for field in fields))
