"""A small face-like model for the tracker: a bumpy ellipsoid patch with random smooth modes."""

import numpy as np

from reenact_jax.face_model.eyeballs import gaze_turn, make_eyeballs
from reenact_jax.face_model.morphable import DenseLandmarks, MorphableModel, make_model
from reenact_jax.tracking.anchors import MEDIAPIPE_68

_SIDE = 24  # vertices along an edge of the patch


def toy_face(*, dense: bool = True, named: bool = True, eyeballs: bool = False) -> MorphableModel:
    """About 1.5 dm wide, 576 vertices, 4 identity and 5 expression modes of some millimetres.

    Args:
      dense: with MediaPipe's 468 points, else with the 68 landmarks alone.
      named: expressions are blendshapes in [0, 1] with names, else nameless standard deviations.
      eyeballs: with two octahedra of 12 millimetres for eyes, and eight modes that turn them and
        move nothing else.
    """
    rng = np.random.default_rng(7)
    u, v = (grid.ravel() for grid in np.meshgrid(*[np.linspace(-1, 1, _SIDE)] * 2))
    nose = 0.5 * np.exp(-((u / 0.15) ** 2) - ((v + 0.1) / 0.25) ** 2)
    mean = np.stack([0.75 * u, 0.9 * v, 0.5 - 0.6 * u**2 - 0.25 * v**2 + nose], axis=-1)

    def modes(count: int, size: float) -> np.ndarray:
        waves = rng.uniform(1, 4, (count, 3, 2))
        phases = rng.uniform(0, 2 * np.pi, (count, 3))
        angle = np.einsum("kcd,dv->kvc", waves, np.stack([u, v])) + phases[:, None]
        return size * np.sin(angle)

    corners = np.arange(_SIDE * _SIDE).reshape(_SIDE, _SIDE)
    a, b, c, d = corners[:-1, :-1], corners[:-1, 1:], corners[1:, 1:], corners[1:, :-1]
    triangles = np.concatenate(
        [np.stack([a, b, c], -1).reshape(-1, 3), np.stack([a, c, d], -1).reshape(-1, 3)]
    )
    vertices = triangles[rng.integers(0, len(triangles), 468)]
    weights = rng.dirichlet(np.ones(3), 468).astype(np.float32)
    # One point where both sets have one, so that they never contradict each other.
    landmarks68 = rng.choice(len(mean), 68, replace=False)
    vertices[MEDIAPIPE_68] = landmarks68[:, None]
    names = ("jawOpen", "eyeBlink_L", "eyeBlink_R", "cheekPuff_L", "unknown")
    identity_basis, expression_basis = modes(4, 0.03), modes(5, 0.08 if named else 0.03)
    balls = None
    if eyeballs:
        centres = np.array([[[0.3, 0.35, 0.3]], [[-0.3, 0.35, 0.3]]])
        tips = 0.12 * np.concatenate([np.eye(3), -np.eye(3)])
        names += tuple(
            f"eyeLook{way}_{side}" for way in ("Down", "Up", "In", "Out") for side in "LR"
        )
        mean = np.concatenate([mean, (centres + tips).reshape(-1, 3)])
        identity_basis = np.pad(identity_basis, ((0, 0), (0, 12), (0, 0)))
        expression_basis = np.pad(expression_basis, ((0, 8), (0, 12), (0, 0)))
        balls = make_eyeballs(
            vertices=len(mean) - 12 + np.arange(12).reshape(2, 6),
            centre_offset=np.zeros((2, 3)),
            turn=gaze_turn(names, down=0.4, up=0.3, sideways=0.5),
        )
    return make_model(
        name="toy",
        mean=mean,
        identity_basis=identity_basis,
        expression_basis=expression_basis,
        triangles=triangles,
        landmarks68=landmarks68,
        dense_landmarks=DenseLandmarks(vertices, weights) if dense else None,
        expression_names=names if named else (),
        eyeballs=balls,
    )
