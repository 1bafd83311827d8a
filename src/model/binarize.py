r"""Binarization: sign and its straight-through gradients, RSign, weight scale (paper, sections 2.1 and 3.1).

One convention everywhere: sign(x) = +1 where x > 0, else -1 (Eq. 1). sign(0) = -1 and nothing maps to 0.
"""

from mindspore import Parameter, nn, ops
from mindspore import dtype as mstype
from mindspore.common.initializer import initializer

from .layout import add_channel, channel_sum


def sign(x):
    """Eq. 1: +1 where x > 0, else -1; so sign(0) = sign(-0.0) = sign(nan) = -1."""
    return ops.cast(x > 0, mstype.float32) * 2 - 1


# --- gradients of sign: (input, gradient of the output) -> gradient of the input ---


def window(x, dout):
    """Straight-through where |x| <= 1, else 0."""
    return dout * ops.cast(ops.abs(x) <= 1, mstype.float32)


def polynomial(x, dout):
    """Bi-Real: 2 + 2x on [-1, 0), 2 - 2x on [0, 1), else 0; that is 2 max(1 - |x|, 0)."""
    return dout * (2 * ops.relu(1 - ops.abs(x)))


def clip(x, dout):
    """Eq. 3 read literally: the elements of the gradient, clipped to [-1, 1]."""
    return ops.clamp(dout, -1.0, 1.0)


ACTIVATION_GRADIENTS = {"window": window, "polynomial": polynomial, "clip": clip}


class ShiftedSign(nn.Cell):
    r"""y = sign(x + b_c) for a map x and b (C,); values exactly -1 or +1.

    Backward: dx = g(x + b, dy) with g from ACTIVATION_GRADIENTS; db_c = sum of dx over B, H, W.
    """

    def __init__(self, gradient, axis):
        super().__init__()
        self.gradient = ACTIVATION_GRADIENTS[gradient]
        self.axis = axis

    def construct(self, x, b):
        return sign(add_channel(x, b, self.axis))

    def bprop(self, x, b, out, dout):
        dx = self.gradient(add_channel(x, b, self.axis), dout)
        return dx, channel_sum(dx, self.axis)


class RSign(nn.Cell):
    """sign(x + b), b learned per channel and 0 at first (ReActNet), before every binary layer.

    Args: channels (C); gradient, a key of ACTIVATION_GRADIENTS; the maps' channel axis.
    """

    def __init__(self, channels, gradient, axis):
        super().__init__()
        self.bias = Parameter(initializer("zeros", (channels,)))
        self.sign = ShiftedSign(gradient, axis)

    def construct(self, x):
        return self.sign(x, self.bias)


class WeightSign(nn.Cell):
    """w_b = sign(w); backward: dw = dw_b where |w| <= 1, else 0 (Eq. 3)."""

    def construct(self, w):
        return sign(w)

    def bprop(self, w, out, dout):
        return (window(w, dout),)


def weight_scale(w):
    """alpha_o = mean |w_o| over all axes of filter o, a constant in the backward pass: (O, ...) -> (O,)."""
    return ops.stop_gradient(ops.mean(ops.abs(w).reshape(w.shape[0], -1), 1))
