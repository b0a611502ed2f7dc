"""The whole generator: completion network, fusion, reenactment network."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from reenact_jax.nn.completion import CompletionNetwork
from reenact_jax.nn.config import ModelConfig
from reenact_jax.nn.fusion import fuse
from reenact_jax.nn.reenactment import ReenactmentNetwork


class FaceReenactor(nn.Module):
    """Source image and guidance -> reenacted image."""

    config: ModelConfig = ModelConfig()

    @nn.compact
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
        config = self.config
        _check_shapes(config, source_image, descriptor, flow, occlusion, rendering, mask)
        dtype = jnp.dtype(config.dtype)

        maps = CompletionNetwork(config.completion, dtype, name="completion")(
            source_image, descriptor
        )
        fused_flow, fused_occlusion = fuse(
            maps,
            flow,
            occlusion,
            mask,
            flow_guidance=config.flow_guidance,
            occlusion_guidance=config.occlusion_guidance,
            fusion=config.fusion,
        )
        image, warped = ReenactmentNetwork(config.reenactment, dtype, name="reenactment")(
            source_image, fused_flow, fused_occlusion, rendering
        )
        return image, {**maps, "F": fused_flow, "O": fused_occlusion, "warped_features": warped}


def _check_shapes(config: ModelConfig, source_image: jax.Array, *others: jax.Array) -> None:
    if source_image.ndim != 4 or source_image.shape[-1] != 3:
        raise ValueError(f"expected source_image (B, S, S, 3), found {source_image.shape}")
    batch, height, width, _ = source_image.shape
    config.check_image_size(height, width)
    expected = {"descriptor": (batch, config.completion.descriptor_dim)}
    channels = {"flow": 2, "occlusion": 1, "rendering": 3, "mask": 1}
    expected |= {name: (batch, height, width, count) for name, count in channels.items()}
    for (name, shape), array in zip(expected.items(), others, strict=True):
        if array.shape != shape:
            raise ValueError(
                f"expected {name} {shape} for source_image {source_image.shape}, "
                f"found {array.shape}"
            )
