"""Backend fast: matrix products and polynomials on CNHW feature maps, for MindSpore's CPU kernels."""

from dataclasses import replace

from mindspore import nn, ops

from src.model.layers.activations import ShiftedPReLU, SlopesFunction
from src.model.layers.binarize import BinarizeAffine, BinarizeShifted
from src.model.layers.layout import CNHW, GroupSum, Scale
from src.model.layers.merges import SoftmaxMerge
from src.model.layers.wave import PolynomialCosSin, Wave

from .plain import PLAIN, AddBias


class UnfoldedConv(nn.Cell):
    """Convolution by im2col and one matrix product per group: the sums of plain's, x (C, B, H, W) -> (O, B, H', W')."""

    def __init__(self, weight_shape, stride, padding, groups):
        super().__init__()
        self.out_channels, self.kernel = weight_shape[0], tuple(weight_shape[2:])
        self.stride, self.padding, self.groups = stride, padding, groups

    def columns(self, x):
        """Patches of the input (im2col): (C, B, H, W) -> (C kh kw, B, H', W')."""
        if self.kernel == (1, 1) and self.stride == 1 and self.padding == (0, 0):
            return x
        _, b, h, w = x.shape
        h = (h + 2 * self.padding[0] - self.kernel[0]) // self.stride + 1
        w = (w + 2 * self.padding[1] - self.kernel[1]) // self.stride + 1
        x = ops.unfold(ops.transpose(x, (1, 0, 2, 3)), self.kernel, 1, self.padding, self.stride)
        return ops.transpose(x.reshape(b, -1, h, w), (1, 0, 2, 3))

    def construct(self, x, weight):
        x = self.columns(x)
        _, b, h, w = x.shape
        if self.groups == 1:
            y = ops.matmul(weight.reshape(self.out_channels, -1), x.reshape(x.shape[0], -1))
        else:
            filters = weight.reshape(self.groups, self.out_channels // self.groups, -1)
            y = ops.bmm(filters, x.reshape(self.groups, filters.shape[2], -1))
        return y.reshape(self.out_channels, b, h, w)


class BandedConv(nn.Cell):
    r"""Convolution along one axis by the banded (Toeplitz) matrix of each filter, one group per output channel, stride 1.

    y[b, o, p] = sum_{g, k} w[o, g, k] x[b, o G + g, p + k - K // 2], K the odd number of taps, a padded tap 0;
    x (O G, B, H, W), w (O, G, kh, kw) with (kh, kw) = (1, K) or (K, 1); y (O, B, H, W).
    T[o, g, i, j] = w[o, g, i - j + K // 2] where that tap exists, else 0; y[.., j] = sum_{g, i} x[.., i] T[.., i, j].
    The entries of T are copies of w, so for binary operands the sums are the same integers.
    """

    def __init__(self, weight_shape):
        super().__init__()
        _, group, _, width = weight_shape
        self.group_sum = GroupSum(group, CNHW) if group > 1 else nn.Identity()
        self.along_width = width > 1

    def construct(self, x, weight):
        if not self.along_width:
            x = ops.transpose(x, (0, 1, 3, 2))
        channels, _, _, size = x.shape
        y = ops.bmm(x.reshape(channels, -1, size), banded(weight.reshape(channels, -1), size))
        y = self.group_sum(y.reshape(x.shape))
        return y if self.along_width else ops.transpose(y, (0, 1, 3, 2))


def banded(weight, size):
    """Banded matrices of filters: (C, K) -> (C, size, size), [input position, output position]."""
    taps = weight.shape[1]
    index = ops.arange(size)
    tap = index.reshape(size, 1) - index.reshape(1, size) + taps // 2
    basis = ops.cast(tap.reshape(1, -1) == ops.arange(taps).reshape(-1, 1), weight.dtype)
    return ops.matmul(weight, basis).reshape(-1, size, size)


def conv(weight_shape, stride, padding, groups):
    """BandedConv where it serves, else UnfoldedConv. Arguments as in Backend."""
    out_channels, _, *kernel = weight_shape
    keeps_size = stride == 1 and [2 * p + 1 for p in padding] == kernel
    if groups == out_channels and keeps_size and min(kernel) == 1 < max(kernel):
        return BandedConv(weight_shape)
    return UnfoldedConv(weight_shape, stride, padding, groups)


FAST = replace(
    PLAIN,
    axis=CNHW,
    conv=conv,
    conv_bias=lambda *geometry, compute_type: AddBias(conv(*geometry), compute_type, CNHW),
    scale=lambda: Scale(CNHW),
    rprelu=lambda: ShiftedPReLU(CNHW),
    two_slope=lambda: SlopesFunction(CNHW),
    affine_sign=lambda gradient: BinarizeAffine(gradient, CNHW),
    binarize=lambda function, gradient: BinarizeShifted(function, gradient, CNHW),
    wave=lambda: Wave(PolynomialCosSin(), CNHW),
    softmax_merge=lambda branches: SoftmaxMerge(branches, CNHW),
)
