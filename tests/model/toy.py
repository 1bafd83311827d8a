"""Toy: one binary convolution between a stem and a head. A network of known layers is one file in src/model/networks/."""

from dataclasses import dataclass

from mindspore import nn

from src.model.layers.binary_fc import ShortcutConv
from src.model.layers.conv import BinaryConv2d, Conv2d
from src.model.layers.layout import GlobalMean, to_layout
from src.model.layers.norms import BatchNorm
from src.model.variant import Variant


@dataclass(frozen=True)
class ToyOptions:
    """Options of Toy. width: channels of the stem."""

    width: int = 8


class Toy(nn.Cell):
    """Toy: images (B, 3, H, W) -> logits (B, num_classes)."""

    def __init__(self, num_classes, options, config):
        super().__init__()
        width = options.width
        self.stem = Conv2d(3, width, 3, 2, 1, config=config)
        self.norm = BatchNorm(width, config)
        conv = BinaryConv2d(width, 2 * width, 3, 2, 1, groups=2, config=config)
        self.block = ShortcutConv(conv, width, config)
        self.head = nn.Dense(2 * width, num_classes)
        self.mean, self.axis = GlobalMean(), config.axis

    def construct(self, x):
        x = self.block(self.norm(self.stem(to_layout(x, self.axis))))
        return self.head(to_layout(self.mean(x), self.axis).reshape(-1, self.head.in_channels))


# a shortcut around a convolution with a stride would need a pool: this network has none, and no switch for it
VARIANTS = {
    "toy": Variant(Toy, ToyOptions(), layers={"shortcut": "none"}, fixed_layers=("shortcut",), image_size=16)
}
