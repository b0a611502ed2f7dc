"""A face's parameters from one picture: a problem that needs the gradient of outlines."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from rasterizer import antialias, interpolate, mesh_edges, rasterize
from reenact_jax.face_model.morphable import clip_vertices, posed_vertices, shaded_colours
from reenact_jax.face_model.parameters import FaceParameters
from reenact_jax.face_model.procedural import identity_names, procedural_head
from tests.helpers.moving_meshes import descend


class FaceProblem:
    """Some of the procedural head's identity and expression, and its pose, from one picture.

    Known are texture, light, camera and the distance, which trades off against the head's size.
    """

    # Modes that show from the front; amounts in the true face.
    identity = {
        "faceWidth": 1.2,
        "headHeight": -1.0,
        "temples": 1.5,
        "jawWidth": -1.5,
        "jowls": 1.0,
    }
    expression = {"jawOpen": 0.6, "mouthSmile_L": 0.7, "mouthSmile_R": 0.7, "browInnerUp": 0.8}

    def __init__(self, side: int):
        self.model, self.side = procedural_head("light"), side
        self.triangles = np.asarray(self.model.triangles)
        self.edges = mesh_edges(self.triangles)
        self.rows = {
            "identity": [identity_names().index(name) for name in self.identity],
            "expression": [self.model.expression_names.index(name) for name in self.expression],
        }
        lighting = np.zeros(27, np.float32)
        lighting[[2, 11, 20]] = 0.4  # from the front
        lighting[[3, 12, 21]] = -0.25  # and from one side
        known = self.model.zeros().replace(
            lighting=lighting, translation=np.array([0.0, 0.06, -0.7], np.float32)
        )
        self.known = jax.tree.map(jnp.asarray, known)
        self.start = {
            "identity": jnp.zeros(len(self.identity)),
            "expression": jnp.zeros(len(self.expression)),
            "rotation": jnp.zeros(3),
            "shift": jnp.zeros(2),
        }
        self.true = {
            "identity": jnp.asarray([*self.identity.values()], jnp.float32),
            "expression": jnp.asarray([*self.expression.values()], jnp.float32),
            "rotation": jnp.array([0.12, -0.3, 0.1]),
            "shift": jnp.array([0.12, -0.08]),
        }
        fine = jax.jit(lambda leaves: self.draw(leaves, side=8 * side, blended=False))(self.true)
        self.target = fine.reshape(side, 8, side, 8, 3).mean((1, 3))

    def parameters(self, leaves: dict) -> FaceParameters:
        whole = {
            name: getattr(self.known, name).at[jnp.asarray(rows)].set(leaves[name])
            for name, rows in self.rows.items()
        }
        translation = self.known.translation.at[:2].add(leaves["shift"])
        return self.known.replace(translation=translation, rotation=leaves["rotation"], **whole)

    def draw(self, leaves: dict, *, side: int | None = None, blended: bool = True) -> jax.Array:
        side = side or self.side
        parameters = self.parameters(leaves)
        vertices = clip_vertices(posed_vertices(self.model, parameters), parameters.camera)
        fragments = rasterize(vertices, self.triangles, side, side)
        image = interpolate(shaded_colours(self.model, parameters), self.triangles, fragments)
        if not blended:
            return image
        return antialias(image, vertices, self.triangles, fragments, self.edges)

    def loss(self, leaves: dict, *, blended: bool = True) -> jax.Array:
        return jnp.sum((self.draw(leaves, blended=blended) - self.target) ** 2)

    def fit(self, *, steps: tuple[int, int] = (60, 160), blended: bool = True):
        """The pose first, then everything: the leaves found, and the loss before every step."""
        loss = functools.partial(self.loss, blended=blended)

        def pose_loss(pose):
            return loss(self.start | pose)

        pose = {name: self.start[name] for name in ("rotation", "shift")}
        pose, first = descend(pose_loss, pose, steps=steps[0], rate=0.04)
        found, second = descend(loss, self.start | pose, steps=steps[1], rate=0.05)
        return found, np.concatenate([first, second])

    def millimetres_off(self, leaves: dict) -> float:
        """Mean distance of the posed vertices from their true places."""
        found, true = (
            posed_vertices(self.model, self.parameters(values)) for values in (leaves, self.true)
        )
        return 100 * float(jnp.linalg.norm(found - true, axis=-1).mean())
