"""One call from a mesh to a picture, against ray tracing by hand and its own parts."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import trimesh
from PIL import Image

from rasterizer import (
    Camera,
    Mesh,
    PointLight,
    framing_camera,
    from_trimesh,
    look_at,
    pad_meshes,
    render,
    shade,
)

SIZE = 16
BOX = from_trimesh(trimesh.creation.box())
LIGHTING = np.random.default_rng(0).normal(size=27).astype(np.float32) * 0.2


def leaves_close(found, expected):
    for left, right in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("orthographic", [False, True], ids=["perspective", "orthographic"])
def test_depth_and_normals_of_a_sphere_are_those_of_ray_tracing(orthographic):
    ball = from_trimesh(trimesh.creation.icosphere(subdivisions=4))
    camera = framing_camera(ball.vertices, SIZE, SIZE, orthographic=orthographic)
    found = render(ball, SIZE, SIZE, camera=camera)
    fx, fy, cx, cy = np.asarray(camera.intrinsics, np.float64)
    row, column = np.indices((SIZE, SIZE)) + 0.5
    across = np.stack([(column - cx) / fx, (row - cy) / fy], axis=-1)
    centre = np.asarray(camera.translation, np.float64)  # of the ball, in the camera's frame
    if orthographic:
        start, along = np.pad(across, ((0, 0), (0, 0), (0, 1))), np.array([0, 0, 1.0])
    else:
        start, along = 0.0, np.pad(across, ((0, 0), (0, 0), (0, 1)), constant_values=1)
    # |start + s along - centre| = 1, the nearer root.
    a, b = np.sum(along**2, -1), np.sum(along * (start - centre), -1)
    root = b**2 - a * (np.sum((start - centre) ** 2, -1) - 1)
    inner = root > 0.1 * root.max()
    points = start + ((-b - np.sqrt(np.maximum(root, 0))) / a)[..., None] * along
    assert inner.sum() > 100 and np.all(np.asarray(found.rgba)[inner, 3] == 1)
    np.testing.assert_allclose(found.depth[inner], points[inner, 2], atol=0.01)
    normals = (points - centre) @ np.asarray(camera.rotation)
    np.testing.assert_allclose(found.normals[inner], normals[inner], atol=0.02)
    background = np.asarray(found.rgba)[..., 3] == 0
    assert background.any() and not np.any(np.asarray(found.depth)[background])
    assert not np.any(np.asarray(found.rgba)[background])
    assert not np.any(np.asarray(found.normals)[background])


def test_a_texture_on_a_floor_is_read_where_the_rays_meet_it():
    # The plane y = -1 from above, u = x, v = z; the texture is linear between texel centres.
    floor = Mesh(
        vertices=np.float32([[0, -1, 0], [1, -1, 0], [1, -1, 1], [0, -1, 1]]),
        triangles=np.int32([[0, 2, 1], [0, 3, 2]]),
        uv=np.float32([[0, 0], [1, 0], [1, 1], [0, 1]]),
        texture=np.random.default_rng(1).uniform(size=(2, 2, 3)).astype(np.float32),
    )
    rotation, translation = look_at(np.float32([0.5, 0, -0.6]), [0.5, -1.0, 0.5], [0, 1.0, 0])
    camera = Camera(rotation, translation, np.float32([14, 14, 8, 8]))
    found = np.asarray(render(floor, SIZE, SIZE, camera=camera, light=jnp.zeros(27)).rgba)
    row, column = np.indices((SIZE, SIZE)) + 0.5
    rays = np.stack([(column - 8) / 14, (row - 8) / 14, np.ones_like(row)], -1)
    rays = rays @ np.asarray(rotation)
    points = np.float64([0.5, 0, -0.6]) - rays / rays[..., 1:2]
    u, v = points[..., 0], points[..., 2]
    inner = (np.abs(u - 0.5) < 0.24) & (np.abs(v - 0.5) < 0.24) & (rays[..., 1] < 0)
    assert inner.sum() > 10
    s, t = (2 * u - 0.5)[inner, None], (2 * v - 0.5)[inner, None]
    top, bottom = floor.texture  # v is up: the second row is at v = 0.25
    expected = (1 - t) * ((1 - s) * bottom[0] + s * bottom[1]) + t * ((1 - s) * top[0] + s * top[1])
    np.testing.assert_allclose(found[inner, :3] / 0.70898, expected, atol=1e-4)


def test_colours_light_and_flat_normals_come_together():
    box = trimesh.creation.box()
    box.visual.face_colors = np.random.default_rng(2).integers(0, 256, (12, 4)).astype(np.uint8)
    mesh = from_trimesh(box)
    found = render(box, SIZE, SIZE, light=LIGHTING, smooth=False)
    ids = np.asarray(found.fragments.triangle_id)
    seen = ids >= 0
    assert len(np.unique(ids[seen])) >= 5
    normals = np.float32(box.face_normals)[ids[seen]]
    np.testing.assert_allclose(found.normals[seen], normals, atol=1e-5)
    expected = shade(mesh.colours[ids[seen]], normals, LIGHTING)
    np.testing.assert_allclose(found.rgba[seen][:, :3], expected, atol=1e-5)


@pytest.mark.parametrize("kind", ["plain", "vertex", "texture"])
def test_one_line_draws_a_trimesh(kind):
    mesh = trimesh.creation.box()
    if kind == "vertex":
        mesh.visual.vertex_colors = np.tile(np.uint8([255, 0, 0, 255]), (8, 1))
    if kind == "texture":
        image = Image.fromarray(np.full((2, 3, 3), [255, 0, 0], np.uint8))
        mesh.visual = trimesh.visual.TextureVisuals(uv=np.zeros((8, 2)), image=image)
    found = render(mesh, SIZE, SIZE)
    rgba = np.asarray(found.rgba)
    seen = rgba[..., 3] == 1
    assert rgba.shape == (SIZE, SIZE, 4) and 0.25 < seen.mean() < 0.75
    assert not np.any(seen[[0, -1]]) and not np.any(seen[:, [0, -1]])  # it is framed
    red, green = rgba[seen, 0], rgba[seen, 1]
    assert red.max() > 2 * red.min()  # it is lit
    if kind == "plain":
        np.testing.assert_allclose(red, green, rtol=1e-5)
    else:
        assert np.all(red > 4 * green)
    with pytest.raises(ValueError, match="scene of 1"):
        render(trimesh.Scene([mesh]))


def test_the_back_of_a_triangle_is_lit_like_its_front():
    mesh = dataclasses.replace(BOX, triangles=BOX.triangles[:, ::-1].copy())
    front, back = render(BOX, SIZE, SIZE), render(mesh, SIZE, SIZE)
    np.testing.assert_allclose(back.rgba, front.rgba, atol=1e-5)


def test_different_meshes_in_one_batch_are_drawn_as_alone():
    meshes = [BOX, from_trimesh(trimesh.creation.cone(0.5, 1, sections=5))]

    batch = jax.jit(jax.vmap(lambda mesh: render(mesh, SIZE, SIZE)))(pad_meshes(meshes))
    for k, mesh in enumerate(meshes):
        alone = render(mesh, SIZE, SIZE)
        for name in ("rgba", "depth", "normals", "fragments"):
            shown = jax.tree.map(lambda leaf, k=k: leaf[k], getattr(batch, name))
            leaves_close(shown, getattr(alone, name))


def test_gradients_in_light_colours_and_vertices_agree_with_differences():
    with jax.enable_x64(True):
        mesh = Mesh(
            vertices=np.array([[-3.0, -3, 0.1], [3, -3.2, -0.2], [3.1, 3, 0], [-3, 3, 0.3]]),
            triangles=BOX.triangles[:0],
            colours=np.random.default_rng(3).uniform(size=(4, 3)),
        )
        mesh = dataclasses.replace(mesh, triangles=np.array([[0, 1, 2], [0, 2, 3]], np.int32))
        camera = Camera(
            *look_at(np.array([0.2, 0.1, 3.0]), np.zeros(3), np.array([0.0, 1, 0])),
            np.array([9.0, 9, 4, 4]),
        )
        light = PointLight(np.array([1.0, 2, 3]), *np.full((3, 3), 0.4), np.float64(3))

        def loss(vertices, colours, light):
            drawn = dataclasses.replace(mesh, vertices=vertices, colours=colours)
            return jnp.sum(render(drawn, 8, 8, camera=camera, light=light).rgba ** 2)

        at = (mesh.vertices, mesh.colours, light)
        both = jax.jit(jax.value_and_grad(loss, argnums=(0, 1, 2)))  # one program for all calls
        gradient = jax.tree.leaves(both(*at)[1])
        leaves, tree = jax.tree.flatten(at)
        rng = np.random.default_rng(4)
        for k, leaf in enumerate(leaves):
            step = 1e-5 * rng.normal(size=np.shape(leaf))
            ends = [
                both(*tree.unflatten([*leaves[:k], leaf + sign * step, *leaves[k + 1 :]]))[0]
                for sign in (1, -1)
            ]
            np.testing.assert_allclose(
                (ends[0] - ends[1]) / 2, np.sum(gradient[k] * step), rtol=1e-5
            )


@pytest.mark.slow
def test_antialiased_outlines_are_soft_and_grow_with_the_mesh():
    camera = framing_camera(BOX.vertices, SIZE, SIZE)

    @jax.jit
    @functools.partial(jax.value_and_grad, has_aux=True)
    def area(size):
        mesh = dataclasses.replace(BOX, vertices=size * BOX.vertices)
        found = render(mesh, SIZE, SIZE, camera=camera, antialiased=True)
        return jnp.sum(found.rgba[..., 3]), found.rgba

    sharp = np.asarray(render(BOX, SIZE, SIZE, camera=camera).rgba[..., 3])
    (value, soft), growth = area(1.0)
    assert abs(value - sharp.sum()) < 0.1 * sharp.sum()
    # An area grows with the square of its size, and the near side a little faster.
    assert 2 * value < growth < 2.8 * value
    assert np.any((soft[..., 3] > 0.1) & (soft[..., 3] < 0.9))
    assert np.all(soft[..., :3] <= soft[..., 3:] + 1e-5)  # premultiplied


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(vertices=np.ones((2, 8, 3))), r"vertices of shape \(V, 3\), found \(2, 8, 3\)"),
        (dict(triangles=BOX.triangles + 1), r"triangles in \[0, 8\).* found 1 to 8"),
        (dict(colours=np.ones((8, 4))), r"colours of shape \(N, 3\), found \(8, 4\)"),
        (dict(colours=np.ones((5, 3))), "8 rows of colours, .* found 5; give colour_triangles"),
        (dict(uv=np.ones((5, 2))), "8 rows of uv, .* found 5; give uv_triangles"),
        (
            dict(uv=np.ones((5, 2)), uv_triangles=BOX.triangles),
            r"uv_triangles in \[0, 5\) .* found 0 to 7",
        ),
        (
            dict(uv=np.ones((5, 2)), uv_triangles=BOX.triangles[:3]),
            r"uv_triangles of shape \(12, 3\), found \(3, 3\)",
        ),
        (dict(texture=np.ones((2, 2, 3))), "uv beside a texture"),
    ],
)
def test_wrong_meshes_are_named(changes, message):
    with pytest.raises(ValueError, match=message):
        render(dataclasses.replace(BOX, **changes), SIZE, SIZE)
