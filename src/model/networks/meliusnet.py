"""MeliusNet (arXiv 2001.05936): binary convolutions that add channels and improve them, in dense and improvement blocks.

Windows are larq-zoo's: padding SAME, which has the smaller half before; BatchNorm's eps is 1e-5. Binary activations are
padded with 0, a third value. sign(0) is -1 here, +1 in larq.
"""

from dataclasses import dataclass

from mindspore import nn

from src.model.layers.conv import BinaryConv2d, Conv2d
from src.model.layers.layout import Concat, GlobalMean, to_layout
from src.model.layers.norms import BatchNorm
from src.model.layers.stages import StageMaps
from src.model.layers.transition import Transition
from src.model.variant import Variant

GROUPS = 4, 8  # of the stem's second and third convolution


@dataclass(frozen=True)
class MeliusNetOptions:
    """Options of MeliusNet.

    growth: channels that a dense block adds, and of the stem's output.
    depths: dense blocks of each section, an improvement block behind each. widths: channels of the transitions between
    the sections.

    Raises ValueError unless growth is a multiple of 16 and there is one section more than transitions.
    """

    depths: tuple = (4, 5, 4, 4)
    widths: tuple = (160, 224, 256)
    growth: int = 64

    def __post_init__(self):
        if len(self.depths) != len(self.widths) + 1 or min(*self.depths, *self.widths) < 1:
            raise ValueError(
                f"depths: expected positive numbers, one more than widths, got {self.depths} and {self.widths}"
            )
        if self.growth < 1 or self.growth % (2 * GROUPS[1]):
            raise ValueError(f"growth: expected a multiple of {2 * GROUPS[1]}, got {self.growth}")


class Stem(nn.Cell):
    """Stem in full precision: (B, 3, H, W) -> (B, C, H / 4, W / 4).

    Three convolutions 3x3 with BN and ReLU each, 3 -> C / 2 with stride 2, C / 2 -> C / 2 in 4 groups, C / 2 -> C in 8
    groups; max-pool 2x2.
    """

    def __init__(self, channels, config):
        super().__init__()
        half = channels // 2
        self.conv1 = Conv2d(3, half, 3, 2, "same", bias=False, config=config)
        self.norm1, self.act1 = BatchNorm(half, config), config.activation(half, config)
        self.conv2 = Conv2d(half, half, 3, 1, "same", GROUPS[0], bias=False, config=config)
        self.norm2, self.act2 = BatchNorm(half, config), config.activation(half, config)
        self.conv3 = Conv2d(half, channels, 3, 1, "same", GROUPS[1], bias=False, config=config)
        self.norm3, self.act3 = BatchNorm(channels, config), config.activation(channels, config)
        self.pool = config.backend.max_pool(2, 2, 0)

    def construct(self, x):
        x = self.act1(self.norm1(self.conv1(x)))
        x = self.act2(self.norm2(self.conv2(x)))
        return self.pool(self.act3(self.norm3(self.conv3(x))))


class DenseImprovement(nn.Cell):
    """Dense and improvement block: (B, C, H, W) -> (B, C + G, H, W).

    d = bin3x3(sign(BN(x))), G channels; e = bin3x3(sign(BN([x, d]))), G channels; the output is [x, d + e].
    """

    def __init__(self, channels, growth, config):
        super().__init__()
        self.dense_norm = BatchNorm(channels, config)
        self.dense_conv = BinaryConv2d(channels, growth, 3, 1, 1, config=config)
        self.improve_norm = BatchNorm(channels + growth, config)
        self.improve_conv = BinaryConv2d(channels + growth, growth, 3, 1, 1, config=config)
        self.concat = Concat(config.axis)

    def construct(self, x):
        d = self.dense_conv(self.dense_norm(x))
        e = self.improve_conv(self.improve_norm(self.concat(x, d)))
        return self.concat(x, d + e)


class MeliusNet(StageMaps):
    """MeliusNet: images (B, 3, H, W) -> logits (B, num_classes). options: MeliusNetOptions.

    sections[i] is a transition, but for i = 0, and the section's blocks. Head: BN, ReLU, global average pool, FC.
    """

    def __init__(self, num_classes, options, config):
        super().__init__()
        channels, sections = options.growth, []
        self.stem = Stem(channels, config)
        for width, depth in zip((None, *options.widths), options.depths):
            cells = []
            if width is not None:
                cells, channels = [Transition(channels, width, config)], width
            for _ in range(depth):
                cells.append(DenseImprovement(channels, options.growth, config))
                channels += options.growth
            sections.append(nn.SequentialCell(cells))
        self.sections = nn.CellList(sections)
        self.norm, self.act = BatchNorm(channels, config), config.activation(channels, config)
        self.head = nn.Dense(channels, num_classes)
        self.mean, self.axis = GlobalMean(), config.axis

    def logits_and_maps(self, x):
        """Logits, and the feature map at the end of each section in the backend's layout."""
        x, maps = self.stem(to_layout(x, self.axis)), ()
        for section in self.sections:
            x = section(x)
            maps += (x,)
        x = to_layout(self.mean(self.act(self.norm(x))), self.axis)
        return self.head(x.reshape(-1, x.shape[1])), maps


def _variant(depths, widths, growth=64, quantizer="meliusnet", **fields):
    options, layers = MeliusNetOptions(depths, widths, growth), {"quantizer": quantizer, "activation": "relu"}
    return Variant(MeliusNet, options, layers=layers, fixed_layers=("norm", "shortcut"), **fields)


VARIANTS = {
    # for 32x32 images; not the paper's
    "meliusnet_nano": _variant((2, 2, 2), (48, 64), 32, image_size=32),
    # the paper's
    "meliusnet22": _variant((4, 5, 4, 4), (160, 224, 256)),
    "meliusnet29": _variant((4, 6, 8, 6), (128, 192, 256)),
    "meliusnet42": _variant((5, 8, 14, 10), (160, 256, 416)),
    "meliusnet59": _variant((6, 12, 24, 12), (192, 320, 544)),
    # the paper's AdaBin on it, of which no code is public: ours
    "adabin_meliusnet59": _variant((6, 12, 24, 12), (192, 320, 544), quantizer="adabin"),
}
