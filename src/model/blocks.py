"""Multi-branch binary MLP (MBB) blocks (paper, section 3.2, Fig. 2)."""

from mindspore import Parameter, nn
from mindspore.common.initializer import initializer

from .elements import MLP_RATIO, ChannelBinaryFC, ChannelBinaryMLP, SpatialBinaryFC
from .layers import AXES
from .token_mixing import TOKEN_MIXERS

REWEIGHT_RATIO = 4  # input width over the reweight MLP's hidden width


class Branches(nn.Cell):
    """Branches of an MBB block: spatial / 2 along the height, as many along the width, and `channel` over the channels.

    make_spatial(axis) and make_channel() return a branch. Subclasses merge the branches' outputs.
    """

    def __init__(self, spatial, channel, make_spatial, make_channel):
        super().__init__()
        self.width = nn.CellList([make_spatial("width") for _ in range(spatial // len(AXES))])
        self.height = nn.CellList([make_spatial("height") for _ in range(spatial // len(AXES))])
        self.channel = nn.CellList([make_channel() for _ in range(channel)])
        self.branches = spatial + channel

    def outputs(self, maps):
        """Outputs of the branches on one feature map each, in the order height, width, channel."""
        results = ()
        for group in (self.height, self.width, self.channel):
            for branch in group:
                results += (branch(maps[len(results)]),)
        return results


class MBBBlock1(Branches):
    """Spatial block on z = Norm1(x): branches merged by a softmax over them, per sample and channel.

    With branches f_1 .. f_n (spatial MLPs along the height and the width, then Channel Binary FCs) and
    a = softmax over branches of ReweightMLP(GAP(sum f_i + z)):  out = CBFC(sum f_i a_i + z).
    The reweight MLP is C -> C / 4 -> n C on a 1x1 feature map. Its output channel n c + i is branch i of channel c.
    token_mixing: key of TOKEN_MIXERS, the kind of the spatial MLPs.
    """

    def __init__(self, channels, spatial, channel, arithmetic, token_mixing="patm"):
        super().__init__(
            spatial,
            channel,
            lambda axis: TOKEN_MIXERS[token_mixing](channels, axis, arithmetic),
            lambda: ChannelBinaryFC(channels, channels, arithmetic),
        )
        self.reweight = ChannelBinaryMLP(
            channels, channels // REWEIGHT_RATIO, self.branches * channels, arithmetic
        )
        self.projection = ChannelBinaryFC(channels, channels, arithmetic)
        self.fan_out = arithmetic.backend.fan_out(2 + self.branches)
        self.mean_of_sum = arithmetic.backend.mean_of_sum(self.branches)
        self.merge = arithmetic.backend.softmax_merge(self.branches)

    def construct(self, z):
        copies = self.fan_out(z)
        mean, maps = self.mean_of_sum(copies[0], self.outputs(copies[2:]))
        return self.projection(self.merge(self.reweight(mean), copies[1], maps))


class MBBBlock2(Branches):
    """Channel block on m = Norm2(x): branches merged with n - 1 learned scalars, 0 at first (none for n = 1).

    Branches f_1 .. f_n are Spatial Binary FCs (along the height and the width), then Channel Binary MLPs;
    out = sum_{i < n} w_i f_i + (1 - sum_{i < n} w_i) f_n.
    """

    def __init__(self, channels, spatial, channel, arithmetic):
        super().__init__(
            spatial,
            channel,
            lambda axis: SpatialBinaryFC(channels, channels, axis, arithmetic),
            lambda: ChannelBinaryMLP(channels, MLP_RATIO * channels, channels, arithmetic),
        )
        if self.branches > 1:
            self.merge = Parameter(initializer("zeros", (self.branches - 1,)))
        self.fan_out = arithmetic.backend.fan_out(self.branches)
        self.merge_branches = arithmetic.backend.scalar_merge(self.branches)

    def construct(self, m):
        outputs = self.outputs(self.fan_out(m))
        return self.merge_branches(self.merge, outputs)[0] if self.branches > 1 else outputs[0]


class Block(nn.Cell):
    """Residual block: x <- x + DropPath(MBBBlock1(Norm1(x))); x <- x + DropPath(MBBBlock2(Norm2(x))).

    branches: (S1, C1, S2, C2), spatial and channel branches of the two MBB blocks. token_mixing: key of TOKEN_MIXERS.
    drop_mask: None for no drop path, or (2, ...), a factor per path and sample that broadcasts over feature maps:
    0 if dropped, else 1 / (1 - rate).
    Raises ValueError for odd spatial counts or a block without a branch.
    """

    def __init__(self, channels, branches, token_mixing, arithmetic):
        super().__init__()
        check_branches(branches)
        s1, c1, s2, c2 = branches
        self.norm1 = arithmetic.norm(channels, arithmetic)
        self.block1 = MBBBlock1(channels, s1, c1, arithmetic, token_mixing)
        self.norm2 = arithmetic.norm(channels, arithmetic)
        self.block2 = MBBBlock2(channels, s2, c2, arithmetic)
        self.fan_out1, self.fan_out2 = arithmetic.backend.fan_out(2), arithmetic.backend.fan_out(2)

    def construct(self, x, drop_mask=None):
        x, z = self.fan_out1(x)
        out = self.block1(self.norm1(z))
        x, m = self.fan_out2(x + (out if drop_mask is None else out * drop_mask[0]))
        out = self.block2(self.norm2(m))
        return x + (out if drop_mask is None else out * drop_mask[1])


def check_branches(branches):
    """Raises ValueError unless branches is (S1, C1, S2, C2) with even S, none negative, one or more per block."""
    s1, c1, s2, c2 = branches
    good = min(branches) >= 0 and s1 % len(AXES) == 0 and s2 % len(AXES) == 0 and s1 + c1 > 0 and s2 + c2 > 0
    if not good:
        raise ValueError(
            "branches: expected (S1, C1, S2, C2) with even spatial counts S (height and width) and at least "
            f"one branch per block, got {tuple(branches)}"
        )
