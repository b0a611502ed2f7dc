"""Colours for a face model that has none: those of another model, carried over by position."""

import dataclasses

import jax.numpy as jnp
import numpy as np
from scipy.interpolate import RBFInterpolator
from scipy.spatial import cKDTree

import rasterizer
from reenact_jax.face_model.morphable import MorphableModel, clip_vertices, to_camera
from reenact_jax.face_model.parameters import CANONICAL_CAMERA

# A vertex takes its colour from so many vertices of the other model, near in position and alike in
# the direction that they face: a right angle between normals counts as much as this many
# decimetres. Without the normals lips would take the colour of the teeth behind them.
_NEAREST = 4
_DECIMETRES_PER_NORMAL = 0.15
# Brows, nose, eyes, outer lips. The jaw lines of two models need not lie at the same place, and the
# two inner lips may touch on one model and not on the other, which no bend can follow.
_COMPARABLE = slice(17, 60)
_SMOOTHING = 1e-3
# What none of these views of the other model shows (teeth, the insides of the lips) lends nothing:
# the nearest to a lip would often be a tooth.
_VIEWS = np.radians([[0.0, -60.0, 0.0], [0.0, 0.0, 0.0], [0.0, 60.0, 0.0]])
_VIEW_SIZE = 512


def with_albedo_of(model: MorphableModel, donor: MorphableModel) -> MorphableModel:
    """`model` with the mean colours and the colour modes of `donor`.

    The donor's mean face is bent by a thin-plate spline, so that its brows, nose, eyes and lips lie
    on the model's. Each vertex of the model then takes the colours of the nearest of the donor's
    vertices; eyeballs take those of eyeballs where both models have them. What takes the colour of
    the donor's hair or neck leaves the guidance region: it is no guide to the person's skin.

    Args:
      model: any face model; an albedo of its own is left out.
      donor: a model with albedo.

    Raises:
      ValueError: if the donor has no albedo.
    """
    if not donor.has_albedo:
        raise ValueError(f"face model {donor.name} has no albedo to lend")
    source = np.asarray(donor.mean)[np.asarray(donor.landmarks68)[_COMPARABLE]]
    target = np.asarray(model.mean)[np.asarray(model.landmarks68)[_COMPARABLE]]
    bend = RBFInterpolator(source, target, kernel="thin_plate_spline", smoothing=_SMOOTHING)
    theirs = _features(bend(donor.mean), donor.triangles)
    ours = _features(np.asarray(model.mean), model.triangles)

    shares = np.zeros((model.num_vertices, _NEAREST))
    nearest = np.zeros((model.num_vertices, _NEAREST), int)
    visible = _visible(donor)
    for mine, lent in zip(*_parts(model, donor), strict=True):
        lent = np.intersect1d(lent, visible)
        distance, index = cKDTree(theirs[lent]).query(ours[mine], _NEAREST)
        weight = 1 / (distance + 1e-6)
        shares[mine] = weight / weight.sum(axis=1, keepdims=True)
        nearest[mine] = lent[index]

    def carried(colours: np.ndarray) -> np.ndarray:
        """(..., W, 3) on the donor -> (..., V, 3)."""
        taken = np.asarray(colours)[..., nearest, :] * shares[..., None]
        return taken.sum(axis=-2).astype(np.float32)

    is_skin = np.isin(nearest[:, 0], np.asarray(donor.region_triangles))
    region = np.asarray(model.region_triangles)
    return dataclasses.replace(
        model,
        region_triangles=region[is_skin[region].all(axis=1)],
        name=f"{model.name}+{donor.name}",
        texture_mean=carried(donor.texture_mean),
        texture_basis=carried(donor.texture_basis),
    )


def _features(vertices: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """(V, 6): where each vertex is and, in decimetres too, which way it faces."""
    normals = np.asarray(rasterizer.vertex_normals(jnp.float32(vertices), triangles))
    return np.concatenate([vertices, normals * (_DECIMETRES_PER_NORMAL / np.sqrt(2))], axis=1)


def _visible(model: MorphableModel) -> np.ndarray:
    """Indices of the mean face's vertices that are seen from in front or from a side."""
    triangles, seen = np.asarray(model.triangles), []
    for angles in _VIEWS:
        points = to_camera(jnp.asarray(model.mean), jnp.float32(angles), jnp.zeros(3))
        clip = clip_vertices(points, jnp.asarray(CANONICAL_CAMERA))
        view = rasterizer.rasterize(clip, triangles, _VIEW_SIZE, _VIEW_SIZE, cull_backfaces=True)
        ids = np.unique(view.triangle_id)
        seen.append(triangles[ids[ids >= 0]].ravel())
    return np.unique(np.concatenate(seen))


def _parts(model: MorphableModel, donor: MorphableModel) -> tuple[list, list]:
    """Vertices that are to be matched with each other: left eyeball, right eyeball, the rest."""
    if model.eyeballs is None or donor.eyeballs is None:
        return [np.arange(model.num_vertices)], [np.arange(donor.num_vertices)]

    def parts(one: MorphableModel) -> list[np.ndarray]:
        balls = np.asarray(one.eyeballs.vertices)
        return [*balls, np.setdiff1d(np.arange(one.num_vertices), balls)]

    return parts(model), parts(donor)
