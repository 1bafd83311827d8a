"""XNOR-Net on ResNet (Rastegari et al., arXiv 1603.05279).

The authors published their AlexNet alone; the layout here is ours, after their text. Pre-activation units
y = x + conv2(sign(BN(conv1(sign(BN(x)))))), both convolutions binary 3x3; where the shape changes the shortcut is binary too,
conv 1x1(sign(BN(x))) with the stride. Stem: conv, BN, ReLU, max-pool; head: BN, global average pool, FC.
Padding counts as 0, a third value. sign(0) is -1 here and 0 in the authors' code; BN's eps is 1e-5.
In fp32 a ReLU stands where the sign is.
"""

from dataclasses import replace

from mindspore import nn

from src.model.layers.activations import ACTIVATIONS
from src.model.layers.conv import BinaryConv2d
from src.model.layers.norms import BatchNorm
from src.model.layers.resnet import RESNET18, RESNET20, ResNet, unit_activation
from src.model.variant import Variant


class PreActivationConv(nn.Cell):
    """Binary convolution of act(BN(x)), padded to keep the size at stride 1: (B, C, H, W) -> (B, O, H / s, W / s)."""

    def __init__(self, in_channels, out_channels, kernel, stride, config):
        super().__init__()
        self.norm = BatchNorm(in_channels, config)
        self.act = unit_activation(config)(in_channels, config)
        self.conv = BinaryConv2d(in_channels, out_channels, kernel, stride, kernel // 2, config=config)

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


def _variant(options, **fields):
    layers = {"quantizer": "xnor", "activation": "none"}
    return Variant(XNORNet, options, layers=layers, fixed_layers=("norm", "shortcut"), **fields)


VARIANTS = {
    # for 32x32 images; not the paper's
    "xnornet20": _variant(replace(RESNET20, depths=(3, 3, 3)), image_size=32),
    # the paper's
    "xnornet18": _variant(replace(RESNET18, depths=(2, 2, 2, 2))),
}
