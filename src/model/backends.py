"""Backends: three implementations of the operations that MindSpore's CPU kernels run 20 to 200 times too slowly.

plain  MindSpore's convolutions, cos and sin on NCHW feature maps; exported files hold these
fast   the same with matrix products and polynomials on CNHW feature maps
fused  C++ operators of src/operators for whole layers, on CNHW feature maps

BACKENDS is the table, `choose_backend` the choice.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import mindspore as ms
from mindspore import nn, ops

from src import operators

from .functions import (
    CosSin,
    FanOut,
    MeanOfSum,
    MultiMaxPool,
    PolynomialCosSin,
    ScalarMerge,
    SoftmaxMerge,
    Wave,
)
from .layout import CNHW, NCHW, GroupSum


class Conv(nn.Cell):
    """Convolution by MindSpore's Conv2D: x (B, C, H, W), weight (O, C, k, k) -> (B, O, H', W')."""

    def __init__(self, out_channels, kernel, stride, padding):
        super().__init__()
        self.conv = ops.Conv2D(out_channels, kernel, mode=1, pad_mode="pad", pad=padding, stride=stride)

    def construct(self, x, weight):
        return self.conv(x, weight)


class UnfoldedConv(nn.Cell):
    """Convolution by im2col and one matrix product: the same sums as Conv, x (C, B, H, W) -> (O, B, H', W')."""

    def __init__(self, out_channels, kernel, stride, padding):
        super().__init__()
        self.out_channels = out_channels
        self.kernel, self.stride, self.padding = kernel, stride, padding

    def columns(self, x):
        """Patches of the input (im2col): (C, B, H, W) -> (C k k, B, H', W')."""
        if self.kernel == 1:
            return x
        _, b, h, w = x.shape
        h = (h + 2 * self.padding - self.kernel) // self.stride + 1
        w = (w + 2 * self.padding - self.kernel) // self.stride + 1
        x = ops.unfold(ops.transpose(x, (1, 0, 2, 3)), self.kernel, 1, self.padding, self.stride)
        return ops.transpose(x.reshape(b, -1, h, w), (1, 0, 2, 3))

    def construct(self, x, weight):
        x = self.columns(x)
        k, b, h, w = x.shape
        y = ops.matmul(weight.reshape(self.out_channels, -1), x.reshape(k, -1))
        return y.reshape(self.out_channels, b, h, w)


class ConvLocalFC(nn.Cell):
    r"""Local FC by grouped convolution along one axis, zero padding, stride 1.

    y[b, o, p] = sum_{g, k} w[o, g, k] x[b, o G + g, p + k - K // 2]: x (B, O G, H, W), w (O, G, kh, kw)
    with (kh, kw) = (1, K) or (K, 1); y (B, O, H, W). A padded tap contributes 0.
    """

    def __init__(self, kernel, out_channels, group):
        super().__init__()
        self.conv = ops.Conv2D(out_channels, kernel, mode=1, pad_mode="same", stride=1, group=out_channels)

    def construct(self, x, weight):
        return self.conv(x, weight)


class BandedLocalFC(nn.Cell):
    r"""Local FC by the banded (Toeplitz) matrix of each filter: the same sums as ConvLocalFC on CNHW feature maps.

    T[o, g, i, j] = w[o, g, i - j + K // 2] where that tap exists, else 0; y[.., j] = sum_{g, i} x[.., i] T[.., i, j].
    The entries of T are copies of w, so for binary operands the sums are the same integers.
    """

    def __init__(self, kernel, out_channels, group):
        super().__init__()
        self.group_sum = GroupSum(group, CNHW) if group > 1 else nn.Identity()
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
    """Banded matrices of filters: (C, K) -> (C, size, size), [input position, output position]."""
    taps = weight.shape[1]
    index = ops.arange(size)
    tap = index.reshape(size, 1) - index.reshape(1, size) + taps // 2
    basis = ops.cast(tap.reshape(1, -1) == ops.arange(taps).reshape(-1, 1), weight.dtype)
    return ops.matmul(weight, basis).reshape(-1, size, size)


@dataclass(frozen=True)
class Backend:
    """Layout of the feature maps between layers, and makers of the Cells that compute on them.

    The Cells have no parameters.
    axis: channel axis of the feature maps, NCHW or CNHW.
    conv(out_channels, kernel, stride, padding): Cell (x, weight) -> y, square kernel, zero padding.
    local_fc(kernel, out_channels, group): Cell (x, weight) -> y.
    wave .. max_pool: makers of the Cells of functions.py.
    fused_*: makers of the operators of src/operators that compute a whole layer, or None.
    """

    axis: int
    conv: Callable
    local_fc: Callable
    wave: Callable
    fan_out: Callable
    mean_of_sum: Callable
    softmax_merge: Callable
    scalar_merge: Callable
    max_pool: Callable
    fused_dense: Callable | None = None
    fused_norm: Callable | None = None
    fused_rprelu: Callable | None = None
    fused_binarize: Callable | None = None
    fused_global_fc: Callable | None = None
    fused_local_fc: Callable | None = None


_PLAIN = Backend(
    axis=NCHW,
    conv=Conv,
    local_fc=ConvLocalFC,
    wave=lambda: Wave(CosSin(), NCHW),
    fan_out=FanOut,
    mean_of_sum=MeanOfSum,
    softmax_merge=lambda branches: SoftmaxMerge(branches, NCHW),
    scalar_merge=ScalarMerge,
    max_pool=MultiMaxPool,
)
_FAST = Backend(
    axis=CNHW,
    conv=UnfoldedConv,
    local_fc=BandedLocalFC,
    wave=lambda: Wave(PolynomialCosSin(), CNHW),
    fan_out=FanOut,
    mean_of_sum=MeanOfSum,
    softmax_merge=lambda branches: SoftmaxMerge(branches, CNHW),
    scalar_merge=ScalarMerge,
    max_pool=MultiMaxPool,
)
_FUSED = replace(
    _FAST,
    wave=operators.FusedWave,
    fan_out=operators.FusedFanOut,
    mean_of_sum=operators.FusedMeanOfSum,
    softmax_merge=operators.FusedSoftmaxMerge,
    scalar_merge=operators.FusedScalarMerge,
    max_pool=operators.FusedMaxPool,
    fused_dense=operators.FusedDense,
    fused_norm=operators.FusedNorm,
    fused_rprelu=operators.FusedRPReLU,
    fused_binarize=operators.FusedBinarizeActivation,
    fused_global_fc=operators.FusedGlobalFC,
    fused_local_fc=operators.FusedLocalFC,
)
BACKENDS = {"plain": _PLAIN, "fast": _FAST, "fused": _FUSED}


def choose_backend(name, compute_type="float32"):
    """Backend by name. "auto" is plain on Ascend and GPU; on a CPU it is fused if available, else fast.

    fused needs float32, a C++ compiler and graph mode. In PyNative mode MindSpore confuses the gradients of operators
    with several outputs.
    Raises ValueError for an unknown name, and for fused where it is not available.
    """
    on_cpu = ms.get_context("device_target") == "CPU"
    if name == "auto" and not on_cpu:
        name = "plain"
    elif name == "auto":
        graph = ms.get_context("mode") == ms.GRAPH_MODE
        name = "fused" if graph and compute_type == "float32" and operators.available() else "fast"
    if name not in BACKENDS:
        raise ValueError(f"backend: expected auto or one of {', '.join(BACKENDS)}, got {name!r}")
    if name == "fused":
        if compute_type != "float32" or not on_cpu:
            raise ValueError(
                f"backend fused: expected device CPU and compute_type float32, got {ms.get_context('device_target')} "
                f"and {compute_type}"
            )
        try:
            operators.library_path()
        except operators.BuildError as error:
            raise ValueError(f"backend fused: {error}") from error
    return BACKENDS[name]
