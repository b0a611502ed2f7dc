"""The whole generator: completion network, fusion, reenactment network."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from reenact_jax.nn.completion import CompletionNetwork
from reenact_jax.nn.config import ModelConfig
from reenact_jax.nn.fusion import fuse
from reenact_jax.nn.reenactment import ReenactmentNetwork


class FaceReenactor(nn.Module):
    """Source image and guidance -> reenacted image.

    Attributes:
      config: sizes and switches.
      rematerialise: compute the blocks' inner activations again in the backward pass instead of
        keeping them. Changes memory and time, never a result.
    """

    config: ModelConfig = ModelConfig()
    rematerialise: bool = False

    def setup(self):
        dtype = jnp.dtype(self.config.dtype)
        self.completion = CompletionNetwork(self.config.completion, dtype, self.rematerialise)
        self.reenactment = ReenactmentNetwork(self.config.reenactment, dtype, self.rematerialise)

    def __call__(
        self,
        source_image: jax.Array,
        descriptor: jax.Array,
        flow: jax.Array,
        occlusion: jax.Array,
        rendering: jax.Array,
        mask: jax.Array,
    ) -> tuple[jax.Array, dict[str, jax.Array | tuple[jax.Array, ...]]]:
        """Generates the source's person with the driver's expression and pose.

        Args:
          source_image: float `(B, S, S, 3)` I_s in [-1, 1].
          descriptor: float `(B, D)` motion descriptor, D = config.completion.descriptor_dim.
          flow: float `(B, S, S, 2)` computed flow F_c: backward, normalised (one unit is half the
            image), (x, y), 0 outside the face.
          occlusion: float `(B, S, S, 1)` computed occlusion O_c, 1 = visible in the source.
          rendering: float `(B, S, S, 3)` rendering I_r in [-1, 1], -1 outside the face.
          mask: float `(B, S, S, 1)` face mask m of the target, 1 inside.

        Returns:
          The float32 image `(B, S, S, 3)` in [-1, 1] and the named intermediates: `F_p`, `O_p`,
          `M_f`, `M_o` at the completion network's resolution, the fused `F` and `O` (at S, or at
          the completion network's resolution with fusion="pooled"), and `warped_features`, the
          warped and masked encoder maps, full resolution first.

        Raises:
          ValueError: for shapes that do not fit together or a size the networks cannot halve.
        """
        maps = self.complete(source_image, descriptor, flow, occlusion, mask)
        _check_shape("rendering", rendering, source_image, channels=3)
        image, warped = self.reenactment(source_image, maps["F"], maps["O"], rendering)
        return image, {**maps, "warped_features": warped}

    def complete(
        self,
        source_image: jax.Array,
        descriptor: jax.Array,
        flow: jax.Array,
        occlusion: jax.Array,
        mask: jax.Array,
    ) -> dict[str, jax.Array]:
        """The first half: completion network and fusion (Eqs. 5-7), without the picture.

        Takes and raises what `__call__` does; returns its maps: `F_p`, `O_p`, `M_f`, `M_o`, `F`
        and `O`.
        """
        config = self.config
        _check_source(config, source_image, descriptor)
        for name, array, channels in (
            ("flow", flow, 2),
            ("occlusion", occlusion, 1),
            ("mask", mask, 1),
        ):
            _check_shape(name, array, source_image, channels)
        maps = self.completion(source_image, descriptor)
        fused_flow, fused_occlusion = fuse(
            maps,
            flow,
            occlusion,
            mask,
            flow_guidance=config.flow_guidance,
            occlusion_guidance=config.occlusion_guidance,
            fusion=config.fusion,
        )
        return {**maps, "F": fused_flow, "O": fused_occlusion}


def _check_source(config: ModelConfig, source_image: jax.Array, descriptor: jax.Array) -> None:
    if source_image.ndim != 4 or source_image.shape[-1] != 3:
        raise ValueError(f"expected source_image (B, S, S, 3), found {source_image.shape}")
    batch, height, width, _ = source_image.shape
    config.check_image_size(height, width)
    expected = (batch, config.completion.descriptor_dim)
    if descriptor.shape != expected:
        raise ValueError(
            f"expected descriptor {expected} for source_image {source_image.shape}, "
            f"found {descriptor.shape}"
        )


def _check_shape(name: str, array: jax.Array, source_image: jax.Array, channels: int) -> None:
    expected = (*source_image.shape[:3], channels)
    if array.shape != expected:
        raise ValueError(
            f"expected {name} {expected} for source_image {source_image.shape}, found {array.shape}"
        )
