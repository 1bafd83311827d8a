"""ABC-Net: weights and activations as sums of several binary bases."""

import numpy as np
from mindspore import Parameter, Tensor, ops
from mindspore import dtype as mstype

from ..binarize import ActivationQuantizer, WeightQuantizer
from ..gradients import sign
from .base import SignSTE
from .moving import SteSign, identity

RIDGE = 1e-7  # on the diagonal of the bases' products: two bases may be equal


def offsets(bases):
    """Places u_m = -1 + 2 (m - 1) / (M - 1) of M bases; 0 for one."""
    return np.linspace(-1, 1, bases).tolist() if bases > 1 else [0.0]


def weight_bases(w, bases):
    """Bases B_m = sign(w - mean + u_m std), mean and deviation (the population's) of the layer: (M, numbers)."""
    flat = w.reshape(-1)
    centred = flat - ops.mean(flat)
    std = ops.sqrt(ops.mean(centred * centred))
    return ops.stack([sign(centred + u * std) for u in offsets(bases)])


def least_squares(b, w):
    """Factors alpha (M,) for which sum_m alpha_m B_m is nearest to w; b (M, numbers), w of as many numbers."""
    numbers = b.shape[1]
    right = ops.matmul(b, w.reshape(-1, 1)) / numbers
    if b.shape[0] == 1:
        return right.reshape(-1)
    gram = ops.matmul(b, b.transpose(1, 0)) / numbers + RIDGE * ops.eye(
        b.shape[0], b.shape[0], mstype.float32
    )
    return ops.matmul(ops.inverse(gram), right).reshape(-1)


def window(x, dout, state):
    """Gradient dx = dout where |x| <= 0.5, else 0."""
    return dout * ops.cast(ops.abs(x) <= 0.5, dout.dtype)


class ABCWeight(WeightQuantizer):
    """Weight quantizer of ABC-Net with M bases. With one base the weights are its signs, alpha the scale; with more they are
    sum_m alpha_m B_m, the scale 1."""

    def __init__(self, bases):
        super().__init__()
        self.bases = bases
        self.pass_through = SteSign(identity)

    def parts(self, w):
        """Bases (M, numbers), factors (M,), both constants in the backward pass."""
        b = weight_bases(w, self.bases)
        return ops.stop_gradient(b), ops.stop_gradient(least_squares(b, w))

    def construct(self, w):
        b, alpha = self.parts(w)
        if self.bases == 1:
            return self.pass_through(w - ops.stop_gradient(ops.mean(w)), alpha)
        values = ops.matmul(alpha.reshape(1, -1), b).reshape(w.shape)
        return values + (w - ops.stop_gradient(w)) * ops.stop_gradient(alpha.sum())

    def scale(self, w):
        ones = ops.ones((w.shape[0],), mstype.float32)
        return ones * self.parts(w)[1] if self.bases == 1 else ones

    def lower_conv(self, graph, x, layer):
        """Sum over the bases of activations and weights of beta_n alpha_m times a binary convolution."""
        b, alpha = (part.asnumpy() for part in self.parts(layer.weight))
        y = None
        for bits, beta in layer.rsign.lower_bases(graph, x):
            for signs, factor in zip(b.reshape(len(b), *layer.weight.shape), alpha):
                part = graph.affine(layer.lower_sums(graph, bits, signs > 0), beta * factor)
                y = part if y is None else y + part
        bias = layer.bias_values()
        return y if bias is None else graph.affine(y, offset=bias)


class ABCActivation(ActivationQuantizer):
    """Activation quantizer of ABC-Net with N bases, beta_n and v_n learned."""

    def __init__(self, bases):
        super().__init__()
        self.bases = bases
        self.shift = Parameter(Tensor(0.5 - 0.5 * np.array(offsets(bases), np.float32)))
        self.beta = Parameter(Tensor(np.full(bases, 1 / bases, np.float32)))
        self.sign, self.unused = SteSign(window), Tensor(np.zeros(1, np.float32))

    def construct(self, x):
        y = 0.0
        for n in range(self.bases):
            y = y + self.beta[n] * self.sign(x + (self.shift[n] - 0.5), self.unused)
        return y

    def lower_bases(self, graph, x):
        """List of (symbol of -1 and +1, beta_n) of the bases."""
        return [
            (graph.add("binarize", x, levels=(-1, 1), threshold=[0.5 - shift]), beta)
            for shift, beta in zip(self.shift.asnumpy(), self.beta.asnumpy())
        ]

    def lower(self, graph, x):
        y = None
        for bits, beta in self.lower_bases(graph, x):
            part = graph.affine(bits, beta)
            y = part if y is None else y + part
        return y


class ABCNet(SignSTE):
    """ABC-Net (Lin et al., arXiv 1711.11294) with M weight bases and N activation bases, one each in the paper's Table 2.

    Forward: B_m = sign(w - mean + u_m std), mean and deviation those of the layer, u_m = -1 + 2 (m - 1) / (M - 1), 0 for M = 1;
    w_b = sum_m alpha_m B_m, alpha by least squares on the layer's w. A_n = 1 where clip(x + v_n, 0, 1) > 0.5, else -1;
    x_b = sum_n beta_n A_n. At first beta_n = 1 / N, and v_n from 1 to 0, 0.5 for N = 1, where A = sign(x) (ours: the paper has
    no values).
    Gradient: dw = (sum_m alpha_m) dw_b, all of alpha, mean and std constants; dx = sum_n beta_n dx_b where 0 <= x + v_n <= 1,
    else 0; dv_n is the sum of the same, dbeta_n that of A_n dx_b.
    """

    fixed_ste = True
    activation_ste = "window"
    weight_bases = activation_bases = 1

    @classmethod
    def activation(cls, channels, config):
        return ABCActivation(cls.activation_bases)

    @classmethod
    def weight(cls, shape, config):
        return ABCWeight(cls.weight_bases)
