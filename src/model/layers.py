"""Linear layers: full-precision convolution, and binary FCs over the channels and along an axis."""

import numpy as np
from mindspore import Parameter, Tensor, nn, ops
from mindspore import dtype as mstype
from mindspore.common.initializer import HeNormal, initializer

from .layout import add_per_channel, per_channel
from .quantizers import BinarizeWeight


class FullConv(nn.Cell):
    """Full-precision convolution with bias: (B, C, H, W) -> (B, O, H', W'), square kernel, zero padding."""

    def __init__(self, in_channels, out_channels, kernel, stride, padding, arithmetic):
        super().__init__()
        self.weight = Parameter(initializer(HeNormal(), (out_channels, in_channels, kernel, kernel)))
        self.bias = Parameter(initializer("zeros", (out_channels,)))
        self.kernel_stride_padding = (kernel, stride, padding)
        self.conv = arithmetic.backend.conv(out_channels, *self.kernel_stride_padding)
        maker = arithmetic.backend.fused_dense
        self.fused = maker() if maker else None
        self.compute_type, self.axis = arithmetic.compute_type, arithmetic.axis

    def construct(self, x):
        if self.fused is not None:
            return self.fused(self.conv.columns(x), self.weight, self.bias)[0]
        y = self.conv(ops.cast(x, self.compute_type), ops.cast(self.weight, self.compute_type))
        return add_per_channel(ops.cast(y, mstype.float32), self.bias, self.axis)


class BinaryLayer(nn.Cell):
    """Base of BinaryFC and LocalBinaryFC: quantized operands, their integer sum, the scale.

    y_o = alpha_o contract(x_b, sign(c)), with x_b, c and alpha of the quantizer; `contract` is the subclass's operation.
    In precision binary_act the weights are real and alpha is 1. In fp32 the activations are real too, without RSign.
    The attribute `rsign` is the activation quantizer; checkpoints have its name.
    """

    def __init__(self, in_channels, weight_shape, arithmetic):
        super().__init__()
        self.weight = Parameter(initializer(HeNormal(), weight_shape))
        self.binary_act = arithmetic.binary_act
        self.learned_shift = arithmetic.binary_act and arithmetic.quantizer.rsign
        self.rsign = arithmetic.activation_quantizer(in_channels)
        self.no_shift = Tensor(np.zeros(in_channels, np.float32))
        quantizer = arithmetic.quantizer
        self.weight_quantizer = BinarizeWeight(quantizer) if arithmetic.binary_weight else nn.Identity()
        self.normalize_weight, self.scale_of_weight = quantizer.normalize_weight, quantizer.scale
        self.scaled = arithmetic.binary_weight
        self.compute_type, self.axis = arithmetic.compute_type, arithmetic.axis

    def shift(self):
        """Shift b (C,) of RSign; zeros without RSign."""
        return self.rsign.bias if self.learned_shift else self.no_shift

    def scale(self):
        """Scale alpha (O,) of the weights."""
        return self.scale_of_weight(self.normalize_weight(self.weight))

    def contract(self, x, weight):
        """Linear operation of the layer on quantized operands."""
        raise NotImplementedError

    def accumulate(self, x):
        """Sums before the scale, (B, C, H, W) -> (B, O, H, W).

        In precision binary a sum over K values -1 and +1 is an integer in [-K, K] with the parity of K.
        """
        x = ops.cast(self.rsign(x), self.compute_type)
        weight = ops.cast(self.weight_quantizer(self.weight), self.compute_type)
        return ops.cast(self.contract(x, weight), mstype.float32)

    def construct(self, x):
        y = self.accumulate(x)
        if self.scaled:
            y = y * per_channel(self.scale(), self.axis)
        return self.add_bias(y)

    def add_bias(self, y):
        """Sum of y and the layer's bias. BiMLP's layers have none."""
        return y


class BinaryFC(BinaryLayer):
    r"""Global FC over channels, GFC of Eq. 11: y_o = alpha_o \sum_c sign(x_c + b_c) sign(W_oc).

    (B, C, H, W) -> (B, O, H, W), W (O, C, 1, 1), no bias. The sum is an integer in [-C, C] with the parity of C.
    """

    def __init__(self, in_channels, out_channels, arithmetic):
        super().__init__(in_channels, (out_channels, in_channels, 1, 1), arithmetic)
        self.conv = arithmetic.backend.conv(out_channels, 1, 1, 0)

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
        self.local_fc = arithmetic.backend.local_fc(AXES[axis], out_channels, group)

    def contract(self, x, weight):
        return self.local_fc(x, weight)
