"""Moving meshes and the picture that antialias estimates: many samples, averaged to pixels."""

import dataclasses
import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import optax

from rasterizer import antialias, interpolate, mesh_edges, perspective_clip, rasterize

DISTANCE = 8.0
SAMPLES = 16
# Differences are central, over half a pixel of motion: the samples are 1/16 pixel apart.
STEP = 0.25


def cube() -> tuple[np.ndarray, np.ndarray]:
    corners = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], np.float32)
    quads = ((0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3))
    triangles = [t for a, b, c, d in quads for t in ((a, b, c), (a, c, d))]
    return corners, np.array(triangles, np.int32)


def ball(rings: int = 40) -> tuple[np.ndarray, np.ndarray]:
    """A unit sphere of rings of latitude, closed by a vertex at either pole."""
    columns = 2 * rings
    latitude = np.linspace(0, np.pi, rings + 1)[1:-1, None]
    longitude = np.linspace(0, 2 * np.pi, columns, endpoint=False)
    around = [np.sin(latitude) * np.cos(longitude), np.sin(latitude) * np.sin(longitude)]
    height = np.broadcast_to(np.cos(latitude), around[0].shape)
    points = np.stack([around[0], height, around[1]], axis=-1).reshape(-1, 3)
    points = np.concatenate([[[0, 1, 0]], points, [[0, -1, 0]]]).astype(np.float32)
    column = np.arange(columns)
    following = (column + 1) % columns
    top, bottom = np.zeros_like(column), np.full_like(column, len(points) - 1)
    start = 1 + (rings - 2) * columns
    triangles = [np.stack([top, 1 + following, 1 + column], axis=-1)]
    for ring in range(rings - 2):
        a, b = 1 + ring * columns + column, 1 + ring * columns + following
        triangles += [
            np.stack([a, b, b + columns], -1),
            np.stack([a, b + columns, a + columns], -1),
        ]
    triangles.append(np.stack([bottom, start + column, start + following], axis=-1))
    return points, np.concatenate(triangles).astype(np.int32)


def rotation(angles: jax.Array) -> jax.Array:
    (cx, cy, cz), (sx, sy, sz) = jnp.cos(angles), jnp.sin(angles)
    about_x = jnp.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_y = jnp.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_z = jnp.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return about_z @ about_y @ about_x


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Scene:
    """A mesh of about unit size before a camera, moved by six numbers that are pixels each.

    A motion is (x, y, z, rx, ry, rz): a translation, and rotations about the camera's axes after
    `angles`. One unit moves the mesh's outline by about a pixel (z: towards or away).

    points: (V, 3), camera frame. triangles: (F, 3). angles: (3,) radians.
    colours: (V, C) per vertex; the first channel is 1, so that it shows the silhouette.
    focal: of the camera, in halves of the shorter side of the image.
    height, width: of the image.
    """

    points: jax.Array
    triangles: jax.Array
    colours: jax.Array
    angles: jax.Array
    focal: jax.Array
    height: int = dataclasses.field(metadata={"static": True})
    width: int = dataclasses.field(metadata={"static": True})

    @property
    def focal_pixels(self) -> jax.Array:
        return self.focal * min(self.height, self.width) / 2

    def vertices(self, motion: jax.Array) -> jax.Array:
        pixel = DISTANCE / self.focal_pixels
        turned = self.points @ rotation(self.angles + motion[3:] * pixel).T
        depth = DISTANCE + 6 * pixel * motion[2]
        x, y = (turned[:, k] + pixel * motion[k] for k in range(2))
        intrinsics = [self.focal_pixels] * 2 + [self.width / 2, self.height / 2]
        points = jnp.stack([x, y, turned[:, 2] + depth], axis=-1)
        return perspective_clip(points, jnp.asarray(intrinsics), self.height, self.width)

    def sampled(self, motion: jax.Array, blend=lambda image, *_: image) -> jax.Array:
        """(H, W, C) sampled at pixel centres, then blended by (image, vertices, fragments)."""
        vertices = self.vertices(motion)
        fragments = rasterize(vertices, self.triangles, self.height, self.width)
        image = interpolate(self.colours, self.triangles, fragments)
        return blend(image, vertices, fragments)

    def averaged(self, motion: jax.Array, samples: int = SAMPLES) -> jax.Array:
        """(H, W, C) averages of samples x samples per pixel."""
        height, width = self.height * samples, self.width * samples
        fragments = rasterize(self.vertices(motion), self.triangles, height, width)
        image = interpolate(self.colours, self.triangles, fragments)
        return image.reshape(self.height, samples, self.width, samples, -1).mean((1, 3))

    def losses(self, image: jax.Array, target: jax.Array) -> jax.Array:
        """Area, a smoothly weighted sum of colours, and the squared distance to a target."""
        u = ((jnp.arange(self.width) + 0.5) / self.width)[None, :, None]
        v = ((jnp.arange(self.height) + 0.5) / self.height)[:, None, None]
        weight = 0.3 + jnp.sin(10.7 * u + 0.4) * jnp.cos(6.9 * v + 0.9)
        squares = jnp.sum((image - target) ** 2)
        return jnp.stack([jnp.sum(image[..., 0]), jnp.sum(weight * image[..., 1:]), squares])


def make_scene(mesh, colours, height, width, *, focal, angles=(0.0, 0.0, 0.0)) -> Scene:
    colours = np.concatenate([np.ones((len(colours), 1)), colours], axis=-1)
    points, colours = (jnp.asarray(array, jnp.float32) for array in (mesh[0], colours))
    triangles = jnp.asarray(mesh[1], jnp.int32)
    return Scene(points, triangles, colours, jnp.asarray(angles), jnp.asarray(focal), height, width)


LOSS_NAMES = ("area", "weighted sum", "squared distance")
AWAY = np.array([2.3, -1.4, 2.0, 1.3, -2.1, 1.5], np.float32)


# Scenes of one size share what is compiled.
_averaged = jax.jit(Scene.averaged, static_argnums=2)
_losses = jax.jit(Scene.losses)


@functools.partial(jax.jit, static_argnums=0)
def _jacobian(blend, scene, edges, motion, target):
    def losses(motion):
        def blend_here(image, vertices, fragments):
            return blend(image, vertices, scene.triangles, fragments, edges)

        image = scene.sampled(motion, blend_here)
        return scene.losses(image, target), image

    return jax.jacfwd(losses, has_aux=True)(motion)


def gradient_errors(scene: Scene, blend, edges, motions, samples: int = SAMPLES):
    """Errors of the gradient of every loss and of the outline, against the averaged picture.

    Args:
      scene: what moves.
      blend: a function with the signature of `antialias`.
      edges: its last argument.
      motions: (N, 6) places to compare at; the target of the squared distance is AWAY from each.
      samples: per pixel and direction.

    Returns:
      (N, 3): |gradient - differences| over the six motions, per loss, as a share of |differences|
      (root mean square over the N places: at one of them a gradient may happen to vanish); and (N,)
      the root mean square error of the silhouette over the pixels of the outline.
    """
    errors, sizes, outlines = [], [], []
    for motion in np.asarray(motions, np.float32):
        target = _averaged(scene, motion + AWAY, samples)
        differences = []
        for k in range(6):
            step = np.eye(6, dtype=np.float32)[k] * STEP
            pictures = [_averaged(scene, motion + s, samples) for s in (step, -step)]
            ends = [np.asarray(_losses(scene, picture, target), np.float64) for picture in pictures]
            differences.append((ends[0] - ends[1]) / (2 * STEP))
        differences = np.stack(differences, axis=-1)
        jacobian, image = _jacobian(blend, scene, edges, motion, target)
        errors.append(np.linalg.norm(jacobian - differences, axis=-1))
        sizes.append(np.linalg.norm(differences, axis=-1))
        here = np.asarray(_averaged(scene, motion, samples)[..., 0])
        outline = (here > 0) & (here < 1)
        outlines.append(np.sqrt(np.mean((np.asarray(image)[..., 0] - here)[outline] ** 2)))
    return np.array(errors) / np.sqrt(np.mean(np.square(sizes), axis=0)), np.array(outlines)


def padded(mesh, num_vertices: int, num_triangles: int) -> tuple[np.ndarray, np.ndarray]:
    points = np.pad(mesh[0], ((0, num_vertices - len(mesh[0])), (0, 0)))
    missing = num_triangles - len(mesh[1])
    return points, np.pad(mesh[1], ((0, missing), (0, 0)), constant_values=-1)


def cube_scene(height: int, width: int) -> Scene:
    """Padded to the size of the ball."""
    like = ball()
    mesh = padded(cube(), len(like[0]), len(like[1]))
    colours = np.random.default_rng(0).uniform(0.2, 1, (len(mesh[0]), 2))
    return make_scene(mesh, colours, height, width, focal=4.5, angles=(0.4, 0.6, 0.2))


def ball_scene(height: int, width: int) -> Scene:
    mesh = ball()
    x, y, z = mesh[0].T
    colours = np.stack([0.6 + 0.3 * np.sin(3 * x), 0.6 + 0.3 * np.cos(2 * y + z)], axis=-1)
    return make_scene(mesh, colours, height, width, focal=6.0, angles=(0.4, 0.6, 0.2))


def random_motions(number: int, seed: int = 0) -> np.ndarray:
    """Sub-pixel shifts in x and y, and turns by tens of pixels."""
    rng = np.random.default_rng(seed)
    motions = np.zeros((number, 6), np.float32)
    motions[:, :2] = rng.uniform(-1, 1, (number, 2))
    motions[:, 3:] = rng.uniform(-8, 8, (number, 3))
    return motions


def descend(loss: Callable, start, *, steps: int, rate: float):
    """Adam with a cosine schedule: the parameters found, and the loss before every step."""
    optimiser = optax.adam(optax.cosine_decay_schedule(rate, steps))

    @jax.jit
    def run(start):
        def step(carry, _):
            parameters, state = carry
            value, gradient = jax.value_and_grad(loss)(parameters)
            updates, state = optimiser.update(gradient, state)
            return (optax.apply_updates(parameters, updates), state), value

        (found, _), values = jax.lax.scan(step, (start, optimiser.init(start)), length=steps)
        return found, values

    return run(start)


class PoseProblem:
    """A wedge, moved and turned; only the picture of its silhouette is known."""

    true = np.array([1.5, -2.0, 1.0, 2.0, -2.5, 3.0], np.float32)
    start = np.array([-2.0, 1.5, -1.0, -1.0, 1.5, -1.5], np.float32)

    def __init__(self, side: int):
        # Three different lengths, and narrower at one end: the outline tells every turn.
        points, triangles = cube()
        points = points * np.array([1.0, 0.7, 0.45], np.float32)
        points[points[:, 0] > 0, 1] *= 0.4
        colours = np.zeros((8, 0), np.float32)
        angles = (0.4, 0.6, 0.0)
        self.scene = make_scene((points, triangles), colours, side, side, focal=5.0, angles=angles)
        self.edges = mesh_edges(triangles)
        self.target = self.scene.averaged(self.true)

    def draw(self, motion: jax.Array, *, blended: bool = True) -> jax.Array:
        def blend(image, vertices, fragments):
            if not blended:
                return image
            return antialias(image, vertices, self.scene.triangles, fragments, self.edges)

        return self.scene.sampled(motion, blend)

    def loss(self, motion: jax.Array, *, blended: bool = True) -> jax.Array:
        return jnp.sum((self.draw(motion, blended=blended) - self.target) ** 2)

    def pixels_off(self, motion: jax.Array) -> np.ndarray:
        """How far every corner is from its true place in the image, in pixels."""

        def corners(motion):
            vertices = self.scene.vertices(jnp.asarray(motion))
            return vertices[:, :2] / vertices[:, 3:] * self.scene.width / 2

        return np.linalg.norm(corners(motion) - corners(self.true), axis=-1)
