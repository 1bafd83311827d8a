"""Sign, the straight-through estimators of its derivative, and the Cells that binarize activations (paper, 2.1, 3.1).

sign(x) = +1 where x > 0, else -1 (Eq. 1), everywhere in this project. So sign(0) = -1; larq has +1, PyTorch 0.
"""

import math

import numpy as np
from mindspore import Parameter, Tensor, nn, ops
from mindspore import dtype as mstype
from mindspore.common.initializer import initializer

from .layout import add_per_channel, channel_sum


def sign(x):
    """Sign by Eq. 1: +1 where x > 0, else -1. sign(0), sign(-0.0) and sign(nan) are -1."""
    return ops.cast(x > 0, mstype.float32) * 2 - 1


# --- straight-through estimators of sign: (x, gradient of sign(x)) -> gradient of x ---


def ste(x, dout):
    """Straight-through estimator (arXiv 1602.02830): dx = dout where |x| <= 1, else 0."""
    return dout * ops.cast(ops.abs(x) <= 1, mstype.float32)


def approx_sign(x, dout):
    """Polynomial of Bi-Real Net (arXiv 1808.00278): dx = 2 max(1 - |x|, 0) dout."""
    return dout * (2 * ops.relu(1 - ops.abs(x)))


def clip_grad(x, dout):
    """Gradient clipping, Eq. 3 read literally: dx = dout clipped to [-1, 1], whatever x is."""
    return ops.clamp(dout, -1.0, 1.0)


def dorefa(x, dout):
    """Straight-through estimator of DoReFa-Net (arXiv 1606.06160): dx = dout where 0 <= x <= 1, else 0."""
    return dout * ops.cast(ops.logical_and(x >= 0, x <= 1), mstype.float32)


DSQ_ALPHA = 0.2  # 1 - tanh(k) at the ends of [-1, 1]: the initial value in DSQ's paper, constant here
DSQ_K = 0.5 * math.log(2 / DSQ_ALPHA - 1)


def dsq(x, dout):
    """DSQ (arXiv 1908.05033): dx = k (1 - tanh^2(k x)) / tanh(k) dout where |x| <= 1, else 0.

    The factor is the derivative of tanh(k x) / tanh(k).
    """
    t = ops.tanh(DSQ_K * x)
    return ste(x, dout) * (DSQ_K / (1 - DSQ_ALPHA) * (1 - t * t))


BNN_PLUS_BETA = 5.0


def swish_sign(x, dout):
    """SignSwish of BNN+ (arXiv 1812.11800): dx = b (2 - b x tanh(b x / 2)) / (1 + cosh(b x)) dout, b = 5.

    The factor is negative for |x| > 0.48.
    """
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
    """Binarized sum y = binarize(x + b_c) of a feature map x and a shift b (C,).

    Backward: dx = g(x + b, dy), g the function under `gradient` in GRADIENTS; db_c = sum of dx over B, H, W.
    Args: binarize, x -> x_b; gradient, key of GRADIENTS; axis, the channel axis of the feature maps.
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
    """RSign of ReActNet (arXiv 2003.03488): binarize(x + b), b learned per channel and 0 at first.

    Args: channels (C); gradient, axis, binarize as in BinarizeShifted; fused, the operator that replaces it, or None.
    """

    def __init__(self, channels, gradient, axis, binarize=sign, fused=None):
        super().__init__()
        self.bias = Parameter(initializer("zeros", (channels,)))
        self.function, self.fused = BinarizeShifted(binarize, gradient, axis), fused

    def construct(self, x):
        return self.function(x, self.bias) if self.fused is None else self.fused(x, self.bias)[0]


class BinarizeActivation(nn.Cell):
    """Activation quantizer without a shift: binarize(x). Arguments as in RSign."""

    def __init__(self, channels, gradient, axis, binarize=sign, fused=None):
        super().__init__()
        self.no_shift = Tensor(np.zeros(channels, np.float32))
        self.function, self.fused = BinarizeShifted(binarize, gradient, axis), fused

    def construct(self, x):
        return self.function(x, self.no_shift) if self.fused is None else self.fused(x, self.no_shift)[0]


def weight_scale(w):
    """Scale alpha_o = mean |w_o| of each filter o, a constant in the backward pass: (O, ...) -> (O,)."""
    return ops.stop_gradient(ops.mean(ops.abs(w).reshape(w.shape[0], -1), 1))
