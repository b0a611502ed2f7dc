"""Faces of known parameters, and the landmarks that a perfect tracker would find of them."""

import numpy as np
from scipy.spatial.transform import Rotation

from reenact_jax.face_model.morphable import MorphableModel
from reenact_jax.face_model.parameters import FaceParameters
from reenact_jax.tracking.anchors import MEDIAPIPE_68
from reenact_jax.tracking.targets import LID_PAIRS, LIP_PAIRS


def project_reference(model: MorphableModel, parameters: FaceParameters) -> np.ndarray:
    """(T, 478, 2) pixels of a 256 crop, in float64 NumPy, straight from the conventions.

    Points that the model has no landmark for are left at 0. At the apertures of eyes and mouth the
    68 landmarks win over the dense ones.
    """
    landmarks = np.zeros((len(parameters.rotation), 478, 2))
    for t in range(len(landmarks)):
        vertices = (
            model.mean.astype(float)
            + np.einsum("k,kvc->vc", parameters.identity[t], model.identity_basis)
            + np.einsum("k,kvc->vc", parameters.expression[t], model.expression_basis)
        )
        pitch, yaw, roll = parameters.rotation[t].astype(float)
        # Turns about the fixed axes x, then y, then z: Rz @ Ry @ Rx.
        turn = Rotation.from_euler("xyz", [pitch, yaw, roll]).as_matrix()
        x, y, z = (vertices @ turn.T + parameters.translation[t]).T
        pixels = np.stack([128 + 1160 * x / (10 - z), 128 - 1160 * y / (10 - z)], axis=-1)
        chosen = np.arange(68)
        if model.dense_landmarks is not None:
            chosen = np.unique(LID_PAIRS + LIP_PAIRS)
            # Barycentric in space, hence before projecting.
            posed = np.stack([x, y, z], -1)[model.dense_landmarks.vertices]
            x, y, z = (posed * model.dense_landmarks.weights[..., None]).sum(1).T
            landmarks[t, :468, 0] = 128 + 1160 * x / (10 - z)
            landmarks[t, :468, 1] = 128 - 1160 * y / (10 - z)
        landmarks[t, MEDIAPIPE_68[chosen]] = pixels[model.landmarks68[chosen]]
        if model.eyeballs is not None:
            x, y, z = (pupils(model, vertices, parameters.expression[t]) @ turn.T).T
            x, y, z = np.stack([x, y, z]) + parameters.translation[t][:, None]
            landmarks[t, [473, 468], 0] = 128 + 1160 * x / (10 - z)
            landmarks[t, [473, 468], 1] = 128 - 1160 * y / (10 - z)
    return landmarks


def pupils(model: MorphableModel, vertices: np.ndarray, expression: np.ndarray) -> np.ndarray:
    """(2, 3) foremost points of the eyeballs, turned; vertices (V, 3) before the turn."""
    balls = model.eyeballs
    centres = vertices[balls.vertices].mean(axis=1) + balls.centre_offset
    ahead = model.mean[balls.vertices].mean(axis=1) + balls.centre_offset
    arms = model.mean[balls.vertices][..., 2].max(axis=1) - ahead[:, 2]
    angles = np.einsum("k,kba->ba", expression, balls.turn)
    turns = Rotation.from_euler("xy", angles).as_matrix()  # about the fixed axes x, then y
    return centres + arms[:, None] * turns[:, :, 2]


def random_parameters(model: MorphableModel, num_frames: int, seed: int = 0) -> FaceParameters:
    """One identity; yaw up to 50 degrees; half of the blendshapes at 0."""
    rng = np.random.default_rng(seed)
    widths = model.widths
    expression = rng.uniform(-0.8, 0.8, (num_frames, widths["expression"]))
    if model.expression_names:
        expression = np.maximum(expression, 0)
    limits = np.radians([20, 50, 20])
    translation = rng.uniform([-0.3, -0.3, -5], [0.3, 0.3, -3], (num_frames, 3))
    return model.zeros((num_frames,)).replace(
        identity=np.tile(rng.normal(size=widths["identity"]) * 0.7, (num_frames, 1)),
        expression=expression,
        rotation=rng.uniform(-limits, limits, (num_frames, 3)),
        translation=translation,
    )


def scores_of(model: MorphableModel, parameters: FaceParameters) -> list[dict[str, float]] | None:
    """What a perfect tracker would say of the named expressions."""
    if not model.expression_names:
        return None
    names = [n.replace("_L", "Left").replace("_R", "Right") for n in model.expression_names]
    return [dict(zip(names, map(float, row), strict=True)) for row in parameters.expression]
