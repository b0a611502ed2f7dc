"""Refines face parameters by what the pixels look like, with gradients through the rasterizer.

Minimises over texture d, lighting g, identity a, expression e, rotation and translation

    N log mean_p rho(|I_p - R_p|)  +  sum_i w_i |r_i|^2 / (2 sigma^2)  +  |a|^2 / 2  +  |d|^2 / 2
        +  c_e |e - e_0|^2 / 2  +  c_g |g - grey(g)|^2 / 2

with I the picture, R the model rendered with its own albedo and light, p the pixels of its guidance
region, rho(x) = sqrt(x^2 + s^2), r_i the landmarks' distances in pixels of a 256-pixel image (the
weights w_i sum to 68), e_0 the expression at the start and grey(g) the mean of the light's three
colours. The first term is what is left of N independent residuals of unknown, common size: where
the model can explain the picture they outweigh the landmarks and the priors, where it cannot they
do not. Adam, first at half of the picture's size, then at the whole.
"""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax

import rasterizer
from reenact_jax.face_model import morphable
from reenact_jax.face_model.morphable import MorphableModel
from reenact_jax.face_model.parameters import FaceParameters
from reenact_jax.tracking.anchors import NUM_DENSE, Anchors, anchor_points, model_anchors
from reenact_jax.tracking.solver import REFERENCE_SIZE

# How far one unit of Adam's variables moves each leaf: standard deviations, light, standard
# deviations, blendshape weights, radians, decimetres. Colours and light explain most of the loss
# between them and trade off against each other along a flat valley: they need the longest steps.
_UNITS = {
    "texture": 3.0,
    "lighting": 0.6,
    "identity": 1.0,
    "expression": 0.3,
    "rotation": 0.1,
    "translation": 0.1,
}
_LEARNING_RATE = 0.03
_STEPS_PER_LEVEL = 200
_MIN_SIZE = 64  # smaller pictures are not halved

_PIXELS = 150.0  # N: neighbouring residuals are alike, so far fewer than there are pixels
_SOFTNESS = 0.01  # s of rho, of a colour range of 1
_LANDMARK_SIGMA = 1.5  # pixels at 256
_EXPRESSION_PRECISION = 20.0  # c_e
_GREY_PRECISION = 1000.0  # c_g: the colours of the light differ by a few hundredths


def refine(
    model: MorphableModel,
    image: np.ndarray,
    parameters: FaceParameters,
    landmarks: np.ndarray | None = None,
) -> tuple[FaceParameters, np.ndarray]:
    """Moves parameters of one frame to where the rendered face looks like the picture.

    Args:
      model: a face model with albedo.
      image: float (S, S, 3) RGB in [0, 1], S even.
      parameters: where to start, leaves (K,): a tracker's fit. The camera is kept.
      landmarks: (L, 2) in [0, 1] across the image, L >= 468 in MediaPipe's order, which hold the
        fit in place; None goes by the pixels alone.

    Returns:
      The refined parameters (NumPy leaves), and the loss at every step, float32.
    """
    if not model.has_albedo:
        raise ValueError(f"face model {model.name} has no albedo to compare with the picture")
    image = np.asarray(image, np.float32)
    size = image.shape[0]
    if image.shape != (size, size, 3) or size % 2:
        raise ValueError(f"expected an image (S, S, 3) with S even, found {image.shape}")
    anchors = model_anchors(model)
    observed, is_seen = np.zeros((len(anchors.selection), 2), np.float32), np.float32(0)
    if landmarks is not None:
        landmarks = np.asarray(landmarks, np.float32)
        if landmarks.ndim != 2 or landmarks.shape[0] < NUM_DENSE or landmarks.shape[1] != 2:
            raise ValueError(f"expected landmarks (>= {NUM_DENSE}, 2), found {landmarks.shape}")
        observed, is_seen = landmarks[anchors.selection], np.float32(1)
    levels = [image]
    if size >= 2 * _MIN_SIZE:
        half = size // 2
        levels = [image.reshape(half, 2, half, 2, 3).mean(axis=(1, 3)), image]
    start = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float32), parameters)
    edges = rasterizer.mesh_edges(model.triangles)
    in_region = _in_region(model)
    problem = _Problem(model, edges, anchors, in_region, observed, is_seen, start.expression)
    refined, losses = start, []
    for level in levels:
        refined, loss = _descend(problem, level, refined)
        losses.append(np.asarray(loss))
    return jax.tree.map(np.asarray, refined), np.concatenate(losses)


def rendered_face(
    model: MorphableModel, parameters: FaceParameters, image_size: int
) -> tuple[np.ndarray, np.ndarray]:
    """What `refine` compares with the picture.

    Args:
      model: a face model with albedo.
      parameters: leaves (K,).
      image_size: S.

    Returns:
      The model in its own albedo and light, float32 (S, S, 3), nominally in [0, 1]; and bool
      (S, S), the pixels of the guidance region.
    """
    parameters = jax.tree.map(jnp.asarray, parameters)
    rendered, _, fragments = _render(model, parameters, image_size)
    covered = np.asarray(fragments.triangle_id) >= 0
    return np.asarray(rendered), covered & _in_region(model)[fragments.triangle_id]


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class _Problem:
    """What stays the same from step to step."""

    model: MorphableModel
    edges: rasterizer.MeshEdges  # of the model's triangles
    anchors: Anchors
    in_region: jax.Array  # bool (F,), see `_in_region`
    observed: jax.Array  # (L, 2) landmarks in [0, 1]
    is_seen: jax.Array  # 1 if there are landmarks, else 0
    usual_expression: jax.Array  # (E,), e_0


@functools.partial(jax.jit, static_argnames="image_size")
def _render(
    model: MorphableModel, parameters: FaceParameters, image_size: int
) -> tuple[jax.Array, jax.Array, rasterizer.Fragments]:
    """The picture (S, S, 3), the vertices in clip space, and what each pixel sees."""
    # Everything is drawn, hair too, so that what hides the face hides it here.
    clip = morphable.clip_vertices(morphable.posed_vertices(model, parameters), parameters.camera)
    triangles = jnp.asarray(model.triangles)
    fragments = rasterizer.rasterize(clip, triangles, image_size, image_size, cull_backfaces=True)
    colours = morphable.shaded_colours(model, parameters)
    return rasterizer.interpolate(colours, triangles, fragments), clip, fragments


def _in_region(model: MorphableModel) -> np.ndarray:
    """bool (F,): which of the model's triangles belong to its guidance region."""

    def keys(triangles: np.ndarray) -> np.ndarray:
        corners = np.sort(np.asarray(triangles, np.int64), axis=1)
        return (corners[:, 0] * model.num_vertices + corners[:, 1]) * model.num_vertices + corners[
            :, 2
        ]

    return np.isin(keys(model.triangles), keys(model.region_triangles))


def _loss(problem: _Problem, image: jax.Array, parameters: FaceParameters) -> jax.Array:
    model = problem.model
    rendered, clip, fragments = _render(model, parameters, image.shape[0])
    covered = fragments.triangle_id >= 0
    region = covered & jnp.asarray(problem.in_region)[fragments.triangle_id]
    # Where nothing is drawn the picture stands for itself: the outline of a face that covers too
    # much feels it, and the background asks for nothing.
    drawn = jnp.where(covered[..., None], rendered, image)
    drawn = rasterizer.antialias(
        drawn, clip, model.triangles, fragments, problem.edges, cull_backfaces=True
    )
    squared = jnp.sum((drawn - image) ** 2, axis=-1) * (region | ~covered)
    excess = jnp.sqrt(squared + _SOFTNESS**2) - _SOFTNESS
    robust = _SOFTNESS + jnp.sum(excess) / jnp.maximum(jnp.sum(region), 1)

    anchors = problem.anchors
    points = anchor_points(anchors, parameters.identity, parameters.expression)
    points = morphable.to_camera(points, parameters.rotation, parameters.translation)
    offsets = (morphable.project(points, parameters.camera) - problem.observed) * REFERENCE_SIZE
    distances = problem.is_seen * jnp.sum(anchors.weights * jnp.sum(offsets**2, axis=-1))

    departure = parameters.expression - problem.usual_expression
    bands = parameters.lighting.reshape(3, 9)
    tint = bands - bands.mean(axis=0, keepdims=True)
    quadratic = (
        distances / _LANDMARK_SIGMA**2
        + jnp.sum(parameters.identity**2)
        + jnp.sum(parameters.texture**2)
        + _EXPRESSION_PRECISION * jnp.sum(departure**2)
        + _GREY_PRECISION * jnp.sum(tint**2)
    )
    return _PIXELS * jnp.log(robust) + quadratic / 2


@jax.jit
def _descend(
    problem: _Problem, image: jax.Array, start: FaceParameters
) -> tuple[FaceParameters, jax.Array]:
    """`_STEPS_PER_LEVEL` steps of Adam at one size: the best parameters met, and all losses.

    Adam's first steps are long whatever the gradient; from a good start they lead away at first.
    """
    optimiser = optax.adam(optax.cosine_decay_schedule(_LEARNING_RATE, _STEPS_PER_LEVEL, 0.05))

    def at(moves: dict[str, jax.Array]) -> FaceParameters:
        leaves = {name: getattr(start, name) + _UNITS[name] * move for name, move in moves.items()}
        if problem.anchors.blendshapes:
            leaves["expression"] = jnp.clip(leaves["expression"], 0.0, 1.0)
        return start.replace(**leaves)

    def step(carry, _):
        moves, state, best, least = carry
        loss, gradient = jax.value_and_grad(lambda m: _loss(problem, image, at(m)))(moves)
        better = loss < least
        best = jax.tree.map(lambda new, old: jnp.where(better, new, old), moves, best)
        updates, state = optimiser.update(gradient, state)
        moves = optax.apply_updates(moves, updates)
        return (moves, state, best, jnp.where(better, loss, least)), loss

    moves = {name: jnp.zeros_like(getattr(start, name)) for name in _UNITS}
    carry = (moves, optimiser.init(moves), moves, jnp.inf)
    (_, _, best, _), losses = jax.lax.scan(step, carry, length=_STEPS_PER_LEVEL)
    return at(best), losses
