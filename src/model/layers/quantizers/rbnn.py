"""RBNN: the weights of a layer are rotated towards their signs."""

import math
from functools import partial

import numpy as np
from mindspore import Parameter, Tensor, ops

from ..binarize import ActivationQuantizer, WeightQuantizer
from .base import SignSTE
from .moving import EPS, SteSign, initial_scale, log_schedule, sample_moments, standardized, state

STEEPNESS = partial(log_schedule, 1e-2, 1e1)  # t of the published code
ROUNDS = 3  # alternations of signs and rotations in an epoch


def tent(x, dout, t):
    """Gradient of RBNN (Eq. 15): dx = k max(sqrt(2) t - t^2 |x|, 0) dout, k = max(1 / t, 1)."""
    return dout * (ops.maximum(1 / t, 1.0) * ops.relu(math.sqrt(2) * t - t * t * ops.abs(x)))


def tent_from_one(x, dout, t):
    """Gradient `tent` with t of 1 or more, for activations."""
    return tent(x, dout, ops.maximum(t, 1.0))


def matrix_shape(n):
    """(a, b) with a b = n and a <= b as near to each other as can be."""
    a = next(a for a in range(math.isqrt(n), 0, -1) if n % a == 0)
    return a, n // a


def rotations(w, r1, r2):
    """Rotations after ROUNDS alternations from (r1, r2) (Eq. 8 to 12), in float64.

    w: standardised weights (O, a, b) of the layer, r1 (a, a), r2 (b, b). Each round takes the signs B_o of R1^T W_o R2, then
    the R1, then the R2 that makes the sum of trace(B_o^T R1^T W_o R2) largest, by a singular value decomposition.
    """
    for _ in range(ROUNDS):
        b = np.where(r1.T @ w @ r2 > 0, 1.0, -1.0)
        u, _, v = np.linalg.svd((b @ r2.T @ w.transpose(0, 2, 1)).sum(0))
        r1 = (u @ v).T
        u, _, v = np.linalg.svd((w.transpose(0, 2, 1) @ r1 @ b).sum(0))
        r2 = u @ v
    return r1, r2


class RBNNWeight(WeightQuantizer):
    """Weight quantizer of RBNN for weights of a shape. straight: whether the gradient goes straight through w."""

    def __init__(self, shape, straight):
        super().__init__()
        self.matrix, self.straight = matrix_shape(int(np.prod(shape[1:]))), straight
        a, b = self.matrix
        self.rotation1, self.rotation2 = state(np.eye(a)), state(np.eye(b))
        self.sign, self.t = SteSign(tent), state(STEEPNESS(0, 1))
        self.angle = Parameter(Tensor(np.full(shape[0], math.pi / 2, np.float32)))
        self.alpha = Parameter(Tensor(initial_scale(shape)))

    def rotated(self, w):
        """R1^T W R2 of each filter: (O, ...) -> the same shape."""
        a, b = self.matrix
        right = ops.matmul(w.reshape(-1, b), self.rotation2).reshape(-1, a, b)
        left = ops.matmul(right.transpose(0, 2, 1).reshape(-1, a), self.rotation1)
        return left.reshape(-1, b, a).transpose(0, 2, 1).reshape(w.shape)

    def construct(self, w):
        c = standardized(w)
        rotated = ops.stop_gradient(self.rotated(c))
        amount = ops.abs(ops.sin(self.angle)).reshape(-1, 1, 1, 1)
        start = ops.stop_gradient(c) if self.straight else c
        return self.sign(c + amount * (rotated - start), self.t)

    def scale(self, w):
        return self.alpha

    def epoch_state(self, epoch, epochs, w):
        flat = w.reshape(len(w), -1).astype(np.float64)
        centred = flat - flat.mean(1, keepdims=True)
        variance = (centred**2).sum(1, keepdims=True) / max(flat.shape[1] - 1, 1)
        c = (centred / np.sqrt(variance + EPS)).reshape(-1, *self.matrix)
        before = (self.rotation1.asnumpy().astype(np.float64), self.rotation2.asnumpy().astype(np.float64))
        after = rotations(c, *before)
        return [*zip((self.rotation1, self.rotation2), after), (self.t, STEEPNESS(epoch, epochs))]


class RBNNActivation(ActivationQuantizer):
    """Activation quantizer of RBNN. axis: the channel axis of the feature maps."""

    def __init__(self, axis):
        super().__init__()
        self.axis, self.sign, self.t = axis, SteSign(tent_from_one), state(STEEPNESS(0, 1))

    def construct(self, x):
        mean, variance = sample_moments(x, self.axis)
        return self.sign((x - mean) / ops.sqrt(variance + EPS), self.t)

    def lower(self, graph, x):
        x = graph.add("layer_norm", x, epsilon=EPS, factor=[1], offset=[0])
        return graph.add("binarize", x, levels=(-1, 1), threshold=[0])

    def epoch_state(self, epoch, epochs):
        return [(self.t, STEEPNESS(epoch, epochs))]


class RBNN(SignSTE):
    """RBNN (Lin et al., "Rotated Binary Neural Network", arXiv 2009.13055).

    Forward: x_b = sign(z), z = (x - mean) / std over C, H, W of each sample, in evaluation too; c = (w - mean) / std of each
    filter (both deviations unbiased), as a matrix W of a x b, nearest to square; c' = c + |sin(r)| (R1^T W R2 - c) with a
    learned r per filter, pi / 2 at first; w_b = alpha_o sign(c') with a learned alpha_o, at first the expected mean |w| of the
    initial weights. The rotations R1, R2, one pair per layer, begin at the identity; each epoch begins with three
    alternations (`rotations`).
    Gradient: dc' = alpha_o dw_b k max(sqrt(2) t - t^2 |c'|, 0), k = max(1 / t, 1), dc = dc', d|sin(r)| is the sum of
    dc' (R1^T W R2 - c); dz likewise from dx_b with max(t, 1) for t. Standardisations are differentiated. In epoch e of E,
    t = 1e-2 (10 / 1e-2)^(e / E).
    """

    fixed_ste = True
    activation_ste = "tent"
    straight = True

    @classmethod
    def activation(cls, channels, config):
        return RBNNActivation(config.axis)

    @classmethod
    def weight(cls, shape, config):
        return RBNNWeight(shape, cls.straight)


class RBNNReference(RBNN):
    """RBNN with the gradient of the authors' code: R1^T W R2 alone is a constant, so dc = (1 - |sin(r)|) dc', 0 at first."""

    straight = False
