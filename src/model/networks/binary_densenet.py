"""BinaryDenseNet (arXiv 1906.08637): binary convolutions of which each adds channels to its input.

Windows are larq-zoo's: padding SAME, which has the smaller half before. Binary activations are padded with 0, a third
value. sign(0) is -1 here, +1 in larq.
"""

from dataclasses import dataclass

from mindspore import nn

from src.model.layers.conv import BinaryConv2d, Conv2d
from src.model.layers.layout import Concat, GlobalMean, to_layout
from src.model.layers.norms import BatchNorm
from src.model.layers.stages import StageMaps
from src.model.layers.transition import Transition
from src.model.variant import Variant

MULTIPLE = 32  # of which the widths of transitions are


@dataclass(frozen=True)
class BinaryDenseNetOptions:
    """Options of BinaryDenseNet.

    depths: layers of each section. reductions: factor by which each transition divides the channels.
    growth: channels of the stem, and those that a layer adds. stem: "imagenet" or "cifar".

    Raises ValueError unless there is one section more than transitions, and for numbers that are not positive.
    """

    depths: tuple = (6, 6, 6, 5)
    reductions: tuple = (2.7, 2.7, 2.2)
    growth: int = 64
    stem: str = "imagenet"

    def __post_init__(self):
        if (
            len(self.depths) != len(self.reductions) + 1
            or min(*self.depths, *self.reductions, self.growth) <= 0
        ):
            raise ValueError(
                f"depths: expected positive numbers, one more than reductions, got {self.depths} and {self.reductions}"
            )
        if self.stem not in STEMS:
            raise ValueError(f"stem: expected one of {', '.join(STEMS)}, got {self.stem!r}")


class Stem(nn.Cell):
    """Stem in full precision, max-pool(ReLU(BN(conv 7x7 (x)))): (B, 3, H, W) -> (B, C, H / 4, W / 4)."""

    def __init__(self, channels, config):
        super().__init__()
        self.conv = Conv2d(3, channels, 7, 2, "same", bias=False, config=config)
        self.norm, self.act = BatchNorm(channels, config), config.activation(channels, config)
        self.pool = config.backend.max_pool(3, 2, "same")

    def construct(self, x):
        return self.pool(self.act(self.norm(self.conv(x))))


# form -> maker (channels, config) of the stem; that for 32x32 images is the convolution alone
STEMS = {
    "imagenet": Stem,
    "cifar": lambda channels, config: Conv2d(3, channels, 3, 1, "same", bias=False, config=config),
}


class DenseLayer(nn.Cell):
    """Layer [x, bin3x3(sign(BN(x)))]: (B, C, H, W) -> (B, C + G, H, W)."""

    def __init__(self, channels, growth, config):
        super().__init__()
        self.norm = BatchNorm(channels, config)
        self.conv = BinaryConv2d(channels, growth, 3, 1, 1, config=config)
        self.concat = Concat(config.axis)

    def construct(self, x):
        return self.concat(x, self.conv(self.norm(x)))


class BinaryDenseNet(StageMaps):
    """BinaryDenseNet: images (B, 3, H, W) -> logits (B, num_classes). options: BinaryDenseNetOptions.

    sections[i] is a transition, but for i = 0, and the section's layers. Head: BN, ReLU, global average pool, FC.
    """

    def __init__(self, num_classes, options, config):
        super().__init__()
        channels, sections = options.growth, []
        self.stem = STEMS[options.stem](channels, config)
        for reduction, depth in zip((None, *options.reductions), options.depths):
            cells = []
            if reduction is not None:
                width = round(channels // reduction / MULTIPLE) * MULTIPLE
                cells, channels = [Transition(channels, width, config)], width
            for _ in range(depth):
                cells.append(DenseLayer(channels, options.growth, config))
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


def _variant(*options, **fields):
    layers = {"quantizer": "meliusnet", "activation": "relu"}
    return Variant(
        BinaryDenseNet,
        BinaryDenseNetOptions(*options),
        layers=layers,
        fixed_layers=("norm", "shortcut"),
        **fields,
    )


VARIANTS = {
    # for 32x32 images; not the paper's
    "binary_densenet_nano": _variant((2, 2, 2), (1.5, 1.5), 32, "cifar", image_size=32),
    # the paper's
    "binary_densenet28": _variant((6, 6, 6, 5), (2.7, 2.7, 2.2)),
    "binary_densenet37": _variant((6, 8, 12, 6), (3.3, 3.3, 4)),
    "binary_densenet45": _variant((6, 12, 14, 8), (2.7, 3.3, 4)),
}
