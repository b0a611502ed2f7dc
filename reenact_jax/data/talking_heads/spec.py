"""The specification of a synthetic world: everything that decides its pictures."""

import dataclasses
import hashlib
import json
import math

import numpy as np

from reenact_jax.face_model import procedural

NAME = "talking_heads"
# Raised whenever the same specification would give other pictures. Version 1 is frozen: a test
# compares what it draws with numbers in the tree.
VERSION = 1
# Guidance parameters come in these conditions; each is a prepared folder of its own.
CONDITIONS = ("exact", "fitted")


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
        """16 hex digits that name the world, its version and that of the head included."""
        values = {
            "name": NAME,
            "version": VERSION,
            "head_version": procedural.VERSION,
            **dataclasses.asdict(self),
        }
        text = json.dumps(values, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def condition_hash(self, condition: str) -> str:
        """What dataset.json and metrics.json call the world under a condition of `CONDITIONS`."""
        return f"{self.hash()}-{condition}"

    @property
    def num_people(self) -> int:
        return self.num_train_people + self.num_test_people

    def split(self, person: int) -> str:
        return "train" if person < self.num_train_people else "test"

    def rng(self, *stream: int) -> np.random.Generator:
        """An independent random stream of this world."""
        return np.random.Generator(np.random.Philox(np.random.SeedSequence([self.seed, *stream])))


# `demo` is small enough for a demonstration of five minutes; `v1` is the benchmark.
PRESETS: dict[str, WorldSpec] = {
    "demo": WorldSpec(),
    "v1": WorldSpec(
        num_train_people=200,
        num_test_people=20,
        clips_per_person=2,
        frames_per_clip=24,
        image_size=128,
        num_cross_pairs=400,
        num_self_pairs=400,
        max_yaw=math.radians(60.0),
        head="full",
    ),
}
