"""AdaBin (Tu et al., arXiv 2208.08084): a ResNet trunk whose weights and activations have two values of their own.

Unit: y = two-slope PReLU(BN(binary conv 3x3(x_b)) + shortcut(x)); the stem has the activation before its pool, and BN stands
between the mean and the FC. Where the width doubles the shortcut is an average pool 2x2, a full-precision 1x1 convolution
and BN; for 32x32 images it takes every second pixel, and channels of zeros around those there are. A padded tap of a binary
convolution contributes 0, a third value. sign(0) is -1 here and 0 in the authors' code; BN's eps is 1e-5 in both.
The quantizer's numbers: layers/quantizers/adabin.py.
"""

from functools import partial

from mindspore import nn, ops

from src.model.layers.norms import BatchNorm
from src.model.layers.resnet import RESNET18, RESNET20, RESNET34, ResNet, resnet_shortcut, resnet_unit
from src.model.variant import Variant


class SubsampledShortcut(nn.Cell):
    """Shortcut without weights, every second pixel and zeros in new channels: (B, C, H, W) -> (B, O, H / 2, W / 2).

    Half of the O - C new channels, an even number of at most 2 C, are before the others.
    """

    def __init__(self, in_channels, out_channels, config):
        super().__init__()
        self.margin, self.axis = (out_channels - in_channels) // 2, config.axis
        # the gradient of x[:, :, ::2, ::2] fails in MindSpore's PyNative mode
        self.subsample = config.backend.max_pool(1, 2, 0)

    def construct(self, x):
        x = self.subsample(x)
        zeros = ops.zeros_like(x[:, : self.margin] if self.axis else x[: self.margin])
        return ops.concat((zeros, x, zeros), self.axis)

    def lower(self, graph, x):
        x = self.subsample(x)
        part = graph.add("slice", x, start=0, step=1, count=self.margin)
        zeros = graph.affine(part, factor=0)
        return graph.add("concat", zeros, x, zeros)


def cifar_shortcut(in_channels, out_channels, stride, config):
    """Shortcut of a unit for 32x32 images: the identity where it keeps the shape, else SubsampledShortcut."""
    if stride == 1 and in_channels == out_channels:
        return nn.Identity()
    return SubsampledShortcut(in_channels, out_channels, config)


class AdaBinResNet(ResNet):
    """AdaBin's ResNet: images (B, 3, H, W) -> logits (B, num_classes). options: ResNetOptions."""

    def __init__(self, num_classes, options, config):
        shortcut = cifar_shortcut if options.stem == "cifar" else resnet_shortcut
        super().__init__(
            num_classes,
            options,
            config,
            partial(resnet_unit, shortcut=shortcut),
            stem_activation=config.activation,
            head_norm=BatchNorm,
        )


def _variant(options, **fields):
    layers = {"quantizer": "adabin", "activation": "two_slope"}
    return Variant(AdaBinResNet, options, layers=layers, fixed_layers=("norm", "shortcut"), **fields)


VARIANTS = {
    # the authors', for 32x32 images
    "adabin20": _variant(RESNET20, image_size=32),
    # the paper's
    "adabin18": _variant(RESNET18),
    "adabin34": _variant(RESNET34),
}
