"""Meanings of the operations in NumPy, the obvious way: arrays (B, C, H, W) in, array out.

All is computed in the type of the input. Sums of bits are exact integers, where what is outside of the map is one.
"""

import math

import numpy as np

_erf = np.vectorize(math.erf, otypes=[np.float64])


def _sigmoid(x):
    return 1 / (1 + np.exp(-x))


FUNCTIONS = {
    "sigmoid": _sigmoid,
    "gelu": lambda x: x * 0.5 * (1 + _erf(x / math.sqrt(2))).astype(x.dtype),
    "tanh": np.tanh,
    "cos": np.cos,
    "sin": np.sin,
    "hardtanh": lambda x: np.clip(x, -1, 1),
    "relu6": lambda x: np.clip(x, 0, 6),
    "hardsigmoid": lambda x: np.clip(x + 3, 0, 6) / 6,
    "hardswish": lambda x: x * np.clip(x + 3, 0, 6) / 6,
    "silu": lambda x: x * _sigmoid(x),
}


def _column(v):
    return v.reshape(1, -1, 1, 1)


def _padded(x, padding, value):
    top, left, bottom, right = padding
    return np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=value)


def _taps(x, kernel, stride):
    """Shifted maps of a padded map, one per tap: yields (row, column, map)."""
    height, width = ((size - taps) // stride + 1 for size, taps in zip(x.shape[2:], kernel))
    for i in range(kernel[0]):
        for j in range(kernel[1]):
            rows = slice(i, i + stride * (height - 1) + 1, stride)
            columns = slice(j, j + stride * (width - 1) + 1, stride)
            yield i, j, x[:, :, rows, columns]


def conv2d(x, stride, padding, groups, weight, pad_value=0):
    """Convolution: the sum over taps and input channels of a group, zero padding."""
    out, group, *kernel = weight.shape
    total = 0
    for i, j, part in _taps(_padded(x, padding, pad_value), kernel, stride):
        b, _, h, w = part.shape
        part = part.reshape(b, groups, group, h * w)
        filters = weight[:, :, i, j].reshape(groups, out // groups, group)
        total = total + np.matmul(filters, part).reshape(b, out, h, w)
    return total


def binarize(x, levels, threshold):
    """Two or three values; see OPS."""
    t = _column(threshold)
    if levels == (-1, 0, 1):
        return np.where(x > t, 1, np.where(x < -t, -1, 0)).astype(x.dtype)
    low, high = levels
    return np.where(x > t, high, low).astype(x.dtype)


def binary_conv2d(x, stride, padding, groups, weight, pad_value):
    """Convolution with weights -1 and +1 on values of binarize, and on pad_value outside of the map."""
    signs = np.where(weight, 1, -1).astype(x.dtype)
    return conv2d(x, stride, padding, groups, signs, pad_value)


def affine(x, factor, offset):
    """factor x + offset per channel."""
    return x * _column(factor) + _column(offset)


def prelu(x, positive, negative):
    """One slope above 0 and another below, per channel."""
    return np.where(x > 0, _column(positive), _column(negative)).astype(x.dtype) * x


def unary(x, function):
    """A function of FUNCTIONS of each number."""
    return FUNCTIONS[function](x)


def add(x, y):
    """Sum."""
    return x + y


def mul(x, y):
    """Product."""
    return x * y


def concat(*inputs):
    """Channels of the inputs behind one another."""
    return np.concatenate(inputs, axis=1)


def slice_channels(x, start, step, count):
    """Channels start, start + step, .."""
    return x[:, start : start + step * (count - 1) + 1 : step]


def permute(x, order):
    """Channels in another order."""
    return x[:, list(order)]


def group_mean(x, group):
    """Mean of each `group` adjacent channels."""
    b, c, h, w = x.shape
    return x.reshape(b, c // group, group, h, w).mean(axis=2)


def pool(x, kind, kernel, stride, padding):
    """Largest value or mean of each window."""
    padded = _padded(x, padding, -np.inf if kind == "max" else 0)
    parts = [part for _, _, part in _taps(padded, kernel, stride)]
    return np.maximum.reduce(parts) if kind == "max" else sum(parts) / len(parts)


def global_mean(x):
    """Mean over positions."""
    return x.mean(axis=(2, 3), keepdims=True)


def softmax(x, group):
    """Softmax over each `group` adjacent channels."""
    b, c, h, w = x.shape
    x = x.reshape(b, c // group, group, h, w)
    e = np.exp(x - x.max(axis=2, keepdims=True))
    return (e / e.sum(axis=2, keepdims=True)).reshape(b, c, h, w)


def layer_norm(x, epsilon, factor, offset):
    """Norm over C, H, W of each image, then factor and offset per channel."""
    x = x - x.mean(axis=(1, 2, 3), keepdims=True)
    x = x / np.sqrt((x * x).mean(axis=(1, 2, 3), keepdims=True) + epsilon)
    return affine(x, factor, offset)
