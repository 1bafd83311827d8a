"""Padding of sliding windows: symmetric, or SAME as TensorFlow has it."""

from mindspore import nn, ops

SAME = "same"


def pair(value):
    """Pair (height, width) of a number for both, or of a pair."""
    return (value, value) if isinstance(value, int) else tuple(value)


def same_sides(size, kernel, stride):
    """Padding SAME of one axis, (before, after): ceil(size / stride) windows, the smaller half before."""
    windows = (size + stride - 1) // stride
    total = max((windows - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def same_padding(sizes, kernel, stride):
    """Padding SAME of a map of these sizes, (top, left, bottom, right). kernel: (height, width)."""
    top, bottom = same_sides(sizes[0], kernel[0], stride)
    left, right = same_sides(sizes[1], kernel[1], stride)
    return top, left, bottom, right


def fixed_padding(padding, kernel, stride):
    """Symmetric padding (height, width) that equals `padding` at any size of the map, or "same" where none does.

    padding: a number, (height, width), or "same".
    """
    if padding != SAME:
        return pair(padding)
    symmetric = stride == 1 and all(side % 2 for side in kernel)
    return tuple(side // 2 for side in kernel) if symmetric else SAME


def half_padding(kernel, config):
    """Padding of a convolution whose output has ceil(size / stride) positions. kernel: an odd number."""
    return SAME if config.same_padding else kernel // 2


def sides(padding, sizes, kernel, stride):
    """Padding (top, left, bottom, right) of a map of these sizes; padding as from fixed_padding."""
    return same_padding(sizes, kernel, stride) if padding == SAME else (*padding, *padding)


class Pad(nn.Cell):
    """Padding of a feature map's height and width with a number, in either layout. padding: as from fixed_padding."""

    def __init__(self, kernel, stride, padding, value):
        super().__init__()
        self.kernel, self.stride, self.padding, self.value = kernel, stride, padding, float(value)

    def construct(self, x):
        top, left, bottom, right = sides(self.padding, x.shape[2:], self.kernel, self.stride)
        return ops.pad(x, (left, right, top, bottom), value=self.value)
