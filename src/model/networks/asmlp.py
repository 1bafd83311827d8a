"""AS-MLP (Lian et al., arXiv 2107.08391): token mixing by axial shifts between FCs over channels."""

from dataclasses import dataclass

from mindspore import nn

from src.model.layers.conv import BinaryConv2d, Conv2d
from src.model.layers.stages import check_widths_and_depths
from src.model.layers.token_mixing import SHIFT_SIZE, Shift, axial_offsets
from src.model.layers.vision_mlp import VisionMLP
from src.model.variant import Variant


@dataclass(frozen=True)
class ASMLPOptions:
    """Options of AS-MLP.

    widths, depths: channels and blocks of each stage. drop_path_rate: rate of the last block.
    """

    widths: tuple = (96, 192, 384, 768)
    depths: tuple = (2, 2, 6, 2)
    drop_path_rate: float = 0.0

    def __post_init__(self):
        check_widths_and_depths(self.widths, self.depths)


class AxialShift(nn.Cell):
    """Axial shift, (B, C, H, W) -> (B, C, H, W): y = FC(Norm(sum over axes of act(FC(shift(t))))), t = act(Norm(FC(x))).

    The shift of channel c along an axis is that of axial_offsets, with zeros outside. All FCs are C -> C with bias.
    """

    def __init__(self, channels, config):
        super().__init__()

        def fc():
            return BinaryConv2d(channels, channels, 1, bias=True, config=config)

        def shift(axis):
            return Shift(axial_offsets(channels), SHIFT_SIZE // 2, axis, config.backend)

        self.fc1, self.norm1, self.act1 = (
            fc(),
            config.norm(channels, config),
            config.activation(channels, config),
        )
        self.width, self.height = (
            nn.SequentialCell([shift(axis), fc(), config.activation(channels, config)])
            for axis in ("width", "height")
        )
        self.norm2, self.fc2 = config.norm(channels, config), fc()

    def construct(self, x):
        t = self.act1(self.norm1(self.fc1(x)))
        return self.fc2(self.norm2(self.width(t) + self.height(t)))


class MergedPatches(nn.Cell):
    """Patch merging, conv(Norm(x)) with a 2x2 convolution of stride 2: (B, C, H, W) -> (B, O, H / 2, W / 2).

    The authors take an FC without bias of the norm of four pixels' channels. For even sides and a norm over the image that
    is the same function, the norm's vectors for each of the four pixels being part of the convolution.
    """

    def __init__(self, in_channels, out_channels, config):
        super().__init__()
        self.norm = config.norm(in_channels, config)
        self.conv = Conv2d(in_channels, out_channels, 2, 2, config=config)

    def construct(self, x):
        return self.conv(self.norm(x))


class ASMLP(VisionMLP):
    """AS-MLP: images (B, 3, H, W) -> logits (B, num_classes). construct as in StagedNetwork.

    Stem: conv 4x4 stride 4, Norm. Blocks: AxialShift, then MLP C -> 4 C -> C. Every norm is LayerNorm over an image,
    the authors' GroupNorm with one group.
    """

    def __init__(self, num_classes, options, config):
        super().__init__(
            num_classes,
            options,
            lambda width: AxialShift(width, config),
            lambda a, b: MergedPatches(a, b, config),
            config,
            stem=(4, 4, 0),
        )


VARIANTS = {
    "asmlp_t": Variant(
        ASMLP,
        ASMLPOptions(),
        precision="fp32",
        layers={"norm": "layer", "activation": "gelu"},
        fixed_layers=("shortcut",),
    )
}
