"""ResNet trunk of binary CNNs: stem, stages of units with a shortcut each, head; for ImageNet and for 32x32 pictures.

Bi-Real Net (arXiv 1808.00278) has one 3x3 binary convolution in a unit, with its own shortcut, so that a ResNet-18 has
4-4-4-4 units. XNOR-Net, Real-to-Binary, AdaBin and ReActNet's ResNet have the same trunk with other units.
"""

from dataclasses import dataclass, replace

from mindspore import nn
from mindspore.common.initializer import TruncatedNormal

from .activations import ACTIVATIONS, no_activation
from .conv import BinaryConv2d, Conv2d
from .layout import GlobalMean, to_layout
from .norms import EPS, BatchNorm
from .padding import half_padding
from .stages import StageMaps, check_widths_and_depths

# stem -> (kernel, stride) of its convolution, whether a max-pool 3x3 stride 2 follows
STEMS = {"imagenet": ((7, 2), True), "cifar": ((3, 1), False)}


@dataclass(frozen=True)
class ResNetOptions:
    """Options of the trunk.

    widths, depths: channels and units of each stage; the first unit of all stages but the first has stride 2.
    stem: key of STEMS.
    same_padding: whether windows are TensorFlow's, else symmetric. norm_eps: eps of BatchNorm, 1e-3 in Keras.

    Raises ValueError for unequal numbers of widths and depths, and for a stem that no table has.
    """

    widths: tuple = (64, 128, 256, 512)
    depths: tuple = (4, 4, 4, 4)
    stem: str = "imagenet"
    same_padding: bool = False
    norm_eps: float = EPS

    def __post_init__(self):
        check_widths_and_depths(self.widths, self.depths)
        if self.stem not in STEMS:
            raise ValueError(f"stem: expected one of {', '.join(STEMS)}, got {self.stem!r}")


RESNET18, RESNET34 = ResNetOptions(), ResNetOptions(depths=(6, 8, 12, 6))
RESNET20 = ResNetOptions(
    (16, 32, 64), (6, 6, 6), "cifar"
)  # for 32x32 pictures, as of He et al., arXiv 1512.03385


class ResNetStem(nn.Cell):
    """Stem in full precision, max-pool(act(BN(conv(x)))): (B, 3, H, W) -> (B, C, H / 4, W / 4), H x W in the form cifar.

    The convolution has no bias. activation: (channels, config) -> Cell.
    """

    def __init__(self, channels, form, activation, config):
        super().__init__()
        (kernel, stride), pooled = STEMS[form]
        padding = half_padding(kernel, config)
        self.conv = Conv2d(3, channels, kernel, stride, padding, bias=False, config=config)
        self.norm = BatchNorm(channels, config)
        self.act = activation(channels, config)
        self.pool = config.backend.max_pool(3, 2, half_padding(3, config)) if pooled else nn.Identity()

    def construct(self, x):
        return self.pool(self.act(self.norm(self.conv(x))))


def pointwise_conv(in_channels, out_channels, config):
    """Full-precision convolution 1x1 without bias."""
    return Conv2d(in_channels, out_channels, 1, bias=False, config=config)


class PooledShortcut(nn.Cell):
    """Shortcut of a unit that changes the shape, BN(conv 1x1(average pool(x))): (B, C, H, W) -> (B, O, H / s, W / s).

    The pool has kernel and stride s; with s = 1 there is none. Sides are multiples of s.
    make_conv: (in_channels, out_channels, config) -> Cell.
    """

    def __init__(self, in_channels, out_channels, stride, config, make_conv=pointwise_conv):
        super().__init__()
        self.pool = nn.AvgPool2d(stride, stride) if stride > 1 else nn.Identity()
        self.conv = make_conv(in_channels, out_channels, config)
        self.norm = BatchNorm(out_channels, config)

    def construct(self, x):
        return self.norm(self.conv(self.pool(x)))


def resnet_shortcut(in_channels, out_channels, stride, config):
    """Shortcut of a unit: the identity where it keeps the shape, else PooledShortcut."""
    if stride == 1 and in_channels == out_channels:
        return nn.Identity()
    return PooledShortcut(in_channels, out_channels, stride, config)


def residual_conv(conv, in_channels, config, shortcut, activation):
    """Cell y = activation(BN(conv(x)) + shortcut(x)), the backend's ShortcutConv with a shortcut and an activation of its own.

    conv: a BinaryConv2d; shortcut: a Cell; activation: (channels, config) -> Cell.
    """
    own = replace(config, shortcut=lambda *widths_and_axis: shortcut, activation=activation)
    return config.backend.shortcut_conv(conv, in_channels, own)


def binary_conv3x3(in_channels, out_channels, stride, config):
    """Binary convolution of a unit: kernel 3, (B, C, H, W) -> (B, O, ceil(H / s), ceil(W / s))."""
    return BinaryConv2d(in_channels, out_channels, 3, stride, half_padding(3, config), config=config)


def resnet_unit(in_channels, out_channels, stride, config, shortcut=resnet_shortcut):
    """Unit y = act(BN(binary conv 3x3(x)) + shortcut(x)), act as of `unit_activation`: (B, C, H, W) -> (B, O, H / s, W / s).

    shortcut: (in_channels, out_channels, stride, config) -> Cell.
    """
    conv = binary_conv3x3(in_channels, out_channels, stride, config)
    around = shortcut(in_channels, out_channels, stride, config)
    return residual_conv(conv, in_channels, config, around, unit_activation(config))


def unit_activation(config):
    """Maker of a unit's activation: the config's; ReLU instead of none in fp32, where the units would be linear without."""
    linear = config.activation is no_activation and not config.quantization.binary_activation
    return ACTIVATIONS["relu"] if linear else config.activation


class ResNet(StageMaps):
    """ResNet trunk: images (B, 3, H, W) -> logits (B, num_classes). H, W: multiples of the product of all strides.

    x = stem(x); the units of each stage; head: `last_norm`, global average pool, `head_norm`, FC with bias.

    Args:
        options: ResNetOptions.
        make_unit: (in_channels, out_channels, stride, config) -> Cell.
        stem_activation: (channels, config) -> Cell, between the stem's norm and its pool.
        stem_width: channels of the stem, options.widths[0] for None.
        last_norm, head_norm: (channels, config) -> Cell on the last maps, and on the (B, C, 1, 1) map of their means.
    """

    def __init__(
        self,
        num_classes,
        options,
        config,
        make_unit=resnet_unit,
        stem_activation=no_activation,
        last_norm=no_activation,
        head_norm=no_activation,
        stem_width=None,
    ):
        super().__init__()
        config = replace(config, same_padding=options.same_padding, norm_eps=options.norm_eps)
        widths, stages, channels = options.widths, [], stem_width or options.widths[0]
        self.stem = ResNetStem(channels, options.stem, stem_activation, config)
        for i, (width, depth) in enumerate(zip(widths, options.depths)):
            units = []
            for j in range(depth):
                units.append(make_unit(channels, width, 2 if i > 0 and j == 0 else 1, config))
                channels = width
            stages.append(nn.CellList(units))
        self.stages = nn.CellList(stages)
        self.mean, self.axis = GlobalMean(), config.axis
        self.last_norm, self.head_norm = last_norm(channels, config), head_norm(channels, config)
        self.head = nn.Dense(channels, num_classes, weight_init=TruncatedNormal(0.02), bias_init="zeros")

    def logits_and_maps(self, x):
        """Logits, and the feature map at the end of each stage in the backend's layout."""
        x, maps = self.stem(to_layout(x, self.axis)), ()
        for i in range(len(self.stages)):
            for unit in self.stages[i]:
                x = unit(x)
            maps += (x,)
        x = to_layout(self.head_norm(self.mean(self.last_norm(x))), self.axis)
        return self.head(x.reshape(-1, x.shape[1])), maps
