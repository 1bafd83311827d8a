"""The fused convolutions of any window against those of the backend fast: values and all gradients."""

import numpy as np
import pytest
from mindspore import Tensor, nn

from src.model.backends.fused import FusedShortcutConv
from src.model.layers.activations import ACTIVATIONS
from src.model.layers.binary_fc import ShortcutConv
from src.model.layers.conv import BinaryConv2d, Conv2d
from src.model.layers.resnet import PooledShortcut, residual_conv
from src.model.layers.shortcuts import uni_shortcut
from tests.operators.agreement import assert_same, pair, random

pytestmark = pytest.mark.usefixtures("pynative")


def unit(channels, out, config, kernel=3, stride=1, padding=1, shortcut=None, activation="rprelu"):
    """Binary convolution with norm, a shortcut and an activation; shortcut None: the Uni-shortcut."""
    conv = BinaryConv2d(channels, out, kernel, stride, padding, config=config)
    shortcut = uni_shortcut(channels, out, config.axis) if shortcut is None else shortcut
    return residual_conv(conv, channels, config, shortcut, ACTIVATIONS[activation])


def assert_fused(cells, x, **limits):
    """The operators serve the layer, and agree with the backend fast."""
    assert type(cells[0]) is ShortcutConv and type(cells[1]) is FusedShortcutConv
    assert_same(cells, x, **limits)


@pytest.mark.parametrize("precision", ["fp32", "binary_act", "binary"])
@pytest.mark.parametrize("channels,out", [(1, 1), (33, 33), (16, 32), (64, 16)])
def test_any_width(channels, out, precision):
    assert_fused(pair(lambda a: unit(channels, out, a), precision), random(channels, 3, 5, 7))


@pytest.mark.parametrize("size", [(1, 1), (2, 9), (16, 16)])
@pytest.mark.parametrize("kernel,padding", [((3, 3), (1, 1)), ((5, 1), (2, 0)), ((1, 3), (0, 1))])
def test_any_window(kernel, padding, size):
    assert_fused(pair(lambda a: unit(6, 6, a, kernel, 1, padding)), random(6, 2, *size))


@pytest.mark.parametrize("activation", ["none", "prelu", "gelu"])
@pytest.mark.parametrize("size", [(8, 8), (6, 10)])
def test_stride_with_a_shortcut_of_its_own(size, activation):
    def make(config):
        around = PooledShortcut(8, 16, 2, config)
        return unit(8, 16, config, stride=2, shortcut=around, activation=activation)

    assert_fused(pair(make), random(8, 3, *size))


@pytest.mark.parametrize("training", [True, False])
def test_no_shortcut_on_an_odd_size(training):
    def make(config):
        conv = BinaryConv2d(5, 9, 3, 2, 1, config=config)
        return config.backend.shortcut_conv(conv, 5, config)

    assert_fused(pair(make, shortcut="none"), 1 + random(5, 3, 7, 9), training=training)


@pytest.mark.parametrize(
    "quantizer,gradient", [("reactnet", "auto"), ("bireal", "auto"), ("sign", "clip_grad")]
)
def test_other_quantizers(quantizer, gradient):
    for kernel, padding in ((3, 1), (1, 0)):
        cells = pair(
            lambda a, k=kernel, p=padding: unit(8, 8, a, k, 1, p), "binary", gradient, quantizer=quantizer
        )
        assert_fused(cells, random(8, 4, 5, 5))


@pytest.mark.parametrize("quantizer", ["xnor", "dorefa", "dsq"])
def test_quantizers_that_the_operator_does_not_know(quantizer):
    cells = pair(lambda a: unit(8, 8, a), "binary", "auto", quantizer=quantizer)
    assert type(cells[1]) is ShortcutConv
    assert_same(cells, random(8, 4, 5, 5))


@pytest.mark.parametrize(
    "kernel,stride,padding", [(7, 2, 3), (3, 1, 1), (1, 2, 0), ((2, 3), 3, (0, 1)), (1, 1, 1)]
)
def test_full_precision_convolution(kernel, stride, padding):
    assert_same(pair(lambda a: Conv2d(3, 10, kernel, stride, padding, config=a)), random(3, 2, 11, 14))


class Sums(nn.Cell):
    """Sums of a fused layer before the norm."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def construct(self, x):
        norm, zeros = self.layer.norm, self.layer.zeros
        shift = self.layer.fc.rsign.bias
        weights = (shift, self.layer.fc.weight, norm.gamma, norm.beta, norm.moving_mean, norm.moving_variance)
        return self.layer.operator(x, *weights, zeros, self.layer.ones, zeros)[1]


def test_sums_at_the_border_are_the_exact_integers():
    fast, fused = pair(lambda a: unit(37, 37, a))
    x = random(37, 2, 3, 5)
    x[:, :, 0] = 0  # sign(0)
    expected = fast.fc.accumulate(Tensor(x)).asnumpy()
    np.testing.assert_array_equal(Sums(fused)(Tensor(x)).asnumpy(), expected)
