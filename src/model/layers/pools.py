"""Max-pools."""

from mindspore import nn, ops

from .padding import SAME, fixed_padding, sides


class MaxPool(nn.Cell):
    """Max-pool with a square window: (B, C, H, W) -> (B, C, H', W'), in either layout.

    padding: a number, or "same" as of TensorFlow; it counts as -inf. Networks take it as their backend's max_pool.
    """

    work = "pooling"

    def __init__(self, kernel, stride, padding):
        super().__init__()
        self.window = kernel, stride, padding
        modes = {SAME: ("same",), 0: ("valid",)}
        self.pool = nn.MaxPool2d(kernel, stride, *modes.get(padding, ("pad", padding)))

    def construct(self, x):
        return self.pool(x)

    def lower(self, graph, x):
        return lower_max_pool(graph, x, *self.window)


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


def lower_max_pool(graph, x, kernel, stride, padding):
    """Symbol of a max-pool. Arguments as of MaxPool."""
    shape = kernel, kernel
    window = sides(fixed_padding(padding, shape, stride), x.shape[2:], shape, stride)
    return graph.add("pool", x, kind="max", kernel=shape, stride=stride, padding=window)


def lower_mean_of_max_pools(graph, x, kernels):
    """Symbol of the mean of max-pools with stride 2 and padding SAME."""
    pools = [lower_max_pool(graph, x, kernel, 2, SAME) for kernel in kernels]
    return graph.affine(sum(pools[1:], pools[0]), factor=1 / len(kernels))
