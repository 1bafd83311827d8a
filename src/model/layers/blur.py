"""Fixed blur before subsampling (arXiv 1904.11486)."""

import numpy as np
from mindspore import Parameter, nn

from .padding import SAME, sides

BINOMIAL = np.outer((1, 2, 1), (1, 2, 1)).astype(np.float32) / 16


class Blur(nn.Cell):
    """Depth-wise convolution with [1 2 1] x [1 2 1] / 16, stride 2 and padding SAME: (B, C, H, W) -> (B, C, H / 2, W / 2).

    The weights are parameters that are not trained, as in larq's checkpoints.
    """

    def __init__(self, channels, config):
        super().__init__()
        self.kernel, self.stride = BINOMIAL.shape, 2
        weight = np.tile(BINOMIAL, (channels, 1, 1, 1))
        self.weight = Parameter(weight, requires_grad=False)
        self.pad = config.backend.pad(self.kernel, self.stride, SAME, 0)
        self.conv = config.backend.conv(weight.shape, self.stride, (0, 0), channels)

    def construct(self, x):
        return self.conv(self.pad(x), self.weight)

    def lower(self, graph, x):
        padding = sides(SAME, x.shape[2:], self.kernel, self.stride)
        window = {"stride": self.stride, "padding": padding, "groups": x.shape[1]}
        return graph.add("conv2d", x, weight=self.weight.asnumpy(), **window)
