"""Parts of the quantizers whose state moves with the epochs: schedules, signs whose gradient depends on a state."""

import numpy as np
from mindspore import Parameter, Tensor, nn, ops

from ..binarize import ActivationQuantizer
from ..gradients import sign
from ..layout import NCHW

_sum = ops.ReduceSum()
EPS = 1e-10  # of variances: a filter of equal weights has the gradient 0


def log_schedule(low, high, epoch, epochs):
    """Number low (high / low)^(epoch / epochs) of epoch 0 .. epochs - 1, as published: it ends short of high."""
    return low * (high / low) ** (epoch / epochs)


def state(value):
    """Parameter that no gradient trains, of a number or an array."""
    return Parameter(Tensor(np.asarray(value, np.float32)), requires_grad=False)


class SteSign(nn.Cell):
    """Sign of x. Backward: dx = ste(x, dout, state), no gradient for the state, a tensor."""

    def __init__(self, ste):
        super().__init__()
        self.ste = ste

    def construct(self, x, state):
        return sign(x)

    def bprop(self, x, state, out, dout):
        return self.ste(x, dout, state), ops.zeros_like(state)


def identity(x, dout, state):
    """Gradient of the identity."""
    return dout


def tanh_ste(x, dout, t):
    """Error decay estimator of IR-Net (arXiv 1909.10788, Eq. 9): dx = k t (1 - tanh^2(t x)) dout, k = max(1 / t, 1).

    1 - tanh^2(u) = 4 e / (1 + e)^2, e = exp(-2 |u|): MindSpore's tanh on a CPU is off by 1e-4 where it nears 1.
    """
    e = ops.exp(-2 * ops.abs(t * x))
    return dout * (ops.maximum(t, 1.0) * 4 * e / ((1 + e) * (1 + e)))


class MovingActivation(ActivationQuantizer):
    """Activation quantizer sign(x) whose gradient ste(x, dx_b, t) has a state t = schedule(epoch, epochs)."""

    def __init__(self, ste, schedule):
        super().__init__()
        self.sign, self.schedule = SteSign(ste), schedule
        self.t = state(schedule(0, 1))

    def construct(self, x):
        return self.sign(x, self.t)

    def lower(self, graph, x):
        return graph.add("binarize", x, levels=(-1, 1), threshold=[0])

    def epoch_state(self, epoch, epochs):
        return [(self.t, self.schedule(epoch, epochs))]


def deviation(centred, values, eps):
    """Standard deviation sqrt(mean of squares + eps), unbiased: rows (N, values) of mean 0 -> (N, 1)."""
    return ops.sqrt(_sum(centred * centred, 1).reshape(-1, 1) / max(values - 1, 1) + eps)


def standardized(w, eps=EPS):
    """Weights with mean 0 and unbiased standard deviation 1 in each filter: (O, ...) -> the same shape."""
    flat = w.reshape(w.shape[0], -1)
    centred = flat - ops.mean(flat, 1, True)
    return (centred / deviation(centred, flat.shape[1], eps)).reshape(w.shape)


def sample_sum(x, axis):
    """Sum over C, H, W of each sample, in the shape that broadcasts over the feature map."""
    if axis == NCHW:
        return _sum(x.reshape(x.shape[0], -1), 1).reshape(-1, 1, 1, 1)
    return _sum(_sum(x, 0).reshape(x.shape[1], -1), 1).reshape(1, -1, 1, 1)


def sample_moments(x, axis):
    """Mean and unbiased variance over C, H, W of each sample, in the shape that broadcasts over the feature map."""
    values = x.size // x.shape[1 - axis]
    mean = sample_sum(x, axis) / values
    centred = x - mean
    return mean, sample_sum(centred * centred, axis) / max(values - 1, 1)


def initial_scale(shape):
    """Expected mean |w| of weights (O, ...) drawn by He's rule, sqrt(4 / (pi n)), n the numbers of a filter: (O,) array."""
    return np.full(shape[0], np.sqrt(4 / (np.pi * np.prod(shape[1:]))), np.float32)
