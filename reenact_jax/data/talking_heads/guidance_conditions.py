"""Under which conditions guidance is given: exact parameters, or such as a fit would find.

Fitted parameters lack the weaker modes of the face model and are noisy. The amount of noise is
chosen so that the 68 landmarks lie, on average, as far from their exact places as a good tracker
leaves them.
"""

import dataclasses
import functools

import numpy as np

from reenact_jax.data.talking_heads.motion import make_motion
from reenact_jax.face_model.parameters import CAMERA_DISTANCE, FaceParameters
from reenact_jax.face_model.procedural import procedural_head

# Mean distance of fitted landmarks from exact ones, pixels of an image of 256 x 256.
LANDMARK_ERROR = 0.8
REFERENCE_SIZE = 256
# What a fit keeps: the modes that move landmarks, or colour the face, most.
_KEPT_IDENTITY, _KEPT_EXPRESSION, _KEPT_TEXTURE = 28, 40, 16
# Deviations at noise 1: of a clip's constants, and of each frame.
CLIP_NOISE = {"identity": 0.20, "texture": 0.20, "lighting": 0.02}
FRAME_NOISE = {
    "expression": 0.05,
    "rotation": (0.012, 0.012, 0.006),
    "translation": (0.006, 0.006, 0.06),
}


@dataclasses.dataclass(frozen=True)
class _Landmarks:
    """The model at its landmarks, float64: mean (68, 3), identity and expression (K, 68, 3)."""

    mean: np.ndarray
    identity: np.ndarray
    expression: np.ndarray


@functools.lru_cache(maxsize=2)
def _landmark_model(head: str) -> _Landmarks:
    model = procedural_head(head)
    at = model.landmarks68
    fields = (model.mean[at], model.identity_basis[:, at], model.expression_basis[:, at])
    return _Landmarks(*(np.asarray(field, np.float64) for field in fields))


def project_landmarks(
    head: str, faces: FaceParameters, offset: np.ndarray | None = None
) -> np.ndarray:
    """(N, 68, 2) landmarks as fractions of the image's side, float64; `faces` has leaves (N, K).

    `offset` (68, 3) is added to the mean head (decimetres).
    """
    part = _landmark_model(head)
    mean = part.mean if offset is None else part.mean + offset
    points = (
        mean
        + np.einsum("nk,kvc->nvc", faces.identity, part.identity)
        + np.einsum("nk,kvc->nvc", faces.expression, part.expression)
    )
    turned = np.einsum("nij,nvj->nvi", rotation_matrices(faces.rotation), points)
    placed = turned + faces.translation[:, None].astype(np.float64)
    depth = CAMERA_DISTANCE - placed[..., 2:]
    plane = np.concatenate([placed[..., :1], -placed[..., 1:2]], axis=-1) / depth
    return faces.camera[:, None, 2:] + faces.camera[:, None, :2] * plane


def rotation_matrices(angles: np.ndarray) -> np.ndarray:
    """Rz(roll) Ry(yaw) Rx(pitch) of (..., 3) radians, in float64: (..., 3, 3)."""
    (cx, cy, cz), (sx, sy, sz) = (
        np.moveaxis(function(np.asarray(angles, np.float64)), -1, 0)
        for function in (np.cos, np.sin)
    )
    rows = [
        [cz * cy, cz * sy * sx - sz * cx, cz * sy * cx + sz * sx],
        [sz * cy, sz * sy * sx + cz * cx, sz * sy * cx - cz * sx],
        [-sy, cy * sx, cy * cx],
    ]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def landmark_distance(first: np.ndarray, second: np.ndarray) -> float:
    """Mean distance of landmarks (..., 2) in pixels of an image of 256 x 256."""
    return float(np.linalg.norm(first - second, axis=-1).mean() * REFERENCE_SIZE)


@functools.lru_cache(maxsize=2)
def _kept(head: str) -> dict[str, np.ndarray]:
    """Boolean masks of the modes that a fit keeps."""
    model, part = procedural_head(head), _landmark_model(head)

    def strongest(amount: np.ndarray, count: int) -> np.ndarray:
        mask = np.zeros(len(amount), bool)
        mask[np.argsort(-amount, kind="stable")[:count]] = True
        return mask

    expression = strongest(np.square(part.expression).sum((1, 2)), _KEPT_EXPRESSION)
    # Gaze is read off the pupils, which are no landmarks.
    expression |= np.array([name.startswith("eyeLook") for name in model.expression_names])
    face = np.unique(model.region_triangles)
    return {
        "identity": strongest(np.square(part.identity).sum((1, 2)), _KEPT_IDENTITY),
        "expression": expression,
        "texture": strongest(
            np.square(model.texture_basis[:, face], dtype=np.float64).sum((1, 2)), _KEPT_TEXTURE
        ),
    }


def fitted(
    rng: np.random.Generator, head: str, exact: FaceParameters, noise: float | None = None
) -> FaceParameters:
    """What a fit makes of one clip.

    Args:
      rng: of the noise.
      head: size of the procedural head.
      exact: leaves (N, K).
      noise: amount; None for the one that amounts to `LANDMARK_ERROR`.

    Returns:
      float32 leaves (N, K).
    """
    noise = noise_amount(head) if noise is None else noise
    leaves = {}
    for name, deviation in CLIP_NOISE.items():
        values = getattr(exact, name)
        leaves[name] = values + noise * deviation * rng.normal(size=values.shape[-1])
    for name, deviation in FRAME_NOISE.items():
        values = getattr(exact, name)
        leaves[name] = values + noise * np.asarray(deviation) * rng.normal(size=values.shape)
    for name, mask in _kept(head).items():
        leaves[name] = leaves[name] * mask
    leaves["expression"] = np.clip(leaves["expression"], 0.0, 1.0)
    return exact.replace(**{name: leaf.astype(np.float32) for name, leaf in leaves.items()})


@functools.lru_cache(maxsize=2)
def noise_amount(head: str) -> float:
    """The amount of noise that, with the modes that are missing, makes `LANDMARK_ERROR`."""
    rng = np.random.Generator(np.random.Philox(1))
    model = procedural_head(head)
    length, clips = 8, []
    for _ in range(24):
        motion = make_motion(rng, model.expression_names, length, 8.0, np.radians(60.0))
        identity = np.clip(rng.normal(size=model.widths["identity"]), -2.0, 2.0)
        clips.append(
            model.zeros((length,)).replace(
                identity=np.tile(identity, (length, 1)),
                expression=motion.expression,
                rotation=motion.rotation,
                translation=motion.translation,
            )
        )

    def error(noise: float) -> float:
        draws = np.random.Generator(np.random.Philox(2))
        return float(
            np.mean(
                [
                    landmark_distance(
                        project_landmarks(head, clip),
                        project_landmarks(head, fitted(draws, head, clip, noise)),
                    )
                    for clip in clips
                ]
            )
        )

    low, high = 0.0, 4.0
    for _ in range(12):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if error(middle) < LANDMARK_ERROR else (low, middle)
    # Rounded, so that the last bits of a platform's arithmetic do not show.
    return round(0.5 * (low + high), 2)
