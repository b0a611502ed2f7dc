"""Guidance of the reenactment by a face model: flow, occlusion and rendering (Eqs. 2-4)."""

from reenact_jax.guidance.compute import (
    Guidance,
    GuidanceConfig,
    batched_guidance,
    batched_guidance_both_ways,
    compute_guidance,
)

__all__ = [
    "Guidance",
    "GuidanceConfig",
    "batched_guidance",
    "batched_guidance_both_ways",
    "compute_guidance",
]
