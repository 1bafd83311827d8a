"""Backend fused: C++ operators of src/operators on CNHW feature maps, for whole layers where one has them.

In a graph (src/graph) they are the operations of the backend plain.
"""

from dataclasses import replace

import numpy as np
from mindspore import Tensor, nn

from src import operators
from src.model.layers.activations import RPReLU
from src.model.layers.binarize import BinarizeActivation, BinarizeShifted, BinarizeWeight
from src.model.layers.binary_fc import ShortcutConv
from src.model.layers.conv import AXES
from src.model.layers.gradients import heaviside, sign
from src.model.layers.layout import CNHW, GroupMean
from src.model.layers.merges import ScalarMerge, lower_branch_softmax
from src.model.layers.norms import EPS
from src.model.layers.padding import sides
from src.model.layers.pools import MaxPool, MultiMaxPool
from src.model.layers.quantizers import QUANTIZERS, weight_scale
from src.model.layers.shortcuts import Repeat
from src.model.layers.wave import Wave

from .fast import FAST

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


class ConvBias(nn.Cell):
    """Fused convolution: (x, weight, bias) -> y. An FC over channels is one matrix product."""

    def __init__(self, weight_shape, stride, padding, groups):
        super().__init__()
        is_dense = (*weight_shape[2:], stride, *padding, groups) == (1, 1, 1, 0, 0, 1)
        self.operator = (
            operators.FusedDense() if is_dense else operators.FusedConv(weight_shape, stride, padding)
        )

    def construct(self, x, weight, bias):
        return self.operator(x, weight, bias)[0]


class Conv(ConvBias):
    """Fused convolution without bias: (x, weight) -> y."""

    def __init__(self, weight_shape, stride, padding, groups):
        super().__init__(weight_shape, stride, padding, groups)
        self.no_bias = Tensor(np.zeros(weight_shape[0], np.float32))

    def construct(self, x, weight):
        return self.operator(x, weight, self.no_bias)[0]


def binarize(function, gradient):
    """Fused activation quantizer, or that of the backend fast where there is none. Arguments as in Backend."""
    if function in IS_ZERO_ONE and gradient in operators.GRADIENTS:
        return FirstOutput(operators.FusedBinarizeActivation(gradient, IS_ZERO_ONE[function]))
    return BinarizeShifted(function, gradient, CNHW)


def affine_sign(gradient):
    """Fused activation quantizer of AdaBin, or that of the backend fast where there is none. Arguments as in Backend."""
    if gradient in operators.GRADIENTS:
        return FirstOutput(operators.FusedAffineSign(gradient))
    return FAST.affine_sign(gradient)


UNI_SHORTCUTS = (nn.Identity, Repeat, GroupMean)
# scale and gradient of the weights of a quantizer -> their name in operators.SCALES
SCALES = {
    (weight_scale, QUANTIZERS["bimlp"].weight_ste): "mean",
    (weight_scale, QUANTIZERS["reactnet"].weight_ste): "mean_forward",
    (QUANTIZERS["sign"].scale, QUANTIZERS["sign"].weight_ste): "none",
}


def scale_name(conv, quantization):
    """Name in operators.SCALES of the scale of a BinaryConv2d's weights; None if the operators do not know its quantizers."""
    quantizer = quantization.quantizer
    if not quantization.binary_activation:
        return "none"
    known_activation = type(conv.rsign) is BinarizeActivation and quantizer.binarize is sign
    if not known_activation or quantization.gradient not in operators.GRADIENTS:
        return None
    if not quantization.binary_weight:
        return "none"
    if type(conv.weight_quantizer) is not BinarizeWeight:
        return None
    is_plain = quantizer.normalize_weight is QUANTIZERS["sign"].normalize_weight
    return SCALES.get((quantizer.scale, quantizer.weight_ste)) if is_plain else None


class FusedShortcutConv(ShortcutConv):
    """ShortcutConv whose convolution, norm, shortcut and RPReLU are one operator. Other activations follow it."""

    def __init__(self, conv, in_channels, config):
        super().__init__(conv, in_channels, config)
        quantization, shape = config.quantization, conv.weight.shape
        kinds = quantization.precision, quantization.gradient, scale_name(conv, quantization), shape
        # the Uni-shortcut is part of the operators, another one is a map of its own
        self.adds_map = self.has_shortcut and type(self.shortcut) not in UNI_SHORTCUTS
        shortcut = operators.INPUT_SHORTCUT if self.has_shortcut else operators.NO_SHORTCUT
        if self.adds_map:
            self.operator = operators.FusedBinaryConvAdd(*kinds, conv.stride, conv.padding)
        elif is_global_fc(conv):
            self.operator = operators.FusedGlobalFC(*kinds, in_channels, shortcut)
        elif is_local_fc(conv):
            self.operator = operators.FusedLocalFC(*kinds, in_channels, shortcut)
        else:
            self.operator = operators.FusedBinaryConv(*kinds, conv.stride, conv.padding, shortcut)
        self.no_shift = Tensor(np.zeros(in_channels, np.float32))  # where nothing is binarized
        self.has_rprelu = isinstance(self.act, RPReLU)
        zeros, ones = np.zeros(shape[0], np.float32), np.ones(shape[0], np.float32)
        self.zeros, self.ones = Tensor(zeros), Tensor(ones)  # of an RPReLU that changes nothing

    def construct(self, x):
        norm, act = self.norm, self.act
        shift = self.fc.rsign.bias if self.fc.binary_activation else self.no_shift
        weights = (shift, self.fc.weight, norm.gamma, norm.beta, norm.moving_mean, norm.moving_variance)
        maps = (x, self.shortcut(x)) if self.adds_map else (x,)
        if self.has_rprelu:
            return self.operator(*maps, *weights, act.shift_in, act.slope, act.shift_out)[0]
        return act(self.operator(*maps, *weights, self.zeros, self.ones, self.zeros)[0])

    def lower(self, graph, x):
        return super().construct(x)


def keeps_size(conv):
    """Whether the output has the size of the input."""
    return conv.stride == 1 and conv.padding == tuple(size // 2 for size in conv.kernel)


def is_global_fc(conv):
    """Whether a convolution is an FC over channels."""
    return (*conv.kernel, conv.groups, conv.stride, *conv.padding) == (1, 1, 1, 1, 0, 0)


def is_local_fc(conv):
    """Whether a convolution is an FC along an axis, with one group per output channel."""
    return conv.kernel in AXES.values() and conv.groups == conv.weight.shape[0] and keeps_size(conv)


def shortcut_conv(conv, in_channels, config):
    """FusedShortcutConv where the operators know the layer, else ShortcutConv. Arguments as in Backend.

    They know convolutions without groups and local FCs, padded with zeros, the quantizers of `scale_name`, and norms of one
    worker's images with PyTorch's eps.
    """
    known_layer = (conv.groups == 1 or is_local_fc(conv)) and not conv.has_bias and not conv.pads_before
    known_quantizer = scale_name(conv, config.quantization) is not None
    known_norm = config.norm_eps == EPS and not config.sync_workers
    fused = known_layer and known_quantizer and known_norm
    return (FusedShortcutConv if fused else ShortcutConv)(conv, in_channels, config)


class FusedWave(operators.FusedWave):
    """Fused wave of the PATM."""

    work, lower = Wave.work, Wave.lower


class FusedMaxPool(FirstOutput):
    """Fused max-pool, in a graph that of MaxPool."""

    work, lower = MaxPool.work, MaxPool.lower

    def __init__(self, *window):
        super().__init__(operators.FusedMaxPool(*window))
        self.window = window


def pad(kernel, stride, padding, value):
    """Fused padding. Arguments as in Backend."""

    def padded(sizes):
        top, left, bottom, right = sides(padding, sizes, kernel, stride)
        return sizes[0] + top + bottom, sizes[1] + left + right

    return operators.FusedPad(padded, value, f"{kernel} {stride} {padding}")


class FusedMultiMaxPool(operators.FusedMultiMaxPool):
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
    conv=Conv,
    conv_bias=lambda *geometry, compute_type: ConvBias(*geometry),
    shortcut_conv=shortcut_conv,
    batch_norm=lambda: FirstOutput(operators.FusedNorm()),
    scale=lambda: FirstOutput(operators.FusedScale()),
    rprelu=lambda: FirstOutput(operators.FusedRPReLU()),
    two_slope=lambda: FirstOutput(operators.FusedTwoSlope()),
    affine_sign=affine_sign,
    binarize=binarize,
    wave=FusedWave,
    pad=pad,
    max_pool=FusedMaxPool,
    multi_max_pool=FusedMultiMaxPool,
    fan_out=operators.FusedFanOut,
    mean_of_sum=FusedMeanOfSum,
    softmax_merge=FusedSoftmaxMerge,
    scalar_merge=lambda branches: FusedScalarMerge(operators.FusedScalarMerge(branches)),
)
