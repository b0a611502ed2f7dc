"""antialias and mesh_edges: values, gradients against moving pictures, and what must not break."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rasterizer import antialias, mesh_edges, rasterize
from tests.helpers.moving_meshes import (
    ball,
    ball_scene,
    cube,
    cube_scene,
    gradient_errors,
    make_scene,
    random_motions,
)

HEIGHT, WIDTH = 24, 40
# Meshes are padded to one size, so that most tests share what is compiled.
NUM_VERTICES, NUM_TRIANGLES = 180, 90


def pad(vertices, triangles):
    missing = NUM_TRIANGLES - len(triangles)
    vertices = np.pad(vertices, ((0, NUM_VERTICES - len(vertices)), (0, 0)))
    return vertices, np.pad(triangles, ((0, missing), (0, 0)), constant_values=-1)


@functools.partial(jax.jit, static_argnames=("height", "width", "cull_backfaces"))
def draw(vertices, triangles, *, height=HEIGHT, width=WIDTH, cull_backfaces=False):
    return rasterize(vertices, triangles, height, width, cull_backfaces=cull_backfaces)


blend = jax.jit(antialias, static_argnames=("cull_backfaces",))


def silhouette(vertices, triangles, **options):
    vertices, triangles = pad(vertices, triangles)
    fragments = draw(vertices, triangles, **options)
    mask = (fragments.triangle_id >= 0)[..., None].astype(jnp.float32)
    return np.asarray(blend(mask, vertices, triangles, fragments, **options))[..., 0]


@jax.jit
def _derivatives(vertices, triangles, fragments, image, weight):
    def loss(vertices, image):
        return jnp.sum(weight * antialias(image, vertices, triangles, fragments)[..., 0])

    return jax.value_and_grad(loss, argnums=(0, 1))(vertices, image)


def derivatives(vertices, triangles, weight, image=None):
    """Weighted sum of the blended silhouette (or image), by the vertices and by the image."""
    vertices, triangles = pad(vertices, triangles)
    fragments = draw(vertices, triangles)
    if image is None:
        image = (fragments.triangle_id >= 0)[..., None].astype(jnp.float32)
    return _derivatives(vertices, triangles, fragments, image, weight)


def rectangles(corners, clip, depths=None):
    """Two triangles for every (left, top, right, bottom), in pixels."""
    depths = depths or [2.0] * len(corners)
    points = [
        (x, y, depth)
        for (left, top, right, bottom), depth in zip(corners, depths, strict=True)
        for x, y in ((left, top), (right, top), (right, bottom), (left, bottom))
    ]
    start = 4 * np.arange(len(corners))[:, None, None]
    triangles = start + np.array([[0, 1, 2], [0, 2, 3]])
    return clip(points, HEIGHT, WIDTH), triangles.reshape(-1, 3).astype(np.int32)


@pytest.mark.parametrize("shift", [0.0, 0.2, 0.5, 0.9])
def test_an_upright_rectangle_is_drawn_with_its_exact_coverage(clip, shift):
    left, top, right, bottom = 5.3 + shift, 4.1, 21.6 + shift, 17.8
    found = silhouette(*rectangles([(left, top, right, bottom)], clip))
    columns, rows = np.arange(WIDTH), np.arange(HEIGHT)
    across = np.clip(np.minimum(columns + 1, right) - np.maximum(columns, left), 0, 1)
    down = np.clip(np.minimum(rows + 1, bottom) - np.maximum(rows, top), 0, 1)
    expected = down[:, None] * across
    corner = np.zeros((HEIGHT, WIDTH), bool)
    partial = [np.flatnonzero((cover > 0) & (cover < 1)) for cover in (down, across)]
    corner[np.ix_(*partial)] = True
    np.testing.assert_allclose(found[~corner], expected[~corner], atol=1e-5)
    np.testing.assert_allclose(found[corner], expected[corner], atol=0.25)


def test_pixels_far_from_every_outline_are_returned_as_they_are(clip):
    vertices, triangles = pad(*rectangles([(5.3, 4.1, 21.6, 17.8)], clip))
    fragments = draw(vertices, triangles)
    image = np.random.default_rng(0).uniform(size=(HEIGHT, WIDTH, 1)).astype(np.float32)
    found = np.asarray(blend(image, vertices, triangles, fragments))
    covered = np.pad(np.asarray(fragments.triangle_id >= 0), 1, mode="edge")
    shifted = [covered[r : r + HEIGHT, c : c + WIDTH] for r in range(3) for c in range(3)]
    far = np.all(shifted, axis=0) | ~np.any(shifted, axis=0)
    assert far.sum() > 500
    np.testing.assert_array_equal(found[far], image[far])
    assert np.abs(found - image)[~far].max() > 0.1


def errors_of(scene, number, seed=0):
    edges = jax.jit(mesh_edges)(scene.triangles)
    return gradient_errors(scene, antialias, edges, random_motions(number, seed))


@pytest.mark.parametrize("make", [cube_scene, ball_scene])
def test_gradients_agree_with_a_moving_supersampled_picture_to_5_percent(make):
    gradients, outline = errors_of(make(96, 96), 2)
    assert gradients.max() < 0.05
    assert outline.max() < 0.045  # of 1; without blending about 0.27


def narrowest_side(scene, motion):
    """Width in pixels of the narrowest side of the cube in the picture."""
    x, y, _, w = np.asarray(scene.vertices(motion), np.float64).T
    pixels = np.stack([x * scene.width, y * scene.height], axis=-1) / (2 * w[:, None])
    a, b, c = (pixels[np.asarray(scene.triangles)[:12, k]] for k in range(3))
    (ux, uy), (vx, vy) = (b - a).T, (c - a).T
    # Twice the area of a triangle, about that of its side, by the length of the diagonal.
    return np.min(np.abs(ux * vy - uy * vx) / np.linalg.norm(c - a, axis=-1))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("size", "limit"),
    # At 48 px a pixel is a twentieth of the ball: its colours change within one at the limb. At 192
    # px one pose of the cube has outlines so close to pixel rows that the samples of the moving
    # picture, 1/16 px apart, are what is off: 6 % over half a pixel of motion, 1 % over a fifth.
    [((48, 80), 0.10), ((150, 100), 0.05), ((192, 192), 0.06)],
)
@pytest.mark.parametrize("make", [cube_scene, ball_scene])
def test_gradients_of_other_sizes_and_poses_agree(make, size, limit):
    scene, motions = make(*size), random_motions(4, seed=1)
    if make is cube_scene:  # no pixel centre need see a side that is narrower than a pixel
        motions = np.array([m for m in motions if narrowest_side(scene, m) > 1])
        assert len(motions) >= 3
    edges = jax.jit(mesh_edges)(scene.triangles)
    gradients, outline = gradient_errors(scene, antialias, edges, motions)
    assert gradients.max() < limit
    assert outline.max() < 0.06


@pytest.mark.slow
@pytest.mark.parametrize("name", ["face_sized", "face_turned"])
def test_gradients_of_a_face_agree_to_10_percent(shared_dir, name):
    with np.load(shared_dir / "goldens" / f"{name}.npz") as data:
        points, triangles = data["screen_vertices"], data["triangles"]
    # Back to a body of about unit size; the depth is in other units than the pixels.
    per_unit = {"face_sized": 100.0, "face_turned": 9.0}[name]
    depth = (points[:, 2] - points[:, 2].mean()) * per_unit
    body = np.stack([points[:, 0], points[:, 1], depth], axis=-1)
    body = (body - (body.max(0) + body.min(0)) / 2) / 160
    colours = np.stack([0.6 + 0.3 * np.sin(3 * body[:, 0]), 0.5 + 0.3 * body[:, 2]], axis=-1)
    gradients, _ = errors_of(make_scene((body, triangles), colours, 128, 128, focal=6.0), 2)
    assert gradients.max() < 0.10


def test_the_edge_of_a_nearer_part_moves_its_colour_over_the_farther_one(clip):
    corners = [(3.2, 2.7, 30.4, 20.6), (10.3, 6.4, 20.7, 15.6)]
    vertices, triangles = rectangles(corners, clip, depths=[4.0, 2.0])
    fragments = draw(*pad(vertices, triangles))
    image = np.select([fragments.triangle_id < 0, fragments.triangle_id < 2], [0.0, 0.2], 0.9)
    image = image[..., None].astype(np.float32)
    right_half = (np.arange(WIDTH) >= 16) * np.ones((HEIGHT, 1), np.float32)
    _, (gradient, _) = derivatives(vertices, triangles, right_half, image)
    # One pixel to the right, for the four vertices of the nearer rectangle.
    found = np.sum(gradient[4:8, 0] * vertices[4:8, 3]) * 2 / WIDTH
    np.testing.assert_allclose(found, (0.9 - 0.2) * (15.6 - 6.4), rtol=0.02)


def test_hidden_outlines_carry_no_gradient(clip):
    corners = [(10.3, 6.4, 20.7, 15.6), (3.2, 2.7, 30.4, 20.6)]
    vertices, triangles = rectangles(corners, clip, depths=[4.0, 2.0])
    weight = np.random.default_rng(0).normal(size=(HEIGHT, WIDTH)).astype(np.float32)
    _, (gradient, _) = derivatives(vertices, triangles, weight)
    assert np.abs(gradient[4:]).max() > 0.1
    np.testing.assert_array_equal(gradient[:4], 0)


def test_culled_triangles_make_no_outline():
    points, triangles = cube()
    vertices = np.asarray(cube_scene(HEIGHT, WIDTH).vertices(jnp.zeros(6)))[:8]
    # Every side turned outwards in the image; then a closed body looks the same culled.
    a, b, c = (points[triangles[:, k]] for k in range(3))
    outwards = np.sum(np.cross(b - a, c - a) * (a + b + c), axis=-1) > 0
    triangles = np.where(outwards[:, None], triangles[:, ::-1], triangles)
    found = [
        silhouette(vertices, order, cull_backfaces=culled)
        for order, culled in ((triangles, False), (triangles, True), (triangles[:, ::-1], True))
    ]
    assert found[0].sum() > 100
    np.testing.assert_allclose(found[1], found[0], atol=1e-5)
    # Inside out, only the far sides are drawn; their outline is the same.
    np.testing.assert_allclose(found[2], found[0], atol=1e-5)


def test_an_image_full_of_outlines_is_blended_everywhere(clip):
    lefts, tops = np.meshgrid(np.arange(1, 37, 4), np.arange(1, 21, 4))
    starts = zip(lefts.flat, tops.flat, strict=True)
    corners = [(x + 0.3, y + 0.2, x + 2.3, y + 2.2) for x, y in starts]
    vertices, triangles = rectangles(corners, clip)
    # More pairs of pixels than one step takes: 45 squares of 2 x 2 pixels, 8 pairs or more each.
    assert len(corners) * 8 > 4 * (HEIGHT + WIDTH)
    area, (gradient, _) = derivatives(vertices, triangles, np.ones((HEIGHT, WIDTH), np.float32))
    np.testing.assert_allclose(area, len(corners) * 4, rtol=0.01)
    # Growing every square by a factor: its area has twice that as derivative.
    centre = np.repeat(vertices.reshape(-1, 4, 4).mean(axis=1), 4, axis=0)
    found = np.sum(gradient[:, :2] * (vertices - centre)[:, :2])
    np.testing.assert_allclose(found, 2 * len(corners) * 4, rtol=0.02)


BAD_VERTICES = {
    "regular": (0, [0, 0, 0, 0]),
    "off-screen": (4, [50, 0, 0, 0]),
    "behind the camera": (12, [0, 0, 0, -40]),
    "across the camera plane": (3, [0, 0, 0, -9]),
    "on the camera plane": (3, [0, 0, 0, -8]),
    "far away": (3, [1e30, 0, 0, 0]),
    "NaN": (2, [np.nan, 0, 0, 0]),
    "infinite": (2, [0, np.inf, 0, 0]),
    "infinite w": (2, [0, 0, 0, np.inf]),
    "all in one point": (12, None),
    "collinear": (12, "line"),
}


@pytest.mark.parametrize("case", BAD_VERTICES)
def test_values_and_gradients_are_finite_for_every_degenerate_input(case):
    triangles = [*cube()[1], [0, 1, 1], [8, 8, 8], [2, 5, 7], [2, 5, 7], [3, -1, 4], [9, 10, 11]]
    vertices = np.asarray(cube_scene(HEIGHT, WIDTH).vertices(jnp.zeros(6)))[:8]
    vertices = np.concatenate([vertices, vertices[:4] * 0.9])
    number, change = BAD_VERTICES[case]
    if change is None:
        vertices[:] = vertices[0]
    elif change == "line":
        vertices = vertices[:1] + np.linspace(0, 1, 12)[:, None] * (vertices[7:8] - vertices[:1])
    else:
        vertices[:number] += np.array(change, np.float32)
    vertices = vertices.astype(np.float32)
    rng = np.random.default_rng(1)
    image, weight = (rng.uniform(size=(HEIGHT, WIDTH, 1)).astype(np.float32) for _ in range(2))
    value, gradients = derivatives(vertices, np.array(triangles), weight[..., 0], image)
    assert np.isfinite(value)
    assert all(np.isfinite(gradient).all() for gradient in gradients)
    assert np.abs(gradients[1]).max() > 0.1
    if case in ("regular", "across the camera plane", "NaN"):
        assert np.abs(gradients[0]).max() > 0.01


@pytest.mark.parametrize("size", [(1, 1), (1, 9)])
def test_images_of_one_pixel_and_of_one_line(size):
    vertices = np.asarray(cube_scene(*size).vertices(jnp.array([0.1, 0.2, 0, 0, 0, 0])))[:8]
    vertices, triangles = pad(vertices, cube()[1])
    fragments = draw(vertices, triangles, height=size[0], width=size[1])
    image = (fragments.triangle_id >= 0)[..., None].astype(jnp.float32)
    _, gradients = _derivatives(vertices, triangles, fragments, image, jnp.ones(size))
    assert all(np.isfinite(gradient).all() for gradient in gradients)


@pytest.mark.parametrize("num_vertices", [0, 3])
def test_empty_meshes_change_nothing(num_vertices):
    vertices, triangles = jnp.zeros((num_vertices, 4)), np.zeros((0, 3), np.int32)
    for triangles in (np.zeros((0, 3), np.int32), np.full((2, 3), -1, np.int32)):
        fragments = rasterize(vertices, triangles, 4, 5)
        image = np.ones((4, 5, 2), np.float32)
        np.testing.assert_array_equal(antialias(image, vertices, triangles, fragments), image)


def test_a_nan_in_the_image_stays_in_its_pixels(clip):
    image = np.ones((HEIGHT, WIDTH, 1), np.float32)
    image[0, 0] = np.nan
    vertices, triangles = rectangles([(5.3, 4.1, 21.6, 17.8)], clip)
    weight = (np.arange(WIDTH) > 3) * np.ones((HEIGHT, 1), np.float32)
    value, gradients = derivatives(
        vertices, triangles, np.where(np.isnan(image[..., 0]), 0, weight), image
    )
    assert np.isfinite(gradients[0]).all()
    assert np.isfinite(gradients[1]).all()


@pytest.fixture(scope="module")
def moving_cube():
    """(3, V, 4) vertices in three poses, (3, F, 3) triangles, the last without a few."""
    scene = cube_scene(HEIGHT, WIDTH)
    vertices = [np.asarray(scene.vertices(motion))[:8] for motion in random_motions(3)]
    vertices, triangles = zip(*(pad(v, cube()[1]) for v in vertices), strict=True)
    triangles = np.stack(triangles)
    triangles[2, 4:8] = -1
    return np.stack(vertices), triangles


def test_vmap_over_poses_and_meshes_equals_a_loop(moving_cube):
    vertices, triangles = moving_cube
    fragments = [draw(v, t) for v, t in zip(vertices, triangles, strict=True)]
    image = np.random.default_rng(0).uniform(size=(3, HEIGHT, WIDTH, 1)).astype(np.float32)
    weight = np.random.default_rng(1).normal(size=(HEIGHT, WIDTH)).astype(np.float32)
    rows = zip(vertices, triangles, fragments, image, strict=True)
    expected = [_derivatives(*row, weight) for row in rows]
    fragments = jax.tree.map(lambda *leaves: jnp.stack(leaves), *fragments)
    batched = jax.vmap(_derivatives, in_axes=(0, 0, 0, 0, None))
    found = batched(vertices, triangles, fragments, image, weight)
    for leaf, rows in zip(
        jax.tree.leaves(found), zip(*map(jax.tree.leaves, expected), strict=True), strict=True
    ):
        np.testing.assert_allclose(leaf, np.stack(rows), rtol=1e-4, atol=1e-4)
    assert np.ptp(found[0]) > 0.1


def test_forward_and_reverse_derivatives_agree_in_float64(moving_cube):
    vertices, triangles = (array[0] for array in moving_cube)
    fragments = draw(vertices, triangles)
    image = np.random.default_rng(0).uniform(size=(HEIGHT, WIDTH, 1))
    weight = np.random.default_rng(3).normal(size=(HEIGHT, WIDTH, 1))
    with jax.enable_x64(True):
        edges = mesh_edges(triangles)

        def loss(shift):
            moved = jnp.asarray(vertices, jnp.float64) + jnp.outer(jnp.ones(len(vertices)), shift)
            return jnp.sum(weight * antialias(image, moved, triangles, fragments, edges))

        forward, reverse = (jax.jit(f(loss))(jnp.zeros(4)) for f in (jax.jacfwd, jax.jacrev))
        assert forward.dtype == jnp.float64
        np.testing.assert_allclose(forward, reverse, rtol=1e-10, atol=1e-10)
        assert np.abs(forward[:2]).max() > 1


def test_low_precision_images_keep_their_type(clip):
    vertices, triangles = pad(*rectangles([(5.3, 4.1, 21.6, 17.8)], clip))
    fragments = draw(vertices, triangles)
    mask = (fragments.triangle_id >= 0)[..., None]
    found = blend(mask.astype(jnp.bfloat16), vertices, triangles, fragments)
    assert found.dtype == jnp.bfloat16
    exact = blend(mask.astype(jnp.float32), vertices, triangles, fragments)
    np.testing.assert_allclose(found.astype(jnp.float32), exact, atol=0.01)


def as_set(edges):
    rows = zip(*(np.asarray(a) for a in (edges.ends, edges.opposite, edges.turned)), strict=True)
    return {
        (*ends, frozenset((o, bool(t)) for o, t in zip(opposite, turned, strict=True) if o >= 0))
        for ends, opposite, turned in rows
        if ends[0] >= 0
    }


def test_a_closed_mesh_has_three_edges_for_two_triangles():
    for points, triangles in (cube(), ball(8)):
        found = as_set(mesh_edges(triangles))
        assert len(found) == 1.5 * len(triangles) == len(points) + len(triangles) - 2
        assert all(len(sides) == 2 for _, _, sides in found)
        assert {(a, b, o, t) for a, b, sides in found for o, t in sides} == {
            (min(a, b), max(a, b), c, a > b)
            for triangle in triangles.tolist()
            for a, b, c in (triangle[k:] + triangle[:k] for k in range(3))
        }


def test_traced_triangles_have_the_same_edges():
    triangles = np.concatenate([ball(6)[1][:100], [[-1, -1, -1], [0, -1, 3]]]).astype(np.int32)
    assert as_set(jax.jit(mesh_edges)(triangles)) == as_set(mesh_edges(triangles))


def test_an_edge_of_three_triangles_knows_all_of_them():
    book = np.array([[0, 1, 2], [0, 1, 3], [1, 0, 4]], np.int32)
    spine = [sides for a, b, sides in as_set(mesh_edges(book)) if (a, b) == (0, 1)]
    assert spine == [{(2, False), (3, False), (4, True)}]
    assert all((a, b) != (0, 1) for a, b, _ in as_set(jax.jit(mesh_edges)(book)))


def test_wrong_arguments_are_refused(clip):
    vertices, triangles = rectangles([(5.3, 4.1, 21.6, 17.8)], clip)
    fragments = rasterize(vertices, triangles, HEIGHT, WIDTH)
    image = np.ones((HEIGHT, WIDTH, 1), np.float32)
    for bad, message in (
        ((image[..., 0], vertices), r"expected an image of shape \(24, 40, C\)"),
        ((image[:5], vertices), "found .5, 40, 1."),
        ((image.astype(np.int32), vertices), "expected a float image, found int32"),
        ((image, vertices[:, :3]), r"expected vertices_clip of shape \(V, 4\)"),
    ):
        with pytest.raises(ValueError, match=message):
            antialias(*bad, triangles, fragments)
    with pytest.raises(ValueError, match=r"expected triangles of shape \(F, 3\)"):
        mesh_edges(np.zeros((4, 2), np.int32))
    with pytest.raises(ValueError, match="expected integer triangles"):
        mesh_edges(np.zeros((4, 3), np.float32))
