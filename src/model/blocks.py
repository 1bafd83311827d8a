"""The four elements of Eq. 10 and 11 and the two MBB blocks (paper, section 3.2, Fig. 2)."""

from mindspore import Parameter, nn
from mindspore.common.initializer import initializer

from .layers import AXES, BatchNorm, BinaryFC, LocalBinaryFC, RPReLU, uni_shortcut

MLP_RATIO = 4  # width of the Channel Binary MLP's hidden layer over its input's
REWEIGHT_RATIO = 4  # input width over the reweight MLP's hidden width


class ShortcutFC(nn.Cell):
    """RPReLU(BN(FC(x)) + U(x)): what Eq. 10 and Eq. 11 have in common.

    fc: the BinaryLayer; fused: maker of the Cell that does all of it at once, or None.
    """

    def __init__(self, fc, in_channels, out_channels, arithmetic, fused):
        super().__init__()
        self.fc = fc
        self.norm = BatchNorm(out_channels, arithmetic)
        self.shortcut = uni_shortcut(in_channels, out_channels, arithmetic.axis)
        self.act = RPReLU(out_channels, arithmetic)
        self.fused = None
        if fused:
            self.fused = fused(arithmetic.precision, arithmetic.gradient, fc.weight.shape, in_channels)

    def construct(self, x):
        if self.fused is None:
            return self.act(self.norm(self.fc(x)) + self.shortcut(x))
        norm, act = self.norm, self.act
        return self.fused(
            x, self.fc.shift(), self.fc.weight, norm.gamma, norm.beta, norm.moving_mean, norm.moving_variance,
            act.shift_in, act.slope, act.shift_out,
        )[0]  # fmt: skip


class ChannelBinaryFC(ShortcutFC):
    """CBFC, Eq. 11: RPReLU(BN(GFC(X_b)) + U(X)), (B, C, H, W) -> (B, O, H, W)."""

    def __init__(self, in_channels, out_channels, arithmetic):
        fc = BinaryFC(in_channels, out_channels, arithmetic)
        super().__init__(fc, in_channels, out_channels, arithmetic, arithmetic.form.fused_global_fc)


class SpatialBinaryFC(ShortcutFC):
    """SBFC, Eq. 10: RPReLU(BN(LFC(X_b)) + U(X)) along one axis, (B, O G, H, W) -> (B, O, H, W)."""

    def __init__(self, in_channels, out_channels, axis, arithmetic):
        fc = LocalBinaryFC(in_channels, out_channels, axis, arithmetic)
        super().__init__(fc, in_channels, out_channels, arithmetic, arithmetic.form.fused_local_fc)


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
        self.fan_out = arithmetic.form.fan_out(2)
        self.wave = arithmetic.form.wave()

    def construct(self, x):
        a, b = self.fan_out(x)
        return self.mix_fc(self.wave(self.phase_fc(a), self.amplitude_fc(b)))


class Branches(nn.Cell):
    """The branches of an MBB block: width and height, `spatial` in all, and `channel` over the channels.

    make_spatial(axis) and make_channel() give a branch. Subclasses merge what `outputs` returns.
    """

    def __init__(self, spatial, channel, make_spatial, make_channel):
        super().__init__()
        self.width = nn.CellList([make_spatial("width") for _ in range(spatial // len(AXES))])
        self.height = nn.CellList([make_spatial("height") for _ in range(spatial // len(AXES))])
        self.channel = nn.CellList([make_channel() for _ in range(channel)])
        self.branches = spatial + channel

    def outputs(self, maps):
        """What the branches make of as many maps: those along the height, the width, over the channels."""
        results = ()
        for group in (self.height, self.width, self.channel):
            for branch in group:
                results += (branch(maps[len(results)]),)
        return results


class MBBBlock1(Branches):
    """The spatial block on z = Norm1(x): branches merged by a softmax over them, per sample and channel.

    With branches f_1 .. f_n (spatial MLPs along the height and the width, then Channel Binary FCs) and
    a = softmax over branches of ReweightMLP(GAP(sum f_i + z)):  out = CBFC(sum f_i a_i + z).
    The reweight MLP is C -> C / 4 -> n C on a 1x1 map; its output n c + i is branch i of channel c.
    """

    def __init__(self, channels, spatial, channel, arithmetic):
        super().__init__(
            spatial,
            channel,
            lambda axis: SpatialBinaryMLP(channels, axis, arithmetic),
            lambda: ChannelBinaryFC(channels, channels, arithmetic),
        )
        self.reweight = ChannelBinaryMLP(
            channels, channels // REWEIGHT_RATIO, self.branches * channels, arithmetic
        )
        self.projection = ChannelBinaryFC(channels, channels, arithmetic)
        self.fan_out = arithmetic.form.fan_out(2 + self.branches)
        self.mean_of_sum = arithmetic.form.mean_of_sum(self.branches)
        self.merge = arithmetic.form.softmax_merge(self.branches)

    def construct(self, z):
        copies = self.fan_out(z)
        mean, maps = self.mean_of_sum(copies[0], self.outputs(copies[2:]))
        return self.projection(self.merge(self.reweight(mean), copies[1], maps))


class MBBBlock2(Branches):
    """The channel block on m = Norm2(x): branches merged with n - 1 learned scalars, 0 at first (none for n = 1).

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
        self.fan_out = arithmetic.form.fan_out(self.branches)
        self.merge_branches = arithmetic.form.scalar_merge(self.branches)

    def construct(self, m):
        outputs = self.outputs(self.fan_out(m))
        return self.merge_branches(self.merge, outputs)[0] if self.branches > 1 else outputs[0]


class Block(nn.Cell):
    """x <- x + DropPath(MBBBlock1(Norm1(x))); x <- x + DropPath(MBBBlock2(Norm2(x))).

    branches = (S1, C1, S2, C2). `keep` is None, or (2, ...): the two paths' factors per sample, 0 where
    dropped, 1 / (1 - rate) where kept, each of a shape that broadcasts over maps.
    Raises ValueError for odd spatial counts or a block without a branch.
    """

    def __init__(self, channels, branches, arithmetic):
        super().__init__()
        check_branches(branches)
        s1, c1, s2, c2 = branches
        self.norm1 = BatchNorm(channels, arithmetic)
        self.block1 = MBBBlock1(channels, s1, c1, arithmetic)
        self.norm2 = BatchNorm(channels, arithmetic)
        self.block2 = MBBBlock2(channels, s2, c2, arithmetic)
        self.fan_out1, self.fan_out2 = arithmetic.form.fan_out(2), arithmetic.form.fan_out(2)

    def construct(self, x, keep=None):
        x, z = self.fan_out1(x)
        out = self.block1(self.norm1(z))
        x, m = self.fan_out2(x + (out if keep is None else out * keep[0]))
        out = self.block2(self.norm2(m))
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
