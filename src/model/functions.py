"""Waves, merges of branches and pools: the Cells without parameters that layers and blocks are made of."""

from mindspore import nn, ops

from .layout import NCHW, spatial_mean, spatial_sum


class CosSin(nn.Cell):
    """Cosine and sine, theta -> (cos theta, sin theta), by MindSpore's operations."""

    def construct(self, theta):
        return ops.cos(theta), ops.sin(theta)


# Minimax coefficients on |h| <= pi / 2, from the highest power of h^2 down:
# sin h = h + h * P(h^2) to 5e-9, cos h = 1 + P(h^2) to 3e-10 before rounding.
_SIN = (2.60005436e-06, -1.98066147e-04, 8.33301712e-03, -1.66666567e-01)
_COS = (-2.60771031e-07, 2.47618864e-05, -1.38884038e-03, 4.16666418e-02, -0.5)
_TURN_HIGH = 6.28125  # 2 pi in two parts: k * high is exact for |k| < 2^15
_TURN_LOW = 1.9353071795864769e-3


class PolynomialCosSin(nn.Cell):
    """Cosine and sine by polynomials, theta -> (cos theta, sin theta), to 4e-7 for |theta| <= 1e3.

    theta = 2 pi k + 2 h with |h| <= pi / 2; cos = 1 - 2 sin^2 h, sin = 2 sin h cos h.
    Backward: dtheta = dsin cos - dcos sin, computed from the outputs.
    """

    def construct(self, theta):
        turns = ops.floor(theta * 0.15915494309189535 + 0.5)
        h = (theta - turns * _TURN_HIGH - turns * _TURN_LOW) * 0.5
        u = h * h
        sine = u * _SIN[0]
        for coefficient in _SIN[1:]:
            sine = (sine + coefficient) * u
        sine = sine * h + h
        cosine = u * _COS[0]
        for coefficient in _COS[1:]:
            cosine = (cosine + coefficient) * u
        doubled = sine + sine
        return 1 - doubled * sine, doubled * cosine + doubled

    def bprop(self, theta, out, dout):
        return (dout[1] * out[0] - dout[0] * out[1],)


class Wave(nn.Cell):
    """Wave of the PATM: (theta, z) -> [z cos theta, z sin theta], two feature maps of C channels -> one of 2C."""

    def __init__(self, cos_sin, axis):
        super().__init__()
        self.cos_sin, self.axis = cos_sin, axis

    def construct(self, theta, z):
        cos, sin = self.cos_sin(theta)
        return ops.concat((z * cos, z * sin), self.axis)


def interleave(x, axis):
    """Channel shuffle of two groups: 2C channels in the order 0, C, 1, C + 1, .."""
    rows, columns, h, w = x.shape
    if axis == NCHW:
        return ops.transpose(x.reshape(rows, 2, columns // 2, h * w), (0, 2, 1, 3)).reshape(x.shape)
    return ops.transpose(x.reshape(2, rows // 2, columns, h * w), (1, 0, 2, 3)).reshape(x.shape)


class FanOut(nn.Cell):
    """Copies of a feature map for its readers, x -> (x, .., x). The fused one adds their gradients in one pass."""

    def __init__(self, readers):
        super().__init__()
        self.readers = readers

    def construct(self, x):
        return (x,) * self.readers


class MeanOfSum(nn.Cell):
    """Global average pool of a sum: (z, (f_1, .., f_n)) -> (GAP(z + sum f_i), (f_1, .., f_n)).

    The mean is (., ., 1, 1). The feature maps f_i are returned for their next reader.
    """

    def __init__(self, maps):
        super().__init__()
        self.maps = maps

    def construct(self, z, maps):
        for i in range(self.maps):
            z = z + maps[i]
        return spatial_mean(z), maps


class SpatialScale(nn.Cell):
    """Product y = x * a for x (., ., H, W) and a (., ., 1, 1), in either layout. Backward: da is summed over H, W."""

    def construct(self, x, a):
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
    """Scalar merge of branches: (w, (f_1, .., f_n)) -> (sum_{i < n} w_i f_i + (1 - sum_{i < n} w_i) f_n,)."""

    def __init__(self, branches):
        super().__init__()
        self.branches = branches

    def construct(self, w, maps):
        last = maps[self.branches - 1]
        merged = last
        for i in range(self.branches - 1):
            merged = merged + w[i] * (maps[i] - last)
        return (merged,)


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
