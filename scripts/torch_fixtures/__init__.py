"""Values of PyTorch that the tests of networks compare with, by subject.

Needs PyTorch and NumPy alone (no JAX, no torchvision).
"""

from .layers import (
    adain_fixture,
    decoder_block_fixture,
    encoder_block_fixture,
    layer_norm_fixture,
    spade_fixture,
)
from .rnet import rnet_fixture
from .sampling import resize_fixture, warp_fixture
from .vgg19 import losses_fixture, vgg19_fixture

# Name -> function of a numpy generator. The place in the list is the seed: append only.
FIXTURES = {
    "warp": warp_fixture,
    "resize": resize_fixture,
    "layer_norm": layer_norm_fixture,
    "adain": adain_fixture,
    "spade": spade_fixture,
    "encoder_block": encoder_block_fixture,
    "decoder_block": decoder_block_fixture,
    "vgg19": vgg19_fixture,
    "rnet": rnet_fixture,
    "losses": losses_fixture,
}
