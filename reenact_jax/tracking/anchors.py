"""Where MediaPipe's landmarks lie on a morphable model."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from reenact_jax.face_model.morphable import MorphableModel

NUM_DENSE = 468

# MediaPipe's indices of the 68 iBUG landmarks: jaw, brows, nose, eyes, outer and inner lips.
MEDIAPIPE_68 = np.asarray(
    [
        *(127, 234, 93, 58, 172, 136, 150, 176, 152, 400, 379, 365, 397, 288, 323, 454, 356),
        *(70, 63, 105, 66, 107, 336, 296, 334, 293, 300),
        *(168, 197, 5, 4, 98, 97, 2, 326, 327),
        *(33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380),
        *(61, 40, 37, 0, 267, 270, 291, 321, 314, 17, 84, 91),
        *(78, 81, 13, 311, 308, 402, 14, 178),
    ]
)

# MediaPipe's jaw line is fixed to the face, a model's slides along the silhouette: the two are one
# to two centimetres apart.
_NUM_JAW = 17
_JAW_WEIGHT = 0.2

# A frame counts as much as this many landmarks, however many there are.
_TOTAL_WEIGHT = 68.0


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Anchors:
    """A morphable model reduced to the L points that landmarks are compared with.

    Attributes:
      mean: float32 (L, 3), decimetres, model frame.
      identity_basis: float32 (I, L, 3).
      expression_basis: float32 (E, L, 3).
      weights: float32 (L,), summing to 68.
      selection: int32 (L,), which of MediaPipe's landmarks each point stands for.
      blendshapes: whether expression coefficients are weights in [0, 1] rather than standard
        deviations.
    """

    mean: jax.Array
    identity_basis: jax.Array
    expression_basis: jax.Array
    weights: jax.Array
    selection: jax.Array
    blendshapes: bool = dataclasses.field(metadata={"static": True})


def model_anchors(model: MorphableModel) -> Anchors:
    """MediaPipe's 468 points where the model knows them, else its 68 landmarks.

    A model whose expression modes have names is taken for one of blendshapes in [0, 1].
    """
    if model.dense_landmarks is not None:
        vertices = np.asarray(model.dense_landmarks.vertices)
        weights = np.asarray(model.dense_landmarks.weights)[..., None]
        selection, importance = np.arange(NUM_DENSE), np.ones(NUM_DENSE)
    else:
        vertices = np.asarray(model.landmarks68)[:, None]
        weights = np.ones((68, 1, 1), np.float32)
        selection, importance = MEDIAPIPE_68, np.ones(68)
        importance[:_NUM_JAW] = _JAW_WEIGHT

    def on_mesh(values: np.ndarray) -> np.ndarray:
        return (np.asarray(values)[..., vertices, :] * weights).sum(axis=-2)

    return Anchors(
        mean=on_mesh(model.mean),
        identity_basis=on_mesh(model.identity_basis),
        expression_basis=on_mesh(model.expression_basis),
        weights=np.float32(importance * (_TOTAL_WEIGHT / importance.sum())),
        selection=np.int32(selection),
        blendshapes=bool(model.expression_names),
    )


def anchor_points(anchors: Anchors, identity: jax.Array, expression: jax.Array) -> jax.Array:
    """The points (L, 3), model frame, of one identity (I,) and expression (E,)."""
    return (
        anchors.mean
        + jnp.tensordot(identity, anchors.identity_basis, axes=1)
        + jnp.tensordot(expression, anchors.expression_basis, axes=1)
    )
