"""Moving meshes and the picture that antialias estimates: many samples, averaged to pixels."""

import jax
import jax.numpy as jnp
import numpy as np

from rasterizer import interpolate, perspective_clip, rasterize

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


class Scene:
    """A mesh of about unit size before a camera, moved by six numbers that are pixels each.

    A motion is (x, y, z, rx, ry, rz): a translation, and rotations about the camera's axes after
    `angles`. One unit moves the mesh's outline by about a pixel (z: towards or away).
    """

    def __init__(self, mesh, colours, height, width, *, focal, angles=(0.0, 0.0, 0.0)):
        self.points, self.triangles = jnp.asarray(mesh[0]), mesh[1]
        # The first channel is the silhouette.
        self.colours = jnp.concatenate([jnp.ones((len(colours), 1)), jnp.asarray(colours)], axis=-1)
        self.height, self.width, self.angles = height, width, jnp.asarray(angles)
        self.focal = focal * min(height, width) / 2
        self.pixel = DISTANCE / self.focal

    def vertices(self, motion: jax.Array) -> jax.Array:
        turned = self.points @ rotation(self.angles + motion[3:] * self.pixel).T
        depth = DISTANCE + 6 * self.pixel * motion[2]
        x, y = (turned[:, k] + self.pixel * motion[k] for k in range(2))
        intrinsics = jnp.array([self.focal, self.focal, self.width / 2, self.height / 2])
        points = jnp.stack([x, y, turned[:, 2] + depth], axis=-1)
        return perspective_clip(points, intrinsics, self.height, self.width)

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


LOSS_NAMES = ("area", "weighted sum", "squared distance")
AWAY = np.array([2.3, -1.4, 2.0, 1.3, -2.1, 1.5], np.float32)


def gradient_errors(scene: Scene, blends: dict, motions, samples: int = SAMPLES) -> dict:
    """Error of the gradient of every loss, relative to that of the averaged picture.

    Args:
      scene: what moves.
      blends: name -> function of (image, vertices, fragments) to an image.
      motions: (N, 6) places to compare at; the target of the squared distance is AWAY from each.
      samples: per pixel and direction.

    Returns:
      name -> (N, 3): |gradient - differences| / |differences| over the six motions, per loss.
    """
    averaged = jax.jit(lambda motion: scene.averaged(motion, samples))
    measure = jax.jit(scene.losses)
    jacobians = {
        name: jax.jit(
            jax.jacfwd(lambda m, t, blend=blend: scene.losses(scene.sampled(m, blend), t))
        )
        for name, blend in blends.items()
    }
    errors = {name: [] for name in blends}
    for motion in np.asarray(motions, np.float32):
        target = averaged(motion + AWAY)
        differences = []
        for k in range(6):
            step = np.eye(6, dtype=np.float32)[k] * STEP
            ends = [np.float64(measure(averaged(motion + s), target)) for s in (step, -step)]
            differences.append((ends[0] - ends[1]) / (2 * STEP))
        differences = np.stack(differences, axis=-1)
        for name, jacobian in jacobians.items():
            off = np.linalg.norm(jacobian(motion, target) - differences, axis=-1)
            errors[name].append(off / np.linalg.norm(differences, axis=-1))
    return {name: np.array(rows) for name, rows in errors.items()}


def cube_scene(height: int, width: int) -> Scene:
    colours = np.random.default_rng(0).uniform(0.2, 1, (8, 2)).astype(np.float32)
    return Scene(cube(), colours, height, width, focal=4.5, angles=(0.4, 0.6, 0.2))


def ball_scene(height: int, width: int) -> Scene:
    mesh = ball()
    x, y, z = mesh[0].T
    colours = np.stack([0.6 + 0.3 * np.sin(3 * x), 0.6 + 0.3 * np.cos(2 * y + z)], axis=-1)
    return Scene(mesh, colours.astype(np.float32), height, width, focal=6.0, angles=(0.4, 0.6, 0.2))


def random_motions(number: int, seed: int = 0) -> np.ndarray:
    """Sub-pixel shifts in x and y, and turns by tens of pixels."""
    rng = np.random.default_rng(seed)
    motions = np.zeros((number, 6), np.float32)
    motions[:, :2] = rng.uniform(-1, 1, (number, 2))
    motions[:, 3:] = rng.uniform(-8, 8, (number, 3))
    return motions
