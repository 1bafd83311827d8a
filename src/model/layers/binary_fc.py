"""Binary layers with norm, shortcut and activation (paper, section 3.2, Eq. 10 and 11): CBFC, SBFC, Channel Binary MLP."""

from mindspore import nn

from .conv import BinaryConv2d, ShuffledBinaryConv2d, local_fc
from .norms import BatchNorm

MLP_RATIO = 4  # width of the Channel Binary MLP's hidden layer over its input's


class ShortcutConv(nn.Cell):
    """Binary convolution with a shortcut, y = act(BN(conv(x)) + U(x)): act and the shortcut U are the config's.

    The attribute `fc` is the convolution; checkpoints have its name.
    """

    def __init__(self, conv, in_channels, config):
        super().__init__()
        out_channels = conv.weight.shape[0]
        self.fc = conv
        self.norm = BatchNorm(out_channels, config)
        shortcut = config.shortcut(in_channels, out_channels, config.backend.axis)
        self.shortcut, self.has_shortcut = shortcut or nn.Identity(), shortcut is not None
        self.act = config.activation(out_channels, config)

    def construct(self, x):
        y = self.norm(self.fc(x))
        return self.act(y + self.shortcut(x) if self.has_shortcut else y)


def channel_binary_fc(in_channels, out_channels, config):
    """Channel Binary FC (CBFC), Eq. 11: RPReLU(BN(GFC(X_b)) + U(X)), (B, C, H, W) -> (B, O, H, W).

    With config.groups G > 1 the FC has G groups, behind a channel shuffle; the shortcut carries X in its own order.
    """
    groups = config.groups
    kind = BinaryConv2d if groups == 1 else ShuffledBinaryConv2d
    conv = kind(in_channels, out_channels, 1, groups=groups, config=config)
    return config.backend.shortcut_conv(conv, in_channels, config)


def spatial_binary_fc(in_channels, out_channels, axis, config):
    """Spatial Binary FC (SBFC), Eq. 10: RPReLU(BN(LFC(X_b)) + U(X)) along one axis, (B, O G, H, W) -> (B, O, H, W)."""
    conv = local_fc(in_channels, out_channels, axis, config)
    return config.backend.shortcut_conv(conv, in_channels, config)


class ChannelBinaryMLP(nn.Cell):
    """Channel Binary MLP: two Channel Binary FCs, C -> hidden -> O. The paper's has hidden = 4 C and O = C."""

    def __init__(self, in_channels, hidden_channels, out_channels, config):
        super().__init__()
        self.fc1 = channel_binary_fc(in_channels, hidden_channels, config)
        self.fc2 = channel_binary_fc(hidden_channels, out_channels, config)
        self.fc1.fc.counted_bias = self.fc2.fc.counted_bias = True  # as the MLP of Wave-MLP has them

    def construct(self, x):
        return self.fc2(self.fc1(x))
