"""Parts that the vision MLPs share (Wave-MLP, CycleMLP, AS-MLP): MLP, patch embedding, merge of three branches, network.

In fp32 a BinaryConv2d has neither sign nor scale: it is an FC. In the other precisions the FCs of the blocks are binarized
by any quantizer, as in the paper's Table 7.
"""

from dataclasses import dataclass

from mindspore import nn

from .binary_fc import MLP_RATIO
from .conv import BinaryConv2d, Conv2d
from .layout import GlobalMean
from .merges import REWEIGHT_RATIO, BranchSoftmax, SpatialScale
from .stages import ResidualBlock, StagedNetwork, check_widths_and_depths

BRANCHES = 3  # along the width, along the height, over the channels


@dataclass(frozen=True)
class VisionMLPOptions:
    """Options of Wave-MLP and CycleMLP.

    widths, depths: channels and blocks of each stage. drop_path_rate: rate of the last block.

    Raises ValueError for unequal numbers of widths and depths, and for a width under 4, with which the reweight MLP
    has no hidden channel.
    """

    widths: tuple = (64, 128, 320, 512)
    depths: tuple = (2, 2, 4, 2)
    drop_path_rate: float = 0.0

    def __post_init__(self):
        check_widths_and_depths(self.widths, self.depths)
        if min(self.widths) < REWEIGHT_RATIO:
            raise ValueError(
                f"widths: expected at least {REWEIGHT_RATIO} channels each, got {tuple(self.widths)}"
            )


class MLP(nn.Cell):
    """MLP, FC(act(FC(x))) with the configured activation (GELU by default): C -> hidden -> O."""

    def __init__(self, in_channels, hidden_channels, out_channels, config):
        super().__init__()
        self.fc1 = BinaryConv2d(in_channels, hidden_channels, 1, bias=True, config=config)
        self.act = config.activation(hidden_channels, config)
        self.fc2 = BinaryConv2d(hidden_channels, out_channels, 1, bias=True, config=config)

    def construct(self, x):
        return self.fc2(self.act(self.fc1(x)))


class BranchMixing(nn.Cell):
    """Token mixing of three branches merged by a softmax over them, (B, C, H, W) -> (B, C, H, W).

    With f_0, f_1 the Cells that make_spatial(channels, axis, config) returns for the width and the height, f_2 = FC(x)
    without bias and a = softmax over branches of MLP(GAP(sum f_i)):  out = FC(sum f_i a_i).
    The reweight MLP is C -> C / 4 -> 3 C on a 1x1 feature map. Its output channel 3 c + i is branch i of channel c.
    """

    def __init__(self, channels, make_spatial, config):
        super().__init__()
        self.width = make_spatial(channels, "width", config)
        self.height = make_spatial(channels, "height", config)
        self.channel = BinaryConv2d(channels, channels, 1, config=config)
        self.reweight = MLP(channels, channels // REWEIGHT_RATIO, BRANCHES * channels, config)
        self.projection = BinaryConv2d(channels, channels, 1, bias=True, config=config)
        self.softmax = BranchSoftmax(BRANCHES, config.axis)
        self.mean, self.scale = GlobalMean(), SpatialScale()

    def construct(self, x):
        width, height, channel = self.width(x), self.height(x), self.channel(x)
        a = self.softmax(self.reweight(self.mean(width + height + channel)))
        merged = self.scale(width, a[0]) + self.scale(height, a[1]) + self.scale(channel, a[2])
        return self.projection(merged)


class Embedding(nn.Cell):
    """Patch embedding Norm(conv(x) + bias), as stem and downsampling: (B, C, H, W) -> (B, O, H / stride, W / stride)."""

    def __init__(self, in_channels, out_channels, kernel, stride, padding, config):
        super().__init__()
        self.conv = Conv2d(in_channels, out_channels, kernel, stride, padding, config=config)
        self.norm = config.norm(out_channels, config)

    def construct(self, x):
        return self.norm(self.conv(x))


class VisionMLP(StagedNetwork):
    """Vision MLP of stages: images (B, 3, H, W) -> logits (B, num_classes). construct as in StagedNetwork.

    Blocks: token mixing, then MLP C -> 4 C -> C.
    Args: options with widths, depths and drop_path_rate; make_mixing, width -> Cell; make_downsample, (width, next width)
    -> Cell; stem, (kernel, stride, padding) of the first convolution.
    """

    def __init__(self, num_classes, options, make_mixing, make_downsample, config, stem=(7, 4, 2)):
        def make_block(width):
            return ResidualBlock(
                width,
                lambda: make_mixing(width),
                lambda: MLP(width, MLP_RATIO * width, width, config),
                config,
            )

        super().__init__(
            options.widths,
            options.depths,
            Embedding(3, options.widths[0], *stem, config),
            make_block,
            make_downsample,
            num_classes,
            options.drop_path_rate,
            config,
        )
