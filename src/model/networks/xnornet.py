"""XNOR-Net (Rastegari et al., arXiv 1603.05279): the authors' AlexNet, and ResNets.

The authors published their AlexNet alone; larq-zoo's of the same form has padding SAME, no gamma in its norms and no bias in
its head, which are options. The layout of the ResNets is ours, after the text. Pre-activation units
y = x + conv2(sign(BN(conv1(sign(BN(x)))))), both convolutions binary 3x3; where the shape changes the shortcut is binary too,
conv 1x1(sign(BN(x))) with the stride. Stem: conv, BN, ReLU, max-pool; head: BN, global average pool, FC.
Padding counts as 0, a third value. sign(0) is -1 here and 0 in the authors' code; BN's eps is 1e-5.
In fp32 a ReLU stands where the sign is.
"""

from dataclasses import dataclass, replace

from mindspore import nn
from mindspore.common.initializer import TruncatedNormal

from src.model.layers.activations import ACTIVATIONS
from src.model.layers.conv import BinaryConv2d, Conv2d
from src.model.layers.layout import to_layout
from src.model.layers.norms import BatchNorm
from src.model.layers.padding import SAME
from src.model.layers.resnet import RESNET18, RESNET20, ResNet, unit_activation
from src.model.variant import Variant


class PreActivationConv(nn.Cell):
    """Binary convolution of act(BN(x)): (B, C, H, W) -> (B, O, H', W').

    padding: None to keep the size at stride 1. scale: whether BN's gamma is learned.
    """

    def __init__(self, in_channels, out_channels, kernel, stride, config, padding=None, scale=True):
        super().__init__()
        padding = kernel // 2 if padding is None else padding
        self.norm = BatchNorm(in_channels, config, scale=scale)
        self.act = unit_activation(config)(in_channels, config)
        self.conv = BinaryConv2d(in_channels, out_channels, kernel, stride, padding, config=config)

    def construct(self, x):
        return self.conv(self.act(self.norm(x)))


class XNORNetUnit(nn.Cell):
    """Unit of two pre-activation convolutions, conv2(conv1(x)) + shortcut(x): (B, C, H, W) -> (B, O, H / s, W / s)."""

    def __init__(self, in_channels, out_channels, stride, config):
        super().__init__()
        self.conv1 = PreActivationConv(in_channels, out_channels, 3, stride, config)
        self.conv2 = PreActivationConv(out_channels, out_channels, 3, 1, config)
        keeps_shape = stride == 1 and in_channels == out_channels
        self.shortcut = (
            nn.Identity() if keeps_shape else PreActivationConv(in_channels, out_channels, 1, stride, config)
        )

    def construct(self, x):
        return self.conv2(self.conv1(x)) + self.shortcut(x)


class XNORNet(ResNet):
    """XNOR-Net: images (B, 3, H, W) -> logits (B, num_classes). options: ResNetOptions; a unit has two convolutions."""

    def __init__(self, num_classes, options, config):
        super().__init__(
            num_classes,
            options,
            config,
            XNORNetUnit,
            stem_activation=ACTIVATIONS["relu"],
            last_norm=BatchNorm,
        )


@dataclass(frozen=True)
class AlexNetOptions:
    """Options of XNOR-Net on AlexNet.

    widths: channels of the stem, of four convolutions and of two binary FCs.
    side: side of the last maps, which is the kernel of the first FC; 6 for images of 224 x 224.
    same_padding: whether the stem's window is TensorFlow's, else padded with 2 on all sides.
    norm_scale: whether the gammas of BatchNorm are learned. head_bias: whether the head has a bias.

    Raises ValueError unless there are seven widths, and for numbers below 1.
    """

    widths: tuple = (96, 256, 384, 384, 256, 4096, 4096)
    side: int = 6
    same_padding: bool = False
    norm_scale: bool = True
    head_bias: bool = True

    def __post_init__(self):
        if len(self.widths) != 1 + len(CONVOLUTIONS) + 2 or min(*self.widths, self.side) < 1:
            raise ValueError(
                f"widths and side: expected seven widths of at least 1, and 1 or more, got {self.widths} and {self.side}"
            )


CONVOLUTIONS = ((5, True), (3, False), (3, False), (3, True))  # kernel, whether a max-pool follows
STEM_EPS, INNER_EPS, LAST_EPS = 1e-5, 1e-4, 1e-3  # of BatchNorm


def alexnet_pool(config):
    """Max-pool 3x3 with stride 2, without padding."""
    return config.backend.max_pool(3, 2, 0)


class XNORAlexNet(nn.Cell):
    """XNOR-Net on AlexNet: images (B, 3, H, W) -> logits (B, num_classes). options: AlexNetOptions.

    Stem: conv 11x11 stride 4 without bias, BN, ReLU, max-pool. Binary convolutions of sign(BN(x)), some with a max-pool
    behind them, the FCs as convolutions with kernels `side` and 1 without padding. Head: BN, ReLU, FC.
    """

    def __init__(self, num_classes, options, config):
        super().__init__()
        relu, scale, widths = ACTIVATIONS["relu"], options.norm_scale, options.widths
        padding = SAME if options.same_padding else 2
        self.stem = nn.SequentialCell(
            Conv2d(3, widths[0], 11, 4, padding, bias=False, config=config),
            BatchNorm(widths[0], config, STEM_EPS, scale),
            relu(widths[0], config),
            alexnet_pool(config),
        )
        kernels = (*CONVOLUTIONS, (options.side, False), (1, False))
        inner, cells = replace(config, norm_eps=INNER_EPS), []
        for i, (kernel, pooled) in enumerate(kernels):
            padding = None if i < len(CONVOLUTIONS) else 0
            cells.append(PreActivationConv(widths[i], widths[i + 1], kernel, 1, inner, padding, scale))
            if pooled:
                cells.append(alexnet_pool(config))
        self.features = nn.SequentialCell(cells)
        self.norm, self.act = BatchNorm(widths[-1], config, LAST_EPS, scale), relu(widths[-1], config)
        self.head = nn.Dense(
            widths[-1],
            num_classes,
            weight_init=TruncatedNormal(0.02),
            bias_init="zeros",
            has_bias=options.head_bias,
        )
        self.axis = config.axis

    def construct(self, x):
        x = self.features(self.stem(to_layout(x, self.axis)))
        x = to_layout(self.act(self.norm(x)), self.axis)
        return self.head(x.reshape(-1, x.shape[1]))


def _variant(options, cell=XNORNet, **fields):
    layers = {"quantizer": "xnor", "activation": "none"}
    return Variant(cell, options, layers=layers, fixed_layers=("norm", "shortcut"), **fields)


VARIANTS = {
    # for 32x32 images; not the paper's
    "xnornet20": _variant(replace(RESNET20, depths=(3, 3, 3)), image_size=32),
    # the authors'
    "xnornet_alexnet": _variant(AlexNetOptions(), XNORAlexNet),
    # the paper's
    "xnornet18": _variant(replace(RESNET18, depths=(2, 2, 2, 2))),
}
