"""FDA-BNN: the gradient of the sign is that of its Fourier series, whose number of terms grows."""

import math

from mindspore import Parameter, nn, ops
from mindspore.common.initializer import HeUniform, initializer

from ..binarize import ActivationQuantizer, WeightQuantizer
from ..layout import NCHW
from .base import SignSTE, weight_scale
from .moving import SteSign, state

OMEGA = 0.1  # base frequency
TERMS = (9, 18)  # at the first epoch, and beyond the last
STRENGTH = 0.1  # of the noise, at first
NEAR_ZERO = 1e-4  # where the quotient of sines is its limit
DIVISOR = 64  # of a filter's weights, which gives the hidden numbers of their noise


def terms_of(epoch, epochs):
    """Largest index n of the series in epoch e of E: 9 + floor(9 e / E), as published."""
    first, last = TERMS
    return first + (last - first) * epoch // epochs


def strength_of(epoch, epochs):
    """Factor of the noise in epoch e of E: 0.1 (1 + cos(pi (e + 1) / E)) / 2, as published; 0 in the last one."""
    return STRENGTH * (1 + math.cos(math.pi * (epoch + 1) / epochs)) / 2


def fourier(x, dout, n):
    """Gradient of FDA-BNN: dx = (4 w / pi) sum_{i=0}^{n} cos((2 i + 1) w x) dout where |x| <= 1, else 0; w = 0.1.

    The sum is sin(2 (n + 1) w x) / (2 sin(w x)), n + 1 at x = 0.
    """
    u = ops.maximum(OMEGA * ops.abs(x), NEAR_ZERO * OMEGA)
    total = ops.sin(2 * (n + 1) * u) / (2 * ops.sin(u))
    return dout * total * ops.cast(ops.abs(x) <= 1, dout.dtype) * (4 * OMEGA / math.pi)


class Noise(nn.Cell):
    """Noise adaptation module: x (n, K) -> relu(x W1^T) W2^T + 0.1 sin(x), W1 (hidden, n), W2 (n, hidden), learned."""

    def __init__(self, inputs, hidden):
        super().__init__()
        self.weight1 = Parameter(initializer(HeUniform(), (hidden, inputs)))
        self.weight2 = Parameter(initializer(HeUniform(), (inputs, hidden)))

    def construct(self, x):
        """x (inputs, K), a column for each of K vectors -> the same shape."""
        return ops.matmul(self.weight2, ops.relu(ops.matmul(self.weight1, x))) + 0.1 * ops.sin(x)


class NoisySign(nn.Cell):
    """Sign of x (inputs, K) by the state: in training sign(x) + strength noise(x), else sign(x)."""

    def __init__(self, inputs, hidden):
        super().__init__()
        self.sign, self.noise = SteSign(fourier), Noise(inputs, hidden)
        self.n, self.strength = state(terms_of(0, 1)), state(strength_of(0, math.inf))

    def construct(self, x):
        y = self.sign(x, self.n)
        return y + self.strength * self.noise(x) if self.training else y

    def state_of(self, epoch, epochs):
        """List of (parameter, number) of an epoch."""
        return [(self.n, terms_of(epoch, epochs)), (self.strength, strength_of(epoch, epochs))]


class FDAWeight(WeightQuantizer):
    """Weight quantizer of FDA-BNN for weights of a shape."""

    def __init__(self, shape):
        super().__init__()
        inputs = math.prod(shape[1:])
        self.sign = NoisySign(inputs, max(inputs // DIVISOR, 1))

    def construct(self, w):
        columns = w.reshape(w.shape[0], -1).transpose(1, 0)
        return self.sign(columns).transpose(1, 0).reshape(w.shape)

    def scale(self, w):
        return weight_scale(w)

    def epoch_state(self, epoch, epochs, w):
        return self.sign.state_of(epoch, epochs)


class FDAActivation(ActivationQuantizer):
    """Activation quantizer of FDA-BNN, its noise over the channels at each position. axis: the channel axis."""

    def __init__(self, channels, axis):
        super().__init__()
        self.axis, self.sign = axis, NoisySign(channels, max(channels // 2, 1))

    def construct(self, x):
        if self.axis == NCHW:
            x = x.transpose(1, 0, 2, 3)
        y = self.sign(x.reshape(x.shape[0], -1)).reshape(x.shape)
        return y.transpose(1, 0, 2, 3) if self.axis == NCHW else y

    def lower(self, graph, x):
        return graph.add("binarize", x, levels=(-1, 1), threshold=[0])

    def epoch_state(self, epoch, epochs):
        return self.sign.state_of(epoch, epochs)


class FDABNN(SignSTE):
    """FDA-BNN (Xu et al., "Learning Frequency Domain Approximation for Binary Neural Networks", arXiv 2103.00841).

    Forward: x_b = sign(x), w_b = alpha_o sign(w), alpha_o = mean |w_o| of filter o, a constant in the backward pass. In
    training a learned noise adaptation module (`Noise`) is added to both signs, times a strength that decays to 0: over the
    weights of a filter and over the channels at a position. (A public training code keeps it in evaluation; at the last
    epoch both are equal.)
    Gradient: sign' = (4 w / pi) sum_{i=0}^{n} cos((2 i + 1) w x), w = 0.1, where |x| <= 1, else 0; dw has the factor alpha_o.
    In epoch e of E, n = 9 + floor(9 e / E), strength = 0.05 (1 + cos(pi (e + 1) / E)).
    """

    fixed_ste = True
    activation_ste = "fourier"

    @classmethod
    def activation(cls, channels, config):
        return FDAActivation(channels, config.axis)

    @classmethod
    def weight(cls, shape, config):
        return FDAWeight(shape)
