"""How the people of the synthetic world move: poses, speech, smiles, blinks and gaze over time."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from reenact_jax.face_model.rotation import rotation_matrix

# What a mouth passes through while it speaks; weights of blendshapes.
_VISEMES: tuple[dict[str, float], ...] = (
    {},
    {"jawOpen": 0.55},
    {"jawOpen": 0.30, "mouthStretch": 0.25},
    {"jawOpen": 0.25, "mouthFunnel": 0.6},
    {"mouthPucker": 0.7},
    {"mouthLowerDown": 0.5, "mouthUpperUp": 0.3},
    {"mouthPress": 0.5},
    {"jawOpen": 0.40, "mouthLowerDown": 0.3},
    {"mouthRollLower": 0.5, "jawOpen": 0.05},
)
_BROWS: tuple[dict[str, float], ...] = (
    {},
    {},
    {"browInnerUp": 0.7, "browOuterUp": 0.6},
    {"browInnerUp": 0.7},
    {"browDown": 0.7, "eyeSquint": 0.4},
    {"browOuterUp": 0.5, "eyeWide": 0.5},
)
# Seconds from the start of a blink to closed lids, and the same back.
_BLINK_SECONDS = 0.14
# Up to this largest turn a head changes sides 1.3 times a second.
_FAST_TURN = np.radians(35.0)
# The shoulders follow this share of the head's rotation (pitch, yaw, roll) and translation, the
# rotation with a delay of this many seconds; and the base of the neck takes them along.
_TORSO_TURN = np.array([0.06, 0.16, 0.12])
_TORSO_MOVE = np.array([0.75, 0.9, 1.0])
_TORSO_DELAY = 0.35
_NECK_BASE, _NECK_PULL = np.array([0.0, -1.15, -0.25]), 0.55


@dataclasses.dataclass(frozen=True)
class Motion:
    """What changes from frame to frame, NumPy float32.

    Attributes:
      expression: (N, E) in [0, 1].
      rotation: (N, 3) radians.
      translation: (N, 3) decimetres.
      torso_rotation, torso_translation: (N, 3) the same for the shoulders.
    """

    expression: np.ndarray
    rotation: np.ndarray
    translation: np.ndarray
    torso_rotation: np.ndarray
    torso_translation: np.ndarray


def keyframed(rng: np.random.Generator, times: np.ndarray, rate: float, draw) -> np.ndarray:
    """Smooth random curves through independent keyframes.

    Args:
      rng: where the values come from.
      times: (N,) seconds.
      rate: keyframes per second.
      draw: number of keyframes K -> their values (K, C).

    Returns:
      (N, C), at rest at each keyframe.
    """
    position = (times - times[0]) * rate + rng.uniform()
    values = np.asarray(draw(int(position[-1]) + 2))
    before = position.astype(int)
    fraction = (0.5 - 0.5 * np.cos(np.pi * (position - before)))[:, None]
    return values[before] * (1.0 - fraction) + values[before + 1] * fraction


def make_motion(
    rng: np.random.Generator,
    expression_names: tuple[str, ...],
    num_frames: int,
    fps: float,
    max_yaw: float,
) -> Motion:
    """Motion of one clip.

    Args:
      rng: decides everything.
      expression_names: of the face model, in order.
      num_frames, fps: of the clip.
      max_yaw: largest turn of the head to either side, radians.
    """
    times = np.arange(num_frames) / fps
    turn = rng.uniform(0.6, 1.0) * max_yaw
    side = rng.choice([-1.0, 1.0])

    def yaws(count: int) -> np.ndarray:
        # From side to side, so that every clip shows both halves of the face.
        alternating = side * (1.0 - 2.0 * (np.arange(count) % 2))
        return (turn * alternating * rng.uniform(0.4, 1.0, count))[:, None]

    # Larger turns take longer.
    yaw = keyframed(rng, times, 1.3 * min(1.0, _FAST_TURN / max(max_yaw, 1e-6)), yaws)
    tilt = keyframed(rng, times, 1.0, lambda k: _normal(rng, k, (0.13, 0.075)))
    rest = rng.uniform((-0.12, 0.10, -3.2), (0.12, 0.30, -1.3))
    sway = keyframed(rng, times, 0.8, lambda k: _normal(rng, k, (0.09, 0.05, 0.12)))
    rotation = np.concatenate([tilt[:, :1], yaw, tilt[:, 1:]], axis=1)

    weights = {name: np.zeros(num_frames) for name in expression_names}

    def add(name: str, values: np.ndarray) -> None:
        sides = [name] if name in weights else [f"{name}_L", f"{name}_R"]
        for one in sides:
            weights[one] = weights[one] + values

    _speak(rng, times, add)
    _feel(rng, times, add)
    _look(rng, times, add, yaw[:, 0])
    expression = np.stack([weights[name] for name in expression_names], axis=1)
    translation = rest + sway
    torso_rotation, torso_translation = _shoulders(rng, times, fps, rotation, translation)
    return Motion(
        expression=np.clip(expression, 0.0, 1.0).astype(np.float32),
        rotation=rotation.astype(np.float32),
        translation=translation.astype(np.float32),
        torso_rotation=torso_rotation.astype(np.float32),
        torso_translation=torso_translation.astype(np.float32),
    )


def _shoulders(
    rng: np.random.Generator,
    times: np.ndarray,
    fps: float,
    rotation: np.ndarray,
    translation: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Rotation and translation (N, 3) of the shoulders: they follow the head, late, and breathe."""
    keep = np.exp(-1.0 / (fps * _TORSO_DELAY))
    late = np.empty_like(rotation)
    late[0] = rotation[0]
    for i in range(1, len(times)):
        late[i] = keep * late[i - 1] + (1.0 - keep) * rotation[i]
    lean = keyframed(rng, times, 0.5, lambda k: _normal(rng, k, (0.02, 0.05, 0.025)))
    breath = 0.012 * np.sin(2.0 * np.pi * (rng.uniform(0.2, 0.35) * times + rng.uniform()))
    base = np.asarray(jax.vmap(rotation_matrix)(jnp.asarray(rotation))) @ _NECK_BASE - _NECK_BASE
    moved = _TORSO_MOVE * translation + _NECK_PULL * base
    # Shoulders do not rise and fall with a nod.
    moved[:, 1] = _TORSO_MOVE[1] * translation[:, 1] + breath
    return _TORSO_TURN * late + lean, moved


def _normal(rng: np.random.Generator, count: int, scale: tuple[float, ...]) -> np.ndarray:
    """(count, C) normal values, cut off at two standard deviations."""
    return np.clip(rng.normal(size=(count, len(scale))), -2.0, 2.0) * np.asarray(scale)


def _speak(rng: np.random.Generator, times: np.ndarray, add) -> None:
    """Visemes, five a second, while the person speaks; pauses in between."""
    speaking = keyframed(rng, times, 1.2, lambda k: (rng.uniform(size=(k, 1)) < 0.75) * 1.0)[:, 0]
    loudness = rng.uniform(0.6, 1.15)

    def sequence(count: int) -> np.ndarray:
        return np.eye(len(_VISEMES))[rng.integers(len(_VISEMES), size=count)]

    mouth = keyframed(rng, times, 5.0, sequence) * (loudness * speaking)[:, None]
    for values, viseme in zip(mouth.T, _VISEMES, strict=True):
        for name, weight in viseme.items():
            add(name, weight * values)


def _feel(rng: np.random.Generator, times: np.ndarray, add) -> None:
    """Smiles and frowns, brows, a little asymmetry."""
    smile = keyframed(rng, times, 0.7, lambda k: rng.uniform(-0.6, 1.0, (k, 1)))[:, 0]
    happy, sad = np.maximum(smile, 0.0), np.maximum(-smile, 0.0)
    lean = rng.uniform(-0.25, 0.25)
    add("mouthSmile_L", happy * (1.0 + lean))
    add("mouthSmile_R", happy * (1.0 - lean))
    add("cheekSquint", 0.6 * happy)
    add("mouthFrown", 0.8 * sad)

    def brows(count: int) -> np.ndarray:
        return np.eye(len(_BROWS))[rng.integers(len(_BROWS), size=count)]

    for values, brow in zip(keyframed(rng, times, 1.1, brows).T, _BROWS, strict=True):
        for name, weight in brow.items():
            add(name, weight * values)


def _look(rng: np.random.Generator, times: np.ndarray, add, yaw: np.ndarray) -> None:
    """Gaze that holds and jumps and partly stays with the camera; blinks."""
    jumps = np.floor((times - times[0]) * 1.6 + rng.uniform()).astype(int)
    held = _normal(rng, int(jumps[-1]) + 1, (0.25, 0.2))[jumps]
    # One unit of gaze is about half a radian.
    right = np.clip(held[:, 0] - yaw, -0.9, 0.9)  # towards image right
    add("eyeLookOut_L", np.maximum(right, 0.0))
    add("eyeLookIn_R", np.maximum(right, 0.0))
    add("eyeLookIn_L", np.maximum(-right, 0.0))
    add("eyeLookOut_R", np.maximum(-right, 0.0))
    up = held[:, 1]
    add("eyeLookUp", np.maximum(up, 0.0))
    add("eyeLookDown", np.maximum(-up, 0.0))

    duration = times[-1] - times[0]
    count = 1 + rng.poisson(0.35 * duration)
    moments = times[0] + rng.uniform(0.0, max(duration, 1e-6), count)
    distance = np.abs(times[:, None] - moments[None]).min(axis=1)
    add("eyeBlink", np.clip(1.5 - 1.5 * distance / _BLINK_SECONDS, 0.0, 1.0))
