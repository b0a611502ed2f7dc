"""The least-squares problem of `fit`, linearised and solved for a batch of frames at once."""

import dataclasses
import functools

import jax
import jax.numpy as jnp

from reenact_jax.face_model.parameters import CAMERA_DISTANCE, CANONICAL_FOCAL, NUM_POSE
from reenact_jax.tracking.pose import orthographic_pose, rotation_from_vector
from reenact_jax.tracking.targets import Targets, target_points

REFERENCE_SIZE = 256  # pixel errors are quoted at this size of the crop

_SIGMA_PX = 1.5
_PUPIL_SIGMA_PX = 0.7
# A fourth changes expressions by 0.005 at most and the error by 0.0005 px, for 30 % more time.
_NUM_ITERATIONS = 3
# Rounds per iteration in which expressions that would leave [0, 1] are put to the bound, and those
# that would leave the bound inwards are freed, before the rest is solved.
_BOUND_ROUNDS = 2
_DAMPING = 1e-3


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Unknowns:
    """What is solved for: one identity, and expression, rotation matrix, translation per frame."""

    identity: jax.Array  # (I,)
    expression: jax.Array  # (T, E)
    rotation: jax.Array  # (T, 3, 3)
    translation: jax.Array  # (T, 3)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Observations:
    """What the fit is given of T frames.

    Attributes:
      points: float32 (T, N, 2), MediaPipe's positions of the targets in [0, 1] across the crop.
      sight: float32 (T, B) in [0, 1], how far each pupil can be trusted.
      prior, precision: float32 (T, E), where the expression is expected, and how firmly.
      counted: float32 (T,), 1 for frames that take part in the identity, 0 for padding.
    """

    points: jax.Array
    sight: jax.Array
    prior: jax.Array
    precision: jax.Array
    counted: jax.Array


@functools.partial(jax.jit, static_argnames="free_identity")
def fit_batch(
    targets: Targets, observed: Observations, identity: jax.Array, *, free_identity: bool
) -> Unknowns:
    """All frames of a batch; the identity (I,) is the start, or, where it is not free, given."""
    with jax.default_matmul_precision("highest"):

        def start(positions, expression):
            points, _ = target_points(targets, identity, expression)
            return orthographic_pose(points, positions, targets.weights)

        rotation, translation = jax.vmap(start)(observed.points, observed.prior)
        unknowns = Unknowns(identity, observed.prior, rotation, translation)
        bounds = jnp.zeros_like(observed.prior)
        step = functools.partial(_gauss_newton_step, targets, observed, free_identity)
        return jax.lax.fori_loop(
            0, _NUM_ITERATIONS, lambda _, state: step(*state), (unknowns, bounds)
        )[0]


def _gauss_newton_step(
    targets: Targets,
    observed: Observations,
    free_identity: bool,
    current: Unknowns,
    bounds: jax.Array,
) -> tuple[Unknowns, jax.Array]:
    """One damped step of all unknowns, expressions kept within their bounds.

    `bounds` (T, E) says which expressions are held at 0 (-1), at 1 (1), or are free (0).
    """
    linearise = functools.partial(_frame_equations, targets, free_identity, current.identity)
    hessian, gradient = jax.vmap(linearise)(
        observed, current.expression, current.rotation, current.translation
    )
    if free_identity:
        solve = functools.partial(
            _solve_with_identity, hessian, gradient, observed.counted, current.identity
        )
    else:
        solve = functools.partial(_solve_frames, hessian, gradient)
    low, high = -current.expression, 1.0 - current.expression

    def solve_within(bounds: jax.Array) -> tuple[jax.Array, jax.Array]:
        held = jnp.select([bounds < 0, bounds > 0], [low, high], 0.0)
        pose = jnp.zeros((len(held), NUM_POSE))
        return solve(
            jnp.concatenate([pose + 1.0, 1.0 - jnp.abs(bounds)], axis=1),
            jnp.concatenate([pose, held], axis=1),
        )

    if targets.blendshapes:
        # Block principal pivoting: each round corrects all bounds at once.
        for _ in range(_BOUND_ROUNDS):
            step, identity_step = solve_within(bounds)
            every = step
            if free_identity:
                shared = jnp.broadcast_to(identity_step[None], (len(step), len(identity_step)))
                every = jnp.concatenate([step, shared], axis=1)
            slope = gradient + jnp.einsum("tij,tj->ti", hessian, every)
            step, slope = (x[:, NUM_POSE : NUM_POSE + low.shape[1]] for x in (step, slope))
            leaves = jnp.select([step < low, step > high], [-1.0, 1.0], 0.0)
            stays = jnp.where(bounds * slope > 0, 0.0, bounds)
            bounds = jnp.where(bounds == 0, leaves, stays)
    step, identity_step = solve_within(bounds)
    expression = current.expression + step[:, NUM_POSE:]
    if targets.blendshapes:
        expression = jnp.clip(expression, 0.0, 1.0)
    following = Unknowns(
        identity=current.identity + identity_step,
        expression=expression,
        rotation=jax.vmap(rotation_from_vector)(step[:, :3]) @ current.rotation,
        translation=current.translation + step[:, 3:NUM_POSE],
    )
    return following, bounds


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
    targets: Targets,
    free_identity: bool,
    identity: jax.Array,
    observed: Observations,
    expression: jax.Array,
    rotation: jax.Array,
    translation: jax.Array,
) -> tuple[jax.Array, jax.Array]:
    """Damped Hessian (N, N) and gradient (N,) of one frame (leaves of `observed` without T).

    The order of the unknowns: rotation vector (applied from the left), translation, expression,
    identity.
    """
    points, by_expression = target_points(targets, identity, expression)
    rotated = points @ rotation.T
    posed = rotated + translation[None]
    depth = CAMERA_DISTANCE - posed[:, 2]
    x, y = posed[:, 0] / depth, -posed[:, 1] / depth
    residual = 0.5 + CANONICAL_FOCAL * jnp.stack([x, y], axis=-1) - observed.points
    one, zero = jnp.ones_like(x), jnp.zeros_like(x)
    by_point = jnp.stack([jnp.stack([one, zero, x], -1), jnp.stack([zero, -one, y], -1)], axis=-2)
    by_point = (CANONICAL_FOCAL / depth)[:, None, None] * by_point  # (L, 2, 3)
    by_model = by_point @ rotation
    by_turn = jnp.cross(rotated[:, None, :], by_point)  # d(u)/dw = p x du/dp
    parts = [by_turn, by_point, jnp.einsum("lij,elj->lie", by_model, by_expression)]
    if free_identity:
        parts.append(jnp.einsum("lij,klj->lik", by_model, targets.identity_basis))
    jacobian = jnp.concatenate(parts, axis=-1)

    # One row per coordinate of each position, then of each aperture.
    num_pupils = len(targets.arm)
    precision = targets.weights / _SIGMA_PX**2
    precision = precision.at[len(precision) - num_pupils :].set(observed.sight / _PUPIL_SIGMA_PX**2)
    precision = jnp.concatenate([precision, targets.pair_precision]) * REFERENCE_SIZE**2
    first, second = targets.pairs.T
    jacobian = jnp.concatenate([jacobian, jacobian[first] - jacobian[second]])
    residual = jnp.concatenate([residual, residual[first] - residual[second]])

    jacobian = jacobian.reshape(residual.size, -1)
    weighted = jacobian * jnp.repeat(precision, 2)[:, None]
    hessian = weighted.T @ jacobian
    gradient = weighted.T @ residual.reshape(-1)
    expressions = jnp.arange(NUM_POSE, NUM_POSE + expression.shape[0])
    hessian = hessian.at[expressions, expressions].add(observed.precision)
    gradient = gradient.at[expressions].add(observed.precision * (expression - observed.prior))
    return hessian + _DAMPING * jnp.diag(jnp.diag(hessian)), gradient
