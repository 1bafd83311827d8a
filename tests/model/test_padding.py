"""Padding SAME and padding with a value: convolutions and blur against NumPy on maps that are padded by hand."""

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor

from src.graph import run_reference, trace
from src.graph.meanings import conv2d
from src.model.config import layer_config
from src.model.layers.blur import Blur
from src.model.layers.conv import BinaryConv2d, Conv2d
from src.model.layers.layout import to_layout
from src.model.layers.padding import same_padding

pytestmark = pytest.mark.usefixtures("pynative")
BACKENDS = pytest.mark.parametrize("backend", ["plain", "fast", "fused"])


def same(sizes, kernel, stride):
    """Padding SAME by its definition: the least that gives ceil(size / stride) windows, an odd one's rest at the end."""
    total = [0, 0]
    for axis in (0, 1):
        while (sizes[axis] + total[axis] - kernel[axis]) // stride + 1 < -(-sizes[axis] // stride):
            total[axis] += 1
    before = [each // 2 for each in total]
    return (*before, total[0] - before[0], total[1] - before[1])


def normal(*shape):
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(np.float32)


def check(layer, x, expected, axis):
    """The layer, and its graph, give the expected map."""
    layer.set_train(False)
    found = to_layout(layer(to_layout(Tensor(x), axis)), axis).asnumpy()
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)
    found = run_reference(trace(layer, x.shape[2]), x)
    np.testing.assert_allclose(found, expected.reshape(len(x), -1), rtol=0, atol=1e-5)


@pytest.mark.parametrize("size", [(8, 8), (9, 9), (8, 11)])
@pytest.mark.parametrize(
    "kernel,stride", [((3, 3), 2), ((7, 7), 2), ((11, 11), 4), ((2, 2), 1), ((3, 1), 1), ((1, 1), 2)]
)
def test_same_is_the_least_padding_with_its_rest_at_the_end(size, kernel, stride):
    assert same_padding(size, kernel, stride) == same(size, kernel, stride)


@BACKENDS
@pytest.mark.parametrize("size", [8, 9])
@pytest.mark.parametrize("kernel,stride,groups", [(3, 2, 1), (7, 2, 1), (3, 2, 3), (2, 1, 1), (3, 1, 3)])
def test_convolutions_pad_the_smaller_half_before(backend, size, kernel, stride, groups):
    config, x = layer_config(backend=backend), normal(2, 3, size, size)
    layer = Conv2d(3, 6, kernel, stride, "same", groups, bias=False, config=config)
    assert [p.name for p in layer.trainable_params()] == ["weight"]
    padding = same((size, size), (kernel, kernel), stride)
    check(layer, x, conv2d(x, stride, padding, groups, layer.weight.asnumpy()), config.axis)


@BACKENDS
@pytest.mark.parametrize("size", [8, 9])
def test_blur_is_the_binomial_filter(backend, size):
    config, x = layer_config(backend=backend), normal(2, 3, size, size)
    layer, taps = Blur(3, config), np.array([1, 2, 1], np.float32)
    weight = np.broadcast_to(taps[:, None] * taps / 16, (3, 1, 3, 3))
    check(layer, x, conv2d(x, 2, same((size, size), (3, 3), 2), 3, weight), config.axis)
    assert not layer.trainable_params()


@BACKENDS
@pytest.mark.parametrize("precision", ["fp32", "binary_act", "binary"])
@pytest.mark.parametrize("pad_value,stride", [(1, 1), (-1, 1), (1, 2), (0, 2)])
def test_binary_activations_are_padded_with_a_value(backend, precision, pad_value, stride):
    config, x = layer_config(precision, backend=backend, quantizer="sign"), normal(2, 3, 6, 6)
    layer = BinaryConv2d(3, 5, 3, stride, "same", bias=True, pad_value=pad_value, config=config)
    layer.bias.set_data(Tensor(normal(5)))
    weight = layer.weight.asnumpy()
    inputs = x if precision == "fp32" else np.where(x > 0, 1, -1).astype(np.float32)
    filters = np.where(weight > 0, 1, -1).astype(np.float32) if precision == "binary" else weight
    value = 0 if precision == "fp32" else pad_value
    y = conv2d(inputs, stride, same((6, 6), (3, 3), stride), 1, filters, value)
    check(layer, x, y + layer.bias.asnumpy().reshape(1, -1, 1, 1), config.axis)


@BACKENDS
def test_padded_taps_give_the_weights_their_gradient(backend):
    """y is linear in the real weights, so sum(w dw) = sum(y dy); dx is that of the taps inside alone."""
    config, x, dy = (
        layer_config("binary_act", backend=backend, quantizer="sign"),
        normal(2, 3, 4, 4),
        normal(2, 5, 4, 4),
    )
    layer = BinaryConv2d(3, 5, 3, 1, 1, pad_value=1, config=config)
    x, dy = to_layout(Tensor(x), config.axis), to_layout(Tensor(dy), config.axis)

    def loss(x):
        return (layer(x) * dy).sum()

    value, (dx, (dw,)) = ms.value_and_grad(loss, 0, layer.trainable_params())(x)
    assert abs((layer.weight * dw).sum() - value) < 1e-3
    zeros = BinaryConv2d(3, 5, 3, 1, 1, config=config)
    zeros.weight.set_data(layer.weight)
    expected = ms.grad(lambda x: (zeros(x) * dy).sum())(x)
    np.testing.assert_allclose(dx.asnumpy(), expected.asnumpy(), rtol=0, atol=1e-5)
