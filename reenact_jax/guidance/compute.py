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
from reenact_jax.face_model.parameters import FaceParameters, recombine
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


@dataclasses.dataclass(frozen=True)
class _Frame:
    """What guidance needs of one frame, whichever part the frame plays.

    Attributes:
      vertices: (V, 3) camera frame, decimetres.
      clip: (V, 4).
      rasters: side in pixels -> Fragments.
    """

    vertices: jax.Array
    clip: jax.Array
    rasters: dict[int, rasterizer.Fragments]


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
    source_frame = _frame(model, source, _source_sides(model, size, config))
    target_frame = _frame(model, target, {size})
    return _between(model, source_frame, target_frame, source, target, source_image, config)


def compute_guidance_both_ways(
    model: MorphableModel,
    first: FaceParameters,
    second: FaceParameters,
    first_image: jax.Array,
    second_image: jax.Array,
    config: GuidanceConfig,
) -> tuple[Guidance, Guidance]:
    """Guidance from the first frame to the second, and back, with each mesh posed once.

    Every frame is source in one direction and target in the other. Where both ask for a raster of
    the same side (`literal`, `dilated`, or a depth raster of the images' size) there is only one.

    Args:
      model: the face model.
      first, second: parameters of two frames of one person. Their identities must be equal, since
        one mesh per frame stands in both directions.
      first_image, second_image: float32 (S, S, 3) in [-1, 1].
      config: see `GuidanceConfig`.

    Returns:
      What `compute_guidance` returns for (first, recombine(first, second)) and for
      (second, recombine(second, first)).
    """
    size = first_image.shape[0]
    sides = _source_sides(model, size, config) | {size}
    frames = [_frame(model, parameters, sides) for parameters in (first, second)]
    there, back = recombine(first, second), recombine(second, first)
    return (
        _between(model, frames[0], frames[1], first, there, first_image, config),
        _between(model, frames[1], frames[0], second, back, second_image, config),
    )


def _source_sides(model: MorphableModel, size: int, config: GuidanceConfig) -> set[int]:
    """Sides of the rasters that a source frame is needed in."""
    needs_depth = config.occlusion == "depth" or not model.has_albedo
    sides = {config.depth_raster_size} if needs_depth else set()
    return sides if config.occlusion == "depth" else sides | {size}


def _frame(model: MorphableModel, parameters: FaceParameters, sides: set[int]) -> _Frame:
    vertices = posed_vertices(model, parameters)
    clip = clip_vertices(vertices, parameters.camera)
    rasters = {
        side: rasterizer.rasterize(clip, model.region_triangles, side, side, cull_backfaces=True)
        for side in sorted(sides)
    }
    return _Frame(vertices, clip, rasters)


def _between(
    model: MorphableModel,
    source_frame: _Frame,
    target_frame: _Frame,
    source: FaceParameters,
    target: FaceParameters,
    source_image: jax.Array,
    config: GuidanceConfig,
) -> Guidance:
    size = source_image.shape[0]
    triangles = model.region_triangles
    target_fragments = target_frame.rasters[size]
    mask = target_fragments.triangle_id >= 0
    positions = source_positions(source_frame.vertices, triangles, target_fragments)
    source_uv = project_to_source(positions, source.camera, mask)

    tolerance = config.depth_tolerance * jnp.ptp(landmarks(model, model.mean)[:, 1])
    if config.occlusion == "depth":
        faces_source = occlusion_lib.visible_by_set(
            occlusion_lib.front_facing(source_frame.clip, triangles), target_fragments
        )
        visible = faces_source & occlusion_lib.unoccluded(
            source_uv,
            positions[..., 2],
            source_frame.rasters[config.depth_raster_size],
            tolerance,
        )
    else:
        members = occlusion_lib.triangle_set(source_frame.rasters[size], triangles.shape[0])
        if config.occlusion == "dilated":
            members = occlusion_lib.dilate(members, triangles, model.num_vertices)
        visible = occlusion_lib.visible_by_set(members, target_fragments)

    if model.has_albedo:
        colours = shaded_colours(model, target)
    else:
        colours = source_colours(
            model,
            source_image,
            source_frame.vertices,
            source.camera,
            source_frame.rasters[config.depth_raster_size],
            tolerance,
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


def batched_guidance_both_ways(
    model: MorphableModel,
    first: FaceParameters,
    second: FaceParameters,
    first_images: jax.Array,
    second_images: jax.Array,
    config: GuidanceConfig,
) -> tuple[Guidance, Guidance]:
    """`compute_guidance_both_ways` over a leading batch axis of everything but the model."""

    def one(first, second, first_image, second_image):
        return compute_guidance_both_ways(model, first, second, first_image, second_image, config)

    return jax.vmap(one)(first, second, first_images, second_images)
