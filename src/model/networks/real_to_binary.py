"""Real-to-Binary Net (Martinez et al., arXiv 2003.11535): units whose binary convolution is scaled by a gate of the input.

After larq-zoo, as the authors published no code: padding SAME, which has the smaller half before, and BatchNorm's eps 1e-3;
both are options. Padding counts as 0, a third value. sign(0) is -1 here, +1 in larq.
"""

from dataclasses import dataclass
from functools import partial

from mindspore import nn

from src.model.layers.conv import Conv2d
from src.model.layers.layout import GlobalMean
from src.model.layers.merges import SpatialScale
from src.model.layers.norms import BatchNorm
from src.model.layers.resnet import RESNET20, ResNet, ResNetOptions, binary_conv3x3, resnet_shortcut
from src.model.variant import Variant


@dataclass(frozen=True)
class RealToBinaryOptions(ResNetOptions):
    """Options of Real-to-Binary Net: those of the trunk, and

    reduction: width of a unit's input over the hidden width of its gate.

    Raises ValueError for a reduction below 1 or above the first width.
    """

    same_padding: bool = True
    norm_eps: float = 1e-3
    reduction: int = 8

    def __post_init__(self):
        super().__post_init__()
        if not 1 <= self.reduction <= self.widths[0]:
            raise ValueError(f"reduction: expected 1 to {self.widths[0]}, got {self.reduction}")


class Gate(nn.Cell):
    """Scale of each output channel from the input's means: (B, C, H, W) -> (B, O, 1, 1).

    s = sigmoid(W2 relu(W1 mean(x))), W1: C -> hidden, W2: hidden -> O, in full precision without biases.
    """

    def __init__(self, in_channels, hidden, out_channels, config):
        super().__init__()
        self.mean = GlobalMean()
        self.reduce = Conv2d(in_channels, hidden, 1, bias=False, config=config)
        self.relu = nn.ReLU()
        self.expand = Conv2d(hidden, out_channels, 1, bias=False, config=config)
        self.sigmoid = nn.Sigmoid()

    def construct(self, x):
        return self.sigmoid(self.expand(self.relu(self.reduce(self.mean(x)))))


class GatedUnit(nn.Cell):
    """Unit y = act(bin3x3(sign(b)) * gate(b)) + shortcut(x), b = BN(x): (B, C, H, W) -> (B, O, H / s, W / s).

    The gate's hidden width is C / reduction.
    """

    def __init__(self, in_channels, out_channels, stride, config, reduction):
        super().__init__()
        self.norm = BatchNorm(in_channels, config)
        self.gate = Gate(in_channels, in_channels // reduction, out_channels, config)
        self.conv = binary_conv3x3(in_channels, out_channels, stride, config)
        self.scale = SpatialScale()
        self.act = config.activation(out_channels, config)
        self.shortcut = resnet_shortcut(in_channels, out_channels, stride, config)

    def construct(self, x):
        b = self.norm(x)
        return self.act(self.scale(self.conv(b), self.gate(b))) + self.shortcut(x)


def _network(num_classes, options, config):
    make_unit = partial(GatedUnit, reduction=options.reduction)
    return ResNet(num_classes, options, config, make_unit, stem_activation=config.activation)


def _variant(options, **fields):
    layers = {"quantizer": "sign", "activation": "prelu"}
    return Variant(_network, options, layers=layers, fixed_layers=("norm", "shortcut"), **fields)


SMALL = RealToBinaryOptions(RESNET20.widths, RESNET20.depths, RESNET20.stem, False, RESNET20.norm_eps, 2)
VARIANTS = {
    # for 32x32 images, with the windows and eps of the other small networks; not the paper's
    "real_to_binary20": _variant(SMALL, image_size=32),
    # the paper's
    "real_to_binary18": _variant(RealToBinaryOptions()),
}
