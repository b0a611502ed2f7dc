"""Sizes and switches of the networks. The defaults are the paper-sized model.

Frozen and free of jax, so that a configuration can be built, compared and hashed anywhere.
"""

import dataclasses


def _check_positive(config: object) -> None:
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if isinstance(value, int) and not isinstance(value, bool) and value < 1:
            raise ValueError(f"expected {type(config).__name__}.{field.name} >= 1, found {value}")


@dataclasses.dataclass(frozen=True)
class CompletionConfig:
    """Completion network (Eq. 5): descriptor MLP and an AdaIN hourglass.

    Level i of the hourglass has min(base_channels * 2^i, max_channels) channels at 1 / 2^i of the
    image size. The maps are predicted at 1 / 2^(num_down - num_up) of the image size.
    """

    base_channels: int = 32
    max_channels: int = 256
    num_down: int = 5
    num_up: int = 3
    descriptor_dim: int = 70
    descriptor_hidden: int = 256
    adain_hidden: int = 128

    def __post_init__(self):
        _check_positive(self)
        if self.num_up > self.num_down:
            raise ValueError(
                f"expected num_up <= num_down, found num_up={self.num_up}, num_down={self.num_down}"
            )

    def channels(self, level: int) -> int:
        """Width of the maps at 1 / 2^level of the image size."""
        return min(self.base_channels * 2**level, self.max_channels)


@dataclasses.dataclass(frozen=True)
class ReenactmentConfig:
    """Reenactment network: encoder, warped and masked skips, SPADE decoder.

    `synthesis_guidance` False (Table 3 without SG) replaces SPADE by instance normalisation with a
    learned affine; the rendering is then not used.
    """

    base_channels: int = 64
    max_channels: int = 256
    num_down: int = 3
    num_residual_blocks: int = 2
    spade_hidden: int = 128
    synthesis_guidance: bool = True

    def __post_init__(self):
        _check_positive(self)

    def channels(self, level: int) -> int:
        """Width of the maps at 1 / 2^level of the image size."""
        return min(self.base_channels * 2**level, self.max_channels)


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """Both networks and their join.

    Attributes:
      flow_guidance: False (Table 3 without FG) uses the predicted flow alone, F = F_p.
      occlusion_guidance: False (Table 3 without OG) uses O = O_p.
      fusion: "full" fuses (Eqs. 6, 7) at image resolution, "pooled" brings the computed guidance to
        the resolution of the completion network first.
      dtype: "float32" or "bfloat16", of convolutions and activations; parameters, normalisation
        statistics, flows and outputs stay float32.
    """

    completion: CompletionConfig = CompletionConfig()
    reenactment: ReenactmentConfig = ReenactmentConfig()
    flow_guidance: bool = True
    occlusion_guidance: bool = True
    fusion: str = "full"
    dtype: str = "float32"

    def __post_init__(self):
        if self.fusion not in ("full", "pooled"):
            raise ValueError(f"expected fusion 'full' or 'pooled', found {self.fusion!r}")
        if self.dtype not in ("float32", "bfloat16"):
            raise ValueError(f"expected dtype 'float32' or 'bfloat16', found {self.dtype!r}")

    def check_image_size(self, height: int, width: int) -> None:
        """Raises ValueError unless the networks can work on `height` x `width` images."""
        multiple = 2 ** max(self.completion.num_down, self.reenactment.num_down)
        smallest = 2 ** (self.completion.num_down + 1)
        if height % multiple or width % multiple or min(height, width) < smallest:
            raise ValueError(
                f"expected image sides that are multiples of {multiple} and at least {smallest} "
                f"(completion.num_down={self.completion.num_down}, "
                f"reenactment.num_down={self.reenactment.num_down}), found {height} x {width}; "
                "resize the images or lower num_down"
            )
