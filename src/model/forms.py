"""Two forms of the operations that MindSpore's CPU backend does 20 to 200 times too slowly.

`plain` holds convolutions, cos and sin on (B, C, H, W) maps, as an exported network for Ascend should.
`fast` computes the same with matrix products and polynomials on (C, B, H, W) maps. FORMS is the table;
`choose_form` picks a row.
"""

from collections.abc import Callable
from dataclasses import dataclass

import mindspore as ms
from mindspore import nn, ops

from .layout import BATCH_FIRST, CHANNEL_FIRST, GroupSum


@dataclass(frozen=True)
class Form:
    """The channel axis of the maps between layers, and makers of Cells.

    conv(out_channels, kernel, stride, padding) -> (x, weight) -> y, square kernels, zero padding;
    local_fc(kernel, out_channels, group) -> (x, weight) -> y; cos_sin() -> theta -> (cos, sin).
    """

    axis: int
    conv: Callable
    local_fc: Callable
    cos_sin: Callable


class Conv(nn.Cell):
    """Convolution by the backend's own operation: x (B, C, H, W), weight (O, C, k, k) -> (B, O, H', W')."""

    def __init__(self, out_channels, kernel, stride, padding):
        super().__init__()
        self.conv = ops.Conv2D(out_channels, kernel, mode=1, pad_mode="pad", pad=padding, stride=stride)

    def construct(self, x, weight):
        return self.conv(x, weight)


class UnfoldedConv(nn.Cell):
    """The same sums as Conv on (C, B, H, W) maps: patches as columns of a matrix, then one matrix product."""

    def __init__(self, out_channels, kernel, stride, padding):
        super().__init__()
        self.out_channels = out_channels
        self.kernel, self.stride, self.padding = kernel, stride, padding

    def construct(self, x, weight):
        _, b, h, w = x.shape
        if self.kernel > 1:
            h = (h + 2 * self.padding - self.kernel) // self.stride + 1
            w = (w + 2 * self.padding - self.kernel) // self.stride + 1
            x = ops.unfold(ops.transpose(x, (1, 0, 2, 3)), self.kernel, 1, self.padding, self.stride)
            x = ops.transpose(x.reshape(b, -1, h * w), (1, 0, 2))
        y = ops.matmul(weight.reshape(self.out_channels, -1), x.reshape(-1, b * h * w))
        return y.reshape(self.out_channels, b, h, w)


class ConvLocalFC(nn.Cell):
    r"""Grouped convolution along one axis, zero padding, stride 1.

    y[b, o, p] = sum_{g, k} w[o, g, k] x[b, o G + g, p + k - K // 2]: x (B, O G, H, W), w (O, G, kh, kw)
    with (kh, kw) = (1, K) or (K, 1); y (B, O, H, W). A padded tap contributes 0.
    """

    def __init__(self, kernel, out_channels, group):
        super().__init__()
        self.conv = ops.Conv2D(out_channels, kernel, mode=1, pad_mode="same", stride=1, group=out_channels)

    def construct(self, x, weight):
        return self.conv(x, weight)


class BandedLocalFC(nn.Cell):
    r"""The same sums as ConvLocalFC on (C, B, H, W) maps, by the banded (Toeplitz) matrix of each filter.

    T[o, g, i, j] = w[o, g, i - j + K // 2] where that tap exists, else 0; y[.., j] = sum_{g, i} x[.., i] T[.., i, j].
    The entries of T are copies of w, so for binary operands the sums are the same integers.
    """

    def __init__(self, kernel, out_channels, group):
        super().__init__()
        self.group_sum = GroupSum(group, CHANNEL_FIRST) if group > 1 else nn.Identity()
        self.taps = max(kernel)
        self.along_width = kernel[1] > 1

    def construct(self, x, weight):
        if not self.along_width:
            x = ops.transpose(x, (0, 1, 3, 2))
        channels, _, _, size = x.shape
        y = ops.bmm(x.reshape(channels, -1, size), banded(weight.reshape(channels, -1), size))
        y = self.group_sum(y.reshape(x.shape))
        return y if self.along_width else ops.transpose(y, (0, 1, 3, 2))


def banded(weight, size):
    """The banded matrices of filters: (C, K) -> (C, size, size), [input position, output position]."""
    taps = weight.shape[1]
    index = ops.arange(size)
    tap = index.reshape(size, 1) - index.reshape(1, size) + taps // 2
    basis = ops.cast(tap.reshape(1, -1) == ops.arange(taps).reshape(-1, 1), weight.dtype)
    return ops.matmul(weight, basis).reshape(-1, size, size)


class CosSin(nn.Cell):
    """theta -> (cos theta, sin theta), by the backend's own operations."""

    def construct(self, theta):
        return ops.cos(theta), ops.sin(theta)


# Minimax coefficients on |h| <= pi / 2, from the highest power of h^2 down:
# sin h = h + h * P(h^2) to 5e-9, cos h = 1 + P(h^2) to 3e-10 before rounding.
_SIN = (2.60005436e-06, -1.98066147e-04, 8.33301712e-03, -1.66666567e-01)
_COS = (-2.60771031e-07, 2.47618864e-05, -1.38884038e-03, 4.16666418e-02, -0.5)
_TURN_HIGH = 6.28125  # 2 pi in two parts: k * high is exact for |k| < 2^15
_TURN_LOW = 1.9353071795864769e-3


class PolynomialCosSin(nn.Cell):
    """CosSin by elementary operations, to 4e-7 for |theta| <= 1e3.

    theta = 2 pi k + 2 h with |h| <= pi / 2; cos = 1 - 2 sin^2 h, sin = 2 sin h cos h.
    Backward: dtheta = dsin cos - dcos sin, from the outputs.
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


FORMS = {
    "plain": Form(axis=BATCH_FIRST, conv=Conv, local_fc=ConvLocalFC, cos_sin=CosSin),
    "fast": Form(axis=CHANNEL_FIRST, conv=UnfoldedConv, local_fc=BandedLocalFC, cos_sin=PolynomialCosSin),
}


def choose_form(name):
    """A row of FORMS; "auto" is `fast` when the device is a CPU and `plain` otherwise.

    Raises ValueError for another name.
    """
    if name == "auto":
        name = "fast" if ms.get_context("device_target") == "CPU" else "plain"
    if name not in FORMS:
        raise ValueError(f"form: expected auto or one of {', '.join(FORMS)}, got {name!r}")
    return FORMS[name]
