"""Pools of the downsampling."""

from mindspore import nn, ops

from .padding import same_padding


class MultiMaxPool(nn.Cell):
    """Mean of four max-pools with kernels 2, 3, 5, 7 and stride 2 (paper, section 3.2, Fig. 3).

    Padding SAME, ignored by the maximum: on an even size the windows of output i are [2i, 2i+1],
    [2i, 2i+2], [2i-1, 2i+3], [2i-2, 2i+4]. (B, C, H, W) -> (B, C, ceil(H / 2), ceil(W / 2)).
    """

    work = "pooling"

    def __init__(self):
        super().__init__()
        self.pool2 = ops.MaxPool(2, 2, "same")
        self.pool3 = ops.MaxPool(3, 2, "same")
        self.pool5 = ops.MaxPool(5, 2, "same")
        self.pool7 = ops.MaxPool(7, 2, "same")

    def construct(self, x):
        return (self.pool2(x) + self.pool3(x) + self.pool5(x) + self.pool7(x)) * 0.25

    def lower(self, graph, x):
        return lower_mean_of_max_pools(graph, x, (2, 3, 5, 7))


def lower_mean_of_max_pools(graph, x, kernels):
    """Symbol of the mean of max-pools with stride 2 and padding SAME."""
    pools = [
        graph.add(
            "pool", x, kind="max", kernel=(k, k), stride=2, padding=same_padding(x.shape[2:], (k, k), 2)
        )
        for k in kernels
    ]
    return graph.affine(sum(pools[1:], pools[0]), factor=1 / len(kernels))
