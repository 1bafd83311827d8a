"""sign, the gradients that stand for its derivative, RSign and its kin (paper, sections 2.1 and 3.1).

One convention everywhere: sign(x) = +1 where x > 0, else -1 (Eq. 1). sign(0) = -1 and nothing maps to 0.
"""

import math

import numpy as np
from mindspore import Parameter, Tensor, nn, ops
from mindspore import dtype as mstype
from mindspore.common.initializer import initializer

from .layout import add_per_channel, channel_sum


def sign(x):
    """Eq. 1: +1 where x > 0, else -1; so sign(0) = sign(-0.0) = sign(nan) = -1."""
    return ops.cast(x > 0, mstype.float32) * 2 - 1


# --- gradients of sign: (input, gradient of the output) -> gradient of the input ---


def ste(x, dout):
    """Straight-through where |x| <= 1, else 0."""
    return dout * ops.cast(ops.abs(x) <= 1, mstype.float32)


def approx_sign(x, dout):
    """Bi-Real: 2 + 2x on [-1, 0), 2 - 2x on [0, 1), else 0; that is 2 max(1 - |x|, 0)."""
    return dout * (2 * ops.relu(1 - ops.abs(x)))


def clip_grad(x, dout):
    """Eq. 3 read literally: the elements of the gradient, clipped to [-1, 1]."""
    return ops.clamp(dout, -1.0, 1.0)


def dorefa(x, dout):
    """DoReFa-Net: straight-through where 0 <= x <= 1, else 0."""
    return dout * ops.cast(ops.logical_and(x >= 0, x <= 1), mstype.float32)


DSQ_ALPHA = 0.2  # distance of tanh from 1 at the ends of the interval: DSQ's first value, which stays here
DSQ_K = 0.5 * math.log(2 / DSQ_ALPHA - 1)


def dsq(x, dout):
    """DSQ: the derivative of s tanh(k x) on [-1, 1], s = 1 / tanh(k): s k (1 - tanh^2(k x)); 0 outside."""
    t = ops.tanh(DSQ_K * x)
    return ste(x, dout) * (DSQ_K / (1 - DSQ_ALPHA) * (1 - t * t))


BNN_PLUS_BETA = 5.0


def swish_sign(x, dout):
    """BNN+: the derivative of SignSwish, b (2 - b x tanh(b x / 2)) / (1 + cosh(b x)), b = 5; negative for |x| > 0.48."""
    u = ops.clamp(BNN_PLUS_BETA * x, -80.0, 80.0)  # cosh stays finite
    return dout * (BNN_PLUS_BETA * (2 - u * ops.tanh(0.5 * u)) / (1 + ops.cosh(u)))


GRADIENTS = {
    "ste": ste,
    "approx_sign": approx_sign,
    "clip_grad": clip_grad,
    "dorefa": dorefa,
    "dsq": dsq,
    "swish_sign": swish_sign,
}


class BinarizeShifted(nn.Cell):
    r"""y = value(x + b_c) for a map x and b (C,).

    Backward: dx = g(x + b, dy) with g of GRADIENTS; db_c = sum of dx over B, H, W.
    """

    def __init__(self, binarize, gradient, axis):
        super().__init__()
        self.binarize, self.gradient, self.axis = binarize, GRADIENTS[gradient], axis

    def construct(self, x, b):
        return self.binarize(add_per_channel(x, b, self.axis))

    def bprop(self, x, b, out, dout):
        dx = self.gradient(add_per_channel(x, b, self.axis), dout)
        return dx, channel_sum(dx, self.axis)


class RSign(nn.Cell):
    """value(x + b), b learned per channel and 0 at first (ReActNet's RSign, where value is sign).

    Args: channels (C); gradient, a key of GRADIENTS; the maps' channel axis; fused: its operator or None.
    """

    def __init__(self, channels, gradient, axis, binarize=sign, fused=None):
        super().__init__()
        self.bias = Parameter(initializer("zeros", (channels,)))
        self.function, self.fused = BinarizeShifted(binarize, gradient, axis), fused

    def construct(self, x):
        return self.function(x, self.bias) if self.fused is None else self.fused(x, self.bias)[0]


class BinarizeActivation(nn.Cell):
    """value(x), the same without a shift. Arguments as RSign's."""

    def __init__(self, channels, gradient, axis, binarize=sign, fused=None):
        super().__init__()
        self.no_shift = Tensor(np.zeros(channels, np.float32))
        self.function, self.fused = BinarizeShifted(binarize, gradient, axis), fused

    def construct(self, x):
        return self.function(x, self.no_shift) if self.fused is None else self.fused(x, self.no_shift)[0]


def weight_scale(w):
    """alpha_o = mean |w_o| over all axes of filter o, a constant in the backward pass: (O, ...) -> (O,)."""
    return ops.stop_gradient(ops.mean(ops.abs(w).reshape(w.shape[0], -1), 1))
