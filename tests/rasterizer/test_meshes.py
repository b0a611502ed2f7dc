"""trimesh in and out, and meshes padded to one size."""

from types import SimpleNamespace

import jax
import numpy as np
import pytest
import trimesh
from PIL import Image

from rasterizer import Mesh, from_trimesh, pad_meshes, to_trimesh

BOX = trimesh.creation.box()
RNG = np.random.default_rng(0)


def textured(**material):
    visual = trimesh.visual.TextureVisuals(
        uv=RNG.uniform(size=(8, 2)), material=trimesh.visual.material.PBRMaterial(**material)
    )
    return trimesh.Trimesh(BOX.vertices, BOX.faces, visual=visual, process=False)


def test_geometry_is_taken_over_and_a_plain_mesh_has_no_colours():
    mesh = from_trimesh(BOX)
    np.testing.assert_array_equal(mesh.vertices, BOX.vertices.astype(np.float32))
    np.testing.assert_array_equal(mesh.triangles, BOX.faces)
    assert mesh.vertices.dtype == np.float32 and mesh.triangles.dtype == np.int32
    assert mesh.colours is None and mesh.uv is None and mesh.texture is None


def test_an_object_with_vertices_and_faces_is_enough():
    mesh = from_trimesh(
        SimpleNamespace(vertices=[[0, 0, 0], [1, 0, 0], [0, 1, 0]], faces=[[0, 1, 2]])
    )
    assert mesh.vertices.shape == (3, 3) and mesh.triangles.tolist() == [[0, 1, 2]]


def test_colours_of_vertices_and_triangles_become_numbers_up_to_one():
    box = BOX.copy()
    box.visual.vertex_colors = RNG.integers(0, 256, (8, 4)).astype(np.uint8)
    mesh = from_trimesh(box)
    np.testing.assert_allclose(mesh.colours, box.visual.vertex_colors[:, :3] / 255, atol=1e-7)
    assert mesh.colour_triangles is None
    box = BOX.copy()
    box.visual.face_colors = RNG.integers(0, 256, (12, 4)).astype(np.uint8)
    mesh = from_trimesh(box)
    corners = mesh.colours[mesh.colour_triangles]
    expected = np.repeat(box.visual.face_colors[:, None, :3] / 255, 3, axis=1)
    np.testing.assert_allclose(corners, expected, atol=1e-7)


def test_textures_of_both_kinds_of_material_are_found():
    picture = RNG.integers(0, 256, (4, 6, 3)).astype(np.uint8)
    uv = RNG.uniform(size=(8, 2))
    simple = trimesh.visual.TextureVisuals(uv=uv, image=Image.fromarray(picture))
    mesh = from_trimesh(trimesh.Trimesh(BOX.vertices, BOX.faces, visual=simple, process=False))
    np.testing.assert_allclose(mesh.texture, picture / 255, atol=1e-7)
    np.testing.assert_allclose(mesh.uv, uv, atol=1e-7)
    grey = Image.fromarray(picture[..., 0])  # one channel, times a colour
    mesh = from_trimesh(textured(baseColorTexture=grey, baseColorFactor=[255, 51, 0, 255]))
    expected = picture[..., :1] / 255 * [1, 0.2, 0]
    np.testing.assert_allclose(mesh.texture, expected, atol=1e-6)


def test_a_material_without_a_picture_is_one_colour():
    mesh = from_trimesh(textured(baseColorFactor=[255, 51, 0, 255]))
    np.testing.assert_allclose(mesh.colours[mesh.colour_triangles[3]], [[1, 0.2, 0]] * 3, atol=1e-7)


def test_a_scene_and_a_stranger_are_named():
    with pytest.raises(ValueError, match="scene of 2; pass scene.to_mesh"):
        from_trimesh(trimesh.Scene([BOX, BOX.copy()]))
    with pytest.raises(ValueError, match="vertices and faces, found dict"):
        from_trimesh({})


def test_meshes_make_a_round_trip_through_trimesh():
    box = BOX.copy()
    box.visual.vertex_colors = RNG.integers(0, 256, (8, 4)).astype(np.uint8)
    mesh = from_trimesh(box)
    back = trimesh.Trimesh(**to_trimesh(mesh))
    np.testing.assert_array_equal(back.vertices, mesh.vertices)
    np.testing.assert_array_equal(back.faces, mesh.triangles)
    np.testing.assert_array_equal(back.visual.vertex_colors[:, :3], box.visual.vertex_colors[:, :3])
    again = from_trimesh(back)
    for left, right in zip(jax.tree.leaves(again), jax.tree.leaves(mesh), strict=True):
        np.testing.assert_allclose(left, right, atol=1e-7)


def test_seams_are_split_on_the_way_out_and_padding_is_left_behind():
    mesh = Mesh(
        vertices=RNG.normal(size=(4, 3)).astype(np.float32),
        triangles=np.array([[0, 1, 2], [0, 2, 3], [-1, -1, -1]], np.int32),
        uv=RNG.uniform(size=(5, 2)).astype(np.float32),
        uv_triangles=np.array([[0, 1, 2], [0, 4, 3], [0, 0, 0]], np.int32),
    )
    found = to_trimesh(mesh)
    made = trimesh.Trimesh(**found)
    assert len(made.vertices) == 5  # vertex 2 has two uvs
    np.testing.assert_array_equal(
        made.vertices[made.faces].astype(np.float32), mesh.vertices[mesh.triangles[:2]]
    )
    uv = made.vertex_attributes["uv"]
    np.testing.assert_array_equal(uv[made.faces], mesh.uv[mesh.uv_triangles[:2]])


def test_padding_appends_rows_that_nothing_refers_to():
    small = Mesh(np.ones((3, 3)), np.array([[0, 1, 2]]), colours=np.ones((3, 3)))
    large = Mesh(np.ones((5, 3)), np.array([[0, 1, 2], [2, 3, 4]]), colours=np.ones((5, 3)))
    batch = pad_meshes([small, large])
    assert batch.vertices.shape == (2, 5, 3) and batch.colours.shape == (2, 5, 3)
    assert np.asarray(batch.triangles).tolist() == [
        [[0, 1, 2], [-1, -1, -1]],
        [[0, 1, 2], [2, 3, 4]],
    ]
    assert np.all(batch.vertices[0] == 1) and batch.uv is None


def test_meshes_that_cannot_stand_in_one_batch_are_named():
    plain = Mesh(np.ones((3, 3)), np.array([[0, 1, 2]]))
    coloured = Mesh(np.ones((3, 3)), np.array([[0, 1, 2]]), colours=np.ones((3, 3)))
    with pytest.raises(ValueError, match="colours in all meshes or in none, found it in 1 of 2"):
        pad_meshes([plain, coloured])
    with pytest.raises(ValueError, match="at least one"):
        pad_meshes([])
    pictures = [Mesh(*[np.ones((3, 3))] * 2, texture=np.ones((h, 2, 3))) for h in (1, 2)]
    with pytest.raises(ValueError, match=r"one size, found \[\(1, 2, 3\), \(2, 2, 3\)\]"):
        pad_meshes(pictures)
