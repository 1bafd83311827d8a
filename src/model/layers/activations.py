"""Activation functions: ReLU, PReLU, RPReLU, GELU of the paper's Table 4; hardtanh, two slopes, none of binary CNNs."""

from functools import partial

import numpy as np
from mindspore import Parameter, Tensor, nn, ops
from mindspore.common.initializer import initializer

from .layout import add_per_channel, channel_sum, per_channel


class ShiftedPReLU(nn.Cell):
    """Function of RPReLU, (x, b1, w, b2) -> y, with a hand-written gradient of few passes over memory."""

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
    """RPReLU of ReActNet (arXiv 2003.03488): t = x + b1; y = max(t, 0) + w min(t, 0) + b2, per channel.

    Initial values: w = slope, b1 = b2 = 0. At t = 0 the gradient is that of the lower branch.
    learned: the names of the learned vectors; the others are constants. PReLU has b1 = b2 = 0, ReLU w = 0 as well.
    """

    work = "activation"

    def __init__(self, channels, config, learned=("shift_in", "slope", "shift_out"), slope=0.25):
        super().__init__()
        for name, value in (("shift_in", 0.0), ("slope", slope), ("shift_out", 0.0)):
            if name in learned:
                setattr(self, name, Parameter(initializer(value, (channels,))))
            else:
                setattr(self, name, Tensor(np.full(channels, value, np.float32)))
        self.function = config.backend.rprelu()

    def construct(self, x):
        return self.function(x, self.shift_in, self.slope, self.shift_out)

    def lower(self, graph, x):
        shift_in, shift_out = (  # constants are 0
            v.asnumpy() if isinstance(v, Parameter) else None for v in (self.shift_in, self.shift_out)
        )
        slope = self.slope.asnumpy()
        slope = slope if isinstance(self.slope, Parameter) else slope[:1]
        y = graph.add("prelu", graph.affine(x, offset=shift_in), positive=[1], negative=slope)
        return graph.affine(y, offset=shift_out)


class SlopesFunction(nn.Cell):
    """Function of TwoSlope, (x, p, n) -> y, with a hand-written gradient. axis: the channel axis of the feature maps."""

    def __init__(self, axis):
        super().__init__()
        self.axis = axis

    def construct(self, x, p, n):
        p, n = per_channel(p, self.axis), per_channel(n, self.axis)
        return p * ops.maximum(x, 0.0) + n * ops.minimum(x, 0.0)

    def bprop(self, x, p, n, out, dout):
        above = dout * ops.cast(x > 0, dout.dtype)
        below = dout - above
        dx = per_channel(p, self.axis) * above + per_channel(n, self.axis) * below
        return dx, channel_sum(above * x, self.axis), channel_sum(below * x, self.axis)


class TwoSlope(nn.Cell):
    """Two-slope PReLU of AdaBin (arXiv 2208.08084, Maxout): y = p max(x, 0) + n min(x, 0), both learned per channel.

    Initial values: p = 1, n = 0.25. At 0 the gradient is that of the lower branch.
    """

    work = "activation"

    def __init__(self, channels, config):
        super().__init__()
        self.positive = Parameter(initializer(1.0, (channels,)))
        self.negative = Parameter(initializer(0.25, (channels,)))
        self.function = config.backend.two_slope()

    def construct(self, x):
        return self.function(x, self.positive, self.negative)

    def lower(self, graph, x):
        return graph.add("prelu", x, positive=self.positive.asnumpy(), negative=self.negative.asnumpy())


class GELU(nn.Cell):
    """GELU (arXiv 1606.08415), exact: y = x Phi(x), Phi the cumulative distribution function of the normal distribution."""

    work = "activation"

    def __init__(self, channels, config):
        super().__init__()

    def construct(self, x):
        return ops.gelu(x, approximate="none")

    def lower(self, graph, x):
        return graph.add("unary", x, function="gelu")


class Hardtanh(nn.Cell):
    """Hardtanh, y = min(max(x, -1), 1)."""

    work = "activation"

    def __init__(self, channels, config):
        super().__init__()

    def construct(self, x):
        return ops.minimum(ops.maximum(x, -1.0), 1.0)

    def lower(self, graph, x):
        return graph.add("unary", x, function="hardtanh")


def no_activation(channels, config):
    """No activation function: the identity, as in Bi-Real Net's units."""
    return nn.Identity()


# name -> (channels, config) -> Cell
ACTIVATIONS = {
    "rprelu": RPReLU,
    "prelu": partial(RPReLU, learned=("slope",)),
    "relu": partial(RPReLU, learned=(), slope=0.0),
    "gelu": GELU,
    "hardtanh": Hardtanh,
    "two_slope": TwoSlope,
    "none": no_activation,
}
