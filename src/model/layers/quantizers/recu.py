"""ReCU: weights far from 0 are drawn back, so that their signs can change."""

import math

from mindspore import Parameter, Tensor, ops

from ..binarize import ActivationQuantizer, WeightQuantizer
from ..gradients import approx_sign
from .base import SignSTE
from .moving import SteSign, initial_scale, sample_moments, standardized, state

EPS = 1e-5  # of the variances, as in the authors' code
TAU = (0.85, 0.99)  # at the first epoch, and beyond the last


def tau_of(epoch, epochs):
    """Quantile tau of epoch e of E: 0.85 + (0.99 - 0.85) (exp(e / E) - 1) / (exp(1) - 1), as in the authors' code."""
    low, high = TAU
    return low + (high - low) * math.expm1(epoch / epochs) / math.expm1(1)


def within(x, dout, bound):
    """Gradient of the clamp to [-bound, bound]: dout where |x| <= bound, else 0."""
    return dout * ops.cast(ops.abs(x) <= bound, dout.dtype)


def polynomial(x, dout, unused):
    """Gradient of Bi-Real Net."""
    return approx_sign(x, dout)


class ReCUWeight(WeightQuantizer):
    """Weight quantizer of ReCU for weights of a shape."""

    def __init__(self, shape):
        super().__init__()
        self.sign, self.tau = SteSign(within), state(tau_of(0, 1))
        self.alpha = Parameter(Tensor(initial_scale(shape)))

    def construct(self, w):
        c = 2 * math.sqrt(2) * standardized(w, EPS)
        bound = -ops.mean(ops.abs(c)) * ops.log(2 - 2 * self.tau)
        return self.sign(c, ops.stop_gradient(bound))

    def scale(self, w):
        return self.alpha

    def epoch_state(self, epoch, epochs, w):
        return [(self.tau, tau_of(epoch, epochs))]


class ReCUActivation(ActivationQuantizer):
    """Activation quantizer of ReCU. axis: the channel axis of the feature maps."""

    def __init__(self, axis):
        super().__init__()
        self.axis, self.sign = axis, SteSign(polynomial)

    def construct(self, x):
        if self.training:
            _, variance = sample_moments(x, self.axis)
            x = x / ops.sqrt(variance + EPS)
        return self.sign(x, x)

    def lower(self, graph, x):
        return graph.add("binarize", x, levels=(-1, 1), threshold=[0])


class ReCU(SignSTE):
    """ReCU (Xu et al., arXiv 2103.12369).

    Forward: x_b = sign(x); c = 2 sqrt(2) (w - mean) / sqrt(var + 1e-5) of each filter, var unbiased; w_b = alpha_o sign(c)
    with a learned alpha_o, at first the expected mean |w| of the initial weights (the authors' code: drawn from [0, 1)).
    Gradient: z = x / sqrt(var + 1e-5) in training, var the unbiased variance over C, H, W of each sample, and dx is
    dx_b max(2 - 2 |z|, 0) through z. c is clamped to [-Q, Q], Q = -mean |c| ln(2 - 2 tau) over the layer, a constant in the
    backward pass: dw = alpha_o dw_b where |c| <= Q, else 0, through c. Signs do not depend on Q.
    In epoch e of E, tau = 0.85 + 0.14 (exp(e / E) - 1) / (exp(1) - 1).
    """

    fixed_ste = True
    activation_ste = "approx_sign"

    @classmethod
    def activation(cls, channels, config):
        return ReCUActivation(config.axis)

    @classmethod
    def weight(cls, shape, config):
        return ReCUWeight(shape)
