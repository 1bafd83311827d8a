"""Wave-MLP (Tang et al., arXiv 2111.12294), the full-precision baseline; BiMLP's spatial MLP is its PATM.

This is the variant whose phases come from an FC, not from a depth-wise convolution. In fp32 a BinaryConv2d has neither
sign nor scale: it is an FC. In the other precisions the FCs of the blocks are binarized by any quantizer, as in Table 7.
"""

from dataclasses import dataclass

from mindspore import nn

from src.model.layers.activations import ACTIVATIONS, GELU
from src.model.layers.binary_fc import MLP_RATIO
from src.model.layers.conv import BinaryConv2d, Conv2d, local_fc
from src.model.layers.layout import GlobalMean
from src.model.layers.merges import REWEIGHT_RATIO, BranchSoftmax, SpatialScale
from src.model.layers.norms import BatchNorm
from src.model.layers.stages import ResidualBlock, StagedNetwork, check_widths_and_depths
from src.model.variant import Variant

PATM_BRANCHES = 3  # along the width, along the height, over the channels


@dataclass(frozen=True)
class WaveMLPOptions:
    """Options of Wave-MLP.

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


class WaveFC(nn.Cell):
    """PATM along one axis, (B, C, H, W) -> (B, C, H, W).

    theta = ReLU(BN(FC(x))), z = FC(x) without bias; wave = [z cos theta, z sin theta] (2C channels);
    y = local FC of the wave, 2C -> C in C groups, along `axis`.
    The norm of theta is BatchNorm for any norm of the trunk. Its activation is ReLU where the network has GELU, else
    the network's activation.
    """

    def __init__(self, channels, axis, config):
        super().__init__()
        self.phase_fc = BinaryConv2d(channels, channels, 1, bias=True, config=config)
        self.phase_norm = BatchNorm(channels, config)
        phase_activation = ACTIVATIONS["relu"] if config.activation is GELU else config.activation
        self.phase_act = phase_activation(channels, config)
        self.amplitude_fc = BinaryConv2d(channels, channels, 1, config=config)
        self.mix_fc = local_fc(2 * channels, channels, axis, config)
        self.wave = config.backend.wave()

    def construct(self, x):
        theta = self.phase_act(self.phase_norm(self.phase_fc(x)))
        return self.mix_fc(self.wave(theta, self.amplitude_fc(x)))


class PATM(nn.Cell):
    """Phase-aware token mixing, (B, C, H, W) -> (B, C, H, W): three branches merged by a softmax over them.

    With f_0, f_1 the WaveFCs along the width and the height, f_2 = FC(x) without bias and
    a = softmax over branches of MLP(GAP(sum f_i)):  out = FC(sum f_i a_i).
    The reweight MLP is C -> C / 4 -> 3 C on a 1x1 feature map. Its output channel 3 c + i is branch i of channel c.
    """

    def __init__(self, channels, config):
        super().__init__()
        self.width = WaveFC(channels, "width", config)
        self.height = WaveFC(channels, "height", config)
        self.channel = BinaryConv2d(channels, channels, 1, config=config)
        self.reweight = MLP(channels, channels // REWEIGHT_RATIO, PATM_BRANCHES * channels, config)
        self.projection = BinaryConv2d(channels, channels, 1, bias=True, config=config)
        self.softmax = BranchSoftmax(PATM_BRANCHES, config.axis)
        self.mean, self.scale = GlobalMean(), SpatialScale()

    def construct(self, x):
        width, height, channel = self.width(x), self.height(x), self.channel(x)
        a = self.softmax(self.reweight(self.mean(width + height + channel)))
        merged = self.scale(width, a[0]) + self.scale(height, a[1]) + self.scale(channel, a[2])
        return self.projection(merged)


class Embedding(nn.Cell):
    """Patch embedding, Norm(conv(x) + bias), as stem and downsampling: (B, C, H, W) -> (B, O, H / stride, W / stride)."""

    def __init__(self, in_channels, out_channels, kernel, stride, padding, config):
        super().__init__()
        self.conv = Conv2d(in_channels, out_channels, kernel, stride, padding, config=config)
        self.norm = config.norm(out_channels, config)

    def construct(self, x):
        return self.norm(self.conv(x))


class WaveMLP(StagedNetwork):
    """Wave-MLP: images (B, 3, H, W) -> logits (B, num_classes). options: WaveMLPOptions; construct as in StagedNetwork.

    Stem: conv 7x7 stride 4 padding 2. Blocks: PATM, then MLP C -> 4 C -> C. Downsampling: conv 3x3 stride 2 padding 1.
    T has depths 2-2-4-2 and norm "batch"; S has depths 2-3-10-3 and norm "layer".
    """

    def __init__(self, num_classes, options, config):
        def make_block(width):
            return ResidualBlock(
                width,
                lambda: PATM(width, config),
                lambda: MLP(width, MLP_RATIO * width, width, config),
                config,
            )

        super().__init__(
            options.widths,
            options.depths,
            Embedding(3, options.widths[0], 7, 4, 2, config),
            make_block,
            lambda a, b: Embedding(a, b, 3, 2, 1, config),
            num_classes,
            options.drop_path_rate,
            config,
        )


def _variant(options, norm="batch", **fields):
    layers = {"norm": norm, "activation": "gelu"}
    return Variant(WaveMLP, options, precision="fp32", layers=layers, fixed_layers=("shortcut",), **fields)


VARIANTS = {
    # for 32x32 images; not the paper's
    "wave_mlp_nano": _variant(WaveMLPOptions((32, 64, 128, 256), (1, 1, 2, 1)), image_size=32),
    # the baseline
    "wave_mlp_t": _variant(WaveMLPOptions()),
    "wave_mlp_s": _variant(WaveMLPOptions(depths=(2, 3, 10, 3)), norm="layer"),
}
