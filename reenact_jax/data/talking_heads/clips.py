"""Clips of the synthetic world before they are drawn, and which frames are paired."""

import dataclasses

import numpy as np

from reenact_jax.data.prepared import PreparedPair
from reenact_jax.data.talking_heads.backgrounds import make_background
from reenact_jax.data.talking_heads.guidance_conditions import rotation_matrices
from reenact_jax.data.talking_heads.motion import make_motion
from reenact_jax.data.talking_heads.people import Person, make_person
from reenact_jax.data.talking_heads.scene import Shot, Stage
from reenact_jax.data.talking_heads.scenery import make_cloth, make_light, make_torso
from reenact_jax.data.talking_heads.spec import WorldSpec
from reenact_jax.data.talking_heads.studio import Studio
from reenact_jax.face_model.parameters import FaceParameters, recombine
from reenact_jax.face_model.procedural import procedural_head

# First entropy word of the independent random streams.
_PERSON, _MOTION, _STAGE, _PAIRS = range(4)
# Pairs are spread evenly over these differences of pose, degrees between the heads' rotations.
POSE_BINS = (0.0, 15.0, 30.0, 45.0, 60.0, 180.0)
# Frame pairs that are drawn before one of the wanted difference is chosen.
_CANDIDATES = 64


@dataclasses.dataclass(frozen=True)
class Clip:
    """One clip before it is rendered: shots with leaves (N, K), and what stays the same."""

    clip_id: str
    person_id: str
    split: str
    shots: Shot
    stage: Stage


def clip_name(person: int, number: int) -> str:
    return f"person{person:04d}-{number:02d}"


def clip_numbers(clip_id: str) -> tuple[int, int]:
    """(person, number of the clip) of a clip's id."""
    person, number = clip_id.removeprefix("person").split("-")
    return int(person), int(number)


def person_of(spec: WorldSpec, person: int) -> Person:
    """Person number `person` (the train people come first)."""
    return make_person(spec.rng(_PERSON, person), spec.head)


def make_clip(spec: WorldSpec, person: int, number: int, who: Person | None = None) -> Clip:
    """Clip `number` of a person; `who` is `person_of`, where that is known already."""
    who = person_of(spec, person) if who is None else who
    shots = make_shots(spec, person, number)
    rng = spec.rng(_STAGE, person, number)
    light = make_light(rng)
    torso, _ = make_torso(rng)
    cloth = make_cloth(rng)
    background = make_background(rng, Studio(spec.head, spec.image_size).resolution)

    def constant(values: np.ndarray) -> np.ndarray:
        return np.tile(values, (spec.frames_per_clip, 1))

    face = shots.face.replace(
        identity=constant(who.identity),
        texture=constant(who.texture),
        lighting=constant(light.bands),
    )
    return Clip(
        clip_id=clip_name(person, number),
        person_id=f"person{person:04d}",
        split=spec.split(person),
        shots=dataclasses.replace(shots, face=face),
        stage=Stage(who, light, background, torso, cloth),
    )


def make_shots(spec: WorldSpec, person: int, number: int) -> Shot:
    """The motion of a clip, performed by the mean head in plain light; leaves (N, K)."""
    motion = _motion(spec, person, number)
    face = (
        procedural_head(spec.head)
        .zeros((spec.frames_per_clip,))
        .replace(
            expression=motion.expression,
            rotation=motion.rotation,
            translation=motion.translation,
        )
    )
    return Shot(face, motion.torso_rotation, motion.torso_translation)


def _motion(spec: WorldSpec, person: int, number: int):
    names = procedural_head(spec.head).expression_names
    rng = spec.rng(_MOTION, person, number)
    return make_motion(rng, names, spec.frames_per_clip, spec.fps, spec.max_yaw)


def answer_shot(source: FaceParameters, driving: Shot) -> Shot:
    """The true answer of a pair: the person of `source` (K,) in the motion of one shot."""
    return dataclasses.replace(driving, face=recombine(source, driving.face))


def pose_difference(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Degrees (...) between rotations given as (pitch, yaw, roll) (..., 3) in radians."""
    trace = np.einsum("...ij,...ij->...", rotation_matrices(first), rotation_matrices(second))
    return np.degrees(np.arccos(np.clip(0.5 * (trace - 1.0), -1.0, 1.0)))


def make_pairs(spec: WorldSpec) -> list[PreparedPair]:
    """The evaluation pairs on test people, without their targets.

    People take turns as the source and bins of `POSE_BINS` take turns as the wanted difference; of
    several random frame pairs one in that bin is taken, or the closest to it.
    """
    first, length = spec.num_train_people, spec.frames_per_clip
    rotations = {
        (person, number): _motion(spec, person, number).rotation
        for person in range(first, spec.num_people)
        for number in range(spec.clips_per_person)
    }
    pairs = []
    for kind, count in (("self", spec.num_self_pairs), ("cross", spec.num_cross_pairs)):
        rng = spec.rng(_PAIRS, kind == "cross")
        for number in range(count):
            turn, person = divmod(number, spec.num_test_people)
            wanted = (turn + person) % (len(POSE_BINS) - 1)
            source = (first + person, int(rng.integers(spec.clips_per_person)))
            driving = source
            if kind == "cross":
                other = (person + 1 + rng.integers(spec.num_test_people - 1)) % spec.num_test_people
                driving = (first + int(other), int(rng.integers(spec.clips_per_person)))
            frames = rng.integers(length, size=(_CANDIDATES, 2))
            if kind == "self":
                frames = frames[frames[:, 0] != frames[:, 1]]
            degrees = pose_difference(
                rotations[source][frames[:, 0]], rotations[driving][frames[:, 1]]
            )
            low, high = POSE_BINS[wanted], POSE_BINS[wanted + 1]
            outside = np.maximum(low - degrees, 0.0) + np.maximum(degrees - high, 0.0)
            at, to = frames[np.argmin(outside)]
            pairs.append(
                PreparedPair(
                    f"{kind}-{number:04d}",
                    kind,
                    (clip_name(*source), int(at)),
                    (clip_name(*driving), int(to)),
                )
            )
    return pairs
