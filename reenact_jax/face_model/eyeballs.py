"""Gaze: eyeballs that turn about their own centres, driven by expression coefficients."""

import dataclasses
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from reenact_jax.errors import UserError
from reenact_jax.face_model.rotation import rotation_matrix


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Eyeballs:
    """Two rigid parts of a mesh and how far each expression mode turns them.

    The subject's left ball comes first (it has positive x), the right one second.

    Attributes:
      vertices: int32 (2, K) the vertices of each ball, none of them twice.
      centre_offset: float32 (2, 3) decimetres. The point that a ball turns about is the mean of its
        vertices plus this, so that it moves with the identity; zeros for a closed, evenly meshed
        ball.
      turn: float32 (E, 2, 2): `turn[mode, ball]` is (pitch, yaw) in radians at coefficient 1, in
        the sense of `rotation`: positive pitch lowers the gaze, positive yaw turns it to
        image right (the subject's left).
    """

    vertices: jax.Array
    centre_offset: jax.Array
    turn: jax.Array


def make_eyeballs(*, vertices: np.ndarray, centre_offset: np.ndarray, turn: np.ndarray) -> Eyeballs:
    """`Eyeballs` with NumPy leaves of the stated types; `make_model` checks them."""
    return Eyeballs(
        vertices=np.asarray(vertices, np.int32),
        centre_offset=np.asarray(centre_offset, np.float32),
        turn=np.asarray(turn, np.float32),
    )


def gaze_turn(
    expression_names: Sequence[str], *, down: float, up: float, sideways: float
) -> np.ndarray:
    """`Eyeballs.turn` of a model whose modes have the usual blendshape names.

    Args:
      expression_names: E names; eyeLookDown, eyeLookUp, eyeLookIn and eyeLookOut, each with `_L`
        and `_R`, turn one ball, any other mode turns none.
      down, up, sideways: radians at coefficient 1, all positive.

    Returns:
      (E, 2, 2) float32.
    """
    # "In" is towards the nose: image left for the subject's left eye.
    angles = {
        "eyeLookDown_L": (0, down, 0.0),
        "eyeLookDown_R": (1, down, 0.0),
        "eyeLookUp_L": (0, -up, 0.0),
        "eyeLookUp_R": (1, -up, 0.0),
        "eyeLookIn_L": (0, 0.0, -sideways),
        "eyeLookIn_R": (1, 0.0, sideways),
        "eyeLookOut_L": (0, 0.0, sideways),
        "eyeLookOut_R": (1, 0.0, -sideways),
    }
    turn = np.zeros((len(expression_names), 2, 2), np.float32)
    for mode, name in enumerate(expression_names):
        if name in angles:
            ball, pitch, yaw = angles[name]
            turn[mode, ball] = pitch, yaw
    return turn


def check_eyeballs(eyeballs: Eyeballs, num_vertices: int, num_expression: int, name: str) -> None:
    """Raises UserError if a shape or an index does not fit the model called `name`."""
    balls = eyeballs.vertices
    if balls.ndim != 2 or balls.shape[0] != 2 or balls.shape[1] == 0:
        raise UserError(f"{name}: eyeballs.vertices: expected shape (2, K), found {balls.shape}")
    shapes = {"centre_offset": (2, 3), "turn": (num_expression, 2, 2)}
    for field, expected in shapes.items():
        found = getattr(eyeballs, field).shape
        if found != expected:
            raise UserError(f"{name}: eyeballs.{field}: expected shape {expected}, found {found}")
    if balls.min() < 0 or balls.max() >= num_vertices:
        raise UserError(
            f"{name}: eyeballs.vertices: expected indices in [0, {num_vertices}), "
            f"found {balls.min()} to {balls.max()}"
        )
    if len(np.unique(balls)) != balls.size:
        raise UserError(f"{name}: eyeballs.vertices: expected every vertex once")


def gaze_angles(eyeballs: Eyeballs, expression: jax.Array) -> jax.Array:
    """(2, 2): (pitch, yaw) in radians of the left and the right ball, from beta (E,)."""
    flat = eyeballs.turn.reshape(eyeballs.turn.shape[0], 4)
    return jnp.matmul(expression, flat, precision=jax.lax.Precision.HIGHEST).reshape(2, 2)


def eyeball_centres(eyeballs: Eyeballs, vertices: jax.Array) -> jax.Array:
    """(2, 3) the points that the balls turn about, from vertices (V, 3) that are not turned yet."""
    return vertices[eyeballs.vertices].mean(axis=1) + eyeballs.centre_offset


def turn_eyeballs(eyeballs: Eyeballs, vertices: jax.Array, expression: jax.Array) -> jax.Array:
    """Vertices (V, 3) in the model frame with both balls turned by R = Ry(yaw) Rx(pitch)."""
    centres = eyeball_centres(eyeballs, vertices)[:, None]
    angles = gaze_angles(eyeballs, expression)
    matrices = rotation_matrix(jnp.pad(angles, ((0, 0), (0, 1))))
    arms = vertices[eyeballs.vertices] - centres
    turned = centres + jnp.einsum(
        "bij,bkj->bki", matrices, arms, precision=jax.lax.Precision.HIGHEST
    )
    return vertices.at[eyeballs.vertices].set(turned, unique_indices=True)
