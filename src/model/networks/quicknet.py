"""QuickNet (arXiv 2011.09398): binary 3x3 convolutions in plain residual units, a full-precision stem and transitions.

Windows and BatchNorm's eps are larq-zoo's: padding SAME, which has the smaller half before, eps 1e-3 in the stem and 1e-5
behind it. Binary activations are padded with +1. sign(0) is -1 here, +1 in larq.
"""

from dataclasses import dataclass

from mindspore import nn

from src.model.layers.blur import Blur
from src.model.layers.conv import BinaryConv2d, Conv2d
from src.model.layers.layout import GlobalMean, to_layout
from src.model.layers.norms import BatchNorm
from src.model.layers.stages import StageMaps, check_widths_and_depths
from src.model.variant import Variant

STEM_RATIO = 4  # width of the first stage over that of the stem
STEM_EPS = 1e-3


@dataclass(frozen=True)
class QuickNetOptions:
    """Options of QuickNet. widths, depths: channels and units of each stage; the stem has a quarter of the first width."""

    widths: tuple = (64, 128, 256, 512)
    depths: tuple = (4, 4, 4, 4)

    def __post_init__(self):
        check_widths_and_depths(self.widths, self.depths)
        if self.widths[0] % STEM_RATIO:
            raise ValueError(
                f"widths: expected a multiple of {STEM_RATIO} as the first, got {self.widths[0]}"
            )


class Stem(nn.Cell):
    """Stem in full precision: (B, 3, H, W) -> (B, C, H / 4, W / 4).

    conv 3x3 stride 2 to C / 4, BN, ReLU; depth-wise 3x3 stride 2, BN without gamma and beta; conv 1x1 to C, BN.
    """

    def __init__(self, channels, config):
        super().__init__()
        hidden = channels // STEM_RATIO
        self.conv1 = Conv2d(3, hidden, 3, 2, "same", bias=False, config=config)
        self.norm1 = BatchNorm(hidden, config, STEM_EPS)
        self.act = config.activation(hidden, config)
        self.conv2 = Conv2d(hidden, hidden, 3, 2, "same", hidden, bias=False, config=config)
        self.norm2 = BatchNorm(hidden, config, STEM_EPS, scale=False, center=False)
        self.conv3 = Conv2d(hidden, channels, 1, bias=False, config=config)
        self.norm3 = BatchNorm(channels, config, STEM_EPS)

    def construct(self, x):
        x = self.act(self.norm1(self.conv1(x)))
        return self.norm3(self.conv3(self.norm2(self.conv2(x))))


class Unit(nn.Cell):
    """Residual unit, x + BN(ReLU(bin3x3(sign(x)))), the border padded with +1: (B, C, H, W) -> (B, C, H, W)."""

    def __init__(self, channels, config):
        super().__init__()
        self.conv = BinaryConv2d(channels, channels, 3, 1, "same", pad_value=1, config=config)
        self.act = config.activation(channels, config)
        self.norm = BatchNorm(channels, config)

    def construct(self, x):
        return x + self.norm(self.act(self.conv(x)))


class Transition(nn.Cell):
    """Transition: ReLU, max-pool 2 with stride 1, blur with stride 2, conv 1x1, BN; (B, C, H, W) -> (B, O, H / 2, W / 2)."""

    def __init__(self, in_channels, out_channels, config):
        super().__init__()
        self.act = config.activation(in_channels, config)
        self.pool = config.backend.max_pool(2, 1, 0)
        self.blur = Blur(in_channels, config)
        self.conv = Conv2d(in_channels, out_channels, 1, bias=False, config=config)
        self.norm = BatchNorm(out_channels, config)

    def construct(self, x):
        return self.norm(self.conv(self.blur(self.pool(self.act(x)))))


class QuickNet(StageMaps):
    """QuickNet: images (B, 3, H, W) -> logits (B, num_classes). options: QuickNetOptions.

    stages[i] is a transition, but for i = 0, and the stage's units.
    """

    def __init__(self, num_classes, options, config):
        super().__init__()
        widths, stages = options.widths, []
        self.stem = Stem(widths[0], config)
        for before, width, depth in zip((None, *widths), widths, options.depths):
            transition = [Transition(before, width, config)] if before else []
            stages.append(nn.SequentialCell(transition + [Unit(width, config) for _ in range(depth)]))
        self.stages = nn.CellList(stages)
        self.act = config.activation(widths[-1], config)
        self.head = nn.Dense(widths[-1], num_classes)
        self.mean, self.axis = GlobalMean(), config.axis

    def logits_and_maps(self, x):
        """Logits, and the feature map at the end of each stage in the backend's layout."""
        x, maps = self.stem(to_layout(x, self.axis)), ()
        for stage in self.stages:
            x = stage(x)
            maps += (x,)
        x = to_layout(self.mean(self.act(x)), self.axis)
        return self.head(x.reshape(-1, x.shape[1])), maps


LAYERS = {"layers": {"quantizer": "quicknet", "activation": "relu"}, "fixed_layers": ("norm", "shortcut")}
VARIANTS = {
    # for 32x32 images; not larq's
    "quicknet_nano": Variant(QuickNet, QuickNetOptions((32, 64, 128), (2, 2, 2)), image_size=32, **LAYERS),
    "quicknet_small": Variant(QuickNet, QuickNetOptions((32, 64, 256, 512)), **LAYERS),
    "quicknet": Variant(QuickNet, QuickNetOptions(), **LAYERS),
    "quicknet_large": Variant(QuickNet, QuickNetOptions(depths=(6, 8, 12, 6)), **LAYERS),
}
