"""What a fit compares with MediaPipe's points: landmarks, apertures of eyes and mouth, pupils.

An aperture is the vector between two opposite points of the lids, or of the inner lips. Its error
is far smaller than that of a position: it is what makes closed eyes close.
"""

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from reenact_jax.face_model.morphable import MorphableModel
from reenact_jax.tracking.anchors import MEDIAPIPE_68, model_anchors

# Pairs of iBUG points: across the lids of each eye (those of the eye aspect ratio), and across the
# inner lips. A model's own 68 landmarks lie on the edges of its lids; MediaPipe's dense points of
# ICT-FaceKit lie up to two millimetres off them and stay three apart when its eyes are shut.
LID_PAIRS = ((37, 41), (38, 40), (43, 47), (44, 46))
LIP_PAIRS = ((61, 67), (62, 66), (63, 65))
_LID_SIGMA_PX = 0.25
_LIP_SIGMA_PX = 0.6

# MediaPipe's centres of the irises, in the order of `Eyeballs`: the subject's left eye first.
PUPILS = (473, 468)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Targets:
    """A morphable model reduced to N points: landmarks, ends of P apertures, B = 0 or 2 pupils.

    Attributes:
      mean: float32 (N, 3), decimetres, model frame. The last B are the centres of the eyeballs.
      identity_basis: float32 (I, N, 3).
      expression_basis: float32 (E, N, 3), without the turn of the eyeballs.
      selection: int32 (N,), which of MediaPipe's landmarks each point stands for.
      weights: float32 (N,), of the positions; they sum to 68 and are 0 at apertures and pupils.
      pairs: int32 (P, 2), the points at the two ends of each aperture.
      pair_precision: float32 (P,), in pixels^-2.
      arm: float32 (B,), decimetres from a ball's centre to its pupil.
      turn: float32 (E, B, 2), (pitch, yaw) of each ball in radians at coefficient 1.
      blendshapes: whether expression coefficients are weights in [0, 1] rather than standard
        deviations.
    """

    mean: jax.Array
    identity_basis: jax.Array
    expression_basis: jax.Array
    selection: jax.Array
    weights: jax.Array
    pairs: jax.Array
    pair_precision: jax.Array
    arm: jax.Array
    turn: jax.Array
    blendshapes: bool = dataclasses.field(metadata={"static": True})


def model_targets(model: MorphableModel, held_out: np.ndarray | None = None) -> Targets:
    """The points of a model that its fit uses.

    Args:
      model: any morphable model.
      held_out: indices of MediaPipe's landmarks that must not influence the fit (an aperture of
        which one end is held out is left out), or None.
    """
    anchors = model_anchors(model)
    pairs = np.asarray(LID_PAIRS + LIP_PAIRS)
    ends = np.asarray(model.landmarks68)[pairs.ravel()]
    arm, turn, centres = _pupils(model)

    def points(on_anchors: np.ndarray, on_mesh: np.ndarray) -> np.ndarray:
        on_mesh = np.asarray(on_mesh)
        return np.concatenate([on_anchors, on_mesh[..., ends, :], centres(on_mesh)], axis=-2)

    mean = points(anchors.mean, model.mean)
    if len(arm):
        mean[-2:] += np.asarray(model.eyeballs.centre_offset)
    num_landmarks = len(anchors.weights)
    selection = [anchors.selection, MEDIAPIPE_68[pairs.ravel()], PUPILS[: len(arm)]]
    selection = np.concatenate(selection).astype(np.int32)
    used = np.ones(len(selection)) if held_out is None else ~np.isin(selection, held_out)
    weights = anchors.weights * used[:num_landmarks]
    weights = weights * (anchors.weights.sum() / weights.sum())
    rows = num_landmarks + np.arange(pairs.size).reshape(pairs.shape)
    sigma = np.repeat([_LID_SIGMA_PX, _LIP_SIGMA_PX], [len(LID_PAIRS), len(LIP_PAIRS)])
    return Targets(
        mean=np.float32(mean),
        identity_basis=points(anchors.identity_basis, model.identity_basis),
        expression_basis=points(anchors.expression_basis, model.expression_basis),
        selection=selection,
        weights=np.float32(np.pad(weights, (0, len(selection) - num_landmarks))),
        pairs=np.int32(rows),
        pair_precision=np.float32(used[rows].all(axis=1) / sigma**2),
        arm=arm,
        turn=turn,
        blendshapes=anchors.blendshapes,
    )


def _pupils(
    model: MorphableModel,
) -> tuple[np.ndarray, np.ndarray, Callable[[np.ndarray], np.ndarray]]:
    """Arms (B,), turn (E, B, 2), and a function from values (..., V, C) to (..., B, C) means."""
    balls = model.eyeballs
    if balls is None:
        turn = np.zeros((model.expression_basis.shape[0], 0, 2), np.float32)
        return np.zeros(0, np.float32), turn, lambda values: values[..., :0, :]
    vertices = np.asarray(balls.vertices)

    def means(values: np.ndarray) -> np.ndarray:
        return values[..., vertices, :].mean(axis=-2)

    # The pupil is the foremost point of a ball that looks straight ahead.
    depth = np.asarray(model.mean)[vertices][..., 2]
    centre = means(np.asarray(model.mean))[:, 2] + np.asarray(balls.centre_offset)[:, 2]
    return np.float32(depth.max(axis=1) - centre), np.asarray(balls.turn), means


def target_points(
    targets: Targets, identity: jax.Array, expression: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """The points (N, 3), model frame, of (I,) and (E,), and their derivatives by expression.

    Returns:
      (N, 3) decimetres and (E, N, 3).
    """
    points = (
        targets.mean
        + jnp.tensordot(identity, targets.identity_basis, axes=1)
        + jnp.tensordot(expression, targets.expression_basis, axes=1)
    )
    if not len(targets.arm):
        return points, targets.expression_basis
    angles = jnp.tensordot(expression, targets.turn, axes=1)
    sin_x, sin_y = jnp.sin(angles).T
    cos_x, cos_y = jnp.cos(angles).T
    zero = jnp.zeros_like(sin_x)
    # Ry(yaw) Rx(pitch) (0, 0, 1), and its derivatives.
    ahead = jnp.stack([sin_y * cos_x, -sin_x, cos_y * cos_x], axis=-1)
    by_pitch = jnp.stack([-sin_y * sin_x, -cos_x, -cos_y * sin_x], axis=-1)
    by_yaw = jnp.stack([cos_y * cos_x, zero, -sin_y * cos_x], axis=-1)
    by_angles = jnp.stack([by_pitch, by_yaw], axis=1)  # (B, 2, 3)
    turned = targets.arm[None, :, None] * jnp.einsum("eba,bac->ebc", targets.turn, by_angles)
    # The pupils are the last points.
    last = (len(points) - len(targets.arm), 0)
    return (
        points + jnp.pad(targets.arm[:, None] * ahead, (last, (0, 0))),
        targets.expression_basis + jnp.pad(turned, ((0, 0), last, (0, 0))),
    )
