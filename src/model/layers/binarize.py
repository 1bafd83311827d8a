"""Quantizer Cells: sign of activations, with or without a learned shift, and sign of weights."""

import numpy as np
from mindspore import Parameter, Tensor, nn
from mindspore.common.initializer import initializer

from .gradients import GRADIENTS, heaviside, sign
from .layout import add_per_channel, channel_sum

LEVELS = {
    sign: ((-1, 1), 0.0),
    heaviside: ((0, 1), 0.5),
}  # function -> its two values, the threshold between them


class BinarizeShifted(nn.Cell):
    """Binarized sum y = binarize(x + b_c) of a feature map x and a shift b (C,).

    Backward: dx = g(x + b, dy), g the function under `gradient` in GRADIENTS; db_c = sum of dx over B, H, W.
    Args: binarize, x -> x_b; gradient, key of GRADIENTS; axis, the channel axis of the feature maps.
    """

    def __init__(self, binarize, gradient, axis):
        super().__init__()
        self.binarize, self.gradient, self.axis = binarize, GRADIENTS[gradient], axis

    def construct(self, x, b):
        return self.binarize(add_per_channel(x, b, self.axis))

    def bprop(self, x, b, out, dout):
        dx = self.gradient(add_per_channel(x, b, self.axis), dout)
        return dx, channel_sum(dx, self.axis)


class BinarizeAffine(nn.Cell):
    """Values y = alpha (sign(z) + beta), z = (x - beta) / alpha: (x, alpha (1,), beta (1,)) -> y.

    Backward, g the function under `gradient` in GRADIENTS at z: dx = g dy,
    dalpha = sum dy (sign(z) + beta) - dx z, dbeta = sum alpha dy - dx. axis: the channel axis of the feature maps.
    """

    def __init__(self, gradient, axis):
        super().__init__()
        self.gradient, self.axis = GRADIENTS[gradient], axis

    def construct(self, x, alpha, beta):
        return alpha * (sign((x - beta) / alpha) + beta)

    def bprop(self, x, alpha, beta, out, dout):
        z = (x - beta) / alpha
        dx = self.gradient(z, dout)
        dalpha = dout * (sign(z) + beta) - dx * z
        return dx, self.total(dalpha), alpha * self.total(dout) - self.total(dx)

    def total(self, x):
        """Sum of all numbers, (1,)."""
        return channel_sum(x, self.axis).sum().reshape(1)


class ActivationQuantizer(nn.Cell):
    """Base of the activation quantizers: x -> x_b of the same shape, in the layout of the config's backend.

    A subclass has construct(x) and lower(graph, x).
    """

    def epoch_state(self, epoch, epochs):
        """List of (parameter, array): the state of epoch 0 .. epochs - 1 of a stage. Here: there is none."""
        return []


class BinarizeActivation(ActivationQuantizer):
    """Activation quantizer binarize(x + b): with RSign (ReActNet, arXiv 2003.03488) b is learned per channel, else it is the
    config's -threshold."""

    def __init__(self, channels, config):
        super().__init__()
        quantizer = config.quantization.quantizer
        shift = np.full(channels, 0.0 - config.quantization.threshold, np.float32)
        self.bias = Parameter(initializer("zeros", (channels,))) if quantizer.rsign else Tensor(shift)
        self.function = quantizer.binarize
        self.binarize = config.backend.binarize(self.function, config.quantization.gradient)

    def construct(self, x):
        return self.binarize(x, self.bias)

    def lower(self, graph, x):
        levels, threshold = LEVELS[self.function]
        shift = self.bias.asnumpy() if isinstance(self.bias, Parameter) else self.bias.asnumpy()[:1]
        return graph.add("binarize", x, levels=levels, threshold=threshold - shift)


class WeightQuantizer(nn.Cell):
    """Base of the weight quantizers: w (O, C / groups, kh, kw) -> weights of the convolution, of the same shape.

    A subclass has construct(w), exactly -1 or +1 in evaluation, and scale(w) -> (O,), by which the sums are multiplied;
    where there is more to it, epoch_state and lower_conv.
    """

    def epoch_state(self, epoch, epochs, w):
        """List of (parameter, array): the state of epoch 0 .. epochs - 1 of a stage; w: the weights at its beginning, an array.
        Here: there is none."""
        return []

    def lower_conv(self, graph, x, layer):
        """Symbol of a BinaryConv2d `layer` on x, its input before the activation quantizer."""
        y = layer.lower_sums(graph, layer.rsign(x), self(layer.weight).asnumpy() > 0)
        return graph.affine(y, self.scale(layer.weight).asnumpy(), layer.bias_values())


class BinarizeWeight(WeightQuantizer):
    """Weight quantizer of a class of functions (SignSTE): w -> sign(normalize_weight(w)). Backward: weight_ste."""

    def __init__(self, quantizer):
        super().__init__()
        self.normalize_weight, self.ste = quantizer.normalize_weight, quantizer.weight_ste
        self.scale_of = quantizer.scale

    def construct(self, w):
        return sign(self.normalize_weight(w))

    def bprop(self, w, out, dout):
        return (self.ste(self.normalize_weight(w), dout),)

    def scale(self, w):
        return self.scale_of(self.normalize_weight(w))
