"""Shape rules of the operations: shapes (C, H, W) in, shape out. Each raises ValueError where inputs do not fit.

Attributes are within their own limits before a rule is asked (ops.py).
"""

import math

import numpy as np

# of a map; a window's side; weights of a binary filter
MAX_CHANNELS, MAX_WINDOW, MAX_FILTER = 1 << 16, 64, 1 << 22


def _require(holds, expected, got):
    if not holds:
        raise ValueError(f"expected {expected}, got {got}")


def _window(shape, kernel, stride, padding):
    """Height and width of a sliding window's output. padding: (top, left, bottom, right)."""
    top, left, bottom, right = padding
    _require(all(1 <= taps <= MAX_WINDOW for taps in kernel), f"a kernel of 1 to {MAX_WINDOW}", kernel)
    _require(
        max(top, bottom) < kernel[0] and max(left, right) < kernel[1], "a padding below the kernel", padding
    )
    sizes = [
        (size + pads - taps) // stride + 1
        for size, pads, taps in zip(shape[1:], (top + bottom, left + right), kernel)
    ]
    _require(min(sizes) >= 1, "a map that holds the kernel", f"{shape} for {kernel}")
    return tuple(sizes)


def conv2d(x, stride, padding, groups, weight):
    """Shape of a convolution's output."""
    out, group, *kernel = weight.shape
    _require(1 <= out <= MAX_CHANNELS, f"1 to {MAX_CHANNELS} channels", out)
    _require(out % groups == 0, "groups that divide the output's channels", (out, groups))
    _require(group * groups == x[0], f"{group * groups} channels", x[0])
    return (out, *_window(x, tuple(kernel), stride, padding))


def binary_conv2d(x, stride, padding, groups, pad_value, weight):
    """Shape of a binary convolution's output. The sums are exact in 32-bit floats."""
    inputs = math.prod(weight.shape[1:])
    _require(inputs <= MAX_FILTER, f"at most {MAX_FILTER} weights in a filter", inputs)
    return conv2d(x, stride, padding, groups, weight)


def pool(x, kind, kernel, stride, padding):
    """Shape of a pool's output."""
    return (x[0], *_window(x, kernel, stride, padding))


def per_channel(*names):
    """Rule of an operation with vectors of one number, or of one per channel: the input's shape."""

    def rule(x, **arguments):
        for name in names:
            _require(
                arguments[name].shape in ((1,), (x[0],)), f"{name} of {x[0]} numbers", arguments[name].shape
            )
        return x

    return rule


def same(x, **attributes):
    """Shape of the input."""
    return x


def broadcast(x, y):
    """Shape of a sum or product whose second operand may be 1 x 1 or have one channel."""
    fits = y[0] in (1, x[0]) and y[1:] in ((1, 1), x[1:])
    _require(fits, f"a map that broadcasts over {x}", y)
    return x


def concat(*inputs):
    """Shape of maps behind one another."""
    sizes = {shape[1:] for shape in inputs}
    _require(len(sizes) == 1, "maps of one size", inputs)
    channels = sum(shape[0] for shape in inputs)
    _require(channels <= MAX_CHANNELS, f"at most {MAX_CHANNELS} channels", channels)
    return (channels, *inputs[0][1:])


def slice_channels(x, start, step, count):
    """Shape of some of the channels."""
    fits = start + step * (count - 1) < x[0]
    _require(fits, f"channels of {x[0]}", (start, step, count))
    return (count, *x[1:])


def permute(x, order):
    """Shape of the channels in another order."""
    _require(
        np.array_equal(np.sort(order), np.arange(x[0])),
        f"an order of {x[0]} channels",
        f"{len(order)} numbers",
    )
    return x


def group_mean(x, group):
    """Shape of means of adjacent channels."""
    _require(x[0] % group == 0, f"a divisor of {x[0]} channels", group)
    return (x[0] // group, *x[1:])


def global_mean(x):
    """Shape of the mean over positions."""
    return (x[0], 1, 1)


def softmax(x, group):
    """Shape of a softmax over adjacent channels."""
    _require(x[0] % group == 0, f"a divisor of {x[0]} channels", group)
    return x
