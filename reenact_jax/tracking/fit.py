"""Fits a morphable model to the landmarks of a clip: one identity, and per frame pose, expression.

Minimises over identity a, and per frame t over expression e_t, rotation and translation,

    sum_t sum_i w_i |r_ti|^2 / sigma^2  +  lambda_id |a|^2  +  lambda_ex sum_t |e_t - prior_t|^2

with r_ti the distance in pixels of a 256-pixel crop between landmark i and its point on the model,
seen by the canonical camera. For blendshapes 0 <= e <= 1 and prior_t are the tracker's own scores;
other expressions have a standard normal prior. Damped Gauss-Newton; the frames meet in the identity
alone, so their unknowns are eliminated frame by frame (Schur complement).
"""

import dataclasses
import functools
import re
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from reenact_jax.errors import UserError
from reenact_jax.face_model.morphable import MorphableModel, project, to_camera
from reenact_jax.face_model.parameters import (
    CAMERA_DISTANCE,
    CANONICAL_FOCAL,
    NUM_POSE,
    FaceParameters,
)
from reenact_jax.face_model.rotation import euler_angles
from reenact_jax.tracking.anchors import NUM_DENSE, Anchors, anchor_points, model_anchors
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
# The identity comes from at most this many frames, spread over the clip; all frames are then fitted
# to it. Batches are padded to one of these sizes, so that few programs are compiled.
_BATCH_SIZES = (1, 8, 32, 64)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class _Unknowns:
    identity: jax.Array  # (I,)
    expression: jax.Array  # (T, E)
    rotation: jax.Array  # (T, 3, 3)
    translation: jax.Array  # (T, 3)


def fit_clip(
    model: MorphableModel,
    landmarks: np.ndarray,
    scores: Sequence[dict[str, float]] | None = None,
    *,
    image_size: float = REFERENCE_SIZE,
) -> FaceParameters:
    """Fits one identity, and pose and expression of every frame.

    Args:
      model: any morphable model: with MediaPipe's 468 points where it has them, else with its 68.
      landmarks: (T, L, 2) pixels of the square crop, L >= 468 in MediaPipe's order, T >= 1.
      scores: per frame the tracker's blendshape scores by name, the prior of the expression; None
        for zeros. Used for models with named expressions.
      image_size: side of the crop that `landmarks` are pixels of.

    Returns:
      FaceParameters with NumPy leaves (T, K): the identity repeated, texture and lighting zero,
      the canonical camera.

    Raises:
      ValueError: if the landmarks have another shape or are not finite.
      UserError: if no pose fits them.
    """
    landmarks = np.asarray(landmarks, np.float32)
    if landmarks.ndim != 3 or landmarks.shape[1] < NUM_DENSE or landmarks.shape[2] != 2:
        raise ValueError(f"expected landmarks (T, >= {NUM_DENSE}, 2), found {landmarks.shape}")
    if len(landmarks) == 0:
        raise ValueError("expected landmarks of at least one frame, found none")
    if not np.isfinite(landmarks).all():
        raise ValueError("expected finite landmarks, found NaN or infinity")
    if scores is not None and len(scores) != len(landmarks):
        raise ValueError(f"expected scores of {len(landmarks)} frames, found {len(scores)}")
    num_frames = len(landmarks)
    anchors = model_anchors(model)
    observed = landmarks[:, anchors.selection] / np.float32(image_size)
    prior = _expression_prior(model, anchors, scores, num_frames)

    largest = _BATCH_SIZES[-1]
    chosen = np.unique(np.linspace(0, num_frames - 1, min(num_frames, largest)).round().astype(int))
    first = _fit_padded(anchors, observed[chosen], prior[chosen], None)
    if num_frames <= largest:
        parts = [first]
    else:
        parts = [
            _fit_padded(anchors, observed[i : i + largest], prior[i : i + largest], first.identity)
            for i in range(0, num_frames, largest)
        ]
    expression, rotation, translation = (
        np.concatenate([getattr(part, name) for part in parts])
        for name in ("expression", "rotation", "translation")
    )
    if not all(np.isfinite(x).all() for x in (first.identity, expression, rotation, translation)):
        raise UserError("no pose fits the landmarks: expected the landmarks of a face")
    return model.zeros((num_frames,)).replace(
        identity=np.tile(first.identity, (num_frames, 1)),
        expression=expression,
        rotation=np.asarray(euler_angles(rotation)),
        translation=translation,
    )


def fit_error_px(
    model: MorphableModel,
    parameters: FaceParameters,
    landmarks: np.ndarray,
    *,
    image_size: float = REFERENCE_SIZE,
) -> np.ndarray:
    """Mean distance between landmarks and model per frame, (T,) float32, in pixels of the crop.

    Args:
      model: the fitted model.
      parameters: leaves (T, K).
      landmarks: (T, L, 2) as for `fit_clip`.
      image_size: side of the crop that `landmarks` are pixels of.
    """
    anchors = model_anchors(model)
    projected = np.asarray(_project_anchors(anchors, parameters)) * np.float32(image_size)
    offsets = projected - np.asarray(landmarks, np.float32)[:, anchors.selection]
    return np.linalg.norm(offsets, axis=-1).mean(axis=-1)


@jax.jit
def _project_anchors(anchors: Anchors, parameters: FaceParameters) -> jax.Array:
    def one(frame: FaceParameters) -> jax.Array:
        points = anchor_points(anchors, frame.identity, frame.expression)
        return project(to_camera(points, frame.rotation, frame.translation), frame.camera)

    return jax.vmap(one)(parameters)


def _expression_prior(
    model: MorphableModel,
    anchors: Anchors,
    scores: Sequence[dict[str, float]] | None,
    num_frames: int,
) -> np.ndarray:
    """(T, E): the tracker's scores where a mode has one, else 0."""
    prior = np.zeros((num_frames, model.expression_basis.shape[0]), np.float32)
    if scores is None or not anchors.blendshapes:
        return prior
    for k, name in enumerate(model.expression_names):
        full = re.sub("_([LR])$", lambda side: {"L": "Left", "R": "Right"}[side[1]], name)
        # The tracker has one score for some pairs, such as cheekPuff.
        for candidate in (full, re.sub("(Left|Right)$", "", full)):
            if candidate in scores[0]:
                prior[:, k] = [frame[candidate] for frame in scores]
                break
    return np.clip(prior, 0.0, 1.0)


def _fit_padded(
    anchors: Anchors, observed: np.ndarray, prior: np.ndarray, identity: np.ndarray | None
) -> _Unknowns:
    """`_fit_batch` at the next static size; repeats of the last frame, of weight 0, fill it."""
    num_frames = len(observed)
    size = min(size for size in _BATCH_SIZES if size >= num_frames)
    padding = np.minimum(np.arange(size), num_frames - 1)
    counted = np.float32(np.arange(size) < num_frames)
    start = np.zeros(anchors.identity_basis.shape[0], np.float32) if identity is None else identity
    fitted = _fit_batch(
        anchors, observed[padding], prior[padding], counted, start, free_identity=identity is None
    )
    fitted = jax.tree.map(np.asarray, fitted)
    return dataclasses.replace(
        fitted,
        expression=fitted.expression[:num_frames],
        rotation=fitted.rotation[:num_frames],
        translation=fitted.translation[:num_frames],
    )


@functools.partial(jax.jit, static_argnames="free_identity")
def _fit_batch(
    anchors: Anchors,
    observed: jax.Array,
    prior: jax.Array,
    counted: jax.Array,
    identity: jax.Array,
    *,
    free_identity: bool,
) -> _Unknowns:
    """All frames of a batch: observed (T, L, 2) in [0, 1], prior (T, E), counted (T,) 0 or 1."""
    with jax.default_matmul_precision("highest"):

        def start(landmarks, expression):
            points = anchor_points(anchors, identity, expression)
            return orthographic_pose(points, landmarks, anchors.weights)

        rotation, translation = jax.vmap(start)(observed, prior)
        unknowns = _Unknowns(identity, prior, rotation, translation)
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
    current: _Unknowns,
) -> _Unknowns:
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
    return _Unknowns(
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
