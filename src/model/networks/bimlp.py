"""BiMLP (arXiv 2212.14158): multi-branch binary MLP (MBB) blocks, downsampling, network (paper, section 3.2, Fig. 2)."""

from dataclasses import dataclass, replace

from mindspore import Parameter, nn
from mindspore.common.initializer import initializer

from src.model.layers.binary_fc import MLP_RATIO, ChannelBinaryMLP, channel_binary_fc, spatial_binary_fc
from src.model.layers.conv import AXES, BinaryConv2d, Conv2d
from src.model.layers.merges import REWEIGHT_RATIO
from src.model.layers.shortcuts import no_shortcut
from src.model.layers.stages import ResidualBlock, StagedNetwork, check_widths_and_depths
from src.model.layers.token_mixing import TOKEN_MIXERS
from src.model.variant import Variant, check


@dataclass(frozen=True)
class BiMLPOptions:
    """Options of BiMLP.

    widths, depths: channels and blocks of each stage.
    stem: (kernel, stride, padding) of the first convolution.
    branches: (S1, C1, S2, C2), spatial and channel branches of the two MBB blocks, Table 3.
    downsample: key of DOWNSAMPLES, Table 6. token_mixing: key of TOKEN_MIXERS.
    groups: groups of the Channel Binary FCs; the paper's is 1. Widths times sqrt(groups) keep the binary MACs of the FCs.
    drop_path_rate: rate of the last block.

    Raises ValueError for odd spatial counts, a block without a branch, a name that no table has, groups below 1.
    """

    widths: tuple = (64, 128, 320, 512)
    depths: tuple = (2, 2, 4, 2)
    stem: tuple = (7, 4, 2)
    branches: tuple = (2, 1, 2, 1)
    downsample: str = "proposed"
    token_mixing: str = "patm"
    groups: int = 1
    drop_path_rate: float = 0.0

    def __post_init__(self):
        check_widths_and_depths(self.widths, self.depths)
        if len(self.stem) != 3 or min(self.stem[:2]) < 1 or self.stem[2] < 0:
            raise ValueError(f"stem: expected (kernel, stride, padding), got {tuple(self.stem)}")
        check_branches(self.branches)
        check("downsample", self.downsample, DOWNSAMPLES)
        check("token_mixing", self.token_mixing, TOKEN_MIXERS)
        if self.groups < 1:
            raise ValueError(f"groups: expected at least 1, got {self.groups}")


def check_branches(branches):
    """Raises ValueError unless branches is (S1, C1, S2, C2) with even S, none negative, one or more per block."""
    s1, c1, s2, c2 = branches
    good = min(branches) >= 0 and s1 % len(AXES) == 0 and s2 % len(AXES) == 0 and s1 + c1 > 0 and s2 + c2 > 0
    if not good:
        raise ValueError(
            "branches: expected (S1, C1, S2, C2) with even spatial counts S (height and width) and at least "
            f"one branch per block, got {tuple(branches)}"
        )


class Branches(nn.Cell):
    """Branches of an MBB block: spatial / 2 along the height, as many along the width, and `channel` over the channels.

    make_spatial(axis) and make_channel() return a branch. readers: how many more Cells read the block's input.
    """

    def __init__(self, spatial, channel, make_spatial, make_channel, readers, config):
        super().__init__()
        self.width = nn.CellList([make_spatial("width") for _ in range(spatial // len(AXES))])
        self.height = nn.CellList([make_spatial("height") for _ in range(spatial // len(AXES))])
        self.channel = nn.CellList([make_channel() for _ in range(channel)])
        self.branches, self.readers = spatial + channel, readers
        self.fan_out = config.backend.fan_out(readers + self.branches)

    def outputs(self, x):
        """Maps (f_1, .., f_n) of the branches on x, in the order height, width, channel, and x for its further readers."""
        x = self.fan_out(x)
        f = ()
        for group in (self.height, self.width, self.channel):
            for branch in group:
                f += (branch(x[self.readers + len(f)]),)
        return f, x[: self.readers]


class MBBBlock1(Branches):
    """Spatial block on z = Norm1(x): branches merged by a softmax over them, per sample and channel.

    With branches f_1 .. f_n (spatial MLPs along the height and the width, then Channel Binary FCs) and
    a = softmax over branches of ReweightMLP(GAP(sum f_i + z)):  out = CBFC(sum f_i a_i + z).
    The reweight MLP is C -> C / 4 -> n C on a 1x1 feature map. Its output channel n c + i is branch i of channel c.
    """

    def __init__(self, channels, spatial, channel, token_mixing, config):
        super().__init__(
            spatial,
            channel,
            lambda axis: TOKEN_MIXERS[token_mixing](channels, axis, config),
            lambda: channel_binary_fc(channels, channels, config),
            1,
            config,
        )
        hidden = channels // REWEIGHT_RATIO
        self.reweight = ChannelBinaryMLP(channels, hidden, self.branches * channels, config)
        self.projection = channel_binary_fc(channels, channels, config)
        self.projection.fc.counted_bias = True  # as Wave-MLP's has it, in the costs of Table 1
        self.mean_of_sum = config.backend.mean_of_sum(self.branches)
        self.merge = config.backend.softmax_merge(self.branches)

    def construct(self, z):
        f, (z,) = self.outputs(z)
        mean, z, f = self.mean_of_sum(z, f)
        return self.projection(self.merge(self.reweight(mean), z, f))


class MBBBlock2(Branches):
    """Channel block on m = Norm2(x): branches merged with n - 1 learned scalars, 0 at first (none for n = 1).

    Branches f_1 .. f_n are Spatial Binary FCs (along the height and the width), then Channel Binary MLPs;
    out = sum_{i < n} w_i f_i + (1 - sum_{i < n} w_i) f_n.
    """

    def __init__(self, channels, spatial, channel, config):
        super().__init__(
            spatial,
            channel,
            lambda axis: spatial_binary_fc(channels, channels, axis, config),
            lambda: ChannelBinaryMLP(channels, MLP_RATIO * channels, channels, config),
            0,
            config,
        )
        if self.branches > 1:
            self.merge = Parameter(initializer("zeros", (self.branches - 1,)))
        self.merge_branches = config.backend.scalar_merge(self.branches)

    def construct(self, m):
        f, _ = self.outputs(m)
        return self.merge_branches(self.merge, f) if self.branches > 1 else f[0]


class Stem(nn.Cell):
    """Stem in full precision, RPReLU(Norm(conv(x))): (B, 3, H, W) -> (B, C, H / stride, W / stride)."""

    def __init__(self, channels, kernel, stride, padding, config):
        super().__init__()
        self.conv = Conv2d(3, channels, kernel, stride, padding, config=config)
        self.norm = config.norm(channels, config)
        self.act = config.activation(channels, config)

    def construct(self, x):
        return self.act(self.norm(self.conv(x)))


class Downsample(nn.Cell):
    """Proposed downsampling (Fig. 3): FC at the input's resolution, Norm, RPReLU, mean of four max-pools.

    (B, C, H, W) -> (B, O, ceil(H / 2), ceil(W / 2)).
    """

    def __init__(self, in_channels, out_channels, config):
        super().__init__()
        self.fc = Conv2d(in_channels, out_channels, 1, config=config)
        self.norm = config.norm(out_channels, config)
        self.act = config.activation(out_channels, config)
        self.pool = config.backend.multi_max_pool()

    def construct(self, x):
        return self.pool(self.act(self.norm(self.fc(x))))


class BinaryDownsample(nn.Cell):
    """Downsampling whose FC is binary: RPReLU(BN(GFC(X_b))) at the input's resolution, mean of four max-pools.

    Without a shortcut, for the paper's widths have no Uni-shortcut (128 -> 320). After FTBNN's abstract (arXiv 2010.09294),
    not in the BiMLP paper, which keeps the downsampling in full precision.
    """

    def __init__(self, in_channels, out_channels, config):
        super().__init__()
        conv = BinaryConv2d(in_channels, out_channels, 1, config=config)
        self.fc = config.backend.shortcut_conv(conv, in_channels, replace(config, shortcut=no_shortcut))
        self.pool = config.backend.multi_max_pool()

    def construct(self, x):
        return self.pool(self.fc(x))


class OriginalDownsample(nn.Cell):
    """Downsampling of Wave-MLP, the ablation of Table 6: conv 3x3 stride 2 padding 1, Norm."""

    def __init__(self, in_channels, out_channels, config):
        super().__init__()
        self.conv = Conv2d(in_channels, out_channels, 3, 2, 1, config=config)
        self.norm = config.norm(out_channels, config)

    def construct(self, x):
        return self.norm(self.conv(x))


DOWNSAMPLES = {"proposed": Downsample, "original": OriginalDownsample, "binary": BinaryDownsample}


class BiMLP(StagedNetwork):
    """BiMLP: images (B, 3, H, W) -> logits (B, num_classes). options: BiMLPOptions; construct as in StagedNetwork."""

    def __init__(self, num_classes, options, config):
        s1, c1, s2, c2 = options.branches
        config = replace(config, groups=options.groups)

        def make_block(width):
            return ResidualBlock(
                width,
                lambda: MBBBlock1(width, s1, c1, options.token_mixing, config),
                lambda: MBBBlock2(width, s2, c2, config),
                config,
            )

        super().__init__(
            options.widths,
            options.depths,
            Stem(options.widths[0], *options.stem, config),
            make_block,
            lambda a, b: DOWNSAMPLES[options.downsample](a, b, config),
            num_classes,
            options.drop_path_rate,
            config,
        )


VARIANTS = {
    # for 32x32 images; not the paper's
    "bimlp_t": Variant(BiMLP, BiMLPOptions((32, 64, 128, 256), (1, 1, 2, 1)), image_size=32),
    "bimlp_cifar": Variant(BiMLP, BiMLPOptions((32, 64, 128), (2, 3, 2), (3, 2, 1)), image_size=32),
    # Table 1
    "bimlp_s": Variant(BiMLP, BiMLPOptions()),
    "bimlp_m": Variant(BiMLP, BiMLPOptions(depths=(2, 3, 10, 3))),
}
