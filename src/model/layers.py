"""The layers that the blocks are made of: RPReLU, Uni-shortcut, the binary FC layers, norm, pooling."""

import numpy as np
from mindspore import Parameter, Tensor, nn, ops
from mindspore import dtype as mstype
from mindspore.common.initializer import HeNormal, initializer

from .binarize import RSign, WeightSign, weight_scale
from .layout import BATCH_FIRST, GroupMean, add_channel, channel_sum, per_channel


class BatchNorm(nn.BatchNorm2d):
    """BatchNorm over B, H, W of a map, with the running statistics moving by a tenth per step."""

    def __init__(self, channels, arithmetic):
        super().__init__(channels, eps=1e-5, momentum=0.9, affine=True, use_batch_statistics=None)
        self.axis = arithmetic.axis
        maker = arithmetic.form.fused_norm
        self.fused = maker() if maker else None

    def construct(self, x):
        if self.fused is not None:
            return self.fused(x, self.gamma, self.beta, self.moving_mean, self.moving_variance)[0]
        if self.axis == BATCH_FIRST:
            return super().construct(x)
        c, b, h, w = x.shape
        return super().construct(x.reshape(1, c, b * h, w)).reshape(c, b, h, w)


class ShiftedPReLU(nn.Cell):
    """The function of RPReLU, (x, b1, w, b2) -> y, with its gradient in few passes."""

    def __init__(self, axis):
        super().__init__()
        self.axis = axis

    def construct(self, x, b1, w, b2):
        t = add_channel(x, b1, self.axis)
        y = ops.maximum(t, 0.0) + per_channel(w, self.axis) * ops.minimum(t, 0.0)
        return add_channel(y, b2, self.axis)

    def bprop(self, x, b1, w, b2, out, dout):
        t = add_channel(x, b1, self.axis)
        above = dout * ops.cast(t > 0, mstype.float32)
        below = dout - above
        above_sum, below_sum = channel_sum(above, self.axis), channel_sum(below, self.axis)
        dx = above + per_channel(w, self.axis) * below
        dw = channel_sum(below * t, self.axis)
        return dx, above_sum + w * below_sum, dw, above_sum + below_sum


class RPReLU(nn.Cell):
    """t = x + b1; y = max(t, 0) + w min(t, 0) + b2, all learned per channel (ReActNet).

    w is 0.25 at first, b1 and b2 are 0. At t = 0 the gradient is that of the lower branch.
    """

    def __init__(self, channels, arithmetic):
        super().__init__()
        self.shift_in = Parameter(initializer("zeros", (channels,)))
        self.slope = Parameter(initializer(0.25, (channels,)))
        self.shift_out = Parameter(initializer("zeros", (channels,)))
        maker = arithmetic.form.fused_rprelu
        self.fused = maker() if maker else None
        self.function = ShiftedPReLU(arithmetic.axis)

    def construct(self, x):
        if self.fused is not None:
            return self.fused(x, self.shift_in, self.slope, self.shift_out)[0]
        return self.function(x, self.shift_in, self.slope, self.shift_out)


class Repeat(nn.Cell):
    """n copies side by side: channel k of the output is x[k mod C]."""

    def __init__(self, copies, axis):
        super().__init__()
        self.copies, self.axis = copies, axis

    def construct(self, x):
        return ops.concat((x,) * self.copies, self.axis)


def uni_shortcut(in_channels, out_channels, axis):
    """Eq. 12: the Cell U from maps of in_channels to maps of out_channels.

    Equal widths: the identity; out = n in: n copies concatenated; in = n out: the mean of n adjacent
    channels, out[j] = mean(x[n j .. n j + n - 1]).
    Raises ValueError when neither width is a multiple of the other.
    """
    if out_channels == in_channels:
        return nn.Identity()
    if out_channels % in_channels == 0:
        return Repeat(out_channels // in_channels, axis)
    if in_channels % out_channels == 0:
        return GroupMean(in_channels // out_channels, axis)
    raise ValueError(
        f"Uni-shortcut: expected widths of which one is a multiple of the other, got {in_channels} -> {out_channels}"
    )


class FullConv(nn.Cell):
    """A full-precision convolution with bias: (B, C, H, W) -> (B, O, H', W'), square kernel, zero padding."""

    def __init__(self, in_channels, out_channels, kernel, stride, padding, arithmetic):
        super().__init__()
        self.weight = Parameter(initializer(HeNormal(), (out_channels, in_channels, kernel, kernel)))
        self.bias = Parameter(initializer("zeros", (out_channels,)))
        self.conv = arithmetic.form.conv(out_channels, kernel, stride, padding)
        maker = arithmetic.form.fused_dense
        self.fused = maker() if maker else None
        self.compute_type, self.axis = arithmetic.compute_type, arithmetic.axis

    def construct(self, x):
        if self.fused is not None:
            return self.fused(self.conv.columns(x), self.weight, self.bias)[0]
        y = self.conv(ops.cast(x, self.compute_type), ops.cast(self.weight, self.compute_type))
        return add_channel(ops.cast(y, mstype.float32), self.bias, self.axis)


class BinaryLayer(nn.Cell):
    """What BinaryFC and LocalBinaryFC share: the operands, the integer sum, the scale.

    y = accumulate(x) * alpha_o with operands sign(x + b) and sign(W); the operation itself, `contract`,
    is the subclass's. In `binary_act` precision W stays real and alpha is 1, in `fp32` x stays as well
    (and there is no RSign).
    """

    def __init__(self, in_channels, weight_shape, arithmetic):
        super().__init__()
        self.weight = Parameter(initializer(HeNormal(), weight_shape))
        self.binary_act = arithmetic.binary_act
        self.rsign = nn.Identity()
        self.no_shift = Tensor(np.zeros(in_channels, np.float32))
        if arithmetic.binary_act:
            self.rsign = RSign(in_channels, arithmetic.gradient, arithmetic.axis)
        self.weight_sign = WeightSign() if arithmetic.binary_weight else nn.Identity()
        self.scaled = arithmetic.binary_weight
        self.compute_type, self.axis = arithmetic.compute_type, arithmetic.axis

    def shift(self):
        """RSign's shift b (C,): zeros where activations stay real."""
        return self.rsign.bias if self.binary_act else self.no_shift

    def contract(self, x, weight):
        """The layer's linear operation on its operands."""
        raise NotImplementedError

    def accumulate(self, x):
        """(B, C, H, W) -> (B, O, H, W): in binary precision integers in [-K, K] with the parity of K taps."""
        x = ops.cast(self.rsign(x), self.compute_type)
        weight = ops.cast(self.weight_sign(self.weight), self.compute_type)
        return ops.cast(self.contract(x, weight), mstype.float32)

    def construct(self, x):
        y = self.accumulate(x)
        if self.scaled:
            y = y * per_channel(weight_scale(self.weight), self.axis)
        return y


class BinaryFC(BinaryLayer):
    r"""Global FC over channels, GFC of Eq. 11: y_o = alpha_o \sum_c sign(x_c + b_c) sign(W_oc).

    (B, C, H, W) -> (B, O, H, W), W (O, C, 1, 1), no bias. The sum is an integer in [-C, C] with the parity of C.
    """

    def __init__(self, in_channels, out_channels, arithmetic):
        super().__init__(in_channels, (out_channels, in_channels, 1, 1), arithmetic)
        self.conv = arithmetic.form.conv(out_channels, 1, 1, 0)

    def contract(self, x, weight):
        return self.conv(x, weight)


AXES = {"width": (1, 7), "height": (7, 1)}


class LocalBinaryFC(BinaryLayer):
    r"""Local FC along one axis, LFC of Eq. 10: y_o[p] = alpha_o \sum_{g,k} sign(x_{oG+g}[p + k - 3] + b) sign(W_ogk).

    (B, O G, H, W) -> (B, O, H, W), W (O, G, 1, 7) for axis "width", (O, G, 7, 1) for "height"; G = 1 is
    depth-wise, G = 2 the PATM's. Zero padding stays zero: a padded tap contributes 0, so the integer sum
    has fewer terms at the border.
    """

    def __init__(self, in_channels, out_channels, axis, arithmetic):
        group = in_channels // out_channels
        super().__init__(in_channels, (out_channels, group, *AXES[axis]), arithmetic)
        self.local_fc = arithmetic.form.local_fc(AXES[axis], out_channels, group)

    def contract(self, x, weight):
        return self.local_fc(x, weight)
