"""Wave-MLP (Tang et al., arXiv 2111.12294), the full-precision baseline; BiMLP's spatial MLP is its PATM.

This is the variant whose phases come from an FC, not from a depth-wise convolution.
"""

from mindspore import nn

from src.model.layers.activations import ACTIVATIONS, GELU
from src.model.layers.conv import BinaryConv2d, local_fc
from src.model.layers.norms import BatchNorm
from src.model.layers.vision_mlp import BranchMixing, Embedding, VisionMLP, VisionMLPOptions
from src.model.variant import Variant


class WaveFC(nn.Cell):
    """Branch of the PATM along one axis, (B, C, H, W) -> (B, C, H, W).

    theta = ReLU(BN(FC(x))), z = FC(x) without bias; wave = [z cos theta, z sin theta] (2C channels);
    y = local FC of the wave, 2C -> C in C groups, along `axis`.
    The norm of theta is BatchNorm for any norm of the trunk. Its activation is ReLU where the network has GELU, else
    the network's activation.
    """

    def __init__(self, channels, axis, config):
        super().__init__()
        self.phase_fc = BinaryConv2d(channels, channels, 1, bias=True, config=config)
        self.phase_norm = BatchNorm(channels, config)
        phase_activation = ACTIVATIONS["relu"] if config.activation is GELU else config.activation
        self.phase_act = phase_activation(channels, config)
        self.amplitude_fc = BinaryConv2d(channels, channels, 1, config=config)
        self.mix_fc = local_fc(2 * channels, channels, axis, config)
        self.wave = config.backend.wave()

    def construct(self, x):
        theta = self.phase_act(self.phase_norm(self.phase_fc(x)))
        return self.mix_fc(self.wave(theta, self.amplitude_fc(x)))


class PATM(BranchMixing):
    """Phase-aware token mixing, (B, C, H, W) -> (B, C, H, W): BranchMixing of WaveFCs."""

    def __init__(self, channels, config):
        super().__init__(channels, WaveFC, config)


class WaveMLP(VisionMLP):
    """Wave-MLP: images (B, 3, H, W) -> logits (B, num_classes). construct as in StagedNetwork.

    Stem: conv 7x7 stride 4 padding 2. Blocks: PATM, then MLP C -> 4 C -> C. Downsampling: conv 3x3 stride 2 padding 1.
    T has depths 2-2-4-2 and norm "batch"; S has depths 2-3-10-3 and norm "layer".
    """

    def __init__(self, num_classes, options, config):
        super().__init__(
            num_classes,
            options,
            lambda width: PATM(width, config),
            lambda a, b: Embedding(a, b, 3, 2, 1, config),
            config,
        )


def _variant(options, norm="batch", **fields):
    layers = {"norm": norm, "activation": "gelu"}
    return Variant(WaveMLP, options, precision="fp32", layers=layers, fixed_layers=("shortcut",), **fields)


VARIANTS = {
    # for 32x32 images; not the paper's
    "wave_mlp_nano": _variant(VisionMLPOptions((32, 64, 128, 256), (1, 1, 2, 1)), image_size=32),
    # the baseline
    "wave_mlp_t": _variant(VisionMLPOptions()),
    "wave_mlp_s": _variant(VisionMLPOptions(depths=(2, 3, 10, 3)), norm="layer"),
}
