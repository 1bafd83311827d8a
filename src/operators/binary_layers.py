"""Fused binary layers and activation quantizers as Cells without parameters."""

import math

import numpy as np
from mindspore import Tensor, nn, ops

from .operator import GRADIENTS, OWN_SHORTCUT, convolved_shape, operator, settings, window


class _FusedFC(nn.Cell):
    """Fused binary layer RPReLU(BN(FC(X_b)) + U(X)), or without U(X), in one pass per channel.

    (x, rsign bias, weight, gamma, beta, running mean, running variance, shift_in, slope, shift_out) ->
    (y, sums, saved). Training updates the running statistics.
    """

    name = ""  # of the C++ functions

    def __init__(self, precision, gradient, scale, weight_shape, in_channels, shortcut):
        super().__init__()
        out = weight_shape[0]
        saved = math.prod(weight_shape) + in_channels + 6 * out
        each, inputs = (out,), (in_channels,)

        def shapes(flags, x, *rest):
            y = (out, *x[1:])
            return y, y, (saved,)

        def gradient_shapes(flags, dy, x, *rest):
            return x, inputs, weight_shape, each, each, each, each, each

        written = (False,) * 6 + (True, True) + (False,) * 3  # the running statistics
        self.run = operator(f"{self.name}_forward", shapes, 3, written, weight_shape=weight_shape)
        self.back = operator(f"{self.name}_backward", gradient_shapes, 8, weight_shape=weight_shape)
        self.in_training = settings(precision, gradient, True, shortcut, scale)
        self.in_evaluation = settings(precision, gradient, False, shortcut, scale)

    def construct(self, x, bias, weight, gamma, beta, mean, variance, b1, slope, b2):
        flags = self.in_training if self.training else self.in_evaluation
        return self.run(flags, x, bias, weight, gamma, beta, mean, variance, b1, slope, b2)

    def bprop(self, x, bias, weight, gamma, beta, mean, variance, b1, slope, b2, out, dout):
        flags = self.in_training if self.training else self.in_evaluation
        dx, dbias, dweight, dgamma, dbeta, db1, dslope, db2 = self.back(flags, dout[0], x, out[1], out[2])
        none = ops.zeros_like(mean)
        return dx, dbias, dweight, dgamma, dbeta, none, none, db1, dslope, db2


class FusedGlobalFC(_FusedFC):
    """Fused Channel Binary FC: weight (O, C, 1, 1)."""

    name = "fc"


class FusedLocalFC(_FusedFC):
    """Fused Spatial Binary FC: weight (O, G, 1, 7) or (O, G, 7, 1)."""

    name = "local_fc"


class FusedBinaryConv(nn.Cell):
    """Fused binary convolution RPReLU(BN(conv(X_b)) + U(X)), or without U(X), with a window of any size.

    (x, rsign bias, weight, gamma, beta, running mean, running variance, shift_in, slope, shift_out) ->
    (y, sums, saved). Training updates the running statistics. Arguments as in _FusedFC; padding: (height, width).
    """

    def __init__(self, precision, gradient, scale, weight_shape, stride, padding, shortcut):
        super().__init__()
        out, in_channels = weight_shape[:2]
        saved = math.prod(weight_shape) + in_channels + 6 * out

        def shapes(flags, window, x, *rest):
            y = convolved_shape(x, weight_shape, stride, padding)
            return y, y, (saved,)

        def gradient_shapes(flags, window, dy, x, r, *rest):
            own = (r,) if shortcut == OWN_SHORTCUT else ()
            return x, (in_channels,), weight_shape, *((out,),) * 5, *own

        geometry = {
            "weight_shape": weight_shape,
            "stride": stride,
            "padding": padding,
            "shortcut": shortcut,
        }
        written = (False,) * 8 + (True, True) + (False,) * 3  # the running statistics
        gradients = 9 if shortcut == OWN_SHORTCUT else 8
        self.run = operator("binary_conv_forward", shapes, 3, written, **geometry)
        self.back = operator("binary_conv_backward", gradient_shapes, gradients, **geometry)
        self.window = window(weight_shape, stride, padding)
        self.in_training = settings(precision, gradient, True, shortcut, scale)
        self.in_evaluation = settings(precision, gradient, False, shortcut, scale)

    def construct(self, x, bias, weight, gamma, beta, mean, variance, b1, slope, b2):
        return self.forward(x, x, bias, weight, gamma, beta, mean, variance, b1, slope, b2)

    def bprop(self, x, bias, weight, gamma, beta, mean, variance, b1, slope, b2, out, dout):
        dx, dbias, dweight, dgamma, dbeta, db1, dslope, db2 = self.backward(dout[0], x, x, out)
        none = ops.zeros_like(mean)
        return dx, dbias, dweight, dgamma, dbeta, none, none, db1, dslope, db2

    def forward(self, *inputs):
        flags = self.in_training if self.training else self.in_evaluation
        return self.run(flags, self.window, *inputs)

    def backward(self, dy, x, r, out):
        flags = self.in_training if self.training else self.in_evaluation
        return self.back(flags, self.window, dy, x, r, out[1], out[2])


class FusedBinaryConvAdd(FusedBinaryConv):
    """Fused binary convolution with another map as its shortcut, RPReLU(BN(conv(X_b)) + R).

    (x, r, rsign bias, ..) -> (y, sums, saved), the others as in FusedBinaryConv.
    """

    def __init__(self, precision, gradient, scale, weight_shape, stride, padding):
        super().__init__(precision, gradient, scale, weight_shape, stride, padding, OWN_SHORTCUT)

    def construct(self, x, r, bias, weight, gamma, beta, mean, variance, b1, slope, b2):
        return self.forward(x, r, bias, weight, gamma, beta, mean, variance, b1, slope, b2)

    def bprop(self, x, r, bias, weight, gamma, beta, mean, variance, b1, slope, b2, out, dout):
        dx, dbias, dweight, dgamma, dbeta, db1, dslope, db2, dr = self.backward(dout[0], x, r, out)
        none = ops.zeros_like(mean)
        return dx, dr, dbias, dweight, dgamma, dbeta, none, none, db1, dslope, db2


class FusedBinarizeActivation(nn.Cell):
    """Fused activation quantizer: (x, b) -> (y, saved), y = sign(x + b), or heaviside(x + b) with zero_one.

    gradient: one of GRADIENTS.
    """

    def __init__(self, gradient, zero_one):
        super().__init__()
        self.run = operator("binarize_forward", lambda kind, x, b: (x, b), 2)
        self.back = operator("binarize_backward", lambda kind, dy, x, saved: (x, saved), 2)
        self.kind = Tensor(np.array((GRADIENTS.index(gradient), int(zero_one)), np.int32))

    def construct(self, x, b):
        return self.run(self.kind, x, b)

    def bprop(self, x, b, out, dout):
        return self.back(self.kind, dout[0], x, out[1])


class FusedAffineSign(nn.Cell):
    """Fused activation quantizer of AdaBin: (x, alpha (1,), beta (1,)) -> (alpha (sign((x - beta) / alpha) + beta), saved).

    gradient: of the sign, one of GRADIENTS.
    """

    def __init__(self, gradient):
        super().__init__()
        self.run = operator("affine_sign_forward", lambda kind, x, *rest: (x, (2,)), 2)
        self.back = operator("affine_sign_backward", lambda kind, dy, x, saved: (x, (1,), (1,)), 3)
        self.kind = Tensor(np.array((GRADIENTS.index(gradient),), np.int32))

    def construct(self, x, alpha, beta):
        return self.run(self.kind, x, alpha, beta)

    def bprop(self, x, alpha, beta, out, dout):
        return self.back(self.kind, dout[0], x, out[1])
