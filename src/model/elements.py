"""The elements of Eq. 10 and 11 (paper, section 3.2): Channel and Spatial Binary FC, Channel Binary MLP."""

from mindspore import nn

from .layers import BinaryFC, LocalBinaryFC
from .norms import BatchNorm

MLP_RATIO = 4  # width of the Channel Binary MLP's hidden layer over its input's


class ShortcutFC(nn.Cell):
    """RPReLU(BN(FC(x)) + U(x)): what Eq. 10 and Eq. 11 have in common; or another activation, or no shortcut.

    fc: the BinaryLayer; fused: maker of the Cell that does all of it at once, or None.
    """

    def __init__(self, fc, in_channels, out_channels, arithmetic, fused):
        super().__init__()
        self.fc = fc
        self.norm = BatchNorm(out_channels, arithmetic)
        shortcut = arithmetic.shortcut(in_channels, out_channels, arithmetic.axis)
        self.shortcut, self.has_shortcut = shortcut or nn.Identity(), shortcut is not None
        self.act = arithmetic.activation(out_channels, arithmetic)
        self.fused, self.epilogue = None, self.act.epilogue
        if arithmetic.fuses_layers:
            self.fused = fused(
                arithmetic.precision,
                arithmetic.activation_gradient,
                fc.weight.shape,
                in_channels,
                self.has_shortcut,
            )

    def construct(self, x):
        if self.fused is None:
            y = self.norm(self.fc(x))
            return self.act(y + self.shortcut(x) if self.has_shortcut else y)
        norm, act = self.norm, self.act
        y = self.fused(
            x, self.fc.shift(), self.fc.weight, norm.gamma, norm.beta, norm.moving_mean, norm.moving_variance,
            act.shift_in, act.slope, act.shift_out,
        )[0]  # fmt: skip
        return y if self.epilogue is None else self.epilogue(y)


class ChannelBinaryFC(ShortcutFC):
    """CBFC, Eq. 11: RPReLU(BN(GFC(X_b)) + U(X)), (B, C, H, W) -> (B, O, H, W)."""

    def __init__(self, in_channels, out_channels, arithmetic):
        fc = BinaryFC(in_channels, out_channels, arithmetic)
        super().__init__(fc, in_channels, out_channels, arithmetic, arithmetic.backend.fused_global_fc)


class SpatialBinaryFC(ShortcutFC):
    """SBFC, Eq. 10: RPReLU(BN(LFC(X_b)) + U(X)) along one axis, (B, O G, H, W) -> (B, O, H, W)."""

    def __init__(self, in_channels, out_channels, axis, arithmetic):
        fc = LocalBinaryFC(in_channels, out_channels, axis, arithmetic)
        super().__init__(fc, in_channels, out_channels, arithmetic, arithmetic.backend.fused_local_fc)


class ChannelBinaryMLP(nn.Cell):
    """Two Channel Binary FCs, C -> hidden -> O; the paper's MLP has hidden = 4 C and O = C."""

    def __init__(self, in_channels, hidden_channels, out_channels, arithmetic):
        super().__init__()
        self.fc1 = ChannelBinaryFC(in_channels, hidden_channels, arithmetic)
        self.fc2 = ChannelBinaryFC(hidden_channels, out_channels, arithmetic)

    def construct(self, x):
        return self.fc2(self.fc1(x))
