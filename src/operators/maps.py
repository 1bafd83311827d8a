"""Fused operations on feature maps without weights, and merges of branches, as Cells without parameters."""

import numpy as np
from mindspore import Tensor, nn, ops

from .operator import operator

MAX_BRANCHES = 16  # kMaxBranches of native/merge.cc
SAME = -1  # padding in native/max_pool.cc


class FusedWave(nn.Cell):
    """Fused wave: (theta, z) -> [z cos theta, z sin theta]."""

    def __init__(self):
        super().__init__()
        self.run = operator("wave_forward", lambda theta, z: (2 * theta[0], *theta[1:]), 1)
        self.back = operator("wave_backward", lambda dout, theta, z: (theta, z), 2)

    def construct(self, theta, z):
        return self.run(theta, z)

    def bprop(self, theta, z, out, dout):
        return self.back(dout, theta, z)


class FusedPad(nn.Cell):
    """Fused padding with a number, x in the middle: x (C, B, H, W) -> y (C, B, H', W').

    padded: function from (H, W) to (H', W'), H' - H and W' - W not negative; of an odd one the smaller half is before.
    rule: all that `padded` depends on, as text.
    """

    def __init__(self, padded, value, rule):
        super().__init__()
        self.run = operator("pad_forward", lambda value, x: (*x[:2], *padded(x[2:])), 1, rule=rule)
        self.back = operator("pad_backward", lambda dy, x: x, 1)
        self.value = Tensor(np.array([value], np.float32))

    def construct(self, x):
        return self.run(self.value, x)

    def bprop(self, x, out, dout):
        return (self.back(dout, x),)


class FusedMaxPool(nn.Cell):
    """Fused max-pool with a square window: x -> (y, saved). stride: a number.

    padding: a number of at most half of the kernel, or "same" as of TensorFlow; it counts as -inf.
    Raises ValueError for a larger one.
    """

    def __init__(self, kernel, stride, padding):
        super().__init__()
        same = padding == "same"
        if not same and not 0 <= 2 * padding <= kernel:
            raise ValueError(
                f"padding: expected same or 0 .. {kernel // 2}, half of the kernel, got {padding}"
            )

        def shapes(window, x):
            sizes = (-(-n // stride) if same else (n + 2 * padding - kernel) // stride + 1 for n in x[2:])
            y = (*x[:2], *sizes)
            return y, y

        values = (kernel, stride, SAME if same else padding)
        self.run = operator("max_pool_forward", shapes, 2, window=values)
        self.back = operator("max_pool_backward", lambda window, dy, x, saved: x, 1, window=values)
        self.window = Tensor(np.array(values, np.int32))

    def construct(self, x):
        return self.run(self.window, x)

    def bprop(self, x, out, dout):
        return (self.back(self.window, dout[0], x, out[1]),)


class FusedMultiMaxPool(nn.Cell):
    """Fused mean of the four max-pools of MultiMaxPool."""

    def __init__(self):
        super().__init__()
        self.run = operator(
            "multi_max_pool_forward", lambda x: (x[0], x[1], (x[2] + 1) // 2, (x[3] + 1) // 2), 1
        )
        self.back = operator("multi_max_pool_backward", lambda dy, x: x, 1)

    def construct(self, x):
        return self.run(x)

    def bprop(self, x, out, dout):
        return (self.back(dout, x),)


class FusedFanOut(nn.Cell):
    """Copies of a feature map for its readers, x -> (x, .., x). One pass adds their gradients."""

    def __init__(self, readers):
        super().__init__()
        self.readers = readers
        self.add = operator("sum_of", lambda first, *rest: first, 1)

    def construct(self, x):
        return (x,) * self.readers

    def bprop(self, x, out, dout):
        return (self.add(*dout),)


class FusedMeanOfSum(nn.Cell):
    """Fused global average pool of a sum: (z, (f_1, .., f_n)) -> (mean over H, W of z + sum f_i, z, (f_1, .., f_n)).

    The mean is (C, B, 1, 1). The feature maps are also outputs, so that one pass adds their two gradients.
    """

    def __init__(self, branches):
        super().__init__()
        self.run = operator("mean_of_sum", lambda z, *maps: (z[0], z[1], 1, 1), 1)
        self.back = operator("mean_of_sum_backward", lambda d, *maps: maps, 1 + branches)

    def construct(self, z, maps):
        return self.run(z, *maps), z, maps

    def bprop(self, z, maps, out, dout):
        gradients = self.back(dout[0], dout[1], *dout[2])
        return gradients[0], gradients[1:]


class FusedSoftmaxMerge(nn.Cell):
    """Fused softmax merge: (logits, z, (f_1, .., f_n)) -> z + sum_i softmax_i(logits) f_i.

    Raises ValueError for more than MAX_BRANCHES branches.
    """

    def __init__(self, branches):
        super().__init__()
        if branches > MAX_BRANCHES:
            raise ValueError(f"branches: expected at most {MAX_BRANCHES} with backend fused, got {branches}")
        self.run = operator("softmax_merge_forward", lambda logits, z, *maps: z, 1)
        self.back = operator(
            "softmax_merge_backward", lambda dout, logits, *maps: (logits, *maps), 1 + branches
        )

    def construct(self, logits, z, maps):
        return self.run(logits, z, *maps)

    def bprop(self, logits, z, maps, out, dout):
        gradients = self.back(dout, logits, *maps)
        return gradients[0], dout, gradients[1:]


class FusedScalarMerge(nn.Cell):
    """Fused scalar merge: (w, (f_1, .., f_n)) -> (sum_{i < n} w_i f_i + (1 - sum_{i < n} w_i) f_n, saved)."""

    def __init__(self, branches):
        super().__init__()
        self.run = operator("scalar_merge_forward", lambda w, *maps: (maps[0], w), 2)
        self.back = operator(
            "scalar_merge_backward", lambda dout, w, *maps: ((maps[0][0], *w), *maps), 1 + branches
        )
        self.sum = ops.ReduceSum()

    def construct(self, w, maps):
        return self.run(w, *maps)

    def bprop(self, w, maps, out, dout):
        gradients = self.back(dout[0], out[1], *maps)
        return self.sum(gradients[0], 0), gradients[1:]
