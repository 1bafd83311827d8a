"""Convolutions: full precision, and binary. An FC over channels is a convolution with kernel 1."""

import numpy as np
from mindspore import Parameter, Tensor, nn, ops
from mindspore import dtype as mstype
from mindspore.common.initializer import HeNormal, initializer

from .layout import add_per_channel, shuffle_channels, shuffled_order
from .padding import SAME, fixed_padding, pair, sides

AXES = {"width": (1, 7), "height": (7, 1)}  # kernel of a local FC along an axis


class _Conv(nn.Cell):
    """Base of the convolutions: their weight (O, C / groups, kh, kw) and geometry.

    kernel: a number, or (height, width). padding: the same, or "same" for TensorFlow's, the smaller half before.
    pad_value: the input's value outside of the map. pads_before: whether `pad` pads before the backend's convolution: with
    another value than 0, and where the padding depends on the map's size. Raises ValueError for channels that the groups do not divide.
    """

    def __init__(self, in_channels, out_channels, kernel, stride, padding, groups, pad_value=0, *, config):
        super().__init__()
        if in_channels % groups or out_channels % groups:
            raise ValueError(
                f"groups: expected a divisor of {in_channels} and {out_channels} channels, got {groups}"
            )
        self.kernel, self.stride, self.groups = pair(kernel), stride, groups
        self.padding, self.pad_value = fixed_padding(padding, self.kernel, stride), pad_value
        self.pads_before = self.padding == SAME or pad_value != 0
        self.pad = (
            config.backend.pad(self.kernel, stride, self.padding, pad_value)
            if self.pads_before
            else nn.Identity()
        )
        shape = (out_channels, in_channels // groups, *self.kernel)
        self.weight = Parameter(initializer(HeNormal(), shape))
        # arguments of the backend's convolution
        self.geometry = shape, stride, (0, 0) if self.pads_before else self.padding, groups

    def window(self, x):
        """Attributes of the convolution of a symbol in a graph."""
        padding = sides(self.padding, x.shape[2:], self.kernel, self.stride)
        return {"stride": self.stride, "padding": padding, "groups": self.groups}


class Conv2d(_Conv):
    """Full-precision convolution: (B, C, H, W) -> (B, O, H', W'). Arguments as in PyTorch's Conv2d, and "same" as padding."""

    def __init__(
        self, in_channels, out_channels, kernel, stride=1, padding=0, groups=1, bias=True, *, config
    ):
        super().__init__(in_channels, out_channels, kernel, stride, padding, groups, config=config)
        zeros = initializer("zeros", (out_channels,))
        self.bias = Parameter(zeros) if bias else Tensor(np.zeros(out_channels, np.float32))
        self.has_bias = bias
        self.conv = config.backend.conv_bias(*self.geometry, compute_type=config.compute_type)

    def construct(self, x):
        return self.conv(self.pad(x), self.weight, self.bias)

    def lower(self, graph, x):
        notes = {"bias": self.has_bias}
        y = graph.add("conv2d", x, weight=self.weight.asnumpy(), notes=notes, **self.window(x))
        return graph.affine(y, offset=self.bias.asnumpy()) if self.has_bias else y


class BinaryConv2d(_Conv):
    r"""Binary convolution, Eq. 10 and 11: y_o[p] = alpha_o \sum x_b[p + tap] sign(c_o), (B, C, H, W) -> (B, O, H', W').

    The quantizer gives x_b, c and alpha. In precision binary_act the weights are real and alpha is 1; in fp32 the
    activations are real too.
    Arguments as in PyTorch's Conv2d, and "same" as padding; bias: whether a learned bias is added after the scale.
    pad_value: x_b outside of the map. With 0 a padded tap contributes nothing, so the sum has fewer terms at the border.
    Real activations are padded with 0.
    The attribute `rsign` is the activation quantizer; checkpoints have its name. counted_bias: whether a paper's costs
    have a bias that the layer has not.
    """

    counted_bias = False

    def __init__(
        self,
        in_channels,
        out_channels,
        kernel,
        stride=1,
        padding=0,
        groups=1,
        bias=False,
        pad_value=0,
        *,
        config,
    ):
        quantization = config.quantization
        pad_value = pad_value if quantization.binary_activation else 0
        super().__init__(in_channels, out_channels, kernel, stride, padding, groups, pad_value, config=config)
        self.binary_activation, self.scaled = quantization.binary_activation, quantization.binary_weight
        quantizer = quantization.quantizer
        self.rsign = quantizer.activation(in_channels, config) if self.binary_activation else nn.Identity()
        shape = self.weight.shape
        self.weight_quantizer = quantizer.weight(shape, config) if self.scaled else nn.Identity()
        self.scaling = config.backend.scale() if self.scaled else None
        self.conv = config.backend.conv(*self.geometry)
        self.compute_type, self.axis = config.compute_type, config.backend.axis
        self.has_bias = bias
        if bias:
            self.bias = Parameter(initializer("zeros", (out_channels,)))

    def scale(self):
        """Scale alpha (O,) of the weights."""
        return self.weight_quantizer.scale(self.weight)

    def state_of_epoch(self, epoch, epochs):
        """List of (parameter, array): the quantizers' state of epoch 0 .. epochs - 1 of a stage, see learn/epoch_state.py."""
        state = list(self.rsign.epoch_state(epoch, epochs)) if self.binary_activation else []
        if self.scaled:
            state += self.weight_quantizer.epoch_state(epoch, epochs, self.weight.asnumpy())
        return state

    def arranged(self, x):
        """The input with its channels in the order in which the filters read them."""
        return x

    def accumulate(self, x):
        """Sums before the scale, (B, C, H, W) -> (B, O, H', W').

        In precision binary a sum over K values -1 and +1 is an integer in [-K, K] with the parity of K. The cast to the
        compute type follows binarization, so that it never changes a sign.
        """
        x = ops.cast(self.pad(self.rsign(x)), self.compute_type)
        weight = ops.cast(self.weight_quantizer(self.weight), self.compute_type)
        return ops.cast(self.conv(x, weight), mstype.float32)

    def construct(self, x):
        y = self.accumulate(x)
        if self.scaled:
            y = self.scaling(y, self.scale())
        return self.add_bias(y)

    def lower(self, graph, x):
        if self.scaled:
            return self.weight_quantizer.lower_conv(graph, x, self)
        return self.lower_real(graph, self.rsign(x))

    def lower_sums(self, graph, x, positive, pad_value=None, **notes):
        """Symbol of the sums of binarized x and weights, true for +1 and false for -1.

        pad_value: x outside of the map, None for the layer's. notes: others than the layer's.
        """
        outside, notes = self.pad_value if pad_value is None else pad_value, {**self.notes(), **notes}
        return graph.add(
            "binary_conv2d", x, weight=positive, pad_value=outside, notes=notes, **self.window(x)
        )

    def notes(self):
        """Notes of the convolution in a graph."""
        return {"bias": self.has_bias or self.counted_bias}

    def bias_values(self):
        """Bias (O,) as an array, or None."""
        return self.bias.asnumpy() if self.has_bias else None

    def lower_real(self, graph, x):
        """Symbol of the sums with real weights. Where x_b is v outside of the map, it is v + (x_b - v), padded with zeros."""
        weight, v = self.weight.asnumpy(), self.pad_value
        if v:
            x = graph.affine(x, offset=-v)
        y = graph.add("conv2d", x, weight=weight, notes=self.notes(), **self.window(x))
        if v:
            y = graph.affine(y, offset=v * weight.sum(axis=(1, 2, 3)))
        return graph.affine(y, offset=self.bias_values()) if self.has_bias else y

    def add_bias(self, y):
        """Sum of y and the bias, if there is one."""
        return add_per_channel(y, self.bias, self.axis) if self.has_bias else y


class ShuffledBinaryConv2d(BinaryConv2d):
    """Binary convolution in groups behind a channel shuffle: each group reads channels of every group of the input."""

    def arranged(self, x):
        return shuffle_channels(x, self.groups, self.axis)

    def accumulate(self, x):
        return super().accumulate(self.arranged(x))

    def lower(self, graph, x):
        order = shuffled_order(x.shape[1], self.groups)
        return super().lower(graph, graph.add("permute", x, order=order))


def local_fc(in_channels, out_channels, axis, config):
    """Local FC along "width" or "height", LFC of Eq. 10: seven taps, stride 1, one group per output channel."""
    kernel = AXES[axis]
    padding = tuple(size // 2 for size in kernel)
    return BinaryConv2d(in_channels, out_channels, kernel, 1, padding, out_channels, config=config)
