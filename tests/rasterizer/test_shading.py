import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import sph_harm_y

from rasterizer import (
    PointLight,
    shade,
    shade_point,
    spherical_harmonics_basis,
    vertex_normals,
)

OCTAHEDRON = np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]])
SIDES = np.array(
    [[0, 2, 4], [2, 1, 4], [1, 3, 4], [3, 0, 4], [2, 0, 5], [1, 2, 5], [3, 1, 5], [0, 3, 5]],
    np.int32,
)

normals_of = jax.jit(vertex_normals)


def test_normals_of_an_octahedron_are_its_vertices():
    normals = normals_of(jnp.asarray(OCTAHEDRON, jnp.float32), SIDES)
    np.testing.assert_allclose(normals, OCTAHEDRON, atol=1e-6)


def test_normals_are_not_weighted_by_area():
    # A triangle in the xy plane and a hundred times smaller one in the yz plane share an edge.
    vertices = jnp.array([[0.0, 0, 0], [0, 1, 0], [-100, 0, 0], [0, 0, -1]])
    normals = normals_of(vertices, np.array([[0, 1, 2], [0, 3, 1]]))
    half = np.sqrt(0.5)
    np.testing.assert_allclose(normals[0], [half, 0, half], atol=1e-6)


def test_normals_are_safe_for_lonely_vertices_and_degenerate_triangles():
    vertices = jnp.asarray(np.concatenate([OCTAHEDRON, np.zeros((3, 3))]), jnp.float32)
    triangles = np.concatenate([SIDES, [[6, 7, 8], [0, 0, 2], [-1, -1, -1]]])
    normals, back = jax.vjp(lambda v: normals_of(v, triangles), vertices)
    np.testing.assert_allclose(normals[:6], OCTAHEDRON, atol=1e-6)
    assert not np.asarray(normals[6:]).any()
    assert np.all(np.isfinite(back(jnp.ones_like(vertices))[0]))


@pytest.mark.parametrize("scale", [1e-12, 1e12])
def test_normals_do_not_depend_on_the_unit_of_length(scale):
    normals = normals_of(jnp.asarray(OCTAHEDRON * scale, jnp.float32), SIDES)
    np.testing.assert_allclose(normals, OCTAHEDRON, atol=1e-6)


def test_the_basis_is_the_real_spherical_harmonics_with_the_factors_of_irradiance():
    rng = np.random.default_rng(0)
    normals = rng.normal(size=(50, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    polar, azimuth = np.arccos(normals[:, 2]), np.arctan2(normals[:, 1], normals[:, 0])
    lambertian = [np.pi, 2 * np.pi / np.sqrt(3), 2 * np.pi / np.sqrt(8)]
    order = [(0, 0), (1, -1), (1, 0), (1, 1), (2, -2), (2, -1), (2, 0), (2, 1), (2, 2)]
    expected = []
    for degree, m in order:
        value = sph_harm_y(degree, abs(m), polar, azimuth)
        part = value.real if m >= 0 else value.imag
        # SciPy's harmonics carry the Condon-Shortley sign (-1)^m, and so do the bands of odd m.
        expected.append(lambertian[degree] * part * (np.sqrt(2) if m else 1))
    # Band 6 has a factor of its own in the source: 3z^2 - 1 at c2 / (2 sqrt 3), as in theory.
    found = spherical_harmonics_basis(jnp.asarray(normals, jnp.float32))
    np.testing.assert_allclose(found, np.stack(expected, axis=-1), atol=1e-5)


def test_zero_lighting_is_a_constant_white_light():
    albedo = np.random.default_rng(0).uniform(size=(4, 5, 3)).astype(np.float32)
    normals = np.broadcast_to(np.array([0, 0.6, 0.8], np.float32), (4, 5, 3))
    shaded = shade(albedo, normals, jnp.zeros(27))
    np.testing.assert_allclose(shaded, 0.70898 * albedo, rtol=1e-5)


def test_colours_have_their_own_nine_numbers():
    lighting = np.zeros(27, np.float32)
    lighting[9 + 2] = 1  # green, the band of z
    normals = np.array([[0, 0, 1], [0, 0, -1]], np.float32)
    shaded = np.asarray(shade(np.ones((2, 3), np.float32), normals, jnp.asarray(lighting)))
    np.testing.assert_allclose(shaded[0] - shaded[1], [0, 2 * 1.7724539, 0], atol=1e-5)
    with pytest.raises(ValueError, match=r"\(27,\), found \(9,\)"):
        shade(np.ones((2, 3)), normals, jnp.zeros(9))


def test_a_point_light_is_ambient_and_diffuse_and_specular_by_hand():
    # Seen from (0, 0, 5), lit from (4, 0, 4): at the origin both stand at 45 degrees to each other.
    light = PointLight(
        position=np.float32([4, 0, 4]),
        diffuse=np.float32([0.5, 0.6, 0.7]),
        ambient=np.float32([0.1, 0.2, 0.3]),
        specular=np.float32([1, 1, 1]),
        shininess=np.float32(10),
    )
    normals = np.float32([[0, 0, 1], [0, 0, -1], [np.sin(np.pi / 8), 0, np.cos(np.pi / 8)]])
    albedo = np.full((3, 3), 0.5, np.float32)
    eye = np.float32([[0, 0, 5]])
    found = jax.jit(shade_point)(albedo, normals, np.zeros((3, 3), np.float32), light, eye)
    cosines = [np.cos(np.pi / 4), 0, np.cos(np.pi / 8)]
    highlights = [np.cos(np.pi / 8) ** 10, 0, 1]  # the third normal is the half-way direction
    for k in range(3):
        expected = 0.5 * (light.ambient + cosines[k] * light.diffuse) + highlights[k]
        np.testing.assert_allclose(found[k], expected, atol=1e-5)


def test_a_point_light_has_finite_gradients_everywhere():
    light = PointLight(*(jnp.ones(3) * k for k in (1, 0.5, 0.2, 0.3)), jnp.float32(3))
    # On the light, at the eye, turned away, grazing, without a normal, and nothing special.
    points = jnp.array([[1.0, 1, 1], [0, 0, 5], [0, 0, 0], [0, 1, 1], [0, 0, 0], [1, 0, 0]])
    normals = jnp.array([[0.0, 0, 1], [0, 0, 1], [0, 0, -1], [0, 0, 1], [0, 0, 0], [0, 0, 1]])

    @jax.jit
    def gradients(normals, points, light):
        def total(*arguments):
            return jnp.sum(shade_point(jnp.ones((6, 3)), *arguments, jnp.array([[0.0, 0, 5]])))

        return jax.grad(total, argnums=(0, 1, 2))(normals, points, light)

    leaves = jax.tree.leaves(gradients(normals, points, light))
    assert all(np.all(np.isfinite(leaf)) for leaf in leaves)
    assert all(np.any(leaf != 0) for leaf in leaves)
