"""Merges of parallel branches: by a softmax over them, by learned scalars, and the sums on the way."""

from mindspore import nn, ops

from .layout import NCHW, GlobalMean, spatial_sum

REWEIGHT_RATIO = 4  # input width over the hidden width of the MLP that weighs branches


class FanOut(nn.Cell):
    """Copies of a feature map for its readers, x -> (x, .., x). The fused one adds their gradients in one pass."""

    def __init__(self, readers):
        super().__init__()
        self.readers = readers

    def construct(self, x):
        return (x,) * self.readers


class MeanOfSum(nn.Cell):
    """Global average pool of a sum: (z, (f_1, .., f_n)) -> (GAP(z + sum f_i), z, (f_1, .., f_n)).

    The mean is (., ., 1, 1). The feature maps are returned for their next reader, whose gradient the fused one adds in
    the same pass.
    """

    def __init__(self, branches):
        super().__init__()
        self.branches, self.mean = branches, GlobalMean()

    def construct(self, z, maps):
        total = z
        for i in range(self.branches):
            total = total + maps[i]
        return self.mean(total), z, maps


class SpatialScale(nn.Cell):
    """Product y = x * a for x (., ., H, W) and a (., ., 1, 1), in either layout. Backward: da is summed over H, W."""

    def construct(self, x, a):
        return x * a

    def lower(self, graph, x, a):
        return x * a

    def bprop(self, x, a, out, dout):
        return dout * a, spatial_sum(dout * x)


class BranchSoftmax(nn.Cell):
    """Softmax over n branches: a 1x1 feature map of n C channels -> n of C channels, which sum to 1.

    Input channel n c + i is branch i of channel c. The outputs are (., ., 1, 1).
    """

    def __init__(self, branches, axis):
        super().__init__()
        self.branches, self.axis = branches, axis

    def construct(self, a):
        rows = a.shape[0]
        weights = ()
        if self.axis == NCHW:
            a = ops.softmax(a.reshape(-1, a.shape[1] // self.branches, self.branches), 2)
            for i in range(self.branches):
                weights += (a[:, :, i : i + 1].reshape(-1, a.shape[1], 1, 1),)
        else:
            a = ops.softmax(a.reshape(rows // self.branches, self.branches, -1), 1)
            for i in range(self.branches):
                weights += (a[:, i : i + 1].reshape(rows // self.branches, -1, 1, 1),)
        return weights

    def lower(self, graph, a):
        return lower_branch_softmax(graph, a, self.branches)


def lower_branch_softmax(graph, a, branches):
    """Symbols of the softmax over branches of BranchSoftmax."""
    a, count = graph.add("softmax", a, group=branches), a.shape[1] // branches
    return tuple(graph.add("slice", a, start=i, step=branches, count=count) for i in range(branches))


class SoftmaxMerge(nn.Cell):
    """Softmax merge of branches: (logits, z, (f_1, .., f_n)) -> z + sum_i a_i f_i, a = BranchSoftmax(logits)."""

    def __init__(self, branches, axis):
        super().__init__()
        self.branches = branches
        self.softmax = BranchSoftmax(branches, axis)
        self.scale = SpatialScale()

    def construct(self, logits, z, maps):
        weights = self.softmax(logits)
        for i in range(self.branches):
            z = z + self.scale(maps[i], weights[i])
        return z


class ScalarMerge(nn.Cell):
    """Scalar merge of branches: (w, (f_1, .., f_n)) -> sum_{i < n} w_i f_i + (1 - sum_{i < n} w_i) f_n."""

    def __init__(self, branches):
        super().__init__()
        self.branches = branches

    def construct(self, w, maps):
        last = maps[self.branches - 1]
        merged = last
        for i in range(self.branches - 1):
            merged = merged + w[i] * (maps[i] - last)
        return merged

    def lower(self, graph, w, maps):
        w = w.asnumpy()
        weights = (*w, 1 - w.sum())
        parts = [graph.affine(part, factor=weight) for part, weight in zip(maps, weights)]
        return sum(parts[1:], parts[0])
