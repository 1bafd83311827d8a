"""Activation functions of the paper's Table 4, as rows of one table."""

from functools import partial

import numpy as np
from mindspore import Parameter, Tensor, nn, ops
from mindspore.common.initializer import initializer

from .layout import add_per_channel, channel_sum, per_channel


class ShiftedPReLU(nn.Cell):
    """The function of RPReLU, (x, b1, w, b2) -> y, with its gradient in few passes."""

    def __init__(self, axis):
        super().__init__()
        self.axis = axis

    def construct(self, x, b1, w, b2):
        t = add_per_channel(x, b1, self.axis)
        y = ops.maximum(t, 0.0) + per_channel(w, self.axis) * ops.minimum(t, 0.0)
        return add_per_channel(y, b2, self.axis)

    def bprop(self, x, b1, w, b2, out, dout):
        t = add_per_channel(x, b1, self.axis)
        above = dout * ops.cast(t > 0, dout.dtype)
        below = dout - above
        above_sum, below_sum = channel_sum(above, self.axis), channel_sum(below, self.axis)
        dx = above + per_channel(w, self.axis) * below
        dw = channel_sum(below * t, self.axis)
        return dx, above_sum + w * below_sum, dw, above_sum + below_sum


class RPReLU(nn.Cell):
    """t = x + b1; y = max(t, 0) + w min(t, 0) + b2, all learned per channel (ReActNet).

    w is 0.25 at first, b1 and b2 are 0. At t = 0 the gradient is that of the lower branch. PReLU is the same with
    b1 = b2 = 0 for good, ReLU with w = 0 as well: `learned` names what is learned, `slope` is w's first value.
    """

    epilogue = None  # what remains to be done behind the piecewise linear part

    def __init__(self, channels, arithmetic, learned=("shift_in", "slope", "shift_out"), slope=0.25):
        super().__init__()
        for name, value in (("shift_in", 0.0), ("slope", slope), ("shift_out", 0.0)):
            if name in learned:
                setattr(self, name, Parameter(initializer(value, (channels,))))
            else:
                setattr(self, name, Tensor(np.full(channels, value, np.float32)))
        maker = arithmetic.backend.fused_rprelu
        self.fused = maker() if maker else None
        self.function = ShiftedPReLU(arithmetic.axis)

    def construct(self, x):
        if self.fused is not None:
            return self.fused(x, self.shift_in, self.slope, self.shift_out)[0]
        return self.function(x, self.shift_in, self.slope, self.shift_out)


class GELU(nn.Cell):
    """y = x P(x), P the normal distribution function: the exact form. Its piecewise linear part is the identity."""

    def __init__(self, channels, arithmetic):
        super().__init__()
        self.shift_in = self.shift_out = Tensor(np.zeros(channels, np.float32))
        self.slope = Tensor(np.ones(channels, np.float32))
        self.epilogue = exact_gelu

    def construct(self, x):
        return exact_gelu(x)


def exact_gelu(x):
    return ops.gelu(x, approximate="none")


# name -> (channels, arithmetic) -> Cell
ACTIVATIONS = {
    "rprelu": RPReLU,
    "prelu": partial(RPReLU, learned=("slope",)),
    "relu": partial(RPReLU, learned=(), slope=0.0),
    "gelu": GELU,
}
