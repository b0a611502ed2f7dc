"""Posed heads, and the truth about them along rays."""

import jax
import jax.numpy as jnp
import numpy as np

from reenact_jax.face_model.morphable import posed_vertices
from reenact_jax.face_model.parameters import recombine
from reenact_jax.guidance import GuidanceConfig, compute_guidance
from tests.helpers.visibility import front_facing, ray_hits, visible_points

compute = jax.jit(compute_guidance, static_argnums=4)


def pose(model, *, yaw=0.0, pitch=0.0, roll=0.0, shift=(0.0, 0.0, 0.0), seed=None):
    """Parameters with angles in degrees and a person and expression drawn from `seed`."""
    parameters = model.zeros()
    angles = np.deg2rad(np.float32([pitch, yaw, roll]))
    parameters = parameters.replace(rotation=angles, translation=np.float32(shift))
    if seed is None:
        return parameters
    rng = np.random.default_rng(seed)
    widths = model.widths
    return parameters.replace(
        identity=rng.normal(0, 0.7, widths["identity"]).astype(np.float32),
        expression=rng.uniform(0, 0.5, widths["expression"]).astype(np.float32),
        texture=rng.normal(0, 0.7, widths["texture"]).astype(np.float32),
    )


def pixel_rays(size: int, camera: np.ndarray) -> np.ndarray:
    """Directions (S, S, 3) through the pixel centres in the camera frame."""
    centres = (np.arange(size) + 0.5) / size
    x, y = np.meshgrid(centres, centres)
    fx, fy, cx, cy = camera.astype(np.float64)
    return np.stack([(x - cx) / fx, (y - cy) / fy, np.ones_like(x)], axis=-1)


def surface_points(model, source, target, rays):
    """Float64 truth along rays (N, 3): hit or not, the same point in the source, its triangle."""
    triangles = np.asarray(model.region_triangles)
    corners = np.asarray(posed_vertices(model, target), np.float64)[triangles]
    front = np.flatnonzero(front_facing(corners))
    t, local, weights = ray_hits(rays, corners[front])
    index = front[local]
    moved = np.asarray(posed_vertices(model, source), np.float64)[triangles[index]]
    return np.isfinite(t), (weights[:, :, None] * moved).sum(axis=1), index


def occlusion_agreement(model, size, mode, yaw_pairs=((-30, 30), (0, 60), (20, -25))):
    """Share of face pixels where O_c says what rays say, over pairs of yaw angles."""
    same = []
    rng = np.random.default_rng(0)
    for number, (source_yaw, target_yaw) in enumerate(yaw_pairs):
        source = pose(model, yaw=source_yaw, pitch=4, seed=number)
        target = recombine(source, pose(model, yaw=target_yaw, pitch=-6, seed=number + 10))
        config = GuidanceConfig(occlusion=mode)
        guidance = compute(model, source, target, jnp.zeros((size, size, 3)), config)
        rows, columns = np.nonzero(np.asarray(guidance.mask[..., 0]) > 0)
        chosen = rng.permutation(len(rows))[:1500]
        rows, columns = rows[chosen], columns[chosen]
        rays = pixel_rays(size, np.asarray(target.camera))[rows, columns]
        hit, in_source, index = surface_points(model, source, target, rays)
        corners = np.asarray(posed_vertices(model, source))[np.asarray(model.region_triangles)]
        # The region is an open surface. Where a gap shows its inside, the outside is not seen.
        truth = visible_points(in_source[hit], corners) & front_facing(corners)[index[hit]]
        occlusion = np.asarray(guidance.occlusion[..., 0])[rows, columns][hit] > 0
        same.append(occlusion == truth)
    return np.concatenate(same).mean()
