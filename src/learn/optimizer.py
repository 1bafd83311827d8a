"""AdamW with weight-decay groups, and the global gradient norm."""

import math

import numpy as np
from mindspore import ParameterTuple, Tensor, nn, ops

_adam = ops.AdamWeightDecay()
_update = ops.MultitypeFuncGraph("adamw_update")
_half_square = ops.MultitypeFuncGraph("half_square")
_times = ops.MultitypeFuncGraph("times")


@_update.register(
    "Tensor", "Tensor", "Tensor", "Number", "Number", "Tensor", "Tensor", "Tensor", "Tensor", "Tensor"
)
def _update_one(rate, eps, decay, beta1, beta2, decays, weight, moment1, moment2, gradient):
    return _adam(weight, moment1, moment2, rate, beta1, beta2, eps, decay * decays, gradient)


@_half_square.register("Tensor")
def _half_square_one(gradient):
    return ops.L2Loss()(gradient)


@_times.register("Tensor", "Tensor")
def _times_one(factor, gradient):
    return gradient * factor


def global_norm(gradients):
    """sqrt of the sum of squares of all elements."""
    return ops.sqrt(2 * ops.ReduceSum()(ops.stack(ops.HyperMap()(_half_square, gradients))))


def scale_gradients(gradients, factor):
    """Every gradient times one scalar tensor."""
    return ops.HyperMap()(ops.partial(_times, factor), gradients)


def decays(name, shape):
    """Whether AdamW's weight decay holds for a parameter: for matrices and filters, not for biases, norms,
    RSign, RPReLU and merge scalars, all of which have one axis."""
    return len(shape) > 1


class AdamW(nn.Cell):
    r"""Loshchilov and Hutter's AdamW, one fused kernel per parameter.

    m <- b1 m + (1 - b1) g;  v <- b2 v + (1 - b2) g^2;
    w <- w - rate (m / (1 - b1^t) / (sqrt(v / (1 - b2^t)) + eps) + decay w).
    The kernel has no bias correction; `coefficients` folds it into the rate, eps and decay of step t.
    The framework's own AdamW walks the parameters in a loop too deep for its compiler beyond some
    hundred of them.
    """

    def __init__(self, parameters, betas, eps, weight_decay, decay_all):
        super().__init__()
        self.weights = ParameterTuple(parameters)
        self.moments1 = self.weights.clone("moment1", init="zeros")
        self.moments2 = self.weights.clone("moment2", init="zeros")
        flags = [decay_all or decays(p.name, p.shape) for p in parameters]
        self.decays = tuple(Tensor(np.float32(flag)) for flag in flags)
        self.beta1, self.beta2 = betas
        self.eps = eps
        self.weight_decay = weight_decay

    def coefficients(self, rate, step):
        """(rate, eps, decay) tensors for the kernel at step >= 1, so that the update is the one above."""
        correction1 = 1 - self.beta1**step
        correction2 = math.sqrt(1 - self.beta2**step)
        folded = rate * correction2 / correction1
        decay = self.weight_decay * rate / folded if folded else 0.0
        return tuple(Tensor(np.float32(v)) for v in (folded, self.eps * correction2, decay))

    def construct(self, gradients, rate, eps, decay):
        update = ops.partial(_update, rate, eps, decay, self.beta1, self.beta2)
        return ops.HyperMap()(update, self.decays, self.weights, self.moments1, self.moments2, gradients)

    def state(self):
        """The moments by name, for the run state."""
        return {p.name: p for p in (*self.moments1, *self.moments2)}
