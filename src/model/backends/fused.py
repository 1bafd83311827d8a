"""Backend fused: C++ operators of src/operators on CNHW feature maps, for whole layers where one has them.

In a graph (src/graph) they are the operations of the backend plain.
"""

from dataclasses import replace

import numpy as np
from mindspore import Tensor, nn

from src import operators
from src.model.layers.activations import RPReLU
from src.model.layers.binarize import BinarizeShifted
from src.model.layers.binary_fc import ShortcutConv
from src.model.layers.conv import AXES
from src.model.layers.gradients import heaviside, sign
from src.model.layers.layout import CNHW
from src.model.layers.merges import ScalarMerge, lower_branch_softmax
from src.model.layers.pools import MultiMaxPool
from src.model.layers.quantizers import QUANTIZERS
from src.model.layers.wave import Wave

from .fast import FAST, UnfoldedConv

IS_ZERO_ONE = {
    sign: False,
    heaviside: True,
}  # activation quantizer -> whether its values are 0 and 1, not -1 and +1


class FirstOutput(nn.Cell):
    """First output of an operator; the others are for its backward pass."""

    def __init__(self, operator):
        super().__init__()
        self.operator = operator

    def construct(self, *inputs):
        return self.operator(*inputs)[0]


class UnfoldedDense(nn.Cell):
    """Convolution with bias by im2col and the fused FC: (x, weight, bias) -> y."""

    def __init__(self, weight_shape, stride, padding):
        super().__init__()
        self.unfold, self.dense = UnfoldedConv(weight_shape, stride, padding, 1), operators.FusedDense()

    def construct(self, x, weight, bias):
        return self.dense(self.unfold.columns(x), weight, bias)[0]


def conv_bias(weight_shape, stride, padding, groups, compute_type):
    """Fused convolution with bias, or that of the backend fast where there are groups. Arguments as in Backend."""
    if groups > 1:
        return FAST.conv_bias(weight_shape, stride, padding, groups, compute_type=compute_type)
    return UnfoldedDense(weight_shape, stride, padding)


def binarize(function, gradient):
    """Fused activation quantizer, or that of the backend fast where there is none. Arguments as in Backend."""
    if function in IS_ZERO_ONE:
        return FirstOutput(operators.FusedBinarizeActivation(gradient, IS_ZERO_ONE[function]))
    return BinarizeShifted(function, gradient, CNHW)


class FusedShortcutConv(ShortcutConv):
    """ShortcutConv whose convolution, norm, shortcut and RPReLU are one operator. Other activations follow it."""

    def __init__(self, conv, in_channels, config):
        super().__init__(conv, in_channels, config)
        quantization, shape = config.quantization, conv.weight.shape
        operator = operators.FusedGlobalFC if conv.kernel == (1, 1) else operators.FusedLocalFC
        self.operator = operator(
            quantization.precision, quantization.gradient, shape, in_channels, self.has_shortcut
        )
        self.no_shift = Tensor(np.zeros(in_channels, np.float32))  # where nothing is binarized
        self.has_rprelu = isinstance(self.act, RPReLU)
        zeros, ones = np.zeros(shape[0], np.float32), np.ones(shape[0], np.float32)
        self.zeros, self.ones = Tensor(zeros), Tensor(ones)  # of an RPReLU that changes nothing

    def construct(self, x):
        norm, act = self.norm, self.act
        shift = self.fc.rsign.bias if self.fc.binary_activation else self.no_shift
        weights = (shift, self.fc.weight, norm.gamma, norm.beta, norm.moving_mean, norm.moving_variance)
        if self.has_rprelu:
            return self.operator(x, *weights, act.shift_in, act.slope, act.shift_out)[0]
        return act(self.operator(x, *weights, self.zeros, self.ones, self.zeros)[0])

    def lower(self, graph, x):
        return super().construct(x)


def shortcut_conv(conv, in_channels, config):
    """FusedShortcutConv where the operators know the layer, else ShortcutConv. Arguments as in Backend.

    They know local FCs and FCs over channels, the quantizer bimlp, and norms of one worker's images.
    """
    quantization, channels = config.quantization, conv.weight.shape[0]
    global_fc = conv.kernel == (1, 1) and conv.groups == 1
    local_fc = conv.kernel in AXES.values() and conv.groups == channels
    keeps_size = conv.stride == 1 and conv.padding == tuple(size // 2 for size in conv.kernel)
    known_layer = (global_fc or local_fc) and keeps_size and not conv.has_bias
    known_quantizer = not quantization.binary_activation or quantization.quantizer is QUANTIZERS["bimlp"]
    fused = known_layer and known_quantizer and not config.sync_workers
    return (FusedShortcutConv if fused else ShortcutConv)(conv, in_channels, config)


class FusedWave(operators.FusedWave):
    """Fused wave of the PATM."""

    work, lower = Wave.work, Wave.lower


class FusedMaxPool(operators.FusedMaxPool):
    """Fused pools of the downsampling."""

    work, lower = MultiMaxPool.work, MultiMaxPool.lower


class FusedMeanOfSum(operators.FusedMeanOfSum):
    """Fused global average pool of a sum."""

    def lower(self, graph, z, maps):
        return graph.add("global_mean", sum(maps, z)), z, maps


class FusedSoftmaxMerge(operators.FusedSoftmaxMerge):
    """Fused softmax merge of branches."""

    def lower(self, graph, logits, z, maps):
        for each, weight in zip(maps, lower_branch_softmax(graph, logits, len(maps))):
            z = z + each * weight
        return z


class FusedScalarMerge(FirstOutput):
    """Fused scalar merge of branches."""

    lower = ScalarMerge.lower


FUSED = replace(
    FAST,
    conv_bias=conv_bias,
    shortcut_conv=shortcut_conv,
    batch_norm=lambda: FirstOutput(operators.FusedNorm()),
    rprelu=lambda: FirstOutput(operators.FusedRPReLU()),
    binarize=binarize,
    wave=FusedWave,
    max_pool=FusedMaxPool,
    fan_out=operators.FusedFanOut,
    mean_of_sum=FusedMeanOfSum,
    softmax_merge=FusedSoftmaxMerge,
    scalar_merge=lambda branches: FusedScalarMerge(operators.FusedScalarMerge(branches)),
)
