"""Wave-MLP (Tang et al., arXiv 2111.12294), the full-precision baseline; BiMLP's spatial MLP is its PATM.

This is the variant whose phases come from an FC, not from a depth-wise convolution. In fp32 BinaryFC and LocalBinaryFC
have neither sign nor scale: they are FCs without bias. In the other precisions the FCs of the blocks are binarized by
any quantizer, as in Table 7.
"""

from itertools import pairwise

from mindspore import Parameter, nn
from mindspore.common.initializer import TruncatedNormal, initializer

from .activations import ACTIVATIONS, GELU
from .bimlp import BiMLP
from .blocks import REWEIGHT_RATIO, Block
from .elements import MLP_RATIO
from .functions import BranchSoftmax, SpatialScale
from .layers import BinaryFC, FullConv, LocalBinaryFC
from .layout import add_per_channel, spatial_mean
from .norms import BatchNorm

PATM_BRANCHES = 3  # along the width, along the height, over the channels


class FC(BinaryFC):
    """FC over channels with bias, y_o = alpha_o sum_c W_oc x_c + bias_o: (B, C, H, W) -> (B, O, H, W)."""

    def __init__(self, in_channels, out_channels, arithmetic):
        super().__init__(in_channels, out_channels, arithmetic)
        self.bias = Parameter(initializer("zeros", (out_channels,)))

    def add_bias(self, y):
        return add_per_channel(y, self.bias, self.axis)


class MLP(nn.Cell):
    """MLP, FC(act(FC(x))) with the configured activation (GELU by default): C -> hidden -> O."""

    def __init__(self, in_channels, hidden_channels, out_channels, arithmetic):
        super().__init__()
        self.fc1 = FC(in_channels, hidden_channels, arithmetic)
        self.act = arithmetic.activation(hidden_channels, arithmetic)
        self.fc2 = FC(hidden_channels, out_channels, arithmetic)

    def construct(self, x):
        return self.fc2(self.act(self.fc1(x)))


class WaveFC(nn.Cell):
    """PATM along one axis, (B, C, H, W) -> (B, C, H, W).

    theta = ReLU(BN(FC(x))), z = FC(x) without bias; wave = [z cos theta, z sin theta] (2C channels);
    y = local FC of the wave, 2C -> C in C groups, along `axis`.
    The norm of theta is BatchNorm for any norm of the trunk. Its activation is ReLU where the network has GELU, else
    the network's activation.
    """

    def __init__(self, channels, axis, arithmetic):
        super().__init__()
        self.phase_fc = FC(channels, channels, arithmetic)
        self.phase_norm = BatchNorm(channels, arithmetic)
        phase_activation = ACTIVATIONS["relu"] if arithmetic.activation is GELU else arithmetic.activation
        self.phase_act = phase_activation(channels, arithmetic)
        self.amplitude_fc = BinaryFC(channels, channels, arithmetic)
        self.mix_fc = LocalBinaryFC(2 * channels, channels, axis, arithmetic)
        self.wave = arithmetic.backend.wave()

    def construct(self, x):
        theta = self.phase_act(self.phase_norm(self.phase_fc(x)))
        return self.mix_fc(self.wave(theta, self.amplitude_fc(x)))


class PATM(nn.Cell):
    """Phase-aware token mixing, (B, C, H, W) -> (B, C, H, W): three branches merged by a softmax over them.

    With f_0, f_1 the WaveFCs along the width and the height, f_2 = FC(x) without bias and
    a = softmax over branches of MLP(GAP(sum f_i)):  out = FC(sum f_i a_i).
    The reweight MLP is C -> C / 4 -> 3 C on a 1x1 feature map. Its output channel 3 c + i is branch i of channel c.
    """

    def __init__(self, channels, arithmetic):
        super().__init__()
        self.width = WaveFC(channels, "width", arithmetic)
        self.height = WaveFC(channels, "height", arithmetic)
        self.channel = BinaryFC(channels, channels, arithmetic)
        self.reweight = MLP(channels, channels // REWEIGHT_RATIO, PATM_BRANCHES * channels, arithmetic)
        self.projection = FC(channels, channels, arithmetic)
        self.softmax = BranchSoftmax(PATM_BRANCHES, arithmetic.axis)
        self.scale = SpatialScale()

    def construct(self, x):
        width, height, channel = self.width(x), self.height(x), self.channel(x)
        a = self.softmax(self.reweight(spatial_mean(width + height + channel)))
        merged = self.scale(width, a[0]) + self.scale(height, a[1]) + self.scale(channel, a[2])
        return self.projection(merged)


class WaveBlock(nn.Cell):
    """Residual block: x <- x + DropPath(PATM(Norm1(x))); x <- x + DropPath(MLP(Norm2(x))).

    The MLP is C -> 4 C -> C. drop_mask: as in Block.
    """

    def __init__(self, channels, arithmetic):
        super().__init__()
        self.norm1 = arithmetic.norm(channels, arithmetic)
        self.block1 = PATM(channels, arithmetic)
        self.norm2 = arithmetic.norm(channels, arithmetic)
        self.block2 = MLP(channels, MLP_RATIO * channels, channels, arithmetic)
        self.fan_out1, self.fan_out2 = arithmetic.backend.fan_out(2), arithmetic.backend.fan_out(2)

    construct = Block.construct  # the same two residual steps


class Embedding(nn.Cell):
    """Patch embedding, Norm(conv(x) + bias), as stem and downsampling: (B, C, H, W) -> (B, O, H / stride, W / stride)."""

    def __init__(self, in_channels, out_channels, kernel, stride, padding, arithmetic):
        super().__init__()
        self.conv = FullConv(in_channels, out_channels, kernel, stride, padding, arithmetic)
        self.norm = arithmetic.norm(out_channels, arithmetic)

    def construct(self, x):
        return self.norm(self.conv(x))


class WaveMLP(nn.Cell):
    """Wave-MLP: images (B, 3, H, W) -> logits (B, num_classes).

    Stem: conv 7x7 stride 4 padding 2; downsampling: conv 3x3 stride 2 padding 1; head: Norm, global average
    pool, Dense. T: widths 64-128-320-512, depths 2-2-4-2, norm "batch"; S: depths 2-3-10-3, norm "layer".

    Args:
        widths, depths: channels and blocks of each stage.
        arithmetic: configuration of the layers.
        drop_path_rate: rate of the last block; the rates grow linearly from 0.

    construct takes drop_mask as BiMLP does.
    Raises ValueError for unequal numbers of widths and depths, and for a width under 4, with which the reweight MLP
    has no hidden channel.
    """

    def __init__(self, widths, depths, num_classes, arithmetic, drop_path_rate):
        super().__init__()
        check_arguments(widths, depths)
        self.stem = Embedding(3, widths[0], 7, 4, 2, arithmetic)
        self.stages = nn.CellList(
            [nn.CellList([WaveBlock(w, arithmetic) for _ in range(d)]) for w, d in zip(widths, depths)]
        )
        self.downsamples = nn.CellList([Embedding(a, b, 3, 2, 1, arithmetic) for a, b in pairwise(widths)])
        self.norm = arithmetic.norm(widths[-1], arithmetic)
        self.head = nn.Dense(widths[-1], num_classes, weight_init=TruncatedNormal(0.02), bias_init="zeros")
        self.axis = arithmetic.axis
        last = max(sum(depths) - 1, 1)
        self.drop_path_rates = tuple(drop_path_rate * (i // 2) / last for i in range(2 * sum(depths)))

    construct = BiMLP.construct  # the same loop over stages and blocks


def check_arguments(widths, depths):
    """Raises ValueError for the widths and depths that WaveMLP does not accept."""
    if len(widths) != len(depths):
        raise ValueError(f"depths: expected one per width, {len(widths)} in all, got {tuple(depths)}")
    if min(widths) < REWEIGHT_RATIO:
        raise ValueError(f"widths: expected at least {REWEIGHT_RATIO} channels each, got {tuple(widths)}")
