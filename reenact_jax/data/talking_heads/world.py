"""The specification of a synthetic world, and its folder of prepared clips with true answers."""

import dataclasses
import functools
import hashlib
import json
import math
from collections.abc import Sequence
from pathlib import Path

import jax
import numpy as np
from tqdm import tqdm

from reenact_jax.data.prepared import (
    PreparedClip,
    PreparedPair,
    has_clip,
    list_pairs,
    write_clip,
    write_dataset_info,
    write_pair,
)
from reenact_jax.data.talking_heads.motion import make_motion
from reenact_jax.data.talking_heads.renderer import GROUP, Renderer
from reenact_jax.data.talking_heads.scenery import (
    Scenery,
    make_background,
    make_lighting,
    make_torso,
)
from reenact_jax.face_model.morphable import MorphableModel
from reenact_jax.face_model.parameters import FaceParameters, recombine
from reenact_jax.face_model.procedural import procedural_head

NAME = "talking_heads"
# Raised whenever the same specification would give other pictures.
VERSION = 1

# First entropy word of the independent random streams.
_PERSON, _CLIP, _PAIRS = range(3)


@dataclasses.dataclass(frozen=True)
class WorldSpec:
    """Everything that decides the pictures of a world.

    Attributes:
      seed: of all random numbers.
      num_train_people, num_test_people: the splits have no person in common.
      clips_per_person, frames_per_clip: how much is seen of each.
      fps: frames per second of the clips; few, so that short clips show much motion.
      image_size: side of the frames in pixels.
      num_cross_pairs: pairs of two test people, each with its true answer.
      num_self_pairs: pairs of two frames of one test clip.
      max_yaw: largest turn of a head to either side, radians.
      head: size of the procedural head, `light` or `full`.
    """

    seed: int = 0
    num_train_people: int = 96
    num_test_people: int = 6
    clips_per_person: int = 1
    frames_per_clip: int = 12
    fps: float = 8.0
    image_size: int = 64
    num_cross_pairs: int = 36
    num_self_pairs: int = 36
    max_yaw: float = math.radians(35.0)
    head: str = "light"

    def __post_init__(self):
        smallest = {
            "num_train_people": 0,
            "num_test_people": 0,
            "clips_per_person": 1,
            "frames_per_clip": 2,
            "image_size": 8,
            "num_cross_pairs": 0,
            "num_self_pairs": 0,
        }
        for name, least in smallest.items():
            if getattr(self, name) < least:
                raise ValueError(f"expected {name} >= {least}, found {getattr(self, name)}")
        if not 0.0 <= self.max_yaw <= math.pi / 2:
            raise ValueError(f"expected max_yaw in [0, pi/2] radians, found {self.max_yaw}")
        if self.head not in ("light", "full"):
            raise ValueError(f"expected head 'light' or 'full', found {self.head!r}")
        if self.num_cross_pairs and self.num_test_people < 2:
            raise ValueError(
                f"expected at least 2 test people for cross pairs, found {self.num_test_people}"
            )
        if self.num_self_pairs and self.num_test_people < 1:
            raise ValueError("expected at least 1 test person for self pairs, found none")

    def hash(self) -> str:
        """16 hex digits that name the world, its version included."""
        values = {"name": NAME, "version": VERSION, **dataclasses.asdict(self)}
        text = json.dumps(values, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def num_people(self) -> int:
        return self.num_train_people + self.num_test_people

    def split(self, person: int) -> str:
        return "train" if person < self.num_train_people else "test"

    def rng(self, *stream: int) -> np.random.Generator:
        """An independent random stream of this world."""
        return np.random.Generator(np.random.Philox(np.random.SeedSequence([self.seed, *stream])))


@dataclasses.dataclass(frozen=True)
class Clip:
    """One clip before it is rendered: parameters (N, K) and what stands around the person."""

    clip_id: str
    person_id: str
    split: str
    parameters: FaceParameters
    scenery: Scenery


def make_clip(spec: WorldSpec, model: MorphableModel, person: int, clip: int) -> Clip:
    """Clip number `clip` of person number `person` (the train people come first)."""
    who = spec.rng(_PERSON, person)
    widths = model.widths
    identity = np.clip(who.normal(size=widths["identity"]), -2.0, 2.0)
    texture = np.clip(who.normal(size=widths["texture"]), -2.0, 2.0)

    rng = spec.rng(_CLIP, person, clip)
    motion = make_motion(rng, model.expression_names, spec.frames_per_clip, spec.fps, spec.max_yaw)
    lighting = make_lighting(rng)
    torso_vertices, torso_albedo = make_torso(rng)
    resolution = Renderer(model, spec.image_size).resolution
    scenery = Scenery(make_background(rng, resolution), torso_vertices, torso_albedo)

    def constant(values: np.ndarray) -> np.ndarray:
        return np.tile(values.astype(np.float32), (spec.frames_per_clip, 1))

    parameters = model.zeros((spec.frames_per_clip,)).replace(
        identity=constant(identity),
        texture=constant(texture),
        lighting=constant(lighting),
        expression=motion.expression,
        rotation=motion.rotation,
        translation=motion.translation,
    )
    person_id = f"person{person:04d}"
    return Clip(f"{person_id}-{clip:02d}", person_id, spec.split(person), parameters, scenery)


def write_world(spec: WorldSpec, root: str | Path, *, progress: bool = False) -> None:
    """Writes the world as a folder of prepared clips with evaluation pairs.

    Clips and pairs that are already there are kept, so a run that was stopped can be repeated.

    Args:
      spec: what to write.
      root: the folder; made if need be.
      progress: show a progress bar.

    Raises:
      UserError: if the folder holds another dataset.
    """
    model = procedural_head(spec.head)
    renderer = Renderer(model, spec.image_size)
    write_dataset_info(
        root,
        name=NAME,
        image_size=spec.image_size,
        face_model=model,
        specification=spec.hash(),
    )
    pairs = make_pairs(spec)
    total = spec.num_people * spec.clips_per_person + len(pairs)
    with tqdm(total=total, desc="talking heads", unit="clip", disable=not progress) as bar:
        for person in range(spec.num_people):
            for number in range(spec.clips_per_person):
                clip = make_clip(spec, model, person, number)
                if not has_clip(root, clip.clip_id):
                    frames = list(renderer(clip.parameters, clip.scenery))
                    origin = f"{NAME} {spec.hash()}"
                    write_clip(
                        root,
                        PreparedClip(
                            clip_id=clip.clip_id,
                            person_id=clip.person_id,
                            split=clip.split,
                            fps=spec.fps,
                            frames=frames,
                            parameters=clip.parameters,
                            origin=origin,
                        ),
                    )
                bar.update()
        present = set(list_pairs(root))
        missing = [pair for pair in pairs if pair.pair_id not in present]
        bar.update(len(pairs) - len(missing))
        for start in range(0, len(missing), GROUP):
            group = missing[start : start + GROUP]
            for pair, target in zip(group, true_answers(spec, renderer, group), strict=True):
                write_pair(root, dataclasses.replace(pair, target=target))
            bar.update(len(group))


def make_pairs(spec: WorldSpec) -> list[PreparedPair]:
    """The evaluation pairs on test people, without their targets."""
    rng = spec.rng(_PAIRS)
    first = spec.num_train_people

    def clip_id(person: int) -> str:
        return f"person{person:04d}-{rng.integers(spec.clips_per_person):02d}"

    pairs = []
    for number in range(spec.num_self_pairs):
        source, driving = rng.choice(spec.frames_per_clip, 2, replace=False)
        # People take turns, so that all of them are seen.
        name = clip_id(first + number % spec.num_test_people)
        pairs.append(
            PreparedPair(f"self-{number:04d}", "self", (name, int(source)), (name, int(driving)))
        )
    for number in range(spec.num_cross_pairs):
        person = number % spec.num_test_people
        other = (person + 1 + rng.integers(spec.num_test_people - 1)) % spec.num_test_people
        source, driving = rng.integers(spec.frames_per_clip, size=2)
        pairs.append(
            PreparedPair(
                f"cross-{number:04d}",
                "cross",
                (clip_id(first + person), int(source)),
                (clip_id(first + int(other)), int(driving)),
            )
        )
    return pairs


def true_answers(spec: WorldSpec, renderer: Renderer, pairs: Sequence[PreparedPair]) -> np.ndarray:
    """The source's person, light, background and clothes in the driver's pose and expression.

    Returns:
      (N, S, S, 3) uint8. For a self pair this is the driving frame.
    """

    @functools.cache
    def clip_of(clip_id: str) -> Clip:
        person, clip = clip_id.removeprefix("person").split("-")
        return make_clip(spec, renderer.model, int(person), int(clip))

    targets, sceneries = [], []
    for pair in pairs:
        source, driving = clip_of(pair.source[0]), clip_of(pair.driving[0])
        targets.append(
            recombine(source.parameters[pair.source[1]], driving.parameters[pair.driving[1]])
        )
        sceneries.append(source.scenery)
    return renderer(_stacked(targets), _stacked(sceneries))


def _stacked(trees: list) -> FaceParameters | Scenery:
    return jax.tree.map(lambda *leaves: np.stack(leaves), *trees)
