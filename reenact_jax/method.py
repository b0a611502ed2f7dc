"""The paper's method in one function: two frames and their parameters in, a picture out.

Training, evaluation and inference all go through `reenact`, so they cannot differ.
"""

import dataclasses

import jax
import jax.numpy as jnp

from reenact_jax.config import Config
from reenact_jax.face_model.morphable import MorphableModel
from reenact_jax.face_model.parameters import (
    NUM_POSE,
    FaceParameters,
    motion_descriptor,
    recombine,
)
from reenact_jax.guidance import (
    Guidance,
    GuidanceConfig,
    batched_guidance,
    batched_guidance_both_ways,
)
from reenact_jax.image_ops import resize_bilinear, warp
from reenact_jax.nn.model import FaceReenactor


def make_network(config: Config, face_model: MorphableModel) -> FaceReenactor:
    """The networks of a configuration; the descriptor's width comes from the face model."""
    descriptor_dim = face_model.widths["expression"] + NUM_POSE
    completion = dataclasses.replace(config.network.completion, descriptor_dim=descriptor_dim)
    return FaceReenactor(
        dataclasses.replace(config.network, completion=completion),
        rematerialise=config.train.rematerialise,
    )


def guide(
    face_model: MorphableModel,
    config: GuidanceConfig,
    source_images: jax.Array,
    source: FaceParameters,
    driving: FaceParameters,
    *,
    transfer_pose: bool = True,
    transfer_expression: bool = True,
) -> tuple[Guidance, jax.Array]:
    """Guidance and motion descriptor for a batch of pairs.

    With a transfer switched off, the source's own pose or expression stands in both v_t and the
    descriptor (the paper's disentangled reenactment, Fig. 8).

    Args:
      face_model: the model that both parameters belong to.
      config: how guidance is computed.
      source_images: float32 (B, S, S, 3) in [-1, 1].
      source: leaves (B, K).
      driving: leaves (B, K).
      transfer_pose, transfer_expression: see `recombine`.

    Returns:
      Guidance with leaves (B, S, S, C) and the descriptor (B, E + 6).
    """
    target = recombine(
        source, driving, transfer_pose=transfer_pose, transfer_expression=transfer_expression
    )
    guidance = batched_guidance(face_model, source, target, source_images, config)
    # Guidance is an input: nothing upstream of it is trained.
    return jax.lax.stop_gradient((guidance, motion_descriptor(target)))


def guide_both_ways(
    face_model: MorphableModel,
    config: GuidanceConfig,
    first_images: jax.Array,
    second_images: jax.Array,
    first: FaceParameters,
    second: FaceParameters,
) -> tuple[Guidance, jax.Array]:
    """`guide` from the first frames to the second ones, then back, with shared rasters.

    The two frames of a pair show one person: their identity is the mean of the two, so that one
    mesh per frame serves both directions.

    Args:
      face_model, config: as for `guide`.
      first_images, second_images: float32 (B, S, S, 3) in [-1, 1].
      first, second: leaves (B, K).

    Returns:
      Guidance with leaves (2 B, S, S, C) and the descriptor (2 B, E + 6): B pairs with the second
      frame as the target, then B with the first.
    """
    identity = (first.identity + second.identity) / 2
    first, second = first.replace(identity=identity), second.replace(identity=identity)
    directions = batched_guidance_both_ways(
        face_model, first, second, first_images, second_images, config
    )
    guidance = jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *directions)
    targets = recombine(first, second), recombine(second, first)
    descriptor = jnp.concatenate([motion_descriptor(target) for target in targets])
    return jax.lax.stop_gradient((guidance, descriptor))


def generate(
    network: FaceReenactor,
    params: dict,
    source_images: jax.Array,
    guidance: Guidance,
    descriptor: jax.Array,
) -> tuple[jax.Array, dict[str, jax.Array]]:
    """Runs the networks: I_g (B, S, S, 3) in [-1, 1] and the named intermediates."""
    return network.apply(
        {"params": params},
        source_images,
        descriptor,
        guidance.flow,
        guidance.occlusion,
        guidance.rendering,
        guidance.mask,
    )


def warp_source(
    network: FaceReenactor,
    params: dict,
    source_images: jax.Array,
    guidance: Guidance,
    descriptor: jax.Array,
) -> jax.Array:
    """Runs the completion network alone: I_s (B, S, S, 3), moved by the fused flow F (Eq. 6)."""
    flow = network.apply(
        {"params": params},
        source_images,
        descriptor,
        guidance.flow,
        guidance.occlusion,
        guidance.mask,
        method="complete",
    )["F"]
    return jax.vmap(warp)(source_images, resize_bilinear(flow, *source_images.shape[1:3]))


def reenact(
    network: FaceReenactor,
    config: GuidanceConfig,
    params: dict,
    face_model: MorphableModel,
    source_images: jax.Array,
    source: FaceParameters,
    driving: FaceParameters,
    *,
    transfer_pose: bool = True,
    transfer_expression: bool = True,
) -> tuple[jax.Array, dict[str, jax.Array], Guidance]:
    """`guide`, then `generate`: image, named intermediates, guidance."""
    guidance, descriptor = guide(
        face_model,
        config,
        source_images,
        source,
        driving,
        transfer_pose=transfer_pose,
        transfer_expression=transfer_expression,
    )
    images, intermediates = generate(network, params, source_images, guidance, descriptor)
    return images, intermediates, guidance
