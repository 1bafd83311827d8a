"""CycleMLP (Chen et al., arXiv 2107.10224): token mixing by CycleFCs along both axes and an FC over channels."""

from mindspore import nn

from src.model.layers.conv import BinaryConv2d
from src.model.layers.token_mixing import CYCLE, Shift, cycle_offsets
from src.model.layers.vision_mlp import BranchMixing, Embedding, VisionMLP, VisionMLPOptions
from src.model.variant import Variant


class CycleFC(nn.Cell):
    """CycleFC along one axis: y[o, p] = b_o + sum_c W[o, c] x[c, p + d(c)], offsets d of cycle_offsets, zeros outside."""

    def __init__(self, channels, axis, config):
        super().__init__()
        self.shift = Shift(cycle_offsets(channels), CYCLE // 2, axis, config.backend)
        self.fc = BinaryConv2d(channels, channels, 1, bias=True, config=config)

    def construct(self, x):
        return self.fc(self.shift(x))


class CycleMLP(VisionMLP):
    """CycleMLP: images (B, 3, H, W) -> logits (B, num_classes). construct as in StagedNetwork.

    Blocks: BranchMixing of CycleFCs, then MLP C -> 4 C -> C. Stem and downsampling are convolutions 7x7 stride 4 and
    3x3 stride 2. Departures from the authors' network: its LayerNorms are over the channels of one position, here they
    are over an image; stem and downsampling have a norm behind them.
    """

    def __init__(self, num_classes, options, config):
        super().__init__(
            num_classes,
            options,
            lambda width: BranchMixing(width, CycleFC, config),
            lambda a, b: Embedding(a, b, 3, 2, 1, config),
            config,
        )


VARIANTS = {
    "cyclemlp_b1": Variant(
        CycleMLP,
        VisionMLPOptions(),
        precision="fp32",
        layers={"norm": "layer", "activation": "gelu"},
        fixed_layers=("shortcut",),
    )
}
