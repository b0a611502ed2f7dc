"""The least-squares problem of `fit`, linearised and solved for a batch of frames at once."""

import dataclasses
import functools

import jax
import jax.numpy as jnp

from reenact_jax.face_model.parameters import CAMERA_DISTANCE, CANONICAL_FOCAL, NUM_POSE
from reenact_jax.tracking.anchors import Anchors, anchor_points
from reenact_jax.tracking.pose import orthographic_pose, rotation_from_vector

REFERENCE_SIZE = 256  # pixel errors are quoted at this size of the crop

_SIGMA = 1.5 / REFERENCE_SIZE
# Prior of blendshape weights around the tracker's scores, and of coefficients that are standard
# deviations already.
_BLENDSHAPE_PRECISION = 20.0
_NORMAL_PRECISION = 1.0
_NUM_ITERATIONS = 5
# Rounds in which expressions that would leave [0, 1] are held at the bound and the rest is solved
# again, per iteration.
_BOUND_ROUNDS = 3
_DAMPING = 1e-3


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Unknowns:
    """What is solved for: one identity, and expression, rotation matrix, translation per frame."""

    identity: jax.Array  # (I,)
    expression: jax.Array  # (T, E)
    rotation: jax.Array  # (T, 3, 3)
    translation: jax.Array  # (T, 3)


@functools.partial(jax.jit, static_argnames="free_identity")
def fit_batch(
    anchors: Anchors,
    observed: jax.Array,
    prior: jax.Array,
    counted: jax.Array,
    identity: jax.Array,
    *,
    free_identity: bool,
) -> Unknowns:
    """All frames of a batch: observed (T, L, 2) in [0, 1], prior (T, E), counted (T,) 0 or 1."""
    with jax.default_matmul_precision("highest"):

        def start(landmarks, expression):
            points = anchor_points(anchors, identity, expression)
            return orthographic_pose(points, landmarks, anchors.weights)

        rotation, translation = jax.vmap(start)(observed, prior)
        unknowns = Unknowns(identity, prior, rotation, translation)
        step = functools.partial(
            _gauss_newton_step, anchors, observed, prior, counted, free_identity
        )
        return jax.lax.fori_loop(0, _NUM_ITERATIONS, lambda _, current: step(current), unknowns)


def _gauss_newton_step(
    anchors: Anchors,
    observed: jax.Array,
    prior: jax.Array,
    counted: jax.Array,
    free_identity: bool,
    current: Unknowns,
) -> Unknowns:
    """One damped step of all unknowns, expressions kept within their bounds."""
    linearise = functools.partial(_frame_equations, anchors, free_identity, current.identity)
    hessian, gradient = jax.vmap(linearise)(
        observed, prior, current.expression, current.rotation, current.translation
    )
    if free_identity:
        solve = functools.partial(
            _solve_with_identity, hessian, gradient, counted, current.identity
        )
    else:
        solve = functools.partial(_solve_frames, hessian, gradient)
    free = jnp.ones((len(prior), NUM_POSE + prior.shape[1]))
    held = jnp.zeros_like(free)
    if anchors.blendshapes:
        low, high = -current.expression, 1.0 - current.expression
        for _ in range(_BOUND_ROUNDS - 1):
            step = solve(free, held)[0][:, NUM_POSE:]
            bounded = jnp.clip(step, low, high)
            leaves = (bounded != step) | (free[:, NUM_POSE:] == 0)
            free = free.at[:, NUM_POSE:].set(1.0 - leaves)
            held = held.at[:, NUM_POSE:].set(jnp.where(leaves, bounded, 0.0))
    step, identity_step = solve(free, held)
    expression = current.expression + step[:, NUM_POSE:]
    if anchors.blendshapes:
        expression = jnp.clip(expression, 0.0, 1.0)
    return Unknowns(
        identity=current.identity + identity_step,
        expression=expression,
        rotation=jax.vmap(rotation_from_vector)(step[:, :3]) @ current.rotation,
        translation=current.translation + step[:, 3:NUM_POSE],
    )


def _solve_frames(
    hessian: jax.Array, gradient: jax.Array, free: jax.Array, held: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Steps (T, N) of the frames' own unknowns with the identity fixed, and its step, 0.

    Args:
      hessian, gradient: (T, N, N), (T, N).
      free, held: (T, N); unknowns with `free` = 0 take the step `held`, which is 0 for the others.
    """
    matrix, right = _with_held(hessian, gradient, free, held)
    factor = jax.scipy.linalg.cho_factor(matrix)
    step = jax.scipy.linalg.cho_solve(factor, right[..., None])[..., 0]
    return step + held, jnp.zeros(())


def _solve_with_identity(
    hessian: jax.Array,
    gradient: jax.Array,
    counted: jax.Array,
    identity: jax.Array,
    free: jax.Array,
    held: jax.Array,
) -> tuple[jax.Array, jax.Array]:
    """Steps (T, N) of the frames' own unknowns and (I,) of the identity that they share.

    Args:
      hessian, gradient: (T, N + I, N + I), (T, N + I).
      counted: (T,) 1 for frames that take part in the identity, 0 for padding.
      identity: (I,) current value, for its prior.
      free, held: as in `_solve_frames`.
    """
    own = slice(0, free.shape[1])
    shared = slice(free.shape[1], None)
    matrix, right = _with_held(hessian[:, own, own], gradient[:, own], free, held)
    coupling = hessian[:, own, shared] * free[:, :, None]
    factor = jax.scipy.linalg.cho_factor(matrix)
    solved = jax.scipy.linalg.cho_solve(factor, jnp.concatenate([coupling, right[..., None]], -1))

    # The prior weighs as much as there are frames: their errors are alike, so more of them do not
    # make the identity more certain.
    precision = counted.sum()
    shared_matrix = jnp.einsum("t,tij->ij", counted, hessian[:, shared, shared])
    shared_matrix = shared_matrix + precision * jnp.eye(len(identity))
    shared_right = -counted @ gradient[:, shared] - precision * identity
    shared_right = shared_right - jnp.einsum("t,tij,ti->j", counted, hessian[:, own, shared], held)
    eliminated = jnp.einsum("t,tij,tik->jk", counted, coupling, solved)
    identity_step = jnp.linalg.solve(
        shared_matrix - eliminated[:, :-1], shared_right - eliminated[:, -1]
    )
    return solved[..., -1] - solved[..., :-1] @ identity_step + held, identity_step


def _with_held(
    hessian: jax.Array, gradient: jax.Array, free: jax.Array, held: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Matrix and right side for the free unknowns; the held ones get the equation step = 0."""
    matrix = hessian * free[:, :, None] * free[:, None, :] + jax.vmap(jnp.diag)(1.0 - free)
    return matrix, -free * (gradient + jnp.einsum("tij,tj->ti", hessian, held))


def _frame_equations(
    anchors: Anchors,
    free_identity: bool,
    identity: jax.Array,
    landmarks: jax.Array,
    prior: jax.Array,
    expression: jax.Array,
    rotation: jax.Array,
    translation: jax.Array,
) -> tuple[jax.Array, jax.Array]:
    """Damped Hessian (N, N) and gradient (N,) of one frame.

    The order of the unknowns: rotation vector (applied from the left), translation, expression,
    identity.
    """
    rotated = anchor_points(anchors, identity, expression) @ rotation.T
    posed = rotated + translation[None]
    depth = CAMERA_DISTANCE - posed[:, 2]
    x, y = posed[:, 0] / depth, -posed[:, 1] / depth
    residual = 0.5 + CANONICAL_FOCAL * jnp.stack([x, y], axis=-1) - landmarks
    one, zero = jnp.ones_like(x), jnp.zeros_like(x)
    by_point = jnp.stack([jnp.stack([one, zero, x], -1), jnp.stack([zero, -one, y], -1)], axis=-2)
    by_point = (CANONICAL_FOCAL / depth)[:, None, None] * by_point  # (L, 2, 3)
    by_model = by_point @ rotation
    by_turn = jnp.cross(rotated[:, None, :], by_point)  # d(u)/dw = p x du/dp
    parts = [by_turn, by_point, jnp.einsum("lij,elj->lie", by_model, anchors.expression_basis)]
    if free_identity:
        parts.append(jnp.einsum("lij,klj->lik", by_model, anchors.identity_basis))
    jacobian = jnp.concatenate(parts, axis=-1).reshape(residual.size, -1)
    weights = jnp.repeat(anchors.weights, 2) / _SIGMA**2
    weighted = jacobian * weights[:, None]
    hessian = weighted.T @ jacobian
    gradient = weighted.T @ residual.reshape(-1)
    expressions = jnp.arange(NUM_POSE, NUM_POSE + expression.shape[0])
    precision = _BLENDSHAPE_PRECISION if anchors.blendshapes else _NORMAL_PRECISION
    hessian = hessian.at[expressions, expressions].add(precision)
    gradient = gradient.at[expressions].add(precision * (expression - prior))
    return hessian + _DAMPING * jnp.diag(jnp.diag(hessian)), gradient
