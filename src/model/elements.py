"""Elements of a block (paper, section 3.2, Eq. 10 and 11): Channel and Spatial Binary FC, Channel Binary MLP."""

from mindspore import nn

from .layers import BinaryFC, LocalBinaryFC
from .norms import BatchNorm

MLP_RATIO = 4  # width of the Channel Binary MLP's hidden layer over its input's


class ShortcutFC(nn.Cell):
    """Base of Eq. 10 and Eq. 11: y = act(BN(fc(x)) + U(x)), act the configured activation, U the configured shortcut.

    fc: BinaryLayer. fused: maker of the operator that computes the whole layer, or None.
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
    """Channel Binary FC (CBFC), Eq. 11: RPReLU(BN(GFC(X_b)) + U(X)), (B, C, H, W) -> (B, O, H, W)."""

    def __init__(self, in_channels, out_channels, arithmetic):
        fc = BinaryFC(in_channels, out_channels, arithmetic)
        super().__init__(fc, in_channels, out_channels, arithmetic, arithmetic.backend.fused_global_fc)


class SpatialBinaryFC(ShortcutFC):
    """Spatial Binary FC (SBFC), Eq. 10: RPReLU(BN(LFC(X_b)) + U(X)) along one axis, (B, O G, H, W) -> (B, O, H, W)."""

    def __init__(self, in_channels, out_channels, axis, arithmetic):
        fc = LocalBinaryFC(in_channels, out_channels, axis, arithmetic)
        super().__init__(fc, in_channels, out_channels, arithmetic, arithmetic.backend.fused_local_fc)


class ChannelBinaryMLP(nn.Cell):
    """Channel Binary MLP: two Channel Binary FCs, C -> hidden -> O. The paper's has hidden = 4 C and O = C."""

    def __init__(self, in_channels, hidden_channels, out_channels, arithmetic):
        super().__init__()
        self.fc1 = ChannelBinaryFC(in_channels, hidden_channels, arithmetic)
        self.fc2 = ChannelBinaryFC(hidden_channels, out_channels, arithmetic)

    def construct(self, x):
        return self.fc2(self.fc1(x))
