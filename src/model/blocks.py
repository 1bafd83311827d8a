"""The four elements of Eq. 10 and 11 and the two MBB blocks (paper, section 3.2, Fig. 2)."""

from mindspore import Parameter, nn, ops
from mindspore.common.initializer import initializer

from .layers import AXES, BatchNorm, BinaryFC, LocalBinaryFC, RPReLU, uni_shortcut
from .layout import BranchSoftmax, SpatialScale, spatial_mean

MLP_RATIO = 4  # width of the Channel Binary MLP's hidden layer over its input's
REWEIGHT_RATIO = 4  # input width over the reweight MLP's hidden width


class ShortcutFC(nn.Cell):
    """RPReLU(BN(FC(x)) + U(x)): what Eq. 10 and Eq. 11 have in common."""

    def __init__(self, fc, in_channels, out_channels, axis):
        super().__init__()
        self.fc = fc
        self.norm = BatchNorm(out_channels, axis)
        self.shortcut = uni_shortcut(in_channels, out_channels, axis)
        self.act = RPReLU(out_channels, axis)

    def construct(self, x):
        return self.act(self.norm(self.fc(x)) + self.shortcut(x))


class ChannelBinaryFC(ShortcutFC):
    """CBFC, Eq. 11: RPReLU(BN(GFC(X_b)) + U(X)), (B, C, H, W) -> (B, O, H, W)."""

    def __init__(self, in_channels, out_channels, arithmetic):
        fc = BinaryFC(in_channels, out_channels, arithmetic)
        super().__init__(fc, in_channels, out_channels, arithmetic.axis)


class SpatialBinaryFC(ShortcutFC):
    """SBFC, Eq. 10: RPReLU(BN(LFC(X_b)) + U(X)) along one axis, (B, O G, H, W) -> (B, O, H, W)."""

    def __init__(self, in_channels, out_channels, axis, arithmetic):
        fc = LocalBinaryFC(in_channels, out_channels, axis, arithmetic)
        super().__init__(fc, in_channels, out_channels, arithmetic.axis)


class ChannelBinaryMLP(nn.Cell):
    """Two Channel Binary FCs, C -> hidden -> O; the paper's MLP has hidden = 4 C and O = C."""

    def __init__(self, in_channels, hidden_channels, out_channels, arithmetic):
        super().__init__()
        self.fc1 = ChannelBinaryFC(in_channels, hidden_channels, arithmetic)
        self.fc2 = ChannelBinaryFC(hidden_channels, out_channels, arithmetic)

    def construct(self, x):
        return self.fc2(self.fc1(x))


class SpatialBinaryMLP(nn.Cell):
    """The PATM form along one axis, (B, C, H, W) -> (B, C, H, W).

    theta = CBFC(x), z = CBFC(x); wave = [z cos theta, z sin theta] (2C channels); SBFC 2C -> C with C
    groups: output c sees wave channels 2c and 2c + 1, and its shortcut is their mean.
    """

    def __init__(self, channels, axis, arithmetic):
        super().__init__()
        self.phase_fc = ChannelBinaryFC(channels, channels, arithmetic)
        self.amplitude_fc = ChannelBinaryFC(channels, channels, arithmetic)
        self.mix_fc = SpatialBinaryFC(2 * channels, channels, axis, arithmetic)
        self.cos_sin = arithmetic.form.cos_sin()
        self.channel_axis = arithmetic.axis

    def construct(self, x):
        cos, sin = self.cos_sin(self.phase_fc(x))
        z = self.amplitude_fc(x)
        return self.mix_fc(ops.concat((z * cos, z * sin), self.channel_axis))


class MBBBlock1(nn.Cell):
    """The spatial block on z = Norm1(x): branches merged by a softmax over them, per sample and channel.

    With branches f_1 .. f_n (spatial MLPs along the width and the height, then Channel Binary FCs) and
    a = softmax over branches of ReweightMLP(GAP(sum f_i + z)):  out = CBFC(sum f_i a_i + z).
    The reweight MLP is C -> C / 4 -> n C on a 1x1 map; its output n c + i is branch i of channel c.
    """

    def __init__(self, channels, spatial, channel, arithmetic):
        super().__init__()
        self.width = nn.CellList(
            [SpatialBinaryMLP(channels, "width", arithmetic) for _ in range(spatial // 2)]
        )
        self.height = nn.CellList(
            [SpatialBinaryMLP(channels, "height", arithmetic) for _ in range(spatial // 2)]
        )
        self.channel = nn.CellList([ChannelBinaryFC(channels, channels, arithmetic) for _ in range(channel)])
        self.branches = spatial + channel
        self.reweight = ChannelBinaryMLP(
            channels, channels // REWEIGHT_RATIO, self.branches * channels, arithmetic
        )
        self.projection = ChannelBinaryFC(channels, channels, arithmetic)
        self.softmax = BranchSoftmax(self.branches, arithmetic.axis)
        self.scale = SpatialScale()

    def construct(self, z):
        outputs = ()
        for height in self.height:
            outputs += (height(z),)
        for width in self.width:
            outputs += (width(z),)
        for channel in self.channel:
            outputs += (channel(z),)
        total = z
        for output in outputs:
            total = total + output
        weights = self.softmax(self.reweight(spatial_mean(total)))
        merged = z
        for i in range(self.branches):
            merged = merged + self.scale(outputs[i], weights[i])
        return self.projection(merged)


class MBBBlock2(nn.Cell):
    """The channel block on m = Norm2(x): branches merged with n - 1 learned scalars, 0 at first.

    Branches f_1 .. f_n are Spatial Binary FCs (along the width and the height), then Channel Binary MLPs;
    out = sum_{i < n} w_i f_i + (1 - sum_{i < n} w_i) f_n.
    """

    def __init__(self, channels, spatial, channel, arithmetic):
        super().__init__()
        self.width = nn.CellList(
            [SpatialBinaryFC(channels, channels, "width", arithmetic) for _ in range(spatial // 2)]
        )
        self.height = nn.CellList(
            [SpatialBinaryFC(channels, channels, "height", arithmetic) for _ in range(spatial // 2)]
        )
        hidden = MLP_RATIO * channels
        self.channel = nn.CellList(
            [ChannelBinaryMLP(channels, hidden, channels, arithmetic) for _ in range(channel)]
        )
        self.branches = spatial + channel
        self.merge = Parameter(initializer("zeros", (self.branches - 1,)))

    def construct(self, m):
        outputs = ()
        for height in self.height:
            outputs += (height(m),)
        for width in self.width:
            outputs += (width(m),)
        for channel in self.channel:
            outputs += (channel(m),)
        last = outputs[self.branches - 1]
        merged = last
        for i in range(self.branches - 1):
            merged = merged + self.merge[i] * (outputs[i] - last)
        return merged


class Block(nn.Cell):
    """x <- x + DropPath(MBBBlock1(Norm1(x))); x <- x + DropPath(MBBBlock2(Norm2(x))).

    branches = (S1, C1, S2, C2). `keep` is None, or (2, ...): the two paths' factors per sample, each of a shape that
    broadcasts over maps,
    0 where dropped, 1 / (1 - rate) where kept.
    Raises ValueError for odd spatial counts or a block without a branch.
    """

    def __init__(self, channels, branches, arithmetic):
        super().__init__()
        check_branches(branches)
        s1, c1, s2, c2 = branches
        self.norm1 = BatchNorm(channels, arithmetic.axis)
        self.block1 = MBBBlock1(channels, s1, c1, arithmetic)
        self.norm2 = BatchNorm(channels, arithmetic.axis)
        self.block2 = MBBBlock2(channels, s2, c2, arithmetic)

    def construct(self, x, keep=None):
        out = self.block1(self.norm1(x))
        x = x + (out if keep is None else out * keep[0])
        out = self.block2(self.norm2(x))
        return x + (out if keep is None else out * keep[1])


def check_branches(branches):
    """Raises ValueError unless branches is (S1, C1, S2, C2): S even, none negative, each block with one or more."""
    s1, c1, s2, c2 = branches
    good = min(branches) >= 0 and s1 % len(AXES) == 0 and s2 % len(AXES) == 0 and s1 + c1 > 0 and s2 + c2 > 0
    if not good:
        raise ValueError(
            "branches: expected (S1, C1, S2, C2) with even spatial counts S (height and width) and at least "
            f"one branch per block, got {tuple(branches)}"
        )
