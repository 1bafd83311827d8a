"""A small network and what is compared of it, for the tests of checkpoints."""

import mindspore as ms
import numpy as np
from mindspore import nn


class Bias(nn.Cell):
    """Stands for RSign: one learned bias per channel."""

    def __init__(self, channels):
        super().__init__()
        self.bias = ms.Parameter(ms.Tensor(np.zeros(channels, np.float32)), name="bias")

    def construct(self, x):
        return x + self.bias


class Net(nn.Cell):
    """Two Dense layers, and between them an RSign if asked."""

    def __init__(self, classes=10, width=4, rsign=True):
        super().__init__()
        self.body = nn.Dense(3, width)
        if rsign:
            self.rsign = Bias(width)
        self.head = nn.Dense(width, classes)

    def construct(self, x):
        x = self.body(x)
        return self.head(self.rsign(x) if "rsign" in self.name_cells() else x)


def numbers(params):
    return {name: value.asnumpy().copy() for name, value in params.items()}


def assert_equal(left, right):
    assert list(left) == list(right)
    for name in left:
        np.testing.assert_array_equal(left[name], right[name])
        assert left[name].dtype == right[name].dtype
        assert left[name].shape == right[name].shape
