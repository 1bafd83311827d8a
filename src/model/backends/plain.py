"""Backend plain: MindSpore's operations on NCHW feature maps. Exported files hold these."""

from mindspore import dtype as mstype
from mindspore import nn, ops

from src.model.layers.activations import ShiftedPReLU, SlopesFunction
from src.model.layers.binarize import BinarizeAffine, BinarizeShifted
from src.model.layers.binary_fc import ShortcutConv
from src.model.layers.layout import NCHW, Scale, add_per_channel
from src.model.layers.merges import FanOut, MeanOfSum, ScalarMerge, SoftmaxMerge
from src.model.layers.padding import Pad
from src.model.layers.pools import MaxPool, MultiMaxPool
from src.model.layers.wave import CosSin, Wave

from .backend import Backend


class Conv(nn.Cell):
    """Convolution by MindSpore's Conv2D: x (B, C, H, W), weight (O, C / groups, kh, kw) -> (B, O, H', W')."""

    def __init__(self, weight_shape, stride, padding, groups):
        super().__init__()
        kernel, (top, left) = tuple(weight_shape[2:]), padding
        pads = {"pad_mode": "pad", "pad": (top, top, left, left)}
        self.conv = ops.Conv2D(weight_shape[0], kernel, mode=1, stride=stride, group=groups, **pads)

    def construct(self, x, weight):
        return self.conv(x, weight)


class AddBias(nn.Cell):
    """Sum of a convolution and a bias: (x, weight, bias) -> y. The operands of `conv` are cast to the compute type."""

    def __init__(self, conv, compute_type, axis):
        super().__init__()
        self.conv, self.compute_type, self.axis = conv, compute_type, axis

    def construct(self, x, weight, bias):
        y = self.conv(ops.cast(x, self.compute_type), ops.cast(weight, self.compute_type))
        return add_per_channel(ops.cast(y, mstype.float32), bias, self.axis)


PLAIN = Backend(
    axis=NCHW,
    conv=Conv,
    conv_bias=lambda *geometry, compute_type: AddBias(Conv(*geometry), compute_type, NCHW),
    shortcut_conv=ShortcutConv,
    batch_norm=lambda: None,
    scale=lambda: Scale(NCHW),
    rprelu=lambda: ShiftedPReLU(NCHW),
    two_slope=lambda: SlopesFunction(NCHW),
    affine_sign=lambda gradient: BinarizeAffine(gradient, NCHW),
    binarize=lambda function, gradient: BinarizeShifted(function, gradient, NCHW),
    wave=lambda: Wave(CosSin(), NCHW),
    pad=Pad,
    max_pool=MaxPool,
    multi_max_pool=MultiMaxPool,
    fan_out=FanOut,
    mean_of_sum=MeanOfSum,
    softmax_merge=lambda branches: SoftmaxMerge(branches, NCHW),
    scalar_merge=ScalarMerge,
)
