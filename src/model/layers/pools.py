"""Pools of the downsampling."""

from mindspore import nn, ops


class MultiMaxPool(nn.Cell):
    """Mean of four max-pools with kernels 2, 3, 5, 7 and stride 2 (paper, section 3.2, Fig. 3).

    Padding SAME, ignored by the maximum: on an even size the windows of output i are [2i, 2i+1],
    [2i, 2i+2], [2i-1, 2i+3], [2i-2, 2i+4]. (B, C, H, W) -> (B, C, ceil(H / 2), ceil(W / 2)).
    """

    def __init__(self):
        super().__init__()
        self.pool2 = ops.MaxPool(2, 2, "same")
        self.pool3 = ops.MaxPool(3, 2, "same")
        self.pool5 = ops.MaxPool(5, 2, "same")
        self.pool7 = ops.MaxPool(7, 2, "same")

    def construct(self, x):
        return (self.pool2(x) + self.pool3(x) + self.pool5(x) + self.pool7(x)) * 0.25
