"""The three kinds of guidance from two sets of face parameters, on the device."""

import dataclasses
from typing import Literal

import jax
import jax.numpy as jnp

import rasterizer
from reenact_jax.face_model.morphable import (
    MorphableModel,
    clip_vertices,
    landmarks,
    posed_vertices,
    shaded_colours,
)
from reenact_jax.face_model.parameters import FaceParameters
from reenact_jax.guidance import occlusion as occlusion_lib
from reenact_jax.guidance.flow import flow_to, project_to_source, source_positions
from reenact_jax.guidance.rendering import render, source_colours


@dataclasses.dataclass(frozen=True)
class GuidanceConfig:
    """How guidance is computed.

    Attributes:
      occlusion: `depth` (default), `literal` (Eq. 4 as printed) or `dilated`; see `occlusion`.
      depth_raster_size: side in pixels of the source's depth raster. Fixed, whatever the size of
        the images, so that occlusion does not change with it.
      depth_tolerance: tolerance of the depth test as a fraction of the height of the mean face,
        chin to brows.
    """

    occlusion: Literal["depth", "literal", "dilated"] = "depth"
    depth_raster_size: int = 512
    depth_tolerance: float = 0.025

    def __post_init__(self):
        if self.occlusion not in ("depth", "literal", "dilated"):
            raise ValueError(
                f"expected occlusion 'depth', 'literal' or 'dilated', found {self.occlusion!r}"
            )
        if self.depth_raster_size < 1:
            raise ValueError(f"expected depth_raster_size >= 1, found {self.depth_raster_size}")


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Guidance:
    """Guidance for one target frame of S x S pixels (or a batch, with leading axes).

    Attributes:
      flow: F_c, float32 (S, S, 2), backward, normalised; 0 outside the face.
      occlusion: O_c, float32 (S, S, 1), 1 = visible in the source; 0 outside the face.
      rendering: I_r, float32 (S, S, 3) in [-1, 1]; -1 outside the face.
      mask: float32 (S, S, 1), 1 where the target's face region is.
    """

    flow: jax.Array
    occlusion: jax.Array
    rendering: jax.Array
    mask: jax.Array


def compute_guidance(
    model: MorphableModel,
    source: FaceParameters,
    target: FaceParameters,
    source_image: jax.Array,
    config: GuidanceConfig,
) -> Guidance:
    """F_c, O_c, I_r and the face mask for one pair (Eqs. 2-4).

    Args:
      model: the face model.
      source: parameters of the source frame.
      target: v_t, see `recombine`.
      source_image: float32 (S, S, 3) in [-1, 1]; its size is that of the guidance, its pixels are
        used only by models without albedo.
      config: see `GuidanceConfig`.

    Returns:
      Guidance of S x S pixels.
    """
    size = source_image.shape[0]
    triangles = model.region_triangles
    source_vertices = posed_vertices(model, source)
    target_vertices = posed_vertices(model, target)
    source_clip = clip_vertices(source_vertices, source.camera)
    target_clip = clip_vertices(target_vertices, target.camera)

    def raster(clip, side):
        return rasterizer.rasterize(clip, triangles, side, side, cull_backfaces=True)

    target_fragments = raster(target_clip, size)
    mask = target_fragments.triangle_id >= 0
    positions = source_positions(source_vertices, triangles, target_fragments)
    source_uv = project_to_source(positions, source.camera, mask)

    tolerance = config.depth_tolerance * jnp.ptp(landmarks(model, model.mean)[:, 1])
    if config.occlusion == "depth" or not model.has_albedo:
        depth_fragments = raster(source_clip, config.depth_raster_size)
    if config.occlusion == "depth":
        faces_source = occlusion_lib.visible_by_set(
            occlusion_lib.front_facing(source_clip, triangles), target_fragments
        )
        visible = faces_source & occlusion_lib.unoccluded(
            source_uv, positions[..., 2], depth_fragments, tolerance
        )
    else:
        members = occlusion_lib.triangle_set(raster(source_clip, size), triangles.shape[0])
        if config.occlusion == "dilated":
            members = occlusion_lib.dilate(members, triangles, model.num_vertices)
        visible = occlusion_lib.visible_by_set(members, target_fragments)

    if model.has_albedo:
        colours = shaded_colours(model, target)
    else:
        colours = source_colours(
            model, source_image, source_vertices, source.camera, depth_fragments, tolerance
        )
    return Guidance(
        flow=flow_to(source_uv, mask),
        occlusion=(visible & mask)[..., None].astype(jnp.float32),
        rendering=render(colours, triangles, target_fragments),
        mask=mask[..., None].astype(jnp.float32),
    )


def batched_guidance(
    model: MorphableModel,
    source: FaceParameters,
    target: FaceParameters,
    source_images: jax.Array,
    config: GuidanceConfig,
) -> Guidance:
    """`compute_guidance` over a leading batch axis of everything but the model."""

    def one(source, target, image):
        return compute_guidance(model, source, target, image, config)

    return jax.vmap(one)(source, target, source_images)
