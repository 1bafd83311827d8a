"""AdamW with weight-decay groups, and the global gradient norm."""

import math

import mindspore as ms
import numpy as np
from mindspore import ParameterTuple, Tensor, nn, ops

from src import operators

_adam = ops.AdamWeightDecay()
_update = ops.MultitypeFuncGraph("adamw_update")
_half_square = ops.MultitypeFuncGraph("half_square")
_scale = ops.MultitypeFuncGraph("scale")
_times = ops.MultitypeFuncGraph("times")
UNSCALE = 6  # place of the loss scale's inverse among the coefficients


@_update.register(
    "Tensor", "Tensor", "Tensor", "Tensor", "Tensor", "Tensor", "Tensor", "Tensor", "Tensor", "Tensor"
)
def _update_one(rate, eps, decay, beta1, beta2, decays, weight, moment1, moment2, gradient):
    return _adam(weight, moment1, moment2, rate, beta1, beta2, eps, decay * decays, gradient)


@_half_square.register("Tensor")
def _half_square_one(gradient):
    return ops.L2Loss()(gradient)


@_scale.register("Tensor", "Tensor", "Tensor")
def _scale_one(factor, finite, gradient):
    return ops.where(finite, gradient * factor, 0.0)


@_times.register("Tensor", "Tensor")
def _times_one(factor, gradient):
    return gradient * factor


def global_norm(gradients):
    """sqrt of the sum of squares of all elements."""
    return ops.sqrt(2 * ops.ReduceSum()(ops.stack(ops.HyperMap()(_half_square, gradients))))


def scale_gradients(gradients, factor, finite):
    """Every gradient times one scalar tensor, or zeros where the bool tensor `finite` is False."""
    return ops.HyperMap()(ops.partial(_scale, factor, finite), gradients)


def decays(name, shape):
    """True for parameters with AdamW's weight decay: matrices and filters, not biases, norms, RSign, RPReLU and merge
    scalars, all of which have one axis."""
    return len(shape) > 1


def can_fuse():
    """True where this device and machine have the operator that updates all parameters at once."""
    return ms.get_context("device_target") == "CPU" and operators.available()


class AdamW(nn.Cell):
    r"""Loshchilov and Hutter's AdamW on gradients scaled down to a global norm of at most clip_norm (0: as they are).

    m <- b1 m + (1 - b1) g;  v <- b2 v + (1 - b2) g^2;
    w <- w - rate (m / (1 - b1^t) / (sqrt(v / (1 - b2^t)) + eps) + decay w).
    Where the loss or the gradients' norm is not finite, all of them stay as they are. g: the gradients over the loss scale.
    fused: one operator does it for all parameters (see `can_fuse`), else a kernel per parameter. Both have no bias
    correction; `coefficients` folds it into the rate, eps and decay of step t. The framework's own
    AdamW walks the parameters in a loop too deep for its compiler beyond some hundred of them.
    """

    def __init__(self, parameters, betas, eps, weight_decay, decay_all, clip_norm, fused):
        super().__init__()
        self.weights = ParameterTuple(parameters)
        self.moments1 = self.weights.clone("moment1", init="zeros")
        self.moments2 = self.weights.clone("moment2", init="zeros")
        flags = [decay_all or decays(p.name, p.shape) for p in parameters]
        self.decays = tuple(Tensor(np.float32(flag)) for flag in flags)
        self.all_decays = Tensor(np.array(flags, np.float32))
        self.standstill = Tensor(np.array([0, eps, 0, 1, 1], np.float32))
        self.beta1, self.beta2 = betas
        self.eps, self.weight_decay, self.clip_norm = eps, weight_decay, clip_norm
        self.fused = operators.FusedAdamW(len(flags)) if fused else None

    def coefficients(self, rate, step, loss_scale=0.0):
        """(rate, eps, decay, b1, b2, clip_norm) as a tensor for step >= 1, so that the update is the one above.

        With a loss scale its inverse follows: the gradients are multiplied by it before all else.
        """
        correction1 = 1 - self.beta1**step
        correction2 = math.sqrt(1 - self.beta2**step)
        folded = rate * correction2 / correction1
        decay = self.weight_decay * rate / folded if folded else 0.0
        values = (folded, self.eps * correction2, decay, self.beta1, self.beta2, self.clip_norm)
        if loss_scale:
            values = (*values, 1 / loss_scale)
        return Tensor(np.array(values, np.float32))

    def construct(self, gradients, coefficients, loss):
        """Update the weights; loss (1,). Returns the norm of g before clipping, a tensor of one number."""
        if self.fused is not None:
            return self.fused(
                coefficients, self.all_decays, self.weights, self.moments1, self.moments2, gradients, loss
            )
        if coefficients.shape[0] > UNSCALE:
            gradients = ops.HyperMap()(ops.partial(_times, coefficients[UNSCALE]), gradients)
        norm = global_norm(gradients)
        # an update of zeros with rate and decay 0 and both betas 1 changes nothing
        finite = ops.isfinite(norm + loss[0])
        factor = (
            ops.minimum(self.clip_norm / (norm + 1e-6), 1.0) if self.clip_norm > 0 else ops.ones_like(norm)
        )
        gradients = scale_gradients(gradients, factor, finite)
        rate, eps, decay, beta1, beta2 = ops.where(finite, coefficients[:5], self.standstill)
        update = ops.partial(_update, rate, eps, decay, beta1, beta2)
        done = ops.HyperMap()(update, self.decays, self.weights, self.moments1, self.moments2, gradients)
        return ops.depend(norm, done)

    def updates(self):
        """Number of updates of this process so far."""
        return self.fused.updates() if self.fused is not None else 0

    def sleep_until(self, updates):
        """Wait for that many updates without taking processor time, where that can be done; else return at once."""
        if self.fused is not None:
            self.fused.sleep_until(updates)

    def state(self):
        """The moments by name, for the run state."""
        return {p.name: p for p in (*self.moments1, *self.moments2)}
