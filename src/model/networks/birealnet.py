"""Bi-Real Net (Liu et al., arXiv 1808.00278): binary ResNets with a shortcut around each convolution.

Unit: y = BN(binary conv 3x3(sign(x))) + shortcut(x). There is no activation function; after the stem come BN and the
max-pool alone. Where the width doubles the shortcut is an average pool 2x2, a full-precision 1x1 convolution and BN.
Padding counts as 0, a third value. sign(0) is -1 here and 0 in the authors' code; BN's eps is 1e-5 in both.
In fp32 a ReLU follows each unit: without it the network would be linear.
"""

from src.model.layers.resnet import RESNET18, RESNET20, RESNET34, ResNet
from src.model.variant import Variant


def _variant(options, **fields):
    layers = {"quantizer": "bireal", "activation": "none"}
    return Variant(ResNet, options, layers=layers, fixed_layers=("norm", "shortcut"), **fields)


VARIANTS = {
    # for 32x32 images; not the paper's
    "birealnet20": _variant(RESNET20, image_size=32),
    # the paper's
    "birealnet18": _variant(RESNET18),
    "birealnet34": _variant(RESNET34),
}
