"""ReActNet (Liu et al., arXiv 2003.03488): its MobileNet in the forms A, B and C, and its ResNet.

Activations are RPReLU, RSign comes before each binary convolution. Padding counts as 0, a third value. sign(0) is -1 here
and 0 in the authors' code; BN's eps is 1e-5 in both. The authors published A and the ResNet; B and C are after the text.
"""

from dataclasses import dataclass, replace

from mindspore import nn
from mindspore.common.initializer import TruncatedNormal

from src.model.layers.binary_fc import ShortcutConv
from src.model.layers.conv import BinaryConv2d, Conv2d
from src.model.layers.layout import GlobalMean, to_layout
from src.model.layers.norms import BatchNorm
from src.model.layers.resnet import RESNET18, RESNET20, ResNet, residual_conv
from src.model.layers.shortcuts import uni_shortcut
from src.model.layers.stages import StageMaps
from src.model.variant import Variant, check


@dataclass(frozen=True)
class ReActNetOptions:
    """Options of ReActNet.

    widths: channels of the stem and of each block: a block keeps the width or doubles it.
    strides: of the stem and of each block, 1 or 2.
    doubling: key of DOUBLINGS, the 1x1 convolution of the blocks that double the width.

    Raises ValueError for other widths and strides, and for a name that no table has.
    """

    widths: tuple = (32, 64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024)
    strides: tuple = (2, 1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1)
    doubling: str = "binary"

    def __post_init__(self):
        if len(self.widths) != len(self.strides) or not self.widths or set(self.strides) - {1, 2}:
            raise ValueError(
                f"strides: expected 1 or 2 for each of {len(self.widths)} widths, got {tuple(self.strides)}"
            )
        if any(b not in (a, 2 * a) for a, b in zip(self.widths, self.widths[1:])) or self.widths[0] < 1:
            raise ValueError(f"widths: expected each as the one before or its double, got {self.widths}")
        check("doubling", self.doubling, DOUBLINGS)


def binary_pointwise(in_channels, out_channels, config):
    """Cell RPReLU(BN(binary conv 1x1(sign(x + b))) + U(x)), U the identity, or two copies of x where the width doubles.

    The authors have two convolutions and norms in -> in that share one RSign, their outputs concatenated: the same sums,
    scales and parameters.
    """
    conv = BinaryConv2d(in_channels, out_channels, 1, config=config)
    shortcut = uni_shortcut(in_channels, out_channels, config.axis)
    return residual_conv(conv, in_channels, config, shortcut, config.activation)


def real_pointwise(in_channels, out_channels, groups, config):
    """Cell RPReLU(BN(conv 1x1(x)) + U(x)) in full precision, without bias. Whether B and C have the shortcut U is not known."""
    conv = Conv2d(in_channels, out_channels, 1, groups=groups, bias=False, config=config)
    return ShortcutConv(conv, in_channels, replace(config, shortcut=uni_shortcut))


# name -> (in_channels, out_channels, config) -> Cell
DOUBLINGS = {
    "binary": binary_pointwise,  # A
    "groups": lambda in_channels, out_channels, config: real_pointwise(
        in_channels, out_channels, 4, config
    ),  # B
    "dense": lambda in_channels, out_channels, config: real_pointwise(
        in_channels, out_channels, 1, config
    ),  # C
}


class ReActBlock(nn.Cell):
    """Block: a = RPReLU(BN(binary conv 3x3(sign(x + b))) + pool(x)), then the 1x1 convolution; (B, C, H, W) -> (B, O, H / s, W / s).

    The pool is an average pool 2x2 for stride 2. The 1x1 convolution is binary_pointwise, or one of DOUBLINGS.
    """

    def __init__(self, in_channels, out_channels, stride, doubling, config):
        super().__init__()
        conv = BinaryConv2d(in_channels, in_channels, 3, stride, 1, config=config)
        shortcut = nn.AvgPool2d(2, 2) if stride == 2 else nn.Identity()
        self.spatial = residual_conv(conv, in_channels, config, shortcut, config.activation)
        make_pointwise = binary_pointwise if in_channels == out_channels else DOUBLINGS[doubling]
        self.pointwise = make_pointwise(in_channels, out_channels, config)

    def construct(self, x):
        return self.pointwise(self.spatial(x))


class ReActNetStem(nn.Cell):
    """Stem in full precision, BN(conv 3x3(x)) without bias and activation: (B, 3, H, W) -> (B, C, H / s, W / s)."""

    def __init__(self, channels, stride, config):
        super().__init__()
        self.conv = Conv2d(3, channels, 3, stride, 1, bias=False, config=config)
        self.norm = BatchNorm(channels, config)

    def construct(self, x):
        return self.norm(self.conv(x))


class ReActNet(StageMaps):
    """ReActNet on MobileNet: images (B, 3, H, W) -> logits (B, num_classes). H, W: multiples of the product of the strides.

    Stem, blocks, global average pool, FC with bias. A stage ends before each block of stride 2, and with the last block.
    """

    def __init__(self, num_classes, options, config):
        super().__init__()
        widths, strides = options.widths, options.strides
        self.stem = ReActNetStem(widths[0], strides[0], config)
        self.blocks = nn.CellList(
            [
                ReActBlock(a, b, stride, options.doubling, config)
                for a, b, stride in zip(widths, widths[1:], strides[1:])
            ]
        )
        self.ends_stage = tuple(stride == 2 for stride in (*strides[2:], 2))
        self.mean, self.axis = GlobalMean(), config.axis
        self.head = nn.Dense(widths[-1], num_classes, weight_init=TruncatedNormal(0.02), bias_init="zeros")

    def logits_and_maps(self, x):
        """Logits, and the feature map at the end of each stage in the backend's layout."""
        x, maps = self.stem(to_layout(x, self.axis)), ()
        for i in range(len(self.blocks)):
            x = self.blocks[i](x)
            if self.ends_stage[i]:
                maps += (x,)
        x = to_layout(self.mean(x), self.axis)
        return self.head(x.reshape(-1, x.shape[1])), maps


def _variant(cell, options, quantizer="reactnet", activation="rprelu", **fields):
    layers = {"quantizer": quantizer, "activation": activation}
    return Variant(cell, options, layers=layers, fixed_layers=("norm", "shortcut"), **fields)


VARIANTS = {
    # for 32x32 images; not the paper's
    "reactnet_nano": _variant(
        ReActNet, ReActNetOptions((16, 32, 64, 64, 128, 128), (1, 1, 2, 1, 2, 1)), image_size=32
    ),
    "react_resnet20": _variant(ResNet, RESNET20, image_size=32),
    # the paper's
    "reactnet_a": _variant(ReActNet, ReActNetOptions()),
    "reactnet_b": _variant(ReActNet, ReActNetOptions(doubling="groups")),
    "reactnet_c": _variant(ReActNet, ReActNetOptions(doubling="dense")),
    "react_resnet18": _variant(ResNet, RESNET18),
    # of AdaBin's paper: form A with AdaBin's quantizer and two-slope PReLU, without RSign; no code of it was published
    "adabin_reactnet_a": _variant(ReActNet, ReActNetOptions(), "adabin", "two_slope"),
}
