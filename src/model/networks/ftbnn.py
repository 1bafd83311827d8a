"""FTBNN (Su et al., arXiv 2010.09294), after its abstract: a design of this project from the abstract's claims.

The paper's own design was never published where we could read it; nothing here is meant to be its layers or its figures. On
the trunk of Bi-Real Net (birealnet.py), with its quantizer, claim by claim:

- binary convolutions become more linear as their quantization error falls: src/paper/linearity.py measures it;
- non-linear modules mend that: the activation of the layers' options, `place` before or after the shortcut's addition;
- more of the network can be binary: `binary_shortcuts`, whose 1x1 convolutions are average pool, sign, binary conv, BN;
- groups raise the capacity: G groups behind channel shuffles, at widths times sqrt(G), keep the binary operations.

Padding counts as 0, a third value. sign(0) is -1.
"""

from dataclasses import dataclass, replace

from mindspore import nn

from src.model.layers.activations import no_activation
from src.model.layers.conv import BinaryConv2d, ShuffledBinaryConv2d
from src.model.layers.resnet import (
    RESNET18,
    RESNET20,
    PooledShortcut,
    ResNet,
    ResNetOptions,
    pointwise_conv,
    residual_conv,
    unit_activation,
)
from src.model.layers.shortcuts import no_shortcut
from src.model.variant import Variant, check

PLACES = ("before", "after")


@dataclass(frozen=True)
class FTBNNOptions(ResNetOptions):
    """Options of FTBNN, those of the trunk included.

    stem_width: channels of the stem.
    place: of the units' activation, one of PLACES: act(BN(conv(x))) + shortcut(x), or act(BN(conv(x)) + shortcut(x)).
    binary_shortcuts: whether the 1x1 convolutions of the shortcuts are binary.
    groups: groups of the binary convolutions, 1 or more.

    Raises ValueError besides for a place that is neither, and for widths below 1.
    """

    stem_width: int = 64
    place: str = "after"
    binary_shortcuts: bool = False
    groups: int = 1

    def __post_init__(self):
        super().__post_init__()
        check("place", self.place, PLACES)
        if min(self.stem_width, self.groups) < 1:
            raise ValueError(
                f"stem_width and groups: expected at least 1 each, got {self.stem_width} and {self.groups}"
            )


def binary_conv(in_channels, out_channels, kernel, stride, groups, config):
    """Binary convolution padded to keep the size at stride 1; in groups behind a channel shuffle for groups > 1."""
    kind = BinaryConv2d if groups == 1 else ShuffledBinaryConv2d
    return kind(in_channels, out_channels, kernel, stride, kernel // 2, groups, config=config)


def ftbnn_shortcut(in_channels, out_channels, stride, options, config):
    """Shortcut of a unit: the identity where it keeps the shape, else PooledShortcut, binary by the options."""
    if stride == 1 and in_channels == out_channels:
        return nn.Identity()

    def binary_pointwise(in_channels, out_channels, config):
        return binary_conv(in_channels, out_channels, 1, 1, options.groups, config)

    make_conv = binary_pointwise if options.binary_shortcuts else pointwise_conv
    return PooledShortcut(in_channels, out_channels, stride, config, make_conv)


class ActivationBefore(nn.Cell):
    """Unit with the activation before the addition, act(BN(conv(x))) + shortcut(x)."""

    def __init__(self, conv, in_channels, config, shortcut, activation):
        super().__init__()
        own = replace(config, shortcut=no_shortcut, activation=activation)
        self.conv = config.backend.shortcut_conv(conv, in_channels, own)
        self.shortcut = shortcut

    def construct(self, x):
        return self.conv(x) + self.shortcut(x)


def ftbnn_unit(in_channels, out_channels, stride, options, config):
    """Unit of a binary 3x3 convolution with norm, shortcut and activation: (B, C, H, W) -> (B, O, H / s, W / s)."""
    conv = binary_conv(in_channels, out_channels, 3, stride, options.groups, config)
    shortcut = ftbnn_shortcut(in_channels, out_channels, stride, options, config)
    kind = residual_conv if options.place == "after" else ActivationBefore
    return kind(conv, in_channels, config, shortcut, unit_activation(config))


class FTBNN(ResNet):
    """FTBNN after its abstract: images (B, 3, H, W) -> logits (B, num_classes). options: FTBNNOptions.

    H, W: multiples of the product of all strides. The stem has no activation, as Bi-Real Net's.
    """

    def __init__(self, num_classes, options, config):
        super().__init__(
            num_classes,
            options,
            config,
            make_unit=lambda a, b, stride, config: ftbnn_unit(a, b, stride, options, config),
            stem_activation=no_activation,
            stem_width=options.stem_width,
        )


def _variant(trunk, binary_shortcuts=False, groups=1, **fields):
    """Variant on a trunk, whose stages are wider by sqrt(groups), a whole number, and whose stem is not."""
    factor = round(groups**0.5)
    options = FTBNNOptions(
        widths=tuple(width * factor for width in trunk.widths),
        depths=trunk.depths,
        stem=trunk.stem,
        stem_width=trunk.widths[0],
        binary_shortcuts=binary_shortcuts,
        groups=groups,
    )
    layers = {"quantizer": "bireal", "activation": "two_slope"}
    return Variant(FTBNN, options, layers=layers, fixed_layers=("norm", "shortcut"), **fields)


VARIANTS = {
    # for 32x32 images
    "ftbnn20": _variant(RESNET20, binary_shortcuts=True, groups=4, image_size=32),
    # for 224x224 images
    "ftbnn18": _variant(RESNET18),
    "ftbnn18_binary": _variant(RESNET18, binary_shortcuts=True),
    "ftbnn18_groups": _variant(RESNET18, binary_shortcuts=True, groups=4),
}
