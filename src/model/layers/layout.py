"""Layouts of feature maps, NCHW and CNHW, and the sums and shifts per channel over them.

A feature map is (B, C, H, W) in NCHW, with channel axis 1, or (C, B, H, W) in CNHW, with channel axis 0. In CNHW an FC
over channels is one matrix product and the numbers of a channel are contiguous; MindSpore's CPU backend is several
times faster on it. Functions take the channel axis. Networks take images and return logits in NCHW order.

MindSpore's CPU ReduceSum over inner axes of a 4-D tensor is about ten times slower than over the outermost axis or over
the rows of a matrix. The functions here use the fast ones.
"""

from mindspore import dtype as mstype
from mindspore import nn, ops

_sum = ops.ReduceSum()
_bias_add = ops.BiasAdd()
CNHW, NCHW = 0, 1  # layout as its channel axis


def to_layout(x, axis):
    """Transpose between NCHW and the layout of `axis`; its own inverse."""
    return x if axis == NCHW else x.transpose(1, 0, 2, 3)


def per_channel(v, axis):
    """Vector (C,) in the shape that broadcasts over a feature map."""
    return v.reshape(1, -1, 1, 1) if axis == NCHW else v.reshape(-1, 1, 1, 1)


def add_per_channel(x, v, axis):
    """Sum x + v_c of a feature map and a vector v (C,)."""
    if axis == NCHW:
        return _bias_add(x, v)
    return _bias_add(x.reshape(1, x.shape[0], -1), v).reshape(x.shape)


class Scale(nn.Cell):
    """Product f_c x of a feature map and a vector f (C,)."""

    def __init__(self, axis):
        super().__init__()
        self.axis = axis

    def construct(self, x, f):
        return x * per_channel(f, self.axis)


def channel_sum(x, axis):
    """Sum over B, H, W: feature map -> (C,)."""
    if axis == CNHW:
        return _sum(x.reshape(x.shape[0], -1), 1)
    _, c, h, w = x.shape
    return _sum(_sum(x, 0).reshape(c, h * w), 1)


def spatial_sum(x):
    """Sum over H, W, in either layout: (., ., H, W) -> (., ., 1, 1)."""
    rows, columns, h, w = x.shape
    return ops.matmul(x.reshape(-1, h * w), ops.ones((h * w, 1), mstype.float32)).reshape(-1, columns, 1, 1)


def spatial_mean(x):
    """Global average pooling, in either layout: (., ., H, W) -> (., ., 1, 1)."""
    return spatial_sum(x) * (1.0 / (x.shape[2] * x.shape[3]))


def shuffle_channels(x, groups, axis):
    """Channel shuffle (ShuffleNet, arXiv 1707.01083): C channels in the order 0, C / g, 2 C / g, .., 1, C / g + 1, ..

    A group of adjacent channels of the result has channels of every group of x. groups: their number g, a divisor of C.
    """
    rows, columns, h, w = x.shape
    if axis == NCHW:
        parts = x.reshape(rows, groups, columns // groups, h * w)
        return ops.transpose(parts, (0, 2, 1, 3)).reshape(x.shape)
    return ops.transpose(x.reshape(groups, rows // groups, columns, h * w), (1, 0, 2, 3)).reshape(x.shape)


def shuffled_order(channels, groups):
    """Order of shuffle_channels: channel i of the result is channel order[i] of x."""
    size = channels // groups
    return tuple(g * size + i for i in range(size) for g in range(groups))


class GroupSum(nn.Cell):
    """Sum of n adjacent channels: channel j of the output is the sum of channels n j .. n j + n - 1."""

    def __init__(self, group, axis):
        super().__init__()
        self.group, self.axis = group, axis

    def construct(self, x):
        total = self._strided(x, 0)
        for i in range(1, self.group):
            total = total + self._strided(x, i)
        return total

    def _strided(self, x, start):
        return x[:, start :: self.group] if self.axis == NCHW else x[start :: self.group]

    def bprop(self, x, out, dout):
        if self.axis == NCHW:
            b, c, h, w = dout.shape
            parts = dout.reshape(b, c, 1, h * w)
            return (ops.concat((parts,) * self.group, 2).reshape(x.shape),)
        parts = dout.reshape(dout.shape[0], 1, -1)
        return (ops.concat((parts,) * self.group, 1).reshape(x.shape),)


class GroupMean(nn.Cell):
    """Mean of n adjacent channels: channel j of the output is the mean of channels n j .. n j + n - 1."""

    def __init__(self, group, axis):
        super().__init__()
        self.sum = GroupSum(group, axis)
        self.factor = 1.0 / group

    def construct(self, x):
        return self.sum(x) * self.factor

    def lower(self, graph, x):
        return graph.add("group_mean", x, group=self.sum.group)


class Concat(nn.Cell):
    """Concatenation of the channels of two maps."""

    def __init__(self, axis):
        super().__init__()
        self.axis = axis

    def construct(self, x, y):
        return ops.concat((x, y), self.axis)

    def lower(self, graph, x, y):
        return graph.add("concat", x, y)


class GlobalMean(nn.Cell):
    """Global average pooling, in either layout: (., ., H, W) -> (., ., 1, 1)."""

    def construct(self, x):
        return spatial_mean(x)

    def lower(self, graph, x):
        return graph.add("global_mean", x)
