"""Gradients of outlines against finite differences: python -m benchmarks.silhouette_gradients

Prints the tables of docs/gradients.md. Three ways to a gradient are compared on moving meshes: the
sampled picture alone, blending at the edges of the visible triangle between two pixels (the rule of
Laine et al., Modular Primitives for High-Performance Differentiable Rendering, 2020, section 3.5,
written from its description), and `antialias`. The reference is a picture of 16 x 16 samples per
pixel, differentiated numerically over half a pixel of motion.
"""

import argparse
import functools

import jax.numpy as jnp
import numpy as np

from rasterizer import antialias, mesh_edges, rasterize
from rasterizer.homogeneous import pixel_centres, to_pixels
from rasterizer.silhouettes import crossing_edges
from reenact_jax.face_model.procedural import procedural_head
from tests.helpers.moving_meshes import (
    LOSS_NAMES,
    Scene,
    ball_scene,
    cube_scene,
    gradient_errors,
    make_scene,
    random_motions,
)


def head_scene(size: str, side: int) -> Scene:
    """The procedural head at unit size, turned by 30 degrees, in smooth colours."""
    model = procedural_head(size)
    points = np.asarray(model.mean)
    points = (points - (points.max(0) + points.min(0)) / 2) * np.array([1, -1, -1])
    points = (points / np.abs(points).max()).astype(np.float32)
    x, y, z = points.T
    colours = np.stack([0.6 + 0.3 * np.sin(3 * x + z), 0.6 + 0.3 * np.cos(2 * y + 2 * z)], axis=-1)
    mesh = points, np.asarray(model.triangles)
    return make_scene(mesh, colours, side, side, focal=6.0, angles=(0.1, 0.5, 0.05))


def visible_triangle_rule(triangles: np.ndarray):
    """A blend at those silhouette edges that belong to the nearer of two neighbouring triangles."""
    edges = mesh_edges(triangles)
    sides = np.sort(triangles[:, [[0, 1], [1, 2], [2, 0]]], axis=-1).reshape(-1, 2)
    size = int(triangles.max()) + 1
    table = np.asarray(edges.ends, np.int64) @ [size, 1]
    edge_of = np.searchsorted(table, sides.astype(np.int64) @ [size, 1]).reshape(-1, 3)
    edge_of = jnp.asarray(edge_of, jnp.int32)

    def crossings(vertices, fragments):
        """Per direction: whether a pair blends, and where its edge crosses, from 0 to 1."""
        height, width = fragments.triangle_id.shape
        pixels = to_pixels(vertices, height, width)
        place = jnp.stack([pixels.x, pixels.y], axis=-1)
        a, b = (place[edges.ends[:, k]] for k in range(2))
        opposite = [place[jnp.maximum(edges.opposite[:, k], 0)] for k in range(2)]

        def side(c):
            return (b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]

        single = edges.opposite[:, 1] < 0
        outline = single | (side(opposite[0]) * side(opposite[1]) > 0)
        x = pixel_centres(jnp.arange(width, dtype=place.dtype), width)[None, :]
        y = pixel_centres(jnp.arange(height, dtype=place.dtype), height)[:, None]
        centre = jnp.stack(jnp.broadcast_arrays(x, y), axis=-1)
        depth = jnp.where(fragments.triangle_id >= 0, fragments.depth, jnp.inf)
        found = []
        for axis, along in ((1, 0), (0, 1)):
            first, second = (slice(None, -1), slice(1, None))
            cut = functools.partial(_cut, axis=axis)
            ids = [fragments.triangle_id[cut(s)] for s in (first, second)]
            nearer = jnp.where(depth[cut(first)] < depth[cut(second)], *ids)
            differ = ids[0] != ids[1]
            candidates = edge_of[jnp.maximum(nearer, 0)]
            start, end = a[candidates], b[candidates]
            here = centre[cut(first)][..., None, :]
            start, end = start - here, end - here
            us, ue = start[..., 1 - along], end[..., 1 - along]
            vs, ve = start[..., along], end[..., along]
            crosses = outline[candidates] & ((us < 0) != (ue < 0))
            at = (vs * ue - ve * us) / jnp.where(crosses, ue - us, 1)
            # Each edge blends the pairs that it crosses more steeply.
            steep = jnp.abs(ue - us) >= jnp.abs(ve - vs)
            inside = crosses & (at >= 0) & (at <= 1)
            which = jnp.argmax(inside & steep, axis=-1, keepdims=True)
            blends = differ & jnp.any(inside & steep, axis=-1)
            at = jnp.take_along_axis(at, which, axis=-1)[..., 0]
            found.append((cut, blends, at, differ & jnp.any(inside, axis=-1)))
        return found

    def blend(image, vertices, triangles, fragments, edges):
        """With the signature of `antialias`."""
        result = image
        for cut, blends, at, _ in crossings(vertices, fragments):
            first, second = cut(slice(None, -1)), cut(slice(1, None))
            amount = jnp.where(blends, at - 0.5, 0)[..., None]
            step = amount * (image[first] - image[second])
            before = (at < 0.5)[..., None]
            result = result.at[first].add(jnp.where(before, step, 0))
            result = result.at[second].add(jnp.where(before, 0, step))
        return result

    return blend, crossings


def _cut(part: slice, *, axis: int) -> tuple[slice, slice]:
    return (part, slice(None)) if axis == 0 else (slice(None), part)


def share_found(scene: Scene, motion, edges, crossings) -> tuple[float, float]:
    """Share of the pairs of a covered and an empty pixel where either rule finds an edge."""
    vertices = scene.vertices(motion)
    fragments = rasterize(vertices, scene.triangles, scene.height, scene.width)
    covered = np.asarray(fragments.triangle_id >= 0)
    depth = jnp.where(covered, vertices[0, 2] / vertices[0, 3], jnp.inf).astype(jnp.float32)
    codes = crossing_edges(vertices, edges, depth, cull_backfaces=False)
    middle = np.asarray(codes[:, codes.shape[1] // 2] >= 0)
    theirs = crossings(vertices, fragments)
    pairs = [covered[:, 1:] != covered[:, :-1], covered[1:] != covered[:-1]]
    total = sum(pair.sum() for pair in pairs)
    own = (middle[0][:, :-1] & pairs[0]).sum() + (middle[1][:-1] & pairs[1]).sum()
    rule = sum((np.asarray(t[3]) & pair).sum() for t, pair in zip(theirs, pairs, strict=True))
    return rule / total, own / total


def _unchanged(image, *_):
    return image


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--poses", type=int, default=6, help="random poses per row")
    parser.add_argument(
        "--meshes", nargs="+", default=["cube", "ball", "head (light)", "head (full)"]
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=[48, 96], help="sides of the image")
    options = parser.parse_args()
    scenes = {
        "cube": cube_scene,
        "ball": ball_scene,
        "head (light)": lambda height, width: head_scene("light", height),
        "head (full)": lambda height, width: head_scene("full", height),
    }
    print("| mesh | px | rule | outline found | " + " | ".join(LOSS_NAMES) + " |")
    print("|---" * (4 + len(LOSS_NAMES)) + "|")
    motions = random_motions(options.poses)
    for name in options.meshes:
        make = scenes[name]
        for side in options.sizes:
            scene = make(side, side)
            edges = mesh_edges(np.asarray(scene.triangles))
            rule, crossings = visible_triangle_rule(np.asarray(scene.triangles))
            blends = {
                "none": _unchanged,
                "edges of the visible triangle": rule,
                "`antialias`": antialias,
            }
            found = np.mean(
                [share_found(scene, motion, edges, crossings) for motion in motions], axis=0
            )
            for (label, blend), share in zip(blends.items(), (0.0, *found), strict=True):
                errors, _ = gradient_errors(scene, blend, edges, motions)
                cells = [
                    f"{100 * np.median(column):.1f} % ({100 * column.max():.1f} %)"
                    for column in errors.T
                ]
                row = [name, str(side), label, f"{100 * share:.0f} %", *cells]
                print("| " + " | ".join(row) + " |", flush=True)


if __name__ == "__main__":
    main()
